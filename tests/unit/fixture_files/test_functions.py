from __future__ import annotations

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
    ],
)
def test_time_is_written_in_the_form_asked_for(call: object, expected: object) -> None:
    assert expand(call, CONTEXT) == expected


def test_calls_are_found_at_any_depth_and_the_rest_stays() -> None:
    data = {"a": [1, {"b": {"$time": "now", "as": "date"}}], "c": None, "price$": "$5"}
    assert expand(data, CONTEXT) == {
        "a": [1, {"b": "2023-11-14"}],
        "c": None,
        "price$": "$5",
    }


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
