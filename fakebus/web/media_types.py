"""Media types as ``Accept`` names them."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=256)
def accepted(accept: str) -> tuple[str, ...]:
    """Return the ranges of an ``Accept`` in lower case, those liked best first, without q=0."""
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    ranges.sort(key=lambda found: -found[1])
    return tuple(name for name, quality in ranges if quality > 0)


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "q":
            try:
                return name, float(value)
            except ValueError:
                return name, 0.0
    return name, 1.0
