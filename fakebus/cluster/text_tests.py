"""Full text: which records have a text anywhere, in capitals or not."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fakebus.cluster.events import Event


def needles_of(text: str) -> tuple[bytes, ...]:
    """Return the bytes, in lower case, that a text may be written as: UTF-8, or JSON's escapes.

    Only the letters of ASCII are found in capitals and small ones.
    """
    plain = text.encode("utf-8", "replace").lower()
    escaped = json.dumps(text)[1:-1].encode().lower()
    return tuple(dict.fromkeys(each for each in (plain, escaped) if each))


def has_any(event: Event, needles: Sequence[bytes]) -> bool:
    """Return whether a record has one of some bytes in lower case in key, value or headers."""
    for part in (event.value, event.key):
        if part is not None and _has(part, needles):
            return True
    return any(
        _has(name.encode("utf-8", "replace"), needles) or _has(value or b"", needles)
        for name, value in event.headers
    )


def _has(part: bytes, needles: Sequence[bytes]) -> bool:
    lower = part.lower()
    return any(needle in lower for needle in needles)
