"""Validators for data: those of the library, with patterns matched in bounded time."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from attrs import fields
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from fakebus.schemas.json_schema.patterns import Unmatchable, backtracks_little, matches
from fakebus.schemas.json_schema.schema_documents import SchemaDocuments

Errors = Iterator[ValidationError]

_STEPS = 50_000
_STEPS_PER_CHARACTER = 20
_left = threading.local()


class TooManyStepsError(Exception):
    """Data of which every part is checked again and again, as references can make it."""


def errors_of(validator: Validator, data: object, size: int) -> Errors:
    """Yield what is wrong with data.

    Args:
        validator: from :func:`data_validator`.
        data: what to check.
        size: of its text; so much longer may it take.

    Raises:
        Unmatchable: a pattern is out of bounds.
        TooManyStepsError: references lead to the same parts too often.
    """
    _left.steps = _STEPS + _STEPS_PER_CHARACTER * size
    return validator.iter_errors(cast(Any, data))


def data_validator(documents: SchemaDocuments) -> Validator:
    """Return what :func:`errors_of` checks data with; ``format`` is an annotation only."""
    names = _patterns_of_names([documents.contents, *documents.references.values()])
    bounded = _bounded(documents.draft.validator, frozenset(names))
    return bounded(documents.contents, registry=documents.registry)


@lru_cache(maxsize=128)
def _bounded(validator: type[Validator], patterns: frozenset[str]) -> type[Validator]:
    changed: dict[str, Any] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "enum": _enum,
        "uniqueItems": _unique_items,
    }
    if patterns and "unevaluatedProperties" in validator.VALIDATORS:
        changed["unevaluatedProperties"] = _unevaluated_properties(validator, patterns)
    bounded: Any = extend(validator, changed)  # type: ignore[no-untyped-call]
    # The library's own takes the plain validator again wherever a "$schema" stands.
    bounded.evolve = _evolve
    result: type[Validator] = bounded
    return result


def _evolve(self: Any, **changes: Any) -> Any:
    _left.steps -= 1
    if _left.steps < 0:
        raise TooManyStepsError
    kind: Any = type(self)
    kept = {alias: getattr(self, name) for alias, name in _arguments(kind) if alias not in changes}
    return kind(**kept, **changes)


@lru_cache(maxsize=1024)
def _arguments(validator: type) -> tuple[tuple[str, str], ...]:
    """Return what a validator is made from: the argument, and the attribute with its value."""
    return tuple((field.alias, field.name) for field in fields(validator) if field.init)


def _pattern(_: Any, pattern: str, instance: object, __: Any) -> Errors:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield ValidationError(f"{instance[:200]!r} does not match {pattern[:200]!r}")


def _enum(_: Any, allowed: object, instance: object, __: Any) -> Errors:
    if not isinstance(allowed, list) or _comparable(instance) not in _comparables(_Same(allowed)):
        yield ValidationError(f"{_shown(instance)} is not one of {_shown(allowed)}")


def _unique_items(_: Any, wanted: object, instance: object, __: Any) -> Errors:
    # The library compares all pairs of what cannot be sorted.
    if wanted and isinstance(instance, list):
        if len(set(map(_comparable, instance))) < len(instance):
            yield ValidationError(f"{_shown(instance)} has an item twice")


def _shown(value: object) -> str:
    return f"{value!r:.200}"


def _comparable(value: object) -> Hashable:
    """Return what is equal for equal data of JSON, in which ``1`` is ``1.0`` and not ``true``."""
    if isinstance(value, dict):
        return frozenset((name, _comparable(item)) for name, item in value.items())
    if isinstance(value, list):
        return tuple(map(_comparable, value))
    return (bool, value) if isinstance(value, bool) else value


class _Same:
    """Values of an enum, known by where they are."""

    def __init__(self, values: list[object]) -> None:
        self.values = values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.values is other.values

    def __hash__(self) -> int:
        return id(self.values)


@lru_cache(maxsize=128)
def _comparables(values: _Same) -> frozenset[Hashable]:
    return frozenset(map(_comparable, values.values))


def _pattern_properties(
    validator: Any, by_pattern: Mapping[str, Any], instance: object, _: Any
) -> Errors:
    if not isinstance(instance, dict):
        return
    for pattern, schema in by_pattern.items():
        for name, value in instance.items():
            if matches(pattern, name):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, additional: Any, instance: object, schema: Mapping[str, Any]
) -> Errors:
    if not isinstance(instance, dict):
        return
    listed, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, value in instance.items():
        if name in listed or any(matches(pattern, name) for pattern in patterns):
            continue
        if additional is False:
            yield ValidationError(f"the property {name[:200]!r} is not among those allowed")
        else:
            yield from validator.descend(value, additional, path=name)


def _unevaluated_properties(validator: type[Validator], patterns: frozenset[str]) -> Any:
    plain: Any = validator.VALIDATORS["unevaluatedProperties"]

    def bounded(inner: Any, value: Any, instance: object, schema: Mapping[str, Any]) -> Errors:
        # The library runs the patterns of names by itself to learn what has been evaluated.
        if isinstance(instance, dict):
            longest = max(map(len, instance), default=0)
            for pattern in patterns:
                if not backtracks_little(pattern, longest):
                    raise Unmatchable(f"{pattern[:200]} stands beside unevaluatedProperties")
        yield from plain(inner, value, instance, schema)

    return bounded


def _patterns_of_names(contents: object) -> Iterator[str]:
    if isinstance(contents, dict):
        by_pattern = contents.get("patternProperties")
        if isinstance(by_pattern, dict):
            yield from by_pattern
        contents = list(contents.values())
    if isinstance(contents, list):
        for item in contents:
            yield from _patterns_of_names(item)
