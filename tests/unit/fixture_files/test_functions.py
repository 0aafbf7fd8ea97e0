from __future__ import annotations

import copy
from datetime import UTC

import pytest

from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.fixture_files.problems import DataError

CONTEXT = FunctionContext(
    seed=42, anchor_ms=1_700_000_000_123, zone=UTC, event_ms=1_699_999_000_000
)


def test_uuid_is_the_same_for_ever() -> None:
    # If this changes, every user's UUIDs change with it.
    assert expand({"$uuid": "enroll-1"}, CONTEXT) == "163d7f39-e2d7-5555-b278-fb7443a9acfc"


def test_uuid_depends_on_name_and_seed() -> None:
    other = FunctionContext(seed=43, anchor_ms=0, zone=UTC, event_ms=0)
    uuids = {
        expand({"$uuid": "a"}, CONTEXT),
        expand({"$uuid": "b"}, CONTEXT),
        expand({"$uuid": "a"}, other),
    }
    assert len(uuids) == 3


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"$time": "now"}, "2023-11-14T22:13:20.123000+00:00"),
        ({"$time": "-1d"}, "2023-11-13T22:13:20.123000+00:00"),
        ({"$time": "-1d", "as": "iso"}, "2023-11-13T22:13:20.123000+00:00"),
        ({"$time": "-1d", "as": "date"}, "2023-11-13"),
        ({"$time": "-1s", "as": "timestamp-seconds"}, 1_699_999_999),
        ({"$time": "-1s", "as": "timestamp-millis"}, 1_699_999_999_123),
        ({"$time": "-1s", "as": "timestamp-micros"}, 1_699_999_999_123_000),
        ({"$time": "at", "as": "timestamp-millis"}, 1_699_999_000_000),
        ({"$time": "at -1s", "as": "timestamp-millis"}, 1_699_998_999_000),
        ({"$time": "2024-05-01", "as": "timestamp-seconds"}, 1_714_521_600),
        ({"$time": "-1us", "as": "timestamp-nanos"}, 1_700_000_000_122_999_000),
        ({"$time": "at +5ns", "as": "timestamp-nanos"}, 1_699_999_000_000_000_005),
        ({"$time": "now", "as": "timestamp-seconds-float"}, 1_700_000_000.123),
        ({"$time": "now", "as": "timestamp-millis-text"}, "1700000000123"),
        ({"$time": "now", "as": "YYYY-MM-DDThh:mm:ssZ"}, "2023-11-14T22:13:20Z"),
        ({"$time": "now", "as": "YYYY-MM-DD hh:mm"}, "2023-11-14 22:13"),
        ({"$time": "now", "as": "YYYY-MM-DDThh:mm:ss,ff+05:30"}, "2023-11-15T03:43:20,12+05:30"),
        ({"$time": "now", "as": "hh:mm:ss.fffffffff"}, "22:13:20.123000000"),
    ],
)
def test_time_is_written_in_the_form_asked_for(call: object, expected: object) -> None:
    assert expand(call, CONTEXT) == expected


@pytest.mark.parametrize(
    "form",
    ["", "soon", "YYYY", "YYYY-MM-DDT", "YYYY-MM-DDhh:mm", "Thh:mm", "hh:mm.ff", "YYYY-MM-DDZ",
     "hh:mm:ssZ", "YYYY-MM-DDThh:mm:ss.", "YYYY-MM-DDThh:mm:ss.ffffffffff", "iso-text", "Z"],
)  # fmt: skip
def test_a_form_that_is_none_is_refused(form: str) -> None:
    with pytest.raises(DataError, match="cannot be written as") as raised:
        expand({"$time": "now", "as": form}, CONTEXT)
    assert "YYYY-MM-DDThh:mm:ss.fffZ" in (raised.value.hint or "")


def test_a_zone_in_which_a_time_lies_after_9999_is_refused() -> None:
    with pytest.raises(DataError, match="after 9999"):
        expand({"$time": "9999-12-31T23:59Z", "as": "YYYY-MM-DDThh:mm+14:00"}, CONTEXT)


def test_calls_are_found_at_any_depth_and_the_rest_stays() -> None:
    data = {"a": [1, {"b": {"$time": "now", "as": "date"}}], "c": None, "price$": "$5"}
    assert expand(data, CONTEXT) == {
        "a": [1, {"b": "2023-11-14"}],
        "c": None,
        "price$": "$5",
    }


def test_data_without_calls_is_not_copied_and_data_with_calls_stays_as_it_was() -> None:
    plain = {"a": {"b": 1}}
    assert expand(plain, CONTEXT) is plain
    called = {"a": {"$event": "id"}, "$$b": {"c": 2}}
    before = copy.deepcopy(called)
    expanded = expand(called, CONTEXT)
    assert list(expanded.items()) == [("a", CONTEXT.event_name), ("$b", {"c": 2})]  # type: ignore[attr-defined]
    assert called == before


def test_two_dollar_signs_stand_for_one() -> None:
    assert expand({"$$ref": "#/x", "$$$y": {"$$z": 1}}, CONTEXT) == {
        "$ref": "#/x",
        "$$y": {"$z": 1},
    }


def test_two_calls_in_one_object_are_refused() -> None:
    with pytest.raises(DataError, match='has no option "\\$uuid"'):
        expand({"$time": "now", "$uuid": "a"}, CONTEXT)


def test_too_deep_data_is_refused() -> None:
    data: object = 1
    for _ in range(102):
        data = [data]
    with pytest.raises(DataError, match="down to 100 levels"):
        expand(data, CONTEXT)


def test_half_a_surrogate_pair_as_a_name_is_refused() -> None:
    with pytest.raises(DataError, match="surrogate"):
        expand({"$uuid": "\ud800"}, CONTEXT)
