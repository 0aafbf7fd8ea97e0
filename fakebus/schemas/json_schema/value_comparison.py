"""How strings, numbers and listed values changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from fakebus.schemas.json_schema.differences import Difference, limit
from fakebus.schemas.json_schema.json_text import normalized
from fakebus.schemas.json_schema.shapes import Shape


def string_differences(writer: Shape, reader: Shape) -> Iterator[Difference]:
    """Yield the changes between two strings; ``format`` is an annotation."""
    old, new = writer.keywords, reader.keywords
    yield from limit("maxLength", "MAX_LENGTH", old.get("maxLength"), new.get("maxLength"))
    yield from limit("minLength", "MIN_LENGTH", old.get("minLength"), new.get("minLength"))
    if old.get("pattern") != new.get("pattern"):
        change = "ADDED" if "pattern" not in old else "CHANGED" if "pattern" in new else "REMOVED"
        yield Difference(f"PATTERN_{change}", ("pattern",))


def number_differences(writer: Shape, reader: Shape) -> Iterator[Difference]:
    """Yield the changes between two numbers."""
    old, new = writer.keywords, reader.keywords
    for keyword, name in (("maximum", "MAXIMUM"), ("minimum", "MINIMUM")):
        yield from limit(keyword, name, old.get(keyword), new.get(keyword))
        exclusive = f"exclusive{keyword.capitalize()}"
        yield from limit(
            exclusive,
            f"EXCLUSIVE_{name}",
            _exclusive_limit(old, keyword, exclusive),
            _exclusive_limit(new, keyword, exclusive),
        )
    yield from _multiple_of(old.get("multipleOf"), new.get("multipleOf"))
    if writer.integer != reader.integer:
        yield Difference("TYPE_EXTENDED" if writer.integer else "TYPE_NARROWED", ("type",))


def enum_differences(writer: Shape, reader: Shape) -> Iterator[Difference]:
    """Yield the changes between two lists of values."""
    old = {normalized(value) for value in writer.keywords["enum"]}
    new = {normalized(value) for value in reader.keywords["enum"]}
    if old != new:
        change = "EXTENDED" if old < new else "NARROWED" if old > new else "CHANGED"
        yield Difference(f"ENUM_ARRAY_{change}", ("enum",))


def const_differences(writer: Shape, reader: Shape) -> Iterator[Difference]:
    """Yield the change between two constants."""
    if normalized(writer.keywords["const"]) != normalized(reader.keywords["const"]):
        yield Difference("ENUM_ARRAY_CHANGED", ("const",))


def _exclusive_limit(keywords: Mapping[str, Any], inclusive: str, exclusive: str) -> float | None:
    value = keywords.get(exclusive)
    if value is True:  # Draft 4 says with a boolean that the inclusive limit is exclusive.
        value = keywords.get(inclusive)
    return None if value is False else value


def _multiple_of(old: float | None, new: float | None) -> Iterator[Difference]:
    if old == new:
        return
    if old is None:
        change = "ADDED"
    elif new is None:
        change = "REMOVED"
    else:
        # Decimal digits as written: 0.3 is a multiple of 0.1, which no binary float shows.
        ratio = Fraction(str(new)) / Fraction(str(old))
        change = (
            "EXPANDED"
            if ratio.denominator == 1
            else "REDUCED"
            if ratio.numerator == 1
            else "CHANGED"
        )
    yield Difference(f"MULTIPLE_OF_{change}", ("multipleOf",))
