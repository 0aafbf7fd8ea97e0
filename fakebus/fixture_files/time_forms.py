"""The forms in which ``$time`` writes a moment: numbers since the epoch, and texts by example.

A text is shown as it looks: ``YYYY-MM-DDThh:mm:ss.fffZ``. What follows the digits is an offset from
UTC, in which the moment is then told. A moment that is finer than its form is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from fakebus.fixture_files.problems import DataError, did_you_mean, quoted

Form = Callable[[int], str | int | float]
"""Writes nanoseconds since the epoch."""

ISO = "YYYY-MM-DDThh:mm:ss.ffffff+00:00"
DATE = "YYYY-MM-DD"
TEXT = "-text"
"""What a form of numbers ends with if they are written as texts."""
EPOCH_UNITS: Mapping[str, int] = {
    "timestamp-seconds": 1_000_000_000,
    "timestamp-millis": 1_000_000,
    "timestamp-micros": 1000,
    "timestamp-nanos": 1,
}
"""The nanoseconds that each of these forms counts."""
FLOAT = "timestamp-seconds-float"
_NUMBERS: Mapping[str, Form] = {
    **{name: unit.__rfloordiv__ for name, unit in EPOCH_UNITS.items()},
    # Floats of our days are good for microseconds.
    FLOAT: lambda ns: ns // 1000 / 1_000_000,
}
_NAMES: Mapping[str, str] = {"iso": ISO, "date": DATE}
_EXAMPLE = re.compile(
    r"(?P<date>YYYY-MM-DD)?(?P<between>[T ]?)"
    r"(?:(?P<minutes>hh:mm)(?P<seconds>:ss)?(?:(?P<point>[.,])(?P<fraction>f{1,9}))?)?"
    r"(?P<zone>Z|z|[+-](?P<hours>\d\d)(?::?(?P<rest>\d\d))?)?"
)
_EPOCH = datetime(1970, 1, 1)
_SECOND = 1_000_000_000


@lru_cache(maxsize=256)
def time_form(name: str) -> Form:
    """Return a form by its name or its example.

    Raises:
        DataError: there is no such form.
    """
    if name.removesuffix(TEXT) in _NUMBERS:
        number = _NUMBERS[name.removesuffix(TEXT)]
        return (lambda ns: str(number(ns))) if name.endswith(TEXT) else number
    found = _EXAMPLE.fullmatch(_NAMES.get(name, name))
    if found is None or not _is_whole(found):
        hint = did_you_mean(name, [*_NAMES, *_NUMBERS])
        raise DataError(
            f"$time cannot be written as {quoted(name)}",
            f'{hint}; or show it, as in "YYYY-MM-DDThh:mm:ss.fffZ"',
        )
    return _shown(found)


def _is_whole(found: re.Match[str]) -> bool:
    """Return whether the parts of an example go together."""
    if found["minutes"] is None:
        return found["date"] is not None and not (found["between"] or found["zone"])
    if found["point"] and not found["seconds"]:
        return False
    # A time of day alone has no offset: it would be another day elsewhere.
    return bool(found["date"]) == bool(found["between"]) and bool(
        found["date"] or not found["zone"]
    )


def _moment(ns: int, away: timedelta) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=ns // _SECOND) + away
    except OverflowError:
        raise DataError("the time lies after 9999") from None


def _shown(found: re.Match[str]) -> Form:
    zone = found["zone"] or ""
    away = timedelta(hours=int(found["hours"] or 0), minutes=int(found["rest"] or 0))
    if zone.startswith("-"):
        away = -away
    if not found["minutes"]:
        return lambda ns: _moment(ns, away).date().isoformat()
    has_date, between, point = bool(found["date"]), found["between"], found["point"] or ""
    parts = "seconds" if found["seconds"] else "minutes"
    digits = len(found["fraction"] or "")

    def write(ns: int) -> str:
        moment = _moment(ns, away)
        text = moment.isoformat(between, parts) if has_date else moment.time().isoformat(parts)
        return f"{text}{point}{f'{ns % _SECOND:09}'[:digits]}{zone}"

    return write
