"""Several JSON Schemas that all hold, as one: what ``allOf`` says, and what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

_HIGHEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_LOWEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


class Merging:
    """Merging of schemas.

    What is made of the same two parts is one object for as long as this lives: whoever asks twice
    about a schema may know it by its identity.
    """

    def __init__(self) -> None:
        self._both: dict[tuple[int, int], tuple[Any, Any, Any]] = {}

    def merged(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the schema that demands what all of them do, as far as one word can say it."""
        merged: dict[str, Any] = {}
        for part in parts:
            for word, value in part.items():
                merged[word] = self._joined(word, merged[word], value) if word in merged else value
        return merged

    def _joined(self, word: str, one: Any, other: Any) -> Any:
        if word == "properties":
            shared = {name: self._all_of(one[name], other[name]) for name in one if name in other}
            return {**one, **other, **shared}
        join = _JOINS.get(word)
        return other if join is None else join(one, other)

    def _all_of(self, one: Any, other: Any) -> Any:
        # The parts are kept too, so that nothing else gets their identities.
        own = (id(one), id(other))
        if own not in self._both:
            self._both[own] = (one, other, {"allOf": [one, other]})
        return self._both[own][2]


def _outermost(choose: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def join(one: Any, other: Any) -> Any:
        # Draft 4 has booleans that make minimum and maximum exclusive.
        are_numbers = not isinstance(one, bool) and not isinstance(other, bool)
        return choose(one, other) if are_numbers else other

    return join


def _common(one: list[Any], other: list[Any]) -> list[Any]:
    return [value for value in one if value in other] or other


def _kinds(one: Any, other: Any) -> Any:
    mine, yours = (kind if isinstance(kind, list) else [kind] for kind in (one, other))
    both = [kind for kind in mine if kind in yours]
    if "integer" in [*mine, *yours] and "number" in [*mine, *yours] and "integer" not in both:
        both.append("integer")
    found = both or yours
    return found if len(found) > 1 else found[0]


_JOINS: Mapping[str, Callable[[Any, Any], Any]] = {
    "required": lambda one, other: [*one, *other],
    "enum": _common,
    "type": _kinds,
    "uniqueItems": lambda one, other: one or other,
    **dict.fromkeys(_HIGHEST, _outermost(max)),
    **dict.fromkeys(_LOWEST, _outermost(min)),
}
