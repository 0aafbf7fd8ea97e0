"""Keys and values that are written with their formats, as in ``{"type": "json", "data": 1}``."""

from __future__ import annotations

from typing import Any, NamedTuple

WRAPPER_FIELDS = frozenset({"type", "data", "subject", "version"})


class WrittenFormat(NamedTuple):
    """Format as a key or value names it."""

    name: str | None = None
    subject: str | None = None
    version: int | None = None


def is_wrapper(data: object) -> bool:
    """Whether data is written with its format, as in ``{"type": "json", "data": 1}``."""
    return isinstance(data, dict) and "data" in data and data.keys() <= WRAPPER_FIELDS


def unwrapped(data: Any) -> object:
    """Return the data of a key or value without what says its format."""
    return data["data"] if is_wrapper(data) else data


def wrapped(data: object) -> object:
    """Return data so that it is not taken for its own format."""
    if isinstance(data, dict) and data.keys() <= WRAPPER_FIELDS:
        return {"data": data}
    return data
