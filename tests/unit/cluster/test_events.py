"""How events are matched, and what is said when they are not."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.cluster.events import Event, encode, header_pairs
from fakebus.registry.sources import RegistrySchema
from fakebus.schemas.languages import language
from fakebus.testing.matching import Wanted, mismatches


def event(value: bytes | None, **fields: Any) -> Event:
    defaults: dict[str, Any] = {
        "topic": "t",
        "partition": 0,
        "offset": 3,
        "timestamp_ms": 1_700_000_000_000,
        "key": b"k",
        "headers": (("a", b"1"), ("a", b"2"), ("b", None)),
    }
    return Event(value=value, **{**defaults, **fields})


VALUE = b'{"user": "ada", "course": {"id": 7, "tags": ["x", "y"]}, "active": true}'


@pytest.mark.parametrize(
    "match",
    [
        None,
        VALUE,
        VALUE.decode(),
        {"user": "ada"},
        {"course": {"id": 7}},
        {"course": {"tags": ["x", "y"]}},
        lambda e: e.offset == 3,
    ],
)
def test_what_fits_matches(match: Any) -> None:
    assert mismatches(event(VALUE), match) == []


@pytest.mark.parametrize(
    ("match", "says"),
    [
        ({"user": "bob"}, "value.user is 'ada', not 'bob'"),
        ({"name": "ada"}, "value.name is missing"),
        ({"course": {"id": 8}}, "value.course.id is 7, not 8"),
        ({"course": {"tags": ["x"]}}, "value.course.tags has 2 items, not 1"),
        ({"course": {"tags": ["x", "z"]}}, "value.course.tags[1] is 'y', not 'z'"),
        ({"user": {"id": 1}}, "value.user is 'ada', not an object"),
        ({"active": 1}, "value.active is True, not 1"),
        (b"other", "value is"),
        (lambda e: False, "the function said no"),
        (lambda e: e.json()["name"] == "ada", "the function raised KeyError: 'name'"),
    ],
)
def test_what_does_not_fit_is_explained(match: Any, says: str) -> None:
    (problem,) = mismatches(event(VALUE), match)
    assert says in problem


def test_a_coroutine_is_no_match() -> None:
    async def match(event: Event) -> bool:
        return True

    wrong: Any = match
    with pytest.raises(TypeError, match="cannot be a coroutine"):
        mismatches(event(VALUE), wrong)


def test_a_value_that_cannot_be_read_is_shown() -> None:
    assert "neither JSON nor text" in mismatches(event(b"\xff\x00"), {"a": 1})[0]
    assert mismatches(event(b"text"), {"a": 1}) == ["value is 'text', not an object"]
    assert mismatches(event(None), {"a": 1}) == ["value is None, not an object"]


def test_events_show_themselves() -> None:
    assert str(event(b"v")) == "t[0]@3 key=k value=v"
    assert "null" in str(event(None))
    assert event(b"v").header("a") == b"2"
    assert event(b"v").header("b") is None
    assert event(b"v").header("c") is None
    assert event(VALUE).json()["user"] == "ada"
    assert event(b"v").time.year == 2023


def test_values_and_headers_become_bytes() -> None:
    assert [encode(v) for v in (None, b"x", "ä", {"a": 1}, 5)] == [
        *(None, b"x", "ä".encode(), b'{"a":1}', b"5")
    ]
    assert header_pairs({"a": "1"}) == (("a", b"1"),)
    assert header_pairs([("a", "1"), ("a", None)]) == (("a", b"1"), ("a", None))
    assert header_pairs(None) == ()


def test_keys_and_headers_are_wanted_too() -> None:
    assert Wanted(key="k", headers={"a": "1", "b": None}).problems(event(VALUE)) == []
    assert Wanted(key="x", headers={"a": "3", "c": "1"}).problems(event(VALUE)) == [
        "key is k, not x",
        "header a is '2', not '3'",
        "header c is missing",
    ]
    assert str(Wanted(match={"a": 1}, key="x")) == "{'a': 1} key='x'"


def test_values_are_decoded_as_far_as_they_can_be() -> None:
    assert [event(v).data for v in (b"[1]", b"x", b"\xff", None)] == [[1], "x", b"\xff", None]
    assert event(b"", key=b"1").key_data == "1"


def test_a_source_of_schemas_says_what_framed_bytes_are() -> None:
    schema = RegistrySchema(7, language("AVRO").parse('"string"'))

    def source(schema_id: int, topic: str, is_key: bool) -> RegistrySchema | None:
        return schema if (schema_id, topic, is_key) == (7, "t", False) else None

    framed = event(b"\x00\x00\x00\x00\x07\x02x", schemas=source)
    assert framed.data == "x"
    assert mismatches(framed, "y")
    key = event(b"", key=b"\x00\x00\x00\x00\x07\x02x", schemas=source)
    assert key.key_data == "\x00\x00\x00\x00\x07\x02x"
    assert event(b"", key=b'{"a": 1}').key_data == '{"a": 1}'
