"""Version ranges, as Kafka's message definitions write them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

NEWEST = 0x7FFF
"""The end of an open range (``9+``); versions are int16 on the wire."""


@dataclass(frozen=True, slots=True)
class VersionRange:
    """The versions ``min`` to ``max``, both included."""

    min: int
    max: int

    def __contains__(self, version: int) -> bool:
        return self.min <= version <= self.max

    def __str__(self) -> str:
        return f"{self.min}-{self.max}"


NO_VERSIONS = VersionRange(0, -1)
"""The range that no version is in."""


@cache
def parse_versions(text: str) -> VersionRange:
    """Return the range that ``3``, ``3-5`` or ``3+`` stands for.

    Raises:
        ValueError: the text is none of the three.
    """
    if text.endswith("+"):
        return VersionRange(int(text[:-1]), NEWEST)
    first, _, last = text.partition("-")
    return VersionRange(int(first), int(last or first))
