"""Places in a log as people write them: earliest, 42, the last 10, five minutes ago."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from fakebus.errors import ConfigError
from fakebus.fixture_files.problems import DataError
from fakebus.fixture_files.times import parse_duration, parse_instant

POSITION_HELP = (
    "earliest, latest, an offset (42), the last N records of each partition (-10), a point in "
    "time (2024-05-01T09:00:00Z; local time without a zone), or how long ago (-5m; units w d h "
    "m s ms)"
)

NEGATIVE_POSITION = re.compile(r"-\d")
"""What looks like an option to argparse and is a position."""


class PositionKind(Enum):
    """Kind of a position: what it counts from."""

    EARLIEST = "earliest"
    LATEST = "latest"
    OFFSET = "offset"
    LAST = "last"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Position in every log that it is applied to."""

    kind: PositionKind
    number: int = 0
    """The offset, the number of last records, or milliseconds since the epoch."""


def check_order(start: Position, end: Position | None) -> None:
    """Refuse an end before the start, where both are offsets or both are times.

    Raises:
        ConfigError: no record could lie between.
    """
    if end is None or start.kind is not end.kind:
        return
    if start.kind in (PositionKind.OFFSET, PositionKind.TIME) and end.number < start.number:
        raise ConfigError("the end lies before the start, so no record is between: swap them")


def parse_position(text: str, now_ms: int) -> Position:
    """Return the position that a text names.

    Args:
        text: as ``POSITION_HELP`` says.
        now_ms: the present, in milliseconds since the epoch.

    Raises:
        ConfigError: it is none.
    """
    word = text.strip().lower()
    if word in (PositionKind.EARLIEST.value, PositionKind.LATEST.value):
        return Position(kind=PositionKind(word))
    if re.fullmatch(r"\d{1,18}", word, re.ASCII):
        return Position(kind=PositionKind.OFFSET, number=int(word))
    if re.fullmatch(r"-\d{1,18}", word, re.ASCII):
        return Position(kind=PositionKind.LAST, number=-int(word))
    try:
        if word.startswith("-"):
            moment = max(now_ms + parse_duration(word), 0)
        else:
            local = datetime.now().astimezone().tzinfo
            moment = parse_instant(text.strip(), local) if local else 0
    except DataError:
        raise ConfigError(f"{text!r} is not a position: write {POSITION_HELP}") from None
    return Position(kind=PositionKind.TIME, number=moment)


def parse_moment(text: str, now_ms: int) -> Position:
    """Return the position of a time; ConfigError if the text is no time, nor how long ago."""
    position = parse_position(text, now_ms)
    if position.kind is not PositionKind.TIME:
        raise ConfigError(f"{text!r} is no time: write how long ago (-5m) or 2026-05-01T09:00:00Z")
    return position
