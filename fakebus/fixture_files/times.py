"""Points in time as fixture files write them.

``2024-05-01T09:00:00Z`` is an instant; without an offset it is local time in the set's
``tz``. ``-2d3h`` and ``+30s`` count from the set's anchor; ``now`` is the anchor itself.
Days have 24 hours.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from fakebus.fixture_files.problems import DataError

LATEST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DURATION = re.compile(
    r"([+-])(?:(\d{1,6})w)?(?:(\d{1,6})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?"
    r"(?:(\d{1,12})ms)?(?:(\d{1,15})us)?(?:(\d{1,18})ns)?",
    re.ASCII,
)
_RFC_3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}):(\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII
)
DAY_NS = 86_400_000_000_000
_UNITS = {
    "w": 7 * DAY_NS,
    "d": DAY_NS,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": (_MS := 1_000_000),
    "us": 1000,
    "ns": 1,
}
_SIZES = tuple(_UNITS.values())

HINT = (
    'write an instant such as "2024-05-01T09:00:00Z" or an offset from the anchor '
    'such as "-2d3h" or "+30s" (units: w d h m s ms, in this order)'
)


@lru_cache(maxsize=4096)
def parse_duration_ns(text: str) -> int:
    """Return the nanoseconds of a signed duration such as ``-2d3h``.

    Raises:
        DataError: it is none.
    """
    found = _DURATION.fullmatch(text)
    # The sign is a group of its own.
    if found is None or found.lastindex == 1:
        raise DataError(f'"{text}" is not a duration', HINT)
    sign, *amounts = found.groups()
    total = 0
    for amount, unit in zip(amounts, _SIZES, strict=True):
        if amount:
            total += int(amount) * unit
    return -total if sign == "-" else total


def parse_duration(text: str) -> int:
    """Return the milliseconds of a signed duration.

    Raises:
        DataError: it is none, or not of whole milliseconds.
    """
    milliseconds, rest = divmod(parse_duration_ns(text), _MS)
    if rest:
        raise DataError(f'"{text}" is not of whole milliseconds, as the times of records are', HINT)
    return milliseconds


def duration_text(nanoseconds: int) -> str:
    """Return a duration as :func:`parse_duration_ns` reads it; one of no length is ``now``."""
    if not nanoseconds:
        return "now"
    left, parts = abs(nanoseconds), []
    for unit, size in list(_UNITS.items())[1:]:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if nanoseconds < 0 else "+") + "".join(parts)


def offset_text(milliseconds: int) -> str:
    """Return a distance from the anchor as ``at`` has it, such as ``-2d3h``."""
    return duration_text(milliseconds * _MS)


def parse_rfc_3339(text: str) -> datetime:
    """Return a moment as RFC 3339 writes it, which CloudEvents ask for.

    Letters may be small, and the last minute of a month in UTC may have a leap second, which is
    the first moment of the next one.

    Raises:
        ValueError: it is none.
    """
    found = _RFC_3339.fullmatch(text.upper())
    if found is None:
        raise ValueError(f"{text!r} is not a time of RFC 3339")
    day, minute, second, fraction, zone = found.groups()
    is_leap = second == "60"
    shown = "59" if is_leap else second
    moment = datetime.fromisoformat(f"{day}T{minute}:{shown}{(fraction or '')[:7]}{zone}")
    if not is_leap:
        return moment
    after = moment.replace(microsecond=0) + timedelta(seconds=1)
    at = after.astimezone(UTC)
    if (at.day, at.hour, at.minute) != (1, 0, 0):
        raise ValueError(f"{text!r} has a leap second where there can be none")
    return after


def parse_instant(text: str, zone: tzinfo) -> int:
    """Return an ISO 8601 instant as milliseconds since the epoch.

    Args:
        text: date, or date and time, with or without an offset.
        zone: used when the text has no offset.

    Raises:
        DataError: it is none, or lies before 1970 or after 9999.
    """
    try:
        moment = datetime.fromisoformat(text.upper())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return check_range((moment - _EPOCH) // timedelta(milliseconds=1))
    except (ValueError, OverflowError):
        raise DataError(f'"{text}" is not a point in time', HINT) from None


def parse_time(text: str, *, anchor_ms: int, zone: tzinfo) -> int:
    """Return an instant, an offset from the anchor or ``now`` as milliseconds.

    Raises:
        DataError: it is none of them, or lies before 1970 or after 9999.
    """
    if text.startswith(("+", "-")):
        return check_range(anchor_ms + parse_duration(text))
    if text == "now":
        return anchor_ms
    return parse_instant(text, zone)


def check_range(timestamp_ms: int) -> int:
    """Return a timestamp that records can carry and ISO 8601 can write.

    Raises:
        DataError: it lies before 1970 or after 9999.
    """
    if not 0 <= timestamp_ms <= LATEST_MS:
        raise DataError("the time lies before 1970 or after 9999", HINT)
    return timestamp_ms


def to_datetime(timestamp_ms: int) -> datetime:
    """Return a timestamp as a datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=timestamp_ms)
