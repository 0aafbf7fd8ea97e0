"""Times of recordings: relative in the precision and form that they had, and the same again."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.fixture_files.recording.relative_times import RelativeTimes
from fakebus.schemas.languages import language

ANCHOR_MS = 1_764_372_000_500
EVENT_MS = ANCHOR_MS - 4_600
DAY_MS = 86_400_000

anchors = st.integers(1_600_000_000_000, 2_000_000_000_000)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1))
zones = st.sampled_from(["", "Z", "z", "+00:00", "+05:30", "-0800", "+01"])
fractions = st.sampled_from([0, 1, 2, 3, 6, 7, 9])


@st.composite
def iso_texts(draw: st.DrawFn) -> str:
    moment, digits = draw(moments), draw(fractions)
    seconds = draw(st.sampled_from(["", ":%S"])) if not digits else ":%S"
    text = moment.strftime(f"%Y-%m-%d{draw(st.sampled_from('T '))}%H:%M{seconds}")
    if digits:
        text += draw(st.sampled_from(".,")) + f"{draw(st.integers(0, 10**digits - 1)):0{digits}}"
    return text + draw(zones)


times_of_day = st.times().flatmap(
    lambda at: st.sampled_from([at.isoformat("seconds"), at.isoformat("milliseconds")])
)
texts = st.one_of(iso_texts(), moments.map(lambda moment: moment.date().isoformat()), times_of_day)
numbers = st.tuples(
    st.sampled_from([1, 10**3, 10**6, 10**9]), moments, st.integers(0, 999_999_999)
).map(
    lambda drawn: (
        int(drawn[1].replace(tzinfo=UTC).timestamp()) * drawn[0] + drawn[2] % max(1, drawn[0])
    )
)
floats = moments.map(lambda moment: moment.replace(tzinfo=UTC).timestamp())


def recorded(data: Any, anchor_ms: int, event_ms: int, name: str = "created_at") -> Any:
    times = RelativeTimes(anchor_ms)
    if isinstance(data, str):
        return times.text(data, name, event_ms, time_of_day=True)
    return times.number(data, name, event_ms)


def seeded(data: Any, anchor_ms: int, event_ms: int) -> Any:
    return expand(data, FunctionContext(seed=0, anchor_ms=anchor_ms, zone=UTC, event_ms=event_ms))


@settings(max_examples=150)
@given(
    data=st.one_of(texts, numbers, floats, numbers.map(str)),
    anchor=anchors,
    later=anchors,
    age=st.integers(0, 10**9),
)
def test_a_time_is_relative_in_its_form_and_recorded_as_the_same_when_it_was_seeded(
    data: Any, anchor: int, later: int, age: int
) -> None:
    call = recorded(data, anchor, anchor - age)
    assert isinstance(call, dict), data
    assert seeded(call, anchor, anchor - age) == data
    moved = seeded(call, later, later - age)
    assert type(moved) is type(data)
    if isinstance(data, str):
        assert re.sub(r"\d", "0", moved) == re.sub(r"\d", "0", data)
    assert recorded(moved, later, later - age) == call


@pytest.mark.parametrize(
    ("data", "call"),
    [
        ("2025-11-28T23:19:55.900000+00:00", {"$time": "at"}),
        ("2025-11-28T23:19:55.900Z", {"$time": "at", "as": "YYYY-MM-DDThh:mm:ss.fffZ"}),
        ("2025-11-28T23:19:55Z", {"$time": "-5s", "as": "YYYY-MM-DDThh:mm:ssZ"}),
        ("2025-11-29T01:19:00+02:00", {"$time": "-1m", "as": "YYYY-MM-DDThh:mm:ss+02:00"}),
        ("2025-11-27 23:19", {"$time": "-1d1m", "as": "YYYY-MM-DD hh:mm"}),
        ("2025-11-01", {"$time": "-27d", "as": "date"}),
        ("23:19:55.900", {"$time": "-4s600ms", "as": "hh:mm:ss.fff"}),
        ("23:20:01", {"$time": "-23h59m59s", "as": "hh:mm:ss"}),
        (1764371000, {"$time": "-16m40s", "as": "timestamp-seconds"}),
        (1764371995900, {"$time": "at", "as": "timestamp-millis"}),
        (1764372000500001, {"$time": "+1us", "as": "timestamp-micros"}),
        (1764372000500000001, {"$time": "+1ns", "as": "timestamp-nanos"}),
        (1764372000.5, {"$time": "now", "as": "timestamp-seconds-float"}),
        ("1764371000", {"$time": "-16m40s", "as": "timestamp-seconds-text"}),
    ],
)
def test_each_form_is_told(data: Any, call: Any) -> None:
    assert recorded(data, ANCHOR_MS, EVENT_MS) == call


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "2025-02-30", "2025-11-28T25:00:00Z", "2025-11-28T24:00:00Z", "2025-11-28T1:00",
        "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31", "9999-12-31T23:59:59.999Z",
        "1890-01-01", "on 2025-11-28", "2025-11", "25:00", "0000000001",
    ],
)  # fmt: skip
def test_what_means_no_moment_stays(text: str) -> None:
    assert recorded(text, ANCHOR_MS, EVENT_MS) == text


@pytest.mark.parametrize(
    "name",
    [
        "created_at", "createdAt", "eventTime", "timestamp", "ts", "ts_ms", "expires", "expiresIn",
        "exp", "iat", "valid_from", "startDate", "last_seen", "updated", "time_unix", "createdat",
    ],
)  # fmt: skip
def test_numbers_are_times_where_their_field_says_so(name: str) -> None:
    number = 1764371000123 if name != "exp" else 1764371000
    assert isinstance(recorded(number, ANCHOR_MS, EVENT_MS, name), dict)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("user_id", 1764371000),
        ("amount", 1764371000123),
        ("from", 1764371000),
        ("created_at_ms", 1764371000),
        ("created_at", 0),
        ("created_at", 12),
        ("created_at", 253402300799),
        ("offset", 1764371000),
        ("at", True),
    ],
)
def test_other_numbers_stay(name: str, number: int) -> None:
    assert recorded(number, ANCHOR_MS, EVENT_MS, name) is number


def test_dates_of_birth_stay() -> None:
    for name in ("dob", "birthDate", "date_of_birth", "born_at", "learnerbirthdate"):
        assert recorded("1990-02-03", ANCHOR_MS, EVENT_MS, name) == "1990-02-03"


LOGICAL = [
    ("int", "date"),
    ("int", "time-millis"),
    ("long", "time-micros"),
    *(
        ("long", f"{local}timestamp-{unit}")
        for local in ("", "local-")
        for unit in ("millis", "micros", "nanos")
    ),
]


@settings(max_examples=60)
@given(
    moment=st.integers(ANCHOR_MS - 3000 * DAY_MS, ANCHOR_MS + 3000 * DAY_MS),
    fine=st.integers(0, 999_999),
    later=anchors,
)
@pytest.mark.parametrize(("kind", "logical"), LOGICAL)
def test_every_logical_type_of_avro_moves_and_is_recorded_as_the_same(
    kind: str, logical: str, moment: int, fine: int, later: int
) -> None:
    schema = language("AVRO").parse(json.dumps({"type": kind, "logicalType": logical}))
    in_units = {
        "date": moment // DAY_MS,
        "time-millis": moment % DAY_MS,
        "time-micros": moment % DAY_MS * 1000 + fine // 1000,
    }
    units = {"millis": 1, "micros": 1000, "nanos": 1_000_000}.get(logical.rpartition("-")[2], 1)
    number = in_units.get(logical, moment * units + fine % units)
    text: Any = schema.decode(schema.encode(number))
    call = recorded(text, ANCHOR_MS, EVENT_MS)
    assert isinstance(call, dict)
    assert schema.encode(seeded(call, ANCHOR_MS, EVENT_MS)) == schema.encode(number)
    moved: Any = schema.decode(schema.encode(seeded(call, later, later - 4_600)))
    assert recorded(moved, later, later - 4_600) == call


def test_a_zone_is_kept_in_which_the_time_is_told() -> None:
    call = {"$time": "now", "as": "YYYY-MM-DDThh:mm:ss.fff-08:00"}
    there = datetime.fromtimestamp(ANCHOR_MS / 1000, timezone(timedelta(hours=-8)))
    assert seeded(call, ANCHOR_MS, EVENT_MS) == there.isoformat(timespec="milliseconds")


@pytest.mark.parametrize("number", [1e305, float("inf"), float("nan"), -1e305])
def test_a_float_that_is_no_time_stays(number: float) -> None:
    assert RelativeTimes(0).number(number, "created_at", 0) is number
