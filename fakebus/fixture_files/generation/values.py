"""What the values of all schema languages are made with: places, sources of chance, a bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Protocol
from uuid import UUID

from fakebus.fixture_files.problems import DataError
from fakebus.fixture_files.times import offset_text, to_datetime

Path = tuple[str, ...]

MISSING_SHARE = 0.2
"""How many of the optional values are left out."""
_MAX_DEPTH = 20
_MAX_RECURSIVE = 300
_MAX_VALUES = 3_000
_MOST_VALUES = 50_000
_MOST_LETTERS = 1_000_000
"""As a topic's default max.message.bytes, which a larger event does not fit into."""
_SHOWN_NAMES = 4


class Maker(Protocol):
    """Source of the values of one event: hints and random sources by place."""

    def has_hint(self, path: Path) -> bool:
        """Whether a hint stands at a path."""

    def has_hint_below(self, path: Path) -> bool:
        """Whether a hint stands at a path or below it."""

    def hinted(self, path: Path, place: str) -> object:
        """Return what the hint at a path makes."""

    def random(self, place: str) -> Random:
        """Return the random source of a place."""


class Growth:
    """Bound on one event: how many values it has so far, and when it is to come to an end.

    Depth alone bounds nothing where a type holds itself twice: each level doubles the event. Nor
    does the number of values where a schema demands long ones.
    """

    def __init__(self) -> None:
        self._values = 0
        self._letters = 0

    def count(self) -> None:
        """Count one value.

        Raises:
            DataError: the schema demands more values than an event may have.
        """
        self._values += 1
        if self._values > _MOST_VALUES:
            raise DataError(
                f"an event of this schema would have more than {_MOST_VALUES} values",
                "give the part that repeats a hint under with",
            )

    def count_letters(self, count: int) -> None:
        """Count the letters or bytes that the schema demands of one value.

        Raises:
            DataError: the schema demands more of them than an event may have.
        """
        self._letters += count
        if self._letters > _MOST_LETTERS:
            raise DataError(
                f"the texts and bytes of an event of this schema would be longer than "
                f"{_MOST_LETTERS}",
                "give the part that is long a hint under with",
            )

    def is_over(self, depth: int, *, recursive: bool = False) -> bool:
        """Whether what comes is to be as short as its schema allows.

        Args:
            depth: how deep it lies.
            recursive: whether it may hold values of a type that it lies in itself.
        """
        return depth > _MAX_DEPTH or self._values > (_MAX_RECURSIVE if recursive else _MAX_VALUES)


def shown(path: Path) -> str:
    """Return a path for messages; only the beginning of one that goes round and round."""
    return ".".join(path[:_SHOWN_NAMES]) + (".…" if len(path) > _SHOWN_NAMES else "")


def latin(random: Random, size: int) -> str:
    """Return bytes, written as Avro's JSON has them."""
    return "".join(chr(random.randrange(256)) for _ in range(size))


def plain_text(random: Random, name: str) -> str:
    """Return a text that tells which field it stands in."""
    return f"{name}-{random.randint(1, 9999)}"


def _call(offset_days: int, form: str) -> Callable[[Random], object]:
    def make(random: Random) -> object:
        seconds = random.randint(0, 86_400 * offset_days)
        return {"$time": f"at -{seconds}s" if seconds else "at", "as": form}

    return make


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


LOGICAL_TYPES: Mapping[str, Callable[[Random], object]] = {
    "uuid": _uuid,
    "date": _call(30, "date"),
    "timestamp-millis": _call(1, "timestamp-millis"),
    "timestamp-micros": _call(1, "timestamp-micros"),
    "local-timestamp-millis": _call(1, "timestamp-millis"),
    "local-timestamp-micros": _call(1, "timestamp-micros"),
    "time-millis": lambda random: random.randrange(86_400_000),
    "time-micros": lambda random: random.randrange(86_400_000_000),
}

FORMATS: Mapping[str, Callable[[Random], object]] = {
    "date-time": _call(1, "iso"),
    "date": _call(30, "date"),
    "time": lambda random: (
        datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(86_400))
    ).strftime("%H:%M:%SZ"),
    "duration": lambda random: f"PT{random.randint(1, 59)}M",
    "email": lambda random: f"user{random.randint(1, 9999)}@example.org",
    "hostname": lambda random: f"host{random.randint(1, 9999)}.example.org",
    "ipv4": lambda random: f"192.0.2.{random.randint(1, 254)}",
    "ipv6": lambda random: f"2001:db8::{random.randint(1, 9999)}",
    "uri": lambda random: f"https://example.org/{random.randint(1, 9999)}",
    "uuid": _uuid,
}


class Times:
    """Times of events over a range: one in each of as many parts, so that they are in order."""

    def __init__(self, first: int, last: int, count: int, anchor: int | None, seed: int) -> None:
        self._first = first
        self._part = (last - first) / count
        self._anchor = anchor
        self._seed = seed

    def __call__(self, index: int) -> str:
        """Return the time of an event."""
        share = Random(f"{self._seed}/at/{index}").random()  # noqa: S311 - test data
        at = int(self._first + self._part * (index + share))
        if self._anchor is None:
            return to_datetime(at).isoformat(timespec="milliseconds")
        return offset_text(at - self._anchor)
