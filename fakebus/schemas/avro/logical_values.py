"""Values of logical types as people write them: ISO 8601 text, decimal digits, UUIDs.

Whole numbers are used throughout, so that every value comes back to the same bytes.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from fakebus.schemas.avro.nodes import LogicalType

_UNITS = {"millis": 3, "micros": 6, "nanos": 9}
"""How many digits of a second."""
_TIME = r"(?P<time>\d{2}:\d{2}(?::\d{2})?)(?:\.(?P<fraction>\d{1,9}))?"
_TIME_OF_DAY = re.compile(_TIME)
_MOMENT = re.compile(rf"(?P<date>\d{{4}}-\d{{2}}-\d{{2}})[T ]{_TIME}(?P<offset>Z|[+-]\d\d:?\d\d)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_DECIMAL = 1_500
"""In bytes; Python turns no more than 4300 digits into text."""
_MOST_DIGITS = 3_600
"""As many as are sure to fit into that."""


def number_of(logical: LogicalType, value: str | date | time) -> int:
    """Return the number that a date, a time of day or a moment is kept as.

    A moment without an offset is taken as UTC; digits finer than the type are cut off.

    Raises:
        ValueError: it is not one; the message says what is expected.
    """
    text = value if isinstance(value, str) else value.isoformat()
    if logical.name == "date":
        return _days(text)
    digits = _UNITS[logical.name.rpartition("-")[2]]
    pattern = _TIME_OF_DAY if logical.name.startswith("time-") else _MOMENT
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a number or {_example(logical)}, got {text!r}")
    fraction = int((match["fraction"] or "").ljust(9, "0")[:digits])
    per_second: int = 10**digits
    return _seconds(logical, match) * per_second + fraction


def text_of(logical: LogicalType, number: int) -> str | int:
    """Return the text of a number that stands for a date or a time.

    A number beyond the years 1 to 9999, or beyond a day, stays a number.
    """
    try:
        if logical.name == "date":
            return (date(1970, 1, 1) + timedelta(days=number)).isoformat()
        digits = _UNITS[logical.name.rpartition("-")[2]]
        seconds, fraction = divmod(number, 10**digits)
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return number
    if logical.name.startswith("time-"):
        if moment.date() != _EPOCH.date():
            return number
        return f"{moment:%H:%M:%S}.{fraction:0{digits}}"
    offset = "" if logical.name.startswith("local-") else "Z"
    return f"{moment.date().isoformat()}T{moment:%H:%M:%S}.{fraction:0{digits}}{offset}"


def unscaled(logical: LogicalType, value: str | int | float | Decimal) -> int:
    """Return the whole number that a decimal is kept as.

    Raises:
        ValueError: it is no number, or has more digits than the type; the message says so.
    """
    try:
        sign, digits, exponent = Decimal(str(value)).as_tuple()
    except InvalidOperation:
        raise ValueError(f"expected a decimal number, got {value!r}") from None
    if not isinstance(exponent, int):
        raise ValueError(f"expected a decimal number, got {value!r}")
    significant = "".join(map(str, digits)).lstrip("0").rstrip("0")
    zeros = len("".join(map(str, digits)).lstrip("0")) - len(significant) + exponent + logical.scale
    if not significant:
        return 0
    if zeros < 0:
        raise ValueError(f"the number has more than {logical.scale} digits after the point")
    most = min(logical.precision, _MOST_DIGITS)
    if len(significant) + zeros > most:
        raise ValueError(f"the number has more than {most} digits before and after the point")
    number = int(f"{significant}{'0' * zeros}")
    return -number if sign else number


def decimal_text(logical: LogicalType, data: bytes) -> str:
    """Return the digits of a decimal that is kept as big-endian two's complement.

    Raises:
        ValueError: it is too long to be written.
    """
    if len(data) > _LONGEST_DECIMAL:
        raise ValueError(f"a decimal of {len(data)} bytes is too long to be written")
    # The schema says how many: a few bytes of a record would become gigabytes of zeros.
    if logical.scale > _MOST_DIGITS:
        raise ValueError(f"{logical.scale} digits after the point are too many to be written")
    number = int.from_bytes(data, "big", signed=True)
    digits = str(abs(number)).rjust(logical.scale + 1, "0")
    sign = "-" if number < 0 else ""
    whole = len(digits) - logical.scale
    return f"{sign}{digits[:whole]}.{digits[whole:]}" if logical.scale else f"{sign}{digits}"


def _days(text: str) -> int:
    try:
        return (date.fromisoformat(text[:10]) - date(1970, 1, 1)).days
    except ValueError:
        raise ValueError(f"expected a number or a date like 2024-12-31, got {text!r}") from None


def _seconds(logical: LogicalType, match: re.Match[str]) -> int:
    parts = match.groupdict()
    offset = parts.get("offset")
    if offset and logical.name.startswith("local-"):
        raise ValueError(f"expected a time without an offset, got {match[0]!r}")
    if offset is None or offset == "Z":
        offset = "+00:00"
    day = parts.get("date", "1970-01-01")
    moment = datetime.fromisoformat(f"{day}T{match['time']}{offset}")
    return (moment - _EPOCH) // timedelta(seconds=1)


def _example(logical: LogicalType) -> str:
    if logical.name.startswith("time-"):
        return "a time like 23:59:59.999"
    if logical.name.startswith("local-"):
        return "a time like 2024-12-31T23:59:59.999"
    return "a time like 2024-12-31T23:59:59.999Z"
