from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from fakebus.fixture_files.loader import check_fixtures, load_fixtures
from fakebus.fixture_files.model import FixtureEvent, FixtureOffset, FixtureSet
from fakebus.records.record import NewRecord
from tests.unit.fixture_files.conftest import WriteSet

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "json-events"


def load(write_set: WriteSet, structure: str, events: str = '{"value": 1}\n') -> FixtureSet:
    root = write_set({"fakebus.yaml": "version: 1\n" + structure, "e.ndjson": events})
    return load_fixtures(root, now_ms=NOW_MS)


def one_topic(write_set: WriteSet, *lines: Mapping[str, object], extra: str = "") -> FixtureSet:
    structure = f"topics: [{{name: orders, partitions: 4, load: e.ndjson{extra}}}]\n"
    return load(write_set, structure, "\n".join(json.dumps(line) for line in lines))


def events_of(fixture_set: FixtureSet) -> list[FixtureEvent]:
    return [event for stream in fixture_set.streams for event in stream.events]


def records_of(fixture_set: FixtureSet) -> list[NewRecord]:
    return [event.record for event in events_of(fixture_set)]


def test_topic_has_one_partition_and_keeps_records_for_ever_unless_told_otherwise(
    write_set: WriteSet,
) -> None:
    (topic,) = load(write_set, "topics: [{name: orders}]").topics
    assert (topic.partitions, topic.config) == (1, {"retention.ms": "-1"})
    assert (topic.owner, topic.consumers, topic.partitioner) == (None, (), "consistent_random")


def test_topic_is_read_as_written(write_set: WriteSet) -> None:
    structure = (
        "topics:\n- {name: orders, partitions: 7, owner: lms, consumers: [a, b],\n"
        "   partitioner: murmur2_random,\n"
        "   config: {retention.ms: 60000, cleanup.policy: delete, preallocate: True}}\n"
    )
    (topic,) = load(write_set, structure).topics
    assert topic.partitions == 7
    assert topic.config == {
        "retention.ms": "60000",
        "cleanup.policy": "delete",
        "preallocate": "true",
    }
    assert (topic.owner, topic.consumers) == ("lms", ("a", "b"))
    assert topic.partitioner == "murmur2_random"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"a": [1, 2.5, None, "ü"]}, '{"a":[1,2.5,null,"ü"]}'.encode()),
        ("text", b'"text"'),
        (7, b"7"),
        (False, b"false"),
        (None, None),
        ({"data": {"type": "x", "data": 1}}, b'{"type":"x","data":1}'),
        ({"data": None}, None),
        ({"type": "json", "data": "x"}, b'"x"'),
        ({"type": "JSON", "data": [1]}, b"[1]"),
        ({"type": "string", "data": "x"}, b"x"),
        ({"type": "string", "data": ""}, b""),
        ({"type": "binary", "data": "AAH/"}, b"\x00\x01\xff"),
        ({"type": "null"}, None),
        ({"type": "string", "data": None}, None),
        ({"type": "ping"}, b'{"type":"ping"}'),
        ({"type": "a", "data": 1, "more": 2}, b'{"type":"a","data":1,"more":2}'),
    ],
)
def test_value_becomes_bytes(write_set: WriteSet, field: object, expected: bytes | None) -> None:
    (record,) = records_of(one_topic(write_set, {"value": field}))
    assert record.value == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("learner-7", b"learner-7"),
        (None, None),
        ({"type": "json", "data": {"a": 1}}, b'{"a":1}'),
        ({"type": "binary", "data": "AA=="}, b"\x00"),
    ],
)
def test_key_becomes_bytes(write_set: WriteSet, field: object, expected: bytes | None) -> None:
    (record,) = records_of(one_topic(write_set, {"key": field, "value": 1}))
    assert record.key == expected


def test_topic_decides_the_formats_of_plain_keys_and_values(write_set: WriteSet) -> None:
    extra = ", key: {format: json}, value: {format: binary}"
    fixture_set = one_topic(
        write_set,
        {"key": "k", "value": "AAE="},
        {"key": {"type": "string", "data": "k"}, "value": {"type": "string", "data": "v"}},
        extra=extra,
    )
    assert [(record.key, record.value) for record in records_of(fixture_set)] == [
        (b'"k"', b"\x00\x01"),
        (b"k", b"v"),
    ]


def test_headers_keep_order_duplicates_null_and_bytes(write_set: WriteSet) -> None:
    headers = [
        ["b", "1"],
        ["a", None],
        ["b", {"type": "binary", "data": "/w=="}],
        ["", "ü"],
        ["b", {"data": "text"}],
        ["b", {"type": "json", "data": {"x": 1}}],
    ]
    (record,) = records_of(one_topic(write_set, {"value": 1, "headers": headers}))
    assert record.headers == (
        ("b", b"1"),
        ("a", None),
        ("b", b"\xff"),
        ("", "ü".encode()),
        ("b", b"text"),
        ("b", b'{"x":1}'),
    )


def test_headers_of_the_topic_come_first_and_give_way_by_name(write_set: WriteSet) -> None:
    fixture_set = one_topic(
        write_set,
        {"value": 1},
        {"value": 1, "headers": {"version": "2", "own": "x"}},
        extra=", headers: [[source, lms], [version, 1.0], [source, cms]]",
    )
    assert [record.headers for record in records_of(fixture_set)] == [
        (("source", b"lms"), ("version", b"1.0"), ("source", b"cms")),
        (("source", b"lms"), ("source", b"cms"), ("version", b"2"), ("own", b"x")),
    ]


def test_calls_in_the_headers_of_a_topic_are_made_for_each_event(write_set: WriteSet) -> None:
    fixture_set = one_topic(
        write_set,
        {"value": 1, "at": "-1s"},
        {"value": 1, "at": "-2s"},
        {"value": 1, "at": "-3s", "headers": {"own": "x"}},
        extra=", headers: {time: {$time: at, as: timestamp-millis}}",
    )
    assert [dict(record.headers)["time"] for record in records_of(fixture_set)] == [
        str(NOW_MS - 1000).encode(),
        str(NOW_MS - 2000).encode(),
        str(NOW_MS - 3000).encode(),
    ]


def test_call_whose_dollar_sign_is_escaped_is_made(write_set: WriteSet) -> None:
    structure = "topics: [{name: orders, load: e.ndjson}]"
    events = '{"value": {"\\u0024time": "now", "as": "timestamp-millis"}}'
    (record,) = records_of(load(write_set, structure, events))
    assert record.value == str(NOW_MS).encode()


def test_time_does_not_matter_where_the_broker_stamps_records(write_set: WriteSet) -> None:
    extra = ", config: {message.timestamp.type: LogAppendTime}"
    fixture_set = one_topic(write_set, {"value": 1, "at": "+2d"}, extra=extra)
    assert fixture_set.record_count == 1


def test_times_are_instants_or_count_from_the_anchor(write_set: WriteSet) -> None:
    fixture_set = one_topic(
        write_set,
        {"value": 1},
        {"value": 1, "at": "now"},
        {"value": 1, "at": "-2d3h"},
        {"value": 1, "at": "+30s"},
        {"value": 1, "at": "2023-11-14T12:00:00+02:00"},
    )
    assert [record.timestamp_ms for record in records_of(fixture_set)] == [
        NOW_MS,
        NOW_MS,
        NOW_MS - 51 * 3_600_000,
        NOW_MS + 30_000,
        1_699_956_000_000,
    ]


def test_fixed_anchor_gives_the_same_records_at_any_time(write_set: WriteSet) -> None:
    structure = (
        'clock: {anchor: "2020-01-01T00:00:00", tz: Europe/Berlin}\n'
        "topics: [{name: orders, load: e.ndjson}]\n"
    )
    events = '{"value": {"$time": "-1h"}, "at": "-1d"}\n{"value": 1, "at": "2020-01-01"}'
    root = write_set({"fakebus.yaml": "version: 1\n" + structure, "e.ndjson": events})
    first = load_fixtures(root, now_ms=NOW_MS)
    assert records_of(first) == records_of(load_fixtures(root, now_ms=NOW_MS + DAY_MS))
    # Midnight in Berlin is 23:00 UTC.
    assert [record.timestamp_ms for record in records_of(first)] == [
        1_577_833_200_000 - DAY_MS,
        1_577_833_200_000,
    ]
    assert records_of(first)[0].value == b'"2019-12-31T22:00:00.000000+00:00"'


def test_after_follows_chains_over_files_and_against_the_order_of_lines(
    write_set: WriteSet,
) -> None:
    root = write_set(
        {
            "fakebus.yaml": "version: 1\ntopics:\n  - {name: a, load: [e.ndjson, f.ndjson]}\n",
            "e.ndjson": '{"id": "third", "after": "second +5s", "value": 1}\n'
            '{"id": "second", "after": "first +1m30s", "value": 1}\n',
            "f.ndjson": '{"id": "first", "at": "-1d", "value": 1}\n{"after": "first", "value": 1}',
        }
    )
    records = records_of(load_fixtures(root, now_ms=NOW_MS))
    first = NOW_MS - DAY_MS
    assert [record.timestamp_ms for record in records] == [
        first + 95_000,
        first + 90_000,
        first,
        first,
    ]


def test_chain_of_ten_thousand_events_is_followed(write_set: WriteSet) -> None:
    lines = [
        {"id": f"e{number}", "after": f"e{number + 1} +1ms", "value": 1} for number in range(10_000)
    ]
    fixture_set = one_topic(write_set, *lines, {"id": "e10000", "at": "-1d", "value": 1})
    assert records_of(fixture_set)[0].timestamp_ms == NOW_MS - DAY_MS + 10_000


@pytest.mark.parametrize(
    ("partitioner", "partitions"),
    [
        # CRC-32 as zlib has it, and MurmurHash2 as kafka-python 3.0 has it, modulo four.
        ("consistent_random", {"a": 3, "learner-7": 1, "ü": 1}),
        ("murmur2_random", {"a": 0, "learner-7": 0, "ü": 2}),
    ],
)
def test_keys_go_where_clients_put_them(
    write_set: WriteSet, partitioner: str, partitions: dict[str, int]
) -> None:
    lines = [{"key": key, "value": 1} for key in partitions]
    fixture_set = one_topic(write_set, *lines, extra=f", partitioner: {partitioner}")
    assert [event.partition for event in events_of(fixture_set)] == list(partitions.values())


def test_partitioner_of_the_set_holds_for_topics_without_one(write_set: WriteSet) -> None:
    structure = (
        "partitioner: murmur2_random\n"
        "topics:\n  - {name: orders, partitions: 4, load: e.ndjson}\n"
        "  - {name: other, partitioner: fnv1a}\n"
    )
    fixture_set = load(write_set, structure, '{"key": "learner-7", "value": 1}')
    assert events_of(fixture_set)[0].partition == 0
    assert [topic.partitioner for topic in fixture_set.topics] == ["murmur2_random", "fnv1a"]


def test_events_without_a_key_take_turns_and_a_given_partition_wins(write_set: WriteSet) -> None:
    lines: list[dict[str, object]] = [
        {"value": 1},
        {"value": 1},
        {"value": 1, "partition": 3},
        {"value": 1, "partition": None},
        {"value": 1, "key": "a", "partition": 0},
        {"value": 1},
        {"value": 1},
    ]
    partitions = [event.partition for event in events_of(one_topic(write_set, *lines))]
    assert partitions == [0, 1, 3, 2, 0, 3, 0]


def test_included_yaml_and_events_join_the_set(write_set: WriteSet) -> None:
    root = write_set(
        {
            "fakebus.yaml": "version: 1\ninclude: [more/more.yaml, mixed.ndjson]\n"
            "topics: [{name: a}]\n",
            "more/more.yaml": "version: 1\ntopics: [{name: b, load: b.ndjson}]\n",
            "more/b.ndjson": '{"value": "from b"}',
            "mixed.ndjson": '{"topic": "b", "value": 2}\n{"topic": "a", "value": 3}',
        }
    )
    fixture_set = load_fixtures(root, now_ms=NOW_MS)
    assert [topic.name for topic in fixture_set.topics] == ["a", "b"]
    assert [
        (stream.topic, stream.file, [event.record.value for event in stream.events])
        for stream in fixture_set.streams
    ] == [
        ("b", "more/b.ndjson", [b'"from b"']),
        ("b", "mixed.ndjson", [b"2"]),
        ("a", "mixed.ndjson", [b"3"]),
    ]
    assert fixture_set.record_count == 3


def test_groups_are_read_as_written(write_set: WriteSet) -> None:
    structure = (
        "topics: [{name: orders, partitions: 2, load: e.ndjson}]\n"
        'groups: [{group: g, offsets: {orders: {"*": earliest, 1: latest, 0: 1}}}]\n'
    )
    (group,) = load(write_set, structure, '{"value": 1, "partition": 0}').groups
    assert group.group == "g"
    assert group.offsets == (
        FixtureOffset(topic="orders", partition=None, start="earliest"),
        FixtureOffset(topic="orders", partition=1, start="latest"),
        FixtureOffset(topic="orders", partition=0, start=1),
    )


def test_ids_tags_and_lines_are_kept(write_set: WriteSet) -> None:
    structure = "topics: [{name: orders, load: e.ndjson}]\n"
    events = '\n\n  {"value": 1, "id": "x", "tags": ["demo", "slow"]}\t\n'
    (event,) = events_of(load(write_set, structure, events))
    assert (event.line, event.event_id, event.tags) == (3, "x", ("demo", "slow"))


def test_line_ends_of_windows_change_nothing(write_set: WriteSet) -> None:
    structure = "topics: [{name: orders, load: e.ndjson}]\n"
    events = '{"value": 1}\n\n{"value": "two"}\n'
    with_lf = load(write_set, structure, events)
    with_crlf = load(write_set, structure.replace("\n", "\r\n"), events.replace("\n", "\r\n"))
    assert with_lf.streams == with_crlf.streams


def test_line_separators_inside_texts_do_not_end_a_line(write_set: WriteSet) -> None:
    events = '{"value": "a\u2028b\x85c"}'
    (record,) = records_of(load(write_set, "topics: [{name: orders, load: e.ndjson}]", events))
    assert record.value == '"a\u2028b\x85c"'.encode()


def test_digest_of_an_event_does_not_depend_on_the_time_of_loading(write_set: WriteSet) -> None:
    structure = "version: 1\ntopics: [{name: orders, load: e.ndjson}]\n"
    root = write_set({"fakebus.yaml": structure, "e.ndjson": '{"value": {"$time": "now"}}'})
    (early,) = events_of(load_fixtures(root, now_ms=NOW_MS))
    (late,) = events_of(load_fixtures(root, now_ms=NOW_MS + 1))
    assert early.record != late.record
    assert early.digest == late.digest


def test_settings_digest_changes_with_everything_that_shapes_records(write_set: WriteSet) -> None:
    def digest(head: str = "", extra: str = "") -> str:
        structure = f"{head}\ntopics: [{{name: orders, load: e.ndjson{extra}}}]\n"
        return load(write_set, structure, '{"value": "AA=="}').streams[0].settings_digest

    digests = {
        digest(),
        digest("seed: 7"),
        digest("clock: {tz: Europe/Berlin}"),
        digest("clock: {anchor: 2020-01-01}"),
        digest("partitioner: murmur2"),
        digest(extra=", partitioner: fnv1a"),
        digest(extra=", key: {format: json}"),
        digest(extra=", value: {format: binary}"),
        digest(extra=", headers: {a: b}"),
    }
    assert len(digests) == 9
    assert digest() == digest(extra=", partitions: 3, owner: lms")


def test_garbage_collector_is_left_as_it_was(write_set: WriteSet) -> None:
    import gc

    # A command that ran in this process may have frozen what was there.
    gc.unfreeze()
    load(write_set, "topics: []")
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.freeze()
    try:
        load(write_set, "topics: []")
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
    gc.disable()
    try:
        load(write_set, "topics: []")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_example_set_has_no_problems_and_the_headers_of_the_event_bus() -> None:
    assert check_fixtures(EXAMPLE) == []
    fixture_set = load_fixtures(EXAMPLE, now_ms=NOW_MS)
    assert 900 <= fixture_set.record_count <= 1100
    header_names = {
        stream.topic: {frozenset(name for name, _ in e.record.headers) for e in stream.events}
        for stream in fixture_set.streams
    }
    event_bus = frozenset(
        "ce_type ce_id ce_source ce_specversion ce_time ce_minorversion sourcehost sourcelib "
        "content-type ce_datacontenttype".split()
    )
    plain = {"dev-learner-profiles", "dev-badge-images"}
    assert all(header_names[topic] == {event_bus} for topic in header_names.keys() - plain)
    compacted = [s for s in fixture_set.streams if s.topic == "dev-learner-profiles"]
    assert sum(event.record.value is None for event in compacted[0].events) >= 3
    assert len({event.partition for event in events_of(fixture_set)}) > 1


def test_example_events_are_what_the_generator_writes(tmp_path: Path) -> None:
    import runpy

    generator = runpy.run_path(str(EXAMPLE.parents[1] / "tools" / "generate_json_events.py"))
    generator["generate"](tmp_path)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in (EXAMPLE / "events").iterdir()}


def test_checking_a_set_overwrites_no_file_that_a_reference_is_named_after(
    write_set: WriteSet, tmp_path: Path
) -> None:
    pytest.importorskip("grpc_tools")
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    structure = (
        "version: 1\nsubjects:\n- {subject: base, schema: base.proto}\n- subject: order\n"
        f"  schema: order.proto\n  references: [{{name: '{victim}', subject: base}}]\n"
    )
    root = write_set(
        {
            "fakebus.yaml": structure,
            "base.proto": 'syntax = "proto3"; message Base {}',
            "order.proto": f'syntax = "proto3"; import "{victim}"; message Order {{}}',
        }
    )
    assert [problem.rule for problem in check_fixtures(root)] == ["unused-schema"]
    assert victim.read_text() == "mine"


def test_a_set_has_the_name_and_the_version_that_it_says(write_set: WriteSet) -> None:
    root = write_set({"fakebus.yaml": "version: 1\nname: parcel-events\nrelease: 2.10\n"})
    found = load_fixtures(root, now_ms=NOW_MS)
    assert (found.name, found.version) == ("parcel-events", "2.10")
