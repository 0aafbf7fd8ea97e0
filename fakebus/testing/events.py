"""Events as tests see them, and how they are matched."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Headers = Mapping[str, str | bytes | None] | Sequence[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One record on the bus."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def text(self) -> str | None:
        """The value as UTF-8 text; raises UnicodeDecodeError if it is none."""
        return None if self.value is None else self.value.decode()

    def json(self) -> Any:
        """Return the value parsed as JSON; raises ValueError if it is none."""
        return None if self.value is None else json.loads(self.value)

    @property
    def time(self) -> datetime:
        """The record's timestamp."""
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)

    def header(self, name: str) -> bytes | None:
        """Return the last header of that name; ``None`` when there is none."""
        return next((value for key, value in reversed(self.headers) if key == name), None)

    def __str__(self) -> str:
        """Return one line for a failure report."""
        return (
            f"{self.topic}[{self.partition}]@{self.offset} "
            f"key={_shown(self.key)} value={_shown(self.value)}"
        )


def _shown(data: bytes | None, limit: int = 300) -> str:
    if data is None:
        return "null"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = repr(data)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(data)} bytes)"


Match = Callable[[Event], bool] | Mapping[str, Any] | Sequence[Any] | str | bytes | int | float


def mismatches(event: Event, match: Match | None) -> list[str]:
    """Return why ``event`` does not match; an empty list when it does.

    Args:
        event: the record.
        match: ``None`` matches everything; a function decides; bytes are the exact value,
            a text the exact value as UTF-8 or JSON; a mapping names the fields that the
            JSON value must have, nested ones too, others are free.
    """
    if match is None:
        return []
    if isinstance(match, bytes):
        return [] if event.value == match else [f"value is {_shown(event.value)}"]
    if isinstance(match, str) and event.value == match.encode():
        return []
    if callable(match):
        return [] if match(event) else ["the function said no"]
    try:
        value = event.json()
    except ValueError:
        return [f"value is not JSON: {_shown(event.value)}"]
    return _differences("value", match, value)


def _differences(path: str, wanted: Any, found: Any) -> list[str]:
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return [f"{path} is {found!r}, not an object"]
        problems = []
        for name, inner in wanted.items():
            if name in found:
                problems += _differences(f"{path}.{name}", inner, found[name])
            else:
                problems.append(f"{path}.{name} is missing")
        return problems
    if isinstance(wanted, list | tuple) and isinstance(found, list):
        if len(wanted) != len(found):
            return [f"{path} has {len(found)} items, not {len(wanted)}"]
        return [
            problem
            for index, (inner, item) in enumerate(zip(wanted, found, strict=True))
            for problem in _differences(f"{path}[{index}]", inner, item)
        ]
    if wanted != found or isinstance(wanted, bool) != isinstance(found, bool):
        return [f"{path} is {found!r}, not {wanted!r}"]
    return []


def encode(value: Any) -> bytes | None:
    """Return the bytes of a value: bytes as they are, text as UTF-8, anything else as JSON."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def header_pairs(headers: Headers | None) -> list[tuple[str, bytes | None]]:
    """Return headers as a list of names and bytes."""
    if headers is None:
        return []
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(name, encode(value)) for name, value in pairs]
