"""What a value format is: a name and a function from fixture data to bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fakebus.schemas.interface import ParsedSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """Format of keys and values.

    ``encode`` takes the ``data`` of an event, never ``None``, and raises
    :class:`~fakebus.fixture_files.problems.DataError` if the format cannot hold it.
    """

    name: str
    encode: Callable[[object], bytes | None]
    decode: Callable[[bytes], object] | None = None
    """The way back, for formats whose bytes are checked against their schema."""
    encode_plain: Callable[[object], bytes | None] | None = None
    """See :class:`~fakebus.schemas.interface.PlainEncoding`; the bytes are framed."""
    schema: ParsedSchema | None = None
    """The schema of a format that has one."""


def kind_of_json(data: object) -> str:
    """Return what a JSON value is, for messages."""
    if isinstance(data, bool):
        return "a boolean"
    if isinstance(data, int | float):
        return "a number"
    if isinstance(data, str):
        return "a text"
    if isinstance(data, list):
        return "a list"
    return "null" if data is None else "an object"
