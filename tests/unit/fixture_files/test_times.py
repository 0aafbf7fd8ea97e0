from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from fakebus.fixture_files.problems import DataError
from fakebus.fixture_files.times import (
    duration_text,
    parse_duration,
    parse_duration_ns,
    parse_instant,
    parse_rfc_3339,
    parse_time,
)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("+30s", 30_000),
        ("-2d3h", -183_600_000),
        ("-1w", -604_800_000),
        ("+5m", 300_000),
        ("+5ms", 5),
        ("+1m5ms", 60_005),
        ("+1w2d3h4m5s6ms", 788_645_006),
        ("-0s", 0),
    ],
)
def test_duration_counts_its_units(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    ["", "+", "5s", "+5", "+5x", "+3h2d", "+1.5h", "+ 5s", "+5s ", "+\u0663s", "+-5s", "+9999999d"],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(DataError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["+1us", "-5m1ns", "+1w2d3h4m5s6ms7us8ns"])
def test_the_time_of_a_record_has_whole_milliseconds(text: str) -> None:
    with pytest.raises(DataError, match="is not of whole milliseconds"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("now", 0), ("+1ns", 1), ("-2d3us", -172_800_000_003_000), ("+14d1ms", 1_209_600_001_000_000)],
)
def test_a_duration_is_written_as_it_is_read(text: str, nanoseconds: int) -> None:
    assert duration_text(nanoseconds) == text
    assert text == "now" or parse_duration_ns(text) == nanoseconds


def test_instant_without_offset_is_local_time() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    summer, winter = "2024-07-01T12:00:00", "2024-01-01T12:00:00"
    assert parse_instant(summer, UTC) - parse_instant(summer, berlin) == 2 * 3_600_000
    assert parse_instant(winter, UTC) - parse_instant(winter, berlin) == 3_600_000
    assert parse_instant(summer + "Z", berlin) == parse_instant(summer, UTC)


def test_instant_keeps_milliseconds() -> None:
    assert parse_instant("1970-01-01T00:00:01.234Z", UTC) == 1234
    assert parse_instant("1970-01-01t00:00:01.234z", UTC) == 1234


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2024-05-01t09:00:00z", "2024-05-01T09:00:00+00:00"),
        ("2024-05-01T09:00:00.123456789-00:00", "2024-05-01T09:00:00.123456+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("2016-12-31T15:59:60.5-08:00", "2016-12-31T16:00:00-08:00"),
    ],
)
def test_times_of_rfc_3339(text: str, same: str) -> None:
    assert parse_rfc_3339(text).isoformat() == same


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-01T09:00:00",
        "2024-05-01 09:00:00Z",
        "20240501T090000Z",
        "2024-W01-1T09:00:00Z",
        "2024-05-01T09:00Z",
        "2024-05-01T09:00:00,5Z",
        "2024-05-01T09:00:00+0530",
        "2024-05-01T09:00:61Z",
        "2024-05-01T09:00:60Z",
        "2024-05-02T23:59:60Z",
        "2024-02-30T09:00:00Z",
    ],
)
def test_what_is_no_time_of_rfc_3339(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_rfc_3339(text)


@pytest.mark.parametrize(
    "text", ["", "soon", "2024-13-01", "2024-02-30", "0001-01-01", "\uff11970"]
)
def test_anything_else_is_no_instant(text: str) -> None:
    with pytest.raises(DataError):
        parse_instant(text, UTC)


@pytest.mark.parametrize("text", ["-60w", "+99999999999s"])
def test_time_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        parse_time(text, anchor_ms=1000, zone=UTC)
