"""Records as lines: what tail writes, produce reads, and fixture sets too."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakebus.cli.record_lines import WrittenRecord, record_of_event
from fakebus.cluster.event_lines import event_line, event_text
from fakebus.cluster.events import Event
from fakebus.errors import FakebusError
from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.formats.registered import registered_format
from fakebus.fixture_files.formats.wrappers import WrittenFormat
from fakebus.fixture_files.loader import load_fixtures
from fakebus.fixture_files.problems import DataError
from fakebus.fixture_files.recording.reading import SourceSchema
from fakebus.fixture_files.times import LATEST_MS
from fakebus.records.record import NewRecord
from fakebus.schemas.framing import frame
from fakebus.schemas.languages import language
from fakebus.schemas.payloads import FORMATS as FORMATS_BY_TYPE

HOSTILE = "\u202e\x1b[2J\r\n\x9b31m"
TEXTS = {
    "AVRO": '{"type":"record","name":"O","fields":[{"name":"n","type":"double"},'
    '{"name":"m","type":{"type":"map","values":"string"}}]}',
    "JSON": '{"type":"object"}',
    "PROTOBUF": 'syntax = "proto3"; message O { int32 n = 1; }',
}


class KnownSchemas:
    """Registry with one schema of each language, whose ids are 1 to 3."""

    def __init__(self) -> None:
        self.known = [
            SourceSchema(
                schema_id=number,
                subject=f"{kind}-value",
                version=1,
                schema_type=kind,
                text=text,
                references=(),
                parsed=language(kind).parse(text),
            )
            for number, (kind, text) in enumerate(TEXTS.items(), 1)
        ]

    def __call__(self, schema_id: int, topic: str, is_key: bool) -> SourceSchema | None:
        return next((each for each in self.known if each.schema_id == schema_id), None)

    def format(self, spec: WrittenFormat) -> Format:
        for each in self.known:
            if each.subject == spec.subject:
                name = FORMATS_BY_TYPE[each.schema_type]
                return registered_format(name, each.parsed, each.schema_id)
        raise DataError(f"there is no subject {spec.subject}")


SCHEMAS: Any = KnownSchemas()


def read(line: str) -> WrittenRecord:
    return record_of_event(line, ("lines", 7), SCHEMAS, FORMATS["string"], FORMATS["json"])


def stored(**fields: object) -> Event:
    plain = {"topic": "t", "partition": 3, "offset": 1, "timestamp_ms": -1, "key": None}
    given = {**plain, "value": b"", "headers": (), "schemas": SCHEMAS, **fields}
    return Event(**given)  # type: ignore[arg-type]


json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "data", "$uuid", "a", "$$"]), inner, max_size=3)
    ),
)
json_texts = json_texts.map(
    lambda data: json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
) | json_texts.map(lambda data: json.dumps(data).encode())
framed = st.builds(frame, st.integers(0, 4), st.binary(max_size=12) | json_texts)
payloads = (
    st.none()
    | st.binary(max_size=20)
    | st.text(max_size=20).map(lambda text: text.encode())
    | json_texts
    | framed
)
headers = st.lists(
    st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=9) | json_texts), max_size=3
).map(tuple)


@given(payloads, payloads, headers, st.integers(0, LATEST_MS))
def test_a_tailed_line_gives_back_the_record_byte_for_byte(
    key: bytes | None,
    value: bytes | None,
    found_headers: tuple[tuple[str, bytes | None], ...],
    timestamp_ms: int,
) -> None:
    record = stored(key=key, value=value, headers=found_headers, timestamp_ms=timestamp_ms)
    line = event_line(record)
    assert "\n" not in line
    assert read(line) == WrittenRecord(
        NewRecord(key, value, found_headers, timestamp_ms), partition=3, topic="t"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"a":"\xc3\xa9"}', {"a": "\u00e9"}),
        (b'{"a": "\\u00e9", "b": 1}', {"type": "json-python", "data": {"a": "\u00e9", "b": 1}}),
        (b'{"a" : 1}', {"type": "string", "data": '{"a" : 1}'}),
        (b'{"a":1,"a":2}', {"type": "string", "data": '{"a":1,"a":2}'}),
        (b"hello", {"type": "string", "data": "hello"}),
        (b'"hello"', "hello"),
        (b"null", {"type": "string", "data": "null"}),
        (b"\xff", {"type": "binary", "data": "/w=="}),
    ],
)
def test_values_without_a_schema_are_told_as_data_where_that_gives_the_same_bytes(
    value: bytes, expected: object
) -> None:
    line = event_line(stored(value=value))
    assert json.loads(line)["value"] == expected
    assert read(line).record.value == value


@pytest.mark.parametrize("number", [1, 2, 3])
def test_data_with_a_schema_is_told_with_its_subject(number: int) -> None:
    schema = SCHEMAS.known[number - 1]
    data = {"n": 1.0, "m": {"$a": "b"}} if number == 1 else {"n": 1}
    framed_value = frame(number, schema.parsed.encode(data))
    line = event_line(stored(value=framed_value))
    event = json.loads(line)["value"]
    assert event["subject"] == schema.subject
    assert event["type"] == FORMATS_BY_TYPE[schema.schema_type]
    assert event["data"]["n"] == 1
    assert read(line).record.value == framed_value
    assert '"n": 1' in event_text(stored(value=framed_value))


def test_a_tailed_line_is_an_event_of_a_fixture_set(tmp_path: Path) -> None:
    record = stored(key=b"\xff", value=b"hello", headers=(("h", b"\x80"),), timestamp_ms=5)
    (tmp_path / "fakebus.yaml").write_text(
        "version: 1\ntopics: [{name: t, partitions: 4, load: t.ndjson}]\n"
    )
    (tmp_path / "t.ndjson").write_text(event_line(record) + "\n")
    found = load_fixtures(tmp_path, now_ms=time.time_ns() // 1_000_000)
    (event,) = found.streams[0].events
    assert event.partition == 3
    assert event.record == NewRecord(b"\xff", b"hello", (("h", b"\x80"),), 5)


def test_json_that_is_nested_more_deeply_than_functions_may_be_stays_as_it_is() -> None:
    deep = b'{"$a":' + b"[" * 150 + b"]" * 150 + b"}"
    line = event_line(stored(value=deep))
    assert read(line).record.value == deep


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"value": None, "key": "a"}, NewRecord(b"a", None)),
        ({"value": {"n": [1, None]}}, NewRecord(None, b'{"n":[1,null]}')),
        ({"value": "\u00e9"}, NewRecord(None, b'"\xc3\xa9"')),
        ({"value": {"type": "string", "data": "a"}}, NewRecord(None, b"a")),
        ({"value": {"type": "binary", "data": "/wA="}}, NewRecord(None, b"\xff\x00")),
        (
            {"value": 1, "headers": {"a": "b", "c": None}},
            NewRecord(None, b"1", (("a", b"b"), ("c", None))),
        ),
        ({"value": 1, "at": "1970-01-01T00:00:01Z", "id": "x"}, NewRecord(None, b"1", (), 1000)),
        (
            {"value": {"t": {"$time": "at"}}, "at": "1970-01-01"},
            NewRecord(None, b'{"t":"1970-01-01T00:00:00.000000+00:00"}', (), 0),
        ),
    ],
)
def test_an_event_becomes_a_record(fields: dict[str, object], expected: NewRecord) -> None:
    assert read(json.dumps(fields)).record == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "lines:7:2: this is not JSON"),
        ("[]", "an event must be an object"),
        ('{"value": 1, "kay": 1}', 'lines:7:21: an event has no field "kay"; did you mean "key"'),
        ('{"key": "a"}', "the event has no value"),
        (
            '{"value": {"type": "binary", "data": "%"}}',
            'lines:7:11: "value": the data is not base64',
        ),
        ('{"value": 1, "key": 7}', "needs a text, not a number"),
        ('{"value": 1, "partition": true}', '"partition" must be a whole number'),
        ('{"value": 1, "at": "soon"}', "is not a point in time"),
        ('{"value": 1, "after": "x +1s"}', "only a fixture set knows the other event"),
        (r'{"value": 1, "headers": {"\ud800": "a"}}', "half of a surrogate pair"),
        ('{"value": 1, "headers": {"a": 1}}', "must be a text, not a number"),
        ('{"value": {"subject": "x", "data": 1}}', 'lines:7:11: "value": there is no subject x'),
        ('{"value": {"type": "avro", "data": 1}}', "needs a subject"),
        ('{"value": {"subject": "AVRO-value", "data": 1}}', "expected"),
    ],
)
def test_a_line_that_is_no_event_is_refused_with_its_place(line: str, message: str) -> None:
    with pytest.raises(FakebusError) as refusal:
        read(line)
    assert message in str(refusal.value)


def text_of(**fields: object) -> str:
    return event_text(stored(**{"partition": 0, **fields}))


def test_a_record_is_one_line_that_cannot_reprogram_the_terminal() -> None:
    line = text_of(value=b"a\nb\x1b[2J", key=b"\r", headers=(("h", b"\x07"), ("n", None)))
    assert line.isprintable()
    assert line == r"t-0@1  -  \r:  a\nb\x1b[2J  [h=\x07, n=(null)]"


def test_a_tombstone_differs_from_an_empty_value() -> None:
    assert text_of(value=None).endswith("(null)")
    assert not text_of(value=b"").endswith("(null)")


def test_bytes_that_are_no_text_are_escaped() -> None:
    assert text_of(value=b"\xffa\x00").endswith(r"\xffa\x00")


@pytest.mark.parametrize(
    ("value", "begins"),
    [
        (b"x" * 100_000, "xxx"),
        ("a\U0001f600".encode() * 50_000, "a\U0001f600a"),
        (b"\xff" * 100_000, "\\xff\\xff"),
        (b'{"a": "' + HOSTILE.encode() * 20_000, '{"a": "\\u202e\\x1b[2J\\r\\n\\x9b31m'),
        (b"[" * 200_000, "[[["),
    ],
    ids=["text", "letters", "bytes", "escapes", "deep"],
)
def test_what_is_large_is_cut_on_a_line_for_people_and_nothing_reaches_the_terminal(
    value: bytes, begins: str
) -> None:
    headers = tuple((HOSTILE * 1000, HOSTILE.encode()) for _ in range(10_000))
    line = event_text(stored(value=value, key=value, headers=headers))
    assert line.isprintable()
    assert len(line) < 1_000_000
    assert f": {begins}" in line.replace("  ", " ")
    assert f"… ({len(value)} bytes; --json has them all)" in line
    assert "and 9900 more" in line


def test_a_value_that_fits_is_written_to_its_end() -> None:
    for text in ("x" * 10_000, "\U0001f600" * 10_000):
        assert event_text(stored(value=text.encode())).endswith(text)
