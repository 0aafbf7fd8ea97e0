"""From records to files and back, without a cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.errors import FakebusError
from fakebus.fixture_files.loader import check_fixtures, load_fixtures
from fakebus.fixture_files.recording.reading import SourceRecord, SourceSchema, SourceTopic
from fakebus.fixture_files.recording.recorder import Recorder, earlier_recording, write_files
from fakebus.fixture_files.recording.redaction import Redaction
from fakebus.schemas.framing import frame
from fakebus.schemas.languages import language

NOW_MS = 1_700_000_000_000
TEXT = '{"type": "record", "name": "O", "fields": [{"name": "s", "type": "string"}]}'
AVRO = language("AVRO").parse(TEXT)
SCHEMA_ID = 1


def schemas(schema_id: int, topic: str, is_key: bool) -> SourceSchema | None:
    if schema_id != SCHEMA_ID or is_key:
        return None
    return SourceSchema(
        schema_id=schema_id,
        subject=f"{topic}-value",
        version=1,
        schema_type="AVRO",
        text=TEXT,
        references=(),
        parsed=AVRO,
    )


def recorded(topics: Sequence[SourceTopic], over: Path = Path("nowhere")) -> dict[str, str]:
    return Recorder(schemas, Redaction(), earlier=earlier_recording(over)).files(topics)


def topic_of(records: Sequence[tuple[Any, ...]], partitions: int = 1) -> SourceTopic:
    made, counts = [], dict.fromkeys(range(partitions), 0)
    for partition, timestamp_ms, key, value, headers in records:
        made.append(SourceRecord(partition, counts[partition], timestamp_ms, key, value, headers))
        counts[partition] += 1
    return SourceTopic(name="t", partitions=partitions, config={}, records=made)


def seeded(directory: Path) -> list[SourceTopic]:
    """Return what a cluster holds after the set was seeded to it."""
    fixture_set = load_fixtures(directory, now_ms=NOW_MS + 777_777_777)
    rows: dict[str, list[tuple[Any, ...]]] = {topic.name: [] for topic in fixture_set.topics}
    for stream in fixture_set.streams:
        for event in stream.events:
            record = event.record
            row = (event.partition, record.timestamp_ms, record.key, record.value, record.headers)
            rows[stream.topic].append(row)
    return [topic_of(rows[topic.name], topic.partitions) for topic in fixture_set.topics]


def lines(files: Mapping[str, str]) -> list[Any]:
    return [json.loads(line) for line in files["events/t.ndjson"].splitlines()]


texts = st.text(st.characters(codec="utf-8"), max_size=8)
uuids = st.uuids().map(str)
times = st.datetimes(datetime(1960, 1, 1), datetime(2060, 1, 1)).flatmap(
    lambda at: st.sampled_from([at.isoformat(), f"{at:%Y-%m-%d}", f"{at:%Y-%m-%dT%H:%M:%S}Z"])
)
people = st.sampled_from(["a@b.co", "+49 30 1234567", "Ada Lovelace", "10.1.2.3", '{"pin": "x"}'])
names = texts | st.sampled_from(["created_at", "user_name", "email", "birthDate", "tel", "x@y.zz"])
json_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**42), 2**42) | texts | uuids | times | people,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
payloads = st.one_of(
    st.none(),
    st.binary(max_size=12),
    texts.map(str.encode),
    st.one_of(uuids, times, people).map(str.encode),
    json_data.map(
        lambda data: json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    ),
    json_data.map(lambda data: json.dumps(data, indent=1).encode()),
    texts.map(lambda text: frame(SCHEMA_ID, AVRO.encode({"s": text}))),
)
records = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(NOW_MS - 10**9, NOW_MS),
        payloads,
        payloads,
        st.lists(st.tuples(texts, payloads), max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40)
@given(records=records)
def test_what_is_seeded_from_a_recording_is_recorded_as_the_same_files(
    records: list[tuple[Any, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = recorded([topic_of(records, 3)])
    directory = tmp_path_factory.mktemp("set")
    write_files(directory, first)
    assert [one for one in check_fixtures(directory) if one.rule == "invalid"] == []
    assert recorded(seeded(directory)) == first


def row(value: object, age_ms: int = 0, key: bytes | None = None, headers: Any = ()) -> Any:
    return (0, NOW_MS - age_ms, key, json.dumps(value, separators=(",", ":")).encode(), headers)


def test_what_was_sent_twice_is_no_mistake_of_the_set(tmp_path: Path) -> None:
    event = {
        "ce_specversion": b"1.0",
        "ce_id": b"7",
        "ce_source": b"/a",
        "ce_type": b"order.placed",
    }
    sent = row({"n": 1}, headers=tuple(event.items()))
    later = (0, NOW_MS - 500, *sent[2:])
    for name, rows in {"at once": [sent, sent], "again": [sent, later]}.items():
        write_files(tmp_path / name, recorded([topic_of(rows)]))
        assert [str(each) for each in check_fixtures(tmp_path / name)] == []
    files = recorded([topic_of([sent, row({"n": 2})])])
    assert "lint" not in files["fakebus.yaml"]


def test_the_order_of_reading_does_not_matter() -> None:
    topic = topic_of([row({"n": n}, age_ms=1000 - n) for n in range(20)])
    shuffled = SourceTopic(name="t", partitions=1, config={}, records=list(reversed(topic.records)))
    assert recorded([topic]) == recorded([shuffled])


def test_within_a_partition_the_log_counts_whatever_the_timestamps() -> None:
    files = recorded([topic_of([row(1, age_ms=0), row(2, age_ms=5000)])])
    assert [(line["at"], line["value"]) for line in lines(files)] == [("now", 1), ("-5s", 2)]


@pytest.mark.parametrize("branch", ["string", "", "0"])
def test_data_inside_a_branch_of_a_union_is_called_as_the_field_around_it(branch: str) -> None:
    born = {"birthDate": {branch: "1990-02-03"}, "created_at": {"long": NOW_MS}}
    (line,) = lines(recorded([topic_of([row(born)])]))
    assert line["value"]["birthDate"] == {branch: "2000-01-01"}
    assert line["value"]["created_at"]["long"]["as"] == "timestamp-millis"


def test_ids_and_times_have_names() -> None:
    one = "0188aaaa-0000-4000-8000-000000000001"
    value = {
        "id": one,
        "at": "2023-11-14T22:13:20.000000+00:00",
        "day": "2023-11-13T22:13:20.000000+00:00",
        "micro": "2023-11-14T22:13:20.000001+00:00",
    }
    files = recorded([topic_of([row(value, headers=(("ce_id", one.encode()),))])])
    (line,) = lines(files)
    assert line["value"] == {
        "id": {"$uuid": "id-1"},
        "at": {"$time": "at"},
        "day": {"$time": "-1d"},
        "micro": {"$time": "+1us"},
    }
    assert line["headers"] == [["ce_id", {"$uuid": "id-1"}]]


def test_names_that_somebody_gave_to_ids_stay(tmp_path: Path) -> None:
    ids = [str(UUID(int=number)) for number in range(3)]
    write_files(tmp_path, recorded([topic_of([row({"id": each}) for each in ids])]))
    events = tmp_path / "events" / "t.ndjson"
    # The first event goes, and an id has a better name now.
    edited = events.read_text().splitlines()[1:]
    edited[0] = edited[0].replace('"id-2"', '"the-order"')
    events.write_text("\n".join(edited) + "\n")
    again = recorded(seeded(tmp_path), tmp_path)
    assert again["events/t.ndjson"] == events.read_text()


def test_the_newest_event_may_be_edited_away_or_another_one_added(tmp_path: Path) -> None:
    write_files(tmp_path, recorded([topic_of([row(n, age_ms=5000 - n * 1000) for n in range(6)])]))
    events = tmp_path / "events" / "t.ndjson"
    original = events.read_text().splitlines()
    for edited in (original[:-2], [*original, '{"at": "+30m5s", "value": 7}']):
        events.write_text("\n".join(edited) + "\n")
        assert recorded(seeded(tmp_path), tmp_path)["events/t.ndjson"] == events.read_text()


def test_an_earlier_recording_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "t.ndjson").write_bytes(b"\xff")
    with pytest.raises(FakebusError, match=r"t\.ndjson cannot be read: .*; remove it"):
        earlier_recording(tmp_path)


def test_a_new_id_has_a_name_that_no_other_id_has(tmp_path: Path) -> None:
    ids = [str(UUID(int=number)) for number in range(2)]
    write_files(tmp_path, recorded([topic_of([row({"id": each}) for each in ids])]))
    (topic,) = seeded(tmp_path)
    newcomer = SourceRecord(
        0, 2, NOW_MS + 777_777_778, None, b'{"id":"%s"}' % str(UUID(int=9)).encode(), ()
    )
    wider = SourceTopic(name="t", partitions=1, config={}, records=[newcomer, *topic.records])
    named = [line["value"]["id"]["$uuid"] for line in lines(recorded([wider]))]
    assert named == ["id-1", "id-2", "id-3"]


def test_tracing_is_left_out_unless_asked_for() -> None:
    headers = (("traceparent", b"00"), ("B3", b"1"), ("x-b3-traceid", b"2"), ("kind", b"k"))
    topic = topic_of([row(1, headers=headers)])
    (line,) = lines(recorded([topic]))
    assert line["headers"] == [["kind", "k"]]
    kept = Recorder(None, Redaction(), keep_tracing=True).files([topic])
    assert len(lines(kept)[0]["headers"]) == 4


def test_payloads_that_only_look_like_a_schemas_stay_bytes() -> None:
    rows = [
        (0, NOW_MS, None, frame(SCHEMA_ID, b"\xff"), ()),
        (0, NOW_MS, None, frame(99, b"\xfe"), ()),
    ]
    found = [line["value"] for line in lines(recorded([topic_of(rows)]))]
    assert found == ["AAAAAAH/", "AAAAAGP+"]


def test_what_cannot_be_read_and_redacted_is_told() -> None:
    mail = b"\x02\x1cada@example.com"
    framed = [(0, NOW_MS, None, frame(7, mail), ()), (0, NOW_MS, b"k", frame(SCHEMA_ID, mail), ())]
    readable = [(0, NOW_MS, b"ada", b'{"n": 1}', ()), (0, NOW_MS, None, None, ())]
    other = (0, NOW_MS, b"\xff\xfe", b"\xff", ())
    told = "could not be read and stand in the files as they are; nothing in them is redacted"

    def notes(records: Sequence[tuple[Any, ...]], registry: bool) -> list[str]:
        recorder = Recorder(schemas if registry else None, Redaction())
        recorder.files([topic_of(records)])
        return recorder.notes

    assert notes(readable, registry=False) == []
    assert notes([*framed, *readable], registry=False) == [
        f"t: 2 keys and values {told}; they begin like those of a schema registry, which "
        "--registry names"
    ]
    assert notes([*framed[:1], *readable, other], registry=True) == [f"t: 3 keys and values {told}"]
    assert notes(framed[:1], registry=True) == [f"t: 1 key or value {told}"]


def test_strict_records_nothing_that_cannot_be_read() -> None:
    topic = topic_of([(0, NOW_MS, None, b"\xff", ()), (0, NOW_MS, None, b"{}", ())])
    with pytest.raises(
        FakebusError, match=r"strict, but t: 1 key or value could not be read .*--reg"
    ):
        Recorder(schemas, Redaction(strict=True)).files([topic])


def test_json_is_recorded_as_json_however_it_is_spaced() -> None:
    spaced = [b'{"a": 1, "b": [1.5, "\\u00fc"]}', b'{\n  "a": 1\n}\n']
    exact = [b'{"a": 1, "a": 2}', b'{"a": 1.50}', b'{"a": NaN}', b" 5", b'{"a": 1e400}']
    exact += [b'{"a":NaN}', b'{"a":-Infinity}', rb'{"a":"\ud800"}', b'{"a": -0}', b'{"a":1e305}']
    rows = [(0, NOW_MS, spaced[0], value, ()) for value in (*spaced, *exact)]
    found = lines(recorded([topic_of(rows)]))
    assert [line["value"] for line in found] == [
        *({"type": "json", "data": data} for data in ({"a": 1, "b": [1.5, "\u00fc"]}, {"a": 1})),
        *(each.decode() for each in exact),
    ]
    # The bytes of a key choose its partition.
    assert found[0]["key"] == spaced[0].decode()


@pytest.mark.parametrize("depth", [90, 100, 101, 600, 900])
def test_data_that_is_nested_deeply_is_recorded_and_redacted(depth: int, tmp_path: Path) -> None:
    deep = b"[" * depth + b'"a@b.co"' + b"]" * depth
    files = recorded([topic_of([(0, NOW_MS, deep, deep, ()), row({"x": deep.decode()})])])
    assert "a@b.co" not in files["events/t.ndjson"]
    write_files(tmp_path, files)
    assert [one for one in check_fixtures(tmp_path) if one.rule == "invalid"] == []


def test_a_key_with_a_time_stays_in_its_partition() -> None:
    rows = [(2, NOW_MS, b"2023-11-14", b"{}", ()), (1, NOW_MS, b"2023-11-13", b"{}", ())]
    found = lines(recorded([topic_of(rows, 3)]))
    assert {(line["key"]["$time"], line["partition"]) for line in found} == {("now", 2), ("-1d", 1)}


def test_what_was_redacted_and_what_was_left_is_listed() -> None:
    value = {"email": "a@b.co", "n": 7, "at": "2023-11-14T22:13:20Z", "tags": ["x", "a@b.co"]}
    topic = topic_of([row(value, key=b"k", headers=(("kind", b"h"), ("raw", b"\xff")))])
    recorder = Recorder(None, Redaction())
    recorder.files([topic])
    assert list(recorder.listing.lines()) == [
        "t: redacted value.email (e-mail address, 1 time), value.tags[*] (e-mail address, 1 time)",
        "t: left as it was: header kind, header raw (bytes), key, value.n, value.tags[*]",
    ]


def test_the_list_tells_nobody_who_is_a_key_of_a_map() -> None:
    value = {"a@b.co": {"email": "c@d.co", "$ref": "x"}}
    recorder = Recorder(None, Redaction())
    recorder.files([topic_of([row(value)])])
    assert list(recorder.listing.lines()) == [
        "t: redacted value.* (e-mail address, 1 time), "
        "value.person-1@example.org.email (e-mail address, 1 time)",
        "t: left as it was: value.person-1@example.org.$ref",
    ]


def test_many_keys_of_a_map_are_one_field_of_the_list() -> None:
    topic = topic_of([row({"prices": {f"p{n}": n for n in range(50)}, "b": {"c": 1, "d": True}})])
    recorder = Recorder(None, Redaction())
    recorder.files([topic])
    (_, kept) = recorder.listing.lines()
    assert kept == "t: left as it was: value.b.c, value.prices.*"


ACCOUNT = {
    "type": "record",
    "name": "O",
    "fields": [
        {"name": "email", "type": "string"},
        {"name": "phone", "type": {"type": "fixed", "name": "P", "size": 8}},
        {"name": "password", "type": {"type": "enum", "name": "E", "symbols": ["ON", "OFF"]}},
        {"name": "ssn", "type": "int"},
        {"name": "token", "type": "bytes"},
        {"name": "dob", "type": {"type": "int", "logicalType": "date"}},
        {"name": "contact", "type": ["null", "string"]},
        {"name": "map", "type": {"type": "map", "values": "string"}},
    ],
}
PATTERNS = {
    "type": "object",
    "properties": {
        "email": {"type": "string", "maxLength": 8},
        "phone": {"type": "string", "pattern": "^[1-9][0-9]{7}$"},
        "ip": {"type": "string", "format": "ipv4"},
        "customer_name": {"type": "string", "pattern": "^[A-Z][a-z]+$"},
        "password": {"enum": ["ON", "OFF"]},
        "iban": {"type": "string", "pattern": "^GB[0-9]{2}[A-Z]{4}[0-9]{14}$"},
    },
}


@pytest.mark.parametrize(
    ("kind", "text", "data", "redacted", "kept"),
    [
        (
            "AVRO",
            ACCOUNT,
            {
                "email": "a@b.co",
                "phone": "12345678",
                "password": "ON",
                "ssn": 123456789,
                "token": "Bearer abcdefgh",
                "dob": "1990-02-03",
                "contact": "+49 30 123456",
                "map": {"x@y.zz": "v"},
            },
            {
                "email": "person-1@example.org",
                "phone": "00000001",
                "password": "ON",
                "ssn": 900000001,
                "token": "secret-2",
                "dob": "2000-01-01",
                "contact": "+15550000002",
                "map": {"person-2@example.org": "v"},
            },
            "t: left as it was: value.password (its schema takes nothing else), "
            "value.map.person-2@example.org",
        ),
        (
            "JSON",
            PATTERNS,
            {
                "email": "a@b.co",
                "phone": "91234567",
                "ip": "10.1.2.3",
                "customer_name": "Ada",
                "password": "ON",
                "iban": "GB29NWBK60161331926819",
                "other": "a@b.co",
            },
            {
                "email": "x@x.xy",
                "phone": "90000001",
                "ip": "198.18.0.1",
                "customer_name": "Xxy",
                "password": "ON",
                "iban": "GB49XXXX00000000000001",
                "other": "x@x.xy",
            },
            "t: left as it was: value.password (its schema takes nothing else)",
        ),
    ],
)
def test_what_stands_instead_fits_the_schema(
    kind: str, text: Any, data: Any, redacted: Any, kept: str, tmp_path: Path
) -> None:
    parsed = language(kind).parse(json.dumps(text))

    def find(schema_id: int, topic: str, is_key: bool) -> SourceSchema:
        return SourceSchema(
            schema_id=schema_id,
            subject="t-value",
            version=1,
            schema_type=kind,
            text=json.dumps(text),
            references=(),
            parsed=parsed,
        )

    rows = [(0, NOW_MS, None, frame(SCHEMA_ID, parsed.encode(data)), ())]
    recorder = Recorder(find, Redaction())
    files = recorder.files([topic_of(rows)])
    (line,) = lines(files)
    assert line["value"] == redacted
    assert list(recorder.listing.lines())[1] == kept
    write_files(tmp_path, files)
    assert [one for one in check_fixtures(tmp_path) if one.rule == "invalid"] == []
    assert Recorder(find, Redaction()).files(seeded(tmp_path)) == files


def test_only_a_recording_is_replaced(tmp_path: Path) -> None:
    write_files(tmp_path, recorded([topic_of([row(1)])]))
    other = SourceTopic(name="u", partitions=1, config={"retention.ms": "5"}, records=())
    write_files(tmp_path, recorded([other]))
    assert not (tmp_path / "events" / "t.ndjson").exists()
    assert 'retention.ms: "5"' in (tmp_path / "fakebus.yaml").read_text()


def test_subjects_and_topics_whose_names_differ_little_have_files_of_their_own(
    tmp_path: Path,
) -> None:
    contents = {f"{name}-{n}": n for n, name in enumerate((":.a:x", "-.a-x", "Foo", "foo"))}
    topics = ["Foo", "foo", "foo."]

    def find(schema_id: int, topic: str, is_key: bool) -> SourceSchema | None:
        subject = list(contents)[schema_id]
        text = TEXT.replace('"O"', f'"O{schema_id}"')
        return SourceSchema(
            schema_id=schema_id,
            subject=subject,
            version=1,
            schema_type="AVRO",
            text=text,
            references=(),
            parsed=language("AVRO").parse(text),
        )

    sources = [
        SourceTopic(
            name=name,
            partitions=1,
            config={},
            records=[
                SourceRecord(0, n, NOW_MS, None, frame(n, AVRO.encode({"s": name})), ())
                for n in contents.values()
            ],
        )
        for name in topics
    ]
    files = Recorder(find, Redaction()).files(sources)
    assert len({name.lower() for name in files}) == 1 + len(contents) + len(topics)
    write_files(tmp_path, files)
    assert check_fixtures(tmp_path) == []
    found = load_fixtures(tmp_path, now_ms=NOW_MS)
    assert {schema.subject: json.loads(schema.text)["name"] for schema in found.schemas} == {
        subject: f"O{n}" for subject, n in contents.items()
    }
    values = {stream.topic: stream.events[0].record.value for stream in found.streams}
    assert {name: (value or b"")[6:].decode() for name, value in values.items()} == {
        name: name for name in topics
    }
