"""The structure of events: which fields there are, of which types, and whether always.

A shape is made of examples, so that it says what was seen and not what a schema would allow. Its
text form is one entry a field, small and made to be compared: ``{"value.total": "number",
"value.note": "null|string?"}``, where ``?`` stands for a field that is not always there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fakebus.fixture_files.matchers import TYPES, is_of, type_of

_MAX_NAMES = 200
"""An object with more names than this, none of them always there, is a map from names to values."""
_PLAIN_NAME = re.compile(r"[^\s.\[\]\"*]+")
ANY_NAME = "*"


class Field(NamedTuple):
    """Field of a shape."""

    types: frozenset[str]
    always: bool
    """Whether it is there whenever the object around it is."""

    def __str__(self) -> str:
        """Return the types, with a question mark if it is not always there."""
        return "|".join(sorted(self.types)) + ("" if self.always else "?")


Shape = Mapping[str, Field]
"""The fields by their paths, such as ``value.lines[].sku``."""


def shape_of(events: Iterable[Mapping[str, Any]]) -> Shape:
    """Return the shape of several events, each an object of plain data."""
    maker = _Maker()
    for event in events:
        maker.add("", event)
    return maker.shape()


class _Maker:
    """Counts of fields, from which a shape is made."""

    def __init__(self) -> None:
        self._types: dict[str, set[str]] = {}
        self._counts: dict[str, int] = {}
        self._objects: dict[str, int] = {}
        self._names: dict[str, dict[str, str]] = {}

    def add(self, path: str, data: Any) -> None:
        """Count what is in data at a path."""
        if isinstance(data, Mapping):
            self._objects[path] = self._objects.get(path, 0) + 1
            for name, inner in data.items():
                self._field(path, str(name), inner)
        elif isinstance(data, list | tuple):
            for item in data:
                self._types.setdefault(f"{path}[]", set()).add(type_of(item))
                self.add(f"{path}[]", item)

    def _field(self, path: str, name: str, data: Any) -> None:
        names = self._names.setdefault(path, {})
        place = names.get(name)
        if place is None:
            shown = name if _PLAIN_NAME.fullmatch(name) else json.dumps(name)
            place = names[name] = f"{path}.{shown}" if path else shown
        self._types.setdefault(place, set()).add(type_of(data))
        self._counts[place] = self._counts.get(place, 0) + 1
        self.add(place, data)

    def shape(self) -> Shape:
        """Return the shape of what was counted."""
        found: dict[str, Field] = {}
        for path, types in self._types.items():
            parent = parent_of(path)
            always = path.endswith("[]") or self._counts[path] == self._objects[parent]
            found[path] = Field(frozenset(types), always)
        for path, names in self._names.items():
            if len(names) > _MAX_NAMES and not any(found[each].always for each in names.values()):
                found = _as_map(found, path)
        return found


def _as_map(shape: Shape, path: str) -> dict[str, Field]:
    """Return a shape in which the names of an object are one."""
    prefix = f"{path}." if path else ""
    found: dict[str, Field] = {}
    for place, field in shape.items():
        if place.startswith(prefix):
            rest = _steps(place[len(prefix) :])[1:]
            place = prefix + ANY_NAME + "".join(rest)
        known = found.get(place, field)
        found[place] = Field(known.types | field.types, known.always and field.always)
    return found


_STEP = re.compile(r'\.?(?:"(?:[^"\\]|\\.)*"|[^\s.\[\]"]+)|\[\]')


def _steps(path: str) -> list[str]:
    return _STEP.findall(path)


def parent_of(path: str) -> str:
    """Return the path of the object or the list that a field is in; empty for the event."""
    return "".join(_steps(path)[:-1])


def merged(one: Shape, other: Shape) -> Shape:
    """Return the shape of the events of two shapes together."""
    found = {}
    for path in dict.fromkeys([*one, *other]):
        fields = [shape[path] for shape in (one, other) if path in shape]
        missing = not path.endswith("[]") and any(
            path not in shape and _has_object(shape, parent_of(path)) for shape in (one, other)
        )
        types = frozenset[str]().union(*(field.types for field in fields))
        found[path] = Field(types, all(field.always for field in fields) and not missing)
    return found


def _has_object(shape: Shape, path: str) -> bool:
    return "object" in shape[path].types if path in shape else not path and bool(shape)


def to_text(shape: Shape) -> dict[str, str]:
    """Return a shape as a report holds it."""
    return {path: str(shape[path]) for path in sorted(shape)}


def from_text(fields: Mapping[str, str]) -> Shape:
    """Return the shape of a report.

    Raises:
        ValueError: a type is none.
    """
    found = {}
    for path, text in fields.items():
        types = text.removesuffix("?").split("|")
        unknown = next((each for each in types if each not in TYPES), None)
        if unknown is not None:
            raise ValueError(f"{path} has the type {unknown!r}; types are {', '.join(TYPES)}")
        found[path] = Field(frozenset(types), not text.endswith("?"))
    return found


class Misfit(NamedTuple):
    """Place where events are not as somebody takes them to be."""

    path: str
    types: str
    """What is found there instead, and the types that are expected; empty where it is missing."""
    never: bool = False
    """Whether it is missing from every event."""

    def __str__(self) -> str:
        """Return what is the matter, as the beginning of a sentence."""
        if self.types:
            return f"{self.path} is {self.types}"
        return f"{self.path} is {'missing' if self.never else 'not always there'}"


def misfits(given: Shape, expected: Shape) -> Iterator[Misfit]:
    """Yield where given events lack what is always expected, or have it in another type.

    Args:
        given: the shape of the events.
        expected: the shape of the events that somebody knows. Fields of ``given`` that it does
            not have are not looked at; see :func:`unknown_fields`.
    """
    for path, field in expected.items():
        found = given.get(path)
        if found is None:
            if field.always and not path.endswith("[]") and _has_object(given, parent_of(path)):
                yield Misfit(path, "", never=True)
            continue
        if field.always and not found.always:
            yield Misfit(path, "")
        others = sorted(
            each for each in found.types if not any(is_of(each, one) for one in field.types)
        )
        if others:
            known = " or ".join(sorted(field.types))
            yield Misfit(path, f"{' or '.join(others)}, not {known}")


def unknown_fields(given: Shape, expected: Shape) -> list[str]:
    """Return the fields that are not expected, without those inside of them."""
    return [
        path
        for path in given
        if path not in expected
        and f"{parent_of(path)}.{ANY_NAME}" not in expected
        and _has_object(expected, parent_of(path))
    ]
