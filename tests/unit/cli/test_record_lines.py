"""Records as lines: what tail writes is what produce reads."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakebus.cli.record_lines import (
    NewRecord,
    RecordLineError,
    record_from_json,
    record_to_json,
    record_to_text,
)
from fakebus.client.reading import FetchedRecord

payloads = st.none() | st.binary(max_size=20) | st.text(max_size=20).map(str.encode)
headers = st.lists(st.tuples(st.text(max_size=5), payloads), max_size=3).map(tuple)


@given(payloads, payloads, headers, st.integers(0, 253_402_300_799_999))
def test_a_tailed_line_gives_back_the_record(
    key: bytes | None,
    value: bytes | None,
    found_headers: tuple[tuple[str, bytes | None], ...],
    timestamp_ms: int,
) -> None:
    read = FetchedRecord(
        topic="orders",
        partition=3,
        offset=17,
        timestamp_ms=timestamp_ms,
        key=key,
        value=value,
        headers=found_headers,
    )
    line = record_to_json(read)
    assert "\n" not in line
    assert record_from_json(line) == NewRecord(
        key=key, value=value, headers=found_headers, partition=3, timestamp_ms=timestamp_ms
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, NewRecord()),
        ({"value": None, "key": "a"}, NewRecord(key=b"a")),
        ({"value": {"n": [1, None]}}, NewRecord(value=b'{"n":[1,null]}')),
        ({"value": "\u00e9", "key": 7}, NewRecord(value=b"\xc3\xa9", key=b"7")),
        ({"value_base64": "/wA="}, NewRecord(value=b"\xff\x00")),
        ({"headers": {"a": "b", "c": None}}, NewRecord(headers=(("a", b"b"), ("c", None)))),
        ({"headers": [["a", "1"], ["a", 2]]}, NewRecord(headers=(("a", b"1"), ("a", b"2")))),
        ({"partition": 2, "timestamp": 5}, NewRecord(partition=2, timestamp_ms=5)),
        ({"timestamp": "1970-01-01T00:00:01Z"}, NewRecord(timestamp_ms=1000)),
    ],
)
def test_a_json_line_becomes_a_record(fields: dict[str, object], expected: NewRecord) -> None:
    assert record_from_json(json.dumps(fields)) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"vale": 1}', "unknown field 'vale'; did you mean value"),
        ('{"value": 1, "value_base64": "aa=="}', "both value and value_base64"),
        ('{"key_base64": "%"}', "not base64"),
        ('{"partition": -1}', "not a partition"),
        ('{"partition": true}', "not a partition"),
        ('{"timestamp": "soon"}', "not a timestamp"),
        (r'{"headers": {"\ud800": "a"}}', "half of a surrogate pair"),
        ('{"headers": 1}', "headers are"),
        ('{"headers": [["a"]]}', "not a header"),
        ('{"value": "\\ud800"}', "surrogate"),
    ],
)
def test_a_bad_json_line_is_refused_with_the_reason(line: str, message: str) -> None:
    with pytest.raises(RecordLineError, match=message):
        record_from_json(line)


def text_of(**fields: object) -> str:
    plain = {"topic": "t", "partition": 0, "offset": 1, "timestamp_ms": None, "key": None}
    return record_to_text(FetchedRecord(**{**plain, "value": b"", "headers": (), **fields}))  # type: ignore[arg-type]


def test_a_record_is_one_line_that_cannot_reprogram_the_terminal() -> None:
    line = text_of(value=b"a\nb\x1b[2J", key=b"\r", headers=(("h", b"\x07"),))
    assert line.isprintable()
    assert line == r"t-0@1  -  \r:  a\nb\x1b[2J  [h=\x07]"


def test_a_tombstone_differs_from_an_empty_value() -> None:
    assert text_of(value=None).endswith("(null)")
    assert not text_of(value=b"").endswith("(null)")


def test_bytes_that_are_no_text_are_escaped() -> None:
    assert text_of(value=b"\xffa\x00").endswith(r"\xffa\x00")
