"""Times of recorded data as ``$time`` writes them: in the precision and form that they had.

Texts are times by their looks (ISO 8601, with any offset or none, or a date alone), numbers by what
their field is called and how large they are. A time that is coarser than a millisecond is counted
from the anchor in whole seconds, minutes or days, so that it stays the same when the set is seeded
at another moment and recorded again.

Some times mean no moment and stay as they are: the epoch itself, years like 1 and 9999, whatever
lies further than a century away, and dates of birth.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.fixture_files.problems import DataError
from fakebus.fixture_files.recording.field_names import name_parts
from fakebus.fixture_files.time_forms import DATE, EPOCH_UNITS, FLOAT, ISO, TEXT
from fakebus.fixture_files.times import DAY_NS, duration_text

_CLOCK = r"(?P<minutes>\d\d:\d\d)(?P<seconds>:\d\d(?:(?P<point>[.,])(?P<fraction>\d{1,9}))?)?"
_MOMENT = re.compile(
    rf"(?P<date>\d{{4}}-\d\d-\d\d)(?:[T ]{_CLOCK}(?P<zone>Z|z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
_TIME_OF_DAY = re.compile(_CLOCK, re.ASCII)
_EXAMPLE = "YYYY-MM-DDThh:mm:ss.fffffffff"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS, _SECOND = 1_000_000, 1_000_000_000
_YEAR_NS = 365 * DAY_NS
_FURTHEST_TEXT_NS = 100 * _YEAR_NS
_FURTHEST_NUMBER_NS = 30 * _YEAR_NS
"""Nearer, so that no number is a time in two units."""

_LARGEST_SECONDS = 1e12
"""Larger floats, which may be infinite or no number, are no time of any day."""

_TIME_WORDS = frozenset(
    "at time timestamp ts date datetime day instant epoch moment when expire expiry expiration exp "
    "iat nbf created updated modified deleted started ended finished start end since until due "
    "deadline seen".split()
)
"""What the name of a field with a time ends with, before its unit."""
_AFTER_OTHERS = frozenset(("from", "to", "on"))
"""The same, but not alone."""
_TIME_ENDINGS = ("time", "timestamp", "date", "edat", "datetime")
"""What the last word ends with where words are not set apart, as in ``createdat``."""
_UNIT_WORDS = {
    **dict.fromkeys(("s", "sec", "second"), "timestamp-seconds"),
    **dict.fromkeys(("ms", "milli", "millis", "msec", "millisecond"), "timestamp-millis"),
    **dict.fromkeys(("us", "micro", "usec", "microsecond"), "timestamp-micros"),
    **dict.fromkeys(("ns", "nano", "nsec", "nanosecond"), "timestamp-nanos"),
}
_BIRTH = ("birth", "birthday", "birthdate", "dob", "born")
"""How a word of the name of a date of birth ends."""
_FILLERS = frozenset(("utc", "unix", "gmt", "epoch", "in", "since", "number", "num", "value"))


class RelativeTimes:
    """Times of recorded data as functions of fixture files.

    Args:
        anchor_ms: what they count from, in milliseconds since the epoch.
    """

    def __init__(self, anchor_ms: int) -> None:
        self._anchor_ms = anchor_ms

    def text(self, text: str, name: str, event_ms: int, *, time_of_day: bool = False) -> object:
        """Return the call of ``$time`` that stands for a text, or the text if it is no time.

        Args:
            text: a whole text.
            name: the field that it stands in.
            event_ms: the record's timestamp, which is ``at``.
            time_of_day: whether a time without a date is one as well.
        """
        if not text[:1].isdigit() or any(part.endswith(_BIRTH) for part in name_parts(name)):
            return text
        if text.isascii() and text.isdigit() and 9 <= len(text) <= 19 and text[0] != "0":
            found = self.number(int(text), name, event_ms, TEXT)
            return found if isinstance(found, dict) else text
        match = _MOMENT.fullmatch(text)
        if match is None:
            match = _TIME_OF_DAY.fullmatch(text) if time_of_day else None
            return text if match is None else self._time_of_day(match)
        try:
            moment = _moment(match)
        except ValueError:
            return text
        if not self._is_near(moment, _FURTHEST_TEXT_NS):
            return text
        form = _form(match)
        return self._call(moment, _precision(match), _short(form), event_ms, text)

    def number(self, number: int | float, name: str, event_ms: int, suffix: str = "") -> object:
        """Return the call of ``$time`` that stands for a number, or the number if it is no time.

        Args:
            number: seconds since the epoch, or thousandths of them and so on.
            name: the field that it stands in.
            event_ms: the record's timestamp, which is ``at``.
            suffix: of the form.
        """
        # The smallest number that any unit makes of a time of our days.
        if number < 100_000_000 or isinstance(number, bool) or not (unit := _unit_of(name)):
            return number
        if isinstance(number, float):
            if not number < _LARGEST_SECONDS:
                return number
            moment = round(number * 1_000_000) * 1000
            if unit not in ("any", "timestamp-seconds") or not self._is_near(
                moment, _FURTHEST_NUMBER_NS
            ):
                return number
            return self._call(moment, 1000, FLOAT, event_ms, moment // 1000 / 1_000_000)
        for form, size in EPOCH_UNITS.items():
            moment = number * size
            if self._is_near(moment, _FURTHEST_NUMBER_NS) and unit in ("any", form):
                text = str(number) if suffix else number
                return self._call(moment, size, form + suffix, event_ms, text)
        return number

    def _is_near(self, moment: int, furthest: int) -> bool:
        return moment != 0 and abs(moment - self._anchor_ms * _MS) <= furthest

    def _time_of_day(self, match: re.Match[str]) -> object:
        hours, minutes = map(int, match["minutes"].split(":"))
        seconds = int((match["seconds"] or ":0")[1:3])
        if hours > 23 or minutes > 59 or seconds > 59:
            return match[0]
        fraction = int((match["fraction"] or "").ljust(9, "0"))
        moment = (hours * 3600 + minutes * 60 + seconds) * _SECOND + fraction
        precision = _precision(match)
        distance = (moment - self._anchor(precision)) % DAY_NS
        # Always before the anchor, so that one time of day is told in one way only.
        time = duration_text(distance - DAY_NS if distance else 0)
        return {"$time": time, "as": _form(match)}

    def _anchor(self, precision: int) -> int:
        anchor = self._anchor_ms * _MS
        return anchor - anchor % precision

    def _call(
        self, moment: int, precision: int, form: str, event_ms: int, original: object
    ) -> object:
        # An event may lie in another second than the set will be seeded in, so that only what is
        # as fine as its timestamp can be the same.
        is_exact = precision <= _MS
        if is_exact and moment == event_ms * _MS:
            time = "at"
        else:
            time = duration_text(moment - self._anchor(precision))
        call = {"$time": time} if form == "iso" else {"$time": time, "as": form}
        context = FunctionContext(seed=0, anchor_ms=self._anchor_ms, zone=UTC, event_ms=event_ms)
        try:
            return call if expand(call, context) == original else original
        except DataError:
            return original


def is_time(text: str) -> bool:
    """Return whether a text is a date, or a date and a time."""
    match = _MOMENT.fullmatch(text)
    try:
        return match is not None and bool(_moment(match))
    except ValueError:
        return False


def _unit_of(name: str) -> str:
    """Return the form that a field's name asks for, ``any``, or nothing if it tells no time."""
    parts = name_parts(name)
    unit = "any"
    while parts and (parts[-1] in _UNIT_WORDS or parts[-1] in _FILLERS):
        if parts[-1] == "epoch":
            return unit
        unit = _UNIT_WORDS.get(parts[-1], unit)
        parts = parts[:-1]
    if not parts:
        return ""
    says_so = (
        parts[-1] in _TIME_WORDS
        or parts[-1].endswith(_TIME_ENDINGS)
        or (len(parts) > 1 and parts[-1] in _AFTER_OTHERS)
    )
    return unit if says_so else ""


def _moment(match: re.Match[str]) -> int:
    """Return the nanoseconds since the epoch.

    Raises:
        ValueError: there is no such day or time.
    """
    zone = match["zone"] or "Z"
    minutes, seconds = match["minutes"] or "00:00", (match["seconds"] or ":00")[:3]
    moment = datetime.fromisoformat(f"{match['date']}T{minutes}{seconds}{zone.upper()}")
    fraction = int((match["fraction"] or "").ljust(9, "0"))
    return (moment - _EPOCH) // timedelta(seconds=1) * _SECOND + fraction


def _precision(match: re.Match[str]) -> int:
    if match["minutes"] is None:
        return DAY_NS
    if match["seconds"] is None:
        return 60 * _SECOND
    digits = len(match["fraction"] or "")
    precision: int = 10 ** (9 - digits)
    return precision


def _form(match: re.Match[str]) -> str:
    """Return the example of a form that a text has."""
    text = match[0]
    if match.groupdict().get("date"):
        zone = match["zone"] or ""
        digits = len(text) - len(zone)
        between = text[10:11]
        example = (_EXAMPLE[:10] + between + _EXAMPLE[11:])[:digits] + zone
    else:
        example = _EXAMPLE[11 : 11 + len(text)]
    return example.replace(".", match["point"]) if match["point"] else example


def _short(form: str) -> str:
    return {ISO: "iso", DATE: "date"}.get(form, form)
