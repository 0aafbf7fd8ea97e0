"""Events files of other tools: CSV, kcat, CloudEvents, Pact; and the format msgpack."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgpack
import pytest

from fakebus.fixture_files.loader import check_fixtures, load_fixtures
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.problems import INVALID

WriteSet = Callable[[Mapping[str, str | bytes]], Path]
NOW_MS = 1_700_000_000_000


def topic(file: str, rest: str = "") -> str:
    return f"version: 1\ntopics:\n  - {{name: orders, partitions: 4, load: {file}{rest}}}\n"


def loaded(write_set: WriteSet, name: str, text: str, rest: str = "") -> FixtureSet:
    root = write_set({"fakebus.yaml": topic(name, rest), name: text})
    return load_fixtures(root, now_ms=NOW_MS)


def records(fixture_set: FixtureSet) -> list[tuple[Any, ...]]:
    return [
        (
            event.partition,
            event.record.key,
            event.record.value,
            list(event.record.headers),
        )
        for stream in fixture_set.streams
        for event in stream.events
    ]


def mistakes(write_set: WriteSet, name: str, text: str, rest: str = "") -> list[str]:
    root = write_set({"fakebus.yaml": topic(name, rest), name: text})
    return [
        str(one).removeprefix(f"{root}/")
        for one in check_fixtures(root, now_ms=NOW_MS)
        if one.rule == INVALID
    ]


def test_a_row_of_csv_is_an_event(write_set: WriteSet) -> None:
    text = (
        "key,value.total,value.paid,value.note,value.by.name,headers.source,partition,at\r\n"
        'c-7,12.5,true,"said ""no"", twice",Ann,shop,2,-1d\r\n'
        "\r\n"
        "8,1e2,,007,,,3,2020-01-02T03:04:05Z\r\n"
        ",,,,,,0,\r\n"
    )

    fixture_set = loaded(write_set, "orders.csv", text)

    assert records(fixture_set) == [
        (
            2,
            b"c-7",
            b'{"total":12.5,"paid":true,"note":"said \\"no\\", twice","by":{"name":"Ann"}}',
            [("source", b"shop")],
        ),
        (3, b"8", b'{"total":100.0,"note":"007"}', []),
        (0, None, None, []),
    ]
    times = [event.record.timestamp_ms for event in fixture_set.streams[0].events]
    assert times == [NOW_MS - 86_400_000, 1_577_934_245_000, NOW_MS]


def test_a_value_of_csv_is_json_or_a_text(write_set: WriteSet) -> None:
    cells = ["5", "abc", '{"a": [1]}', '"5"', '{"$uuid": "x"}', '{"type":"x","data":1}']
    quoted = [cell.replace('"', '""') for cell in cells]
    text = "value\n" + "".join(f'"{cell}"\n' for cell in quoted)

    values = [value for _, _, value, _ in records(loaded(write_set, "orders.csv", text))]

    assert values == [
        b"5",
        b'"abc"',
        b'{"a":[1]}',
        b'"5"',
        b'{"$uuid":"x"}',
        b'{"type":"x","data":1}',
    ]


def test_only_line_ends_end_a_row_of_csv(write_set: WriteSet) -> None:
    text = 'key,value\na\u2028b\x0cc,"d\r\ne"\nf,g\n'

    found = records(loaded(write_set, "orders.csv", text))

    assert [(key.decode(), json.loads(value)) for _, key, value, _ in found] == [
        ("a\u2028b\x0cc", "d\r\ne"),
        ("f", "g"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "key,vlaue\nk,1\n",
            'orders.csv:1:1: there is no column "vlaue"; did you mean "value"?',
        ),
        ("key,key\nk,1\n", 'orders.csv:1:1: the column "key" stands twice; remove one'),
        (
            "value,value.a\n1,2\n",
            'orders.csv:1:1: the columns "value" and "value.NAME" exclude each other;'
            " remove one kind",
        ),
        (
            'key,value\n"a\nb",1\nk,1,2\n',
            "orders.csv:4:1: the row has 3 cells, but there are 2 columns;"
            " put quotes around a cell that holds a comma",
        ),
        (
            f'value\n"{"a" * 200_000}\n',
            "orders.csv:2:1: this is not CSV: field larger than field limit (131072);"
            " close the quotes of the cell, or write events that are so long as NDJSON",
        ),
        (
            'value\n"a"b\n',
            "orders.csv:2:1: this is not CSV: ',' expected after '\"'; double the quotes in a cell",
        ),
        (
            "value,partition\n1,one\n",
            'orders.csv:2:1: the partition "one" is not a number; write 0, or leave it empty',
        ),
        (
            "value.a,value.a.b\n1,2\n",
            "orders.csv:2:1: value.a.b is within a cell that is filled as well; empty one",
        ),
        (
            "value.a.b,value.a\n1,2\n",
            "orders.csv:2:1: value.a has fields that are filled as well; empty one",
        ),
        (
            "key\n",
            "orders.csv:1:1: the file has no events;"
            " add one on a line of its own, or do not load the file",
        ),
        (
            "value,at\n1,whenever\n",
            "orders.csv:2:1:",
        ),
    ],
)
def test_a_mistake_in_csv_is_told_with_its_line(
    write_set: WriteSet, text: str, problem: str
) -> None:
    [found] = mistakes(write_set, "orders.csv", text)

    assert found == problem or (problem.endswith(":1:") and found.startswith(problem))


def test_what_kcat_printed_is_seeded_as_it_was(write_set: WriteSet) -> None:
    record = {
        "topic": "somewhere-else",
        "partition": 3,
        "offset": 17,
        "tstype": "create",
        "ts": 1_600_000_000_123,
        "broker": 1,
        "headers": ["a", "1", "a", None],
        "key": "k",
        "payload": '{"raw":  "text"}',
    }
    others: list[dict[str, Any]] = [
        {"topic": "x", "partition": 0, "ts": -1, "key": None, "payload": None},
        {"topic": "x", "partition": 0, "ts": 0, "key": "k", "payload": {"$decoded": 1}},
    ]
    text = "".join(json.dumps(one) + "\n" for one in [record, *others])

    fixture_set = loaded(write_set, "dump.kcat", text)

    assert records(fixture_set) == [
        (3, b"k", b'{"raw":  "text"}', [("a", b"1"), ("a", None)]),
        (0, None, None, []),
        (0, b"k", b'{"$decoded":1}', []),
    ]
    times = [event.record.timestamp_ms for event in fixture_set.streams[0].events]
    assert times == [1_600_000_000_123, NOW_MS, NOW_MS]


def test_headers_that_kcat_gathered_by_name_are_seeded(write_set: WriteSet) -> None:
    line = {"ts": 1, "partition": 0, "headers": {"a": ["1", None], "b": ["2"]}, "payload": "x"}
    [(_, _, _, headers)] = records(loaded(write_set, "dump.kcat", json.dumps(line)))
    assert headers == [("a", b"1"), ("a", None), ("b", b"2")]


def as_kcat_writes(data: bytes) -> bytes:
    """Escape as kcat 1.7 does: what is not ASCII stays as it is."""
    return b"".join(
        bytes([byte]) if byte >= 0x20 and byte not in b'"\\' else b"\\u%04x" % byte for byte in data
    )


def test_binary_data_that_kcat_printed_is_seeded_as_it_was(write_set: WriteSet) -> None:
    keys = [bytes(range(256)), b"\x00\x00\x00\x00\x01\xff\xfe", b"k", "é".encode(), b"\xed\xb2\x80"]
    lines = [
        b'{"partition":0,"ts":1,"headers":["h","%s"],"key":"%s","payload":"%s"}\n'
        % (as_kcat_writes(key), as_kcat_writes(key), as_kcat_writes(key[::-1]))
        for key in keys
    ]
    root = write_set({"fakebus.yaml": "version: 1\ntopics: [{name: t, load: d.kcat}]\n"})
    (root / "d.kcat").write_bytes(b"".join(lines))
    assert records(load_fixtures(root, now_ms=NOW_MS)) == [
        (0, key, key[::-1], [("h", key)]) for key in keys
    ]


def test_a_byte_order_mark_of_excel_is_skipped(write_set: WriteSet) -> None:
    fixture_set = loaded(write_set, "orders.csv", "\ufeffkey,value\nk,1\n")
    assert [(key, value) for _, key, value, _ in records(fixture_set)] == [(b"k", b"1")]


def test_a_dump_of_kcat_may_be_included_and_names_its_topics(write_set: WriteSet) -> None:
    lines = [{"topic": name, "partition": 0, "payload": name} for name in ("b", "a")]
    root = write_set(
        {
            "fakebus.yaml": "version: 1\ntopics: [{name: a}, {name: b}]\ninclude: dump.kcat.json\n",
            "dump.kcat.json": "\n".join(map(json.dumps, lines)),
        }
    )

    streams = load_fixtures(root, now_ms=NOW_MS).streams

    assert [(stream.topic, stream.events[0].record.value) for stream in streams] == [
        ("b", b"b"),
        ("a", b"a"),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "dump.kcat:2:2: this is not JSON: expecting property name enclosed in double quotes"),
        ("[]", "dump.kcat:2:1: this is no record of kcat; write the file with: kcat -C -e -J"),
        ('{"payload": NaN}', "dump.kcat:2:1: this is not JSON: JSON has no NaN; mend the number"),
        (
            '{"payload": 1, "headers": ["a"]}',
            'dump.kcat:2:1: "headers" must be a list of names and values in turn',
        ),
        (
            '{"payload": 1, "ts": 99999999999999999}',
            'dump.kcat:2:1: the time "ts" 99999999999999999 is beyond the year 9999',
        ),
        ('{"payload": 1, "partition": 9}', "dump.kcat:2:1: "),
        (
            '{"key": "k", "payload": null, "payload_error": "no magic byte"}',
            "dump.kcat:2:1: kcat could not read the payload: no magic byte; write the file without",
        ),
        (
            '{"key": null, "key_error": "", "payload": "x"}',
            "dump.kcat:2:1: kcat could not read the key: ",
        ),
        (r'{"payload": "\ud800"}', 'dump.kcat:2:1: "value": the text holds half of a surrogate'),
    ],
)
def test_a_mistake_in_a_dump_is_told_with_its_line(
    write_set: WriteSet, line: str, problem: str
) -> None:
    [found] = mistakes(write_set, "dump.kcat", f'{{"payload": 1}}\n{line}\n')

    assert found.startswith(problem)


EVENT = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/shop",
    "type": "order.paid",
    "time": "2023-01-02T03:04:05.678Z",
    "datacontenttype": "application/json",
    "partitionkey": "c-7",
    "retry": 3,
    "final": True,
    "data": {"total": 5},
}
MINIMAL = {"specversion": "1.0", "id": "e-2", "source": "/shop", "type": "order.left"}


@pytest.mark.parametrize(
    "text",
    [
        f"{json.dumps(EVENT)}\n{json.dumps(MINIMAL)}\n",
        json.dumps([EVENT, MINIMAL], indent=2),
    ],
    ids=["lines", "batch"],
)
def test_cloud_events_become_records_as_the_kafka_binding_says(
    write_set: WriteSet, text: str
) -> None:
    fixture_set = loaded(write_set, "orders.cloudevents.json", text)

    [(_, key, value, headers), (_, no_key, no_value, few)] = records(fixture_set)
    assert (key, value) == (b"c-7", b'{"total":5}')
    assert headers == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e-1"),
        ("ce_source", b"/shop"),
        ("ce_type", b"order.paid"),
        ("ce_time", b"2023-01-02T03:04:05.678Z"),
        ("ce_retry", b"3"),
        ("ce_final", b"true"),
        ("content-type", b"application/json"),
    ]
    assert (no_key, no_value, len(few)) == (None, None, 4)
    assert fixture_set.streams[0].events[0].record.timestamp_ms == 1_672_628_645_678


@pytest.mark.parametrize(
    ("more", "value"),
    [
        ({"data_base64": base64.b64encode(b"\x00\xff").decode()}, b"\x00\xff"),
        ({"data": "plain", "datacontenttype": "text/plain"}, b"plain"),
        ({"data": "plain", "datacontenttype": "application/json"}, b'"plain"'),
        ({"data": "plain"}, b'"plain"'),
        ({"data": {"$time": "now"}}, b'{"$time":"now"}'),
    ],
)
def test_the_data_of_a_cloud_event_is_kept_as_it_is(
    write_set: WriteSet, more: dict[str, Any], value: bytes
) -> None:
    [(_, _, found, _)] = records(
        loaded(write_set, "e.cloudevents.json", json.dumps(MINIMAL | more, indent=1))
    )

    assert found == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", 'e.ce.json:1:1: the CloudEvent has no "specversion"; add it; it is required'),
        ("\n\n5", "e.ce.json:3:1: this is no CloudEvent; write an object with"),
        (
            json.dumps([MINIMAL, {**MINIMAL, "x": []}], indent=0),
            'e.ce.json:8:1: the attribute "x" must be a text, a number or a boolean;',
        ),
        (f"{json.dumps(MINIMAL)}\n{{", "e.ce.json:2:2: this is not JSON: "),
        ("[1, ", "e.ce.json:1:5: this is not JSON: expecting value"),
        ("", "e.ce.json:1:1: the file has no events"),
    ],
)
def test_a_mistake_in_a_cloud_event_is_told_with_its_line(
    write_set: WriteSet, text: str, problem: str
) -> None:
    [found] = mistakes(write_set, "e.ce.json", text)

    assert found.startswith(problem)


def test_messages_of_a_pact_become_records(write_set: WriteSet) -> None:
    pact = {
        "consumer": {"name": "billing"},
        "provider": {"name": "shop"},
        "messages": [
            {
                "description": "an order",
                "providerStates": [],
                "contents": {"id": 5},
                "metaData": {"contentType": "application/json", "key": "c-7", "n": 5, "topic": "t"},
            },
            {"description": "an end", "contents": None},
        ],
    }

    found = records(loaded_as_pact(write_set, json.dumps(pact, indent=2)))

    assert [(key, value, headers) for _, key, value, headers in found] == [
        (b"c-7", b'{"id":5}', [("content-type", b"application/json"), ("n", b"5")]),
        (None, None, []),
    ]


def loaded_as_pact(write_set: WriteSet, text: str) -> FixtureSet:
    root = write_set(
        {
            "fakebus.yaml": topic("{file: billing-shop.json, format: pact}"),
            "billing-shop.json": text,
        }
    )
    return load_fixtures(root, now_ms=NOW_MS)


def test_a_pact_of_version_4_says_how_its_contents_are_written(write_set: WriteSet) -> None:
    contents: list[dict[str, Any]] = [
        {"content": {"id": 5}, "contentType": "application/json", "encoded": False},
        {"content": "hello", "contentType": "text/plain", "encoded": False},
        {"content": "AP8=", "contentType": "application/octet-stream", "encoded": "base64"},
    ]
    interactions: list[dict[str, Any]] = [{"type": "Synchronous/HTTP", "request": {}}]
    interactions += [
        {"type": "Asynchronous/Messages", "contents": one, "metadata": {"key": "k"}}
        for one in contents
    ]

    found = records(loaded_as_pact(write_set, json.dumps({"interactions": interactions})))

    assert [value for _, _, value, _ in found] == [b'{"id":5}', b"hello", b"\x00\xff"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "m.pact.json:1:1: this is no pact with messages; name a pact file of version 3"),
        ("{", "m.pact.json:1:2: this is not JSON"),
        (
            '{"messages": [\n{"contents": 1},\n{"description": "x"}]}',
            "m.pact.json:3:1: the message has no contents",
        ),
        (
            '{"messages": [\n{"contents": 1, "metaData": 5}]}',
            "m.pact.json:2:1: the metadata of the message is no object",
        ),
    ],
)
def test_a_mistake_in_a_pact_is_told_with_its_line(
    write_set: WriteSet, text: str, problem: str
) -> None:
    [found] = mistakes(write_set, "m.pact.json", text)

    assert found.startswith(problem)


def test_the_format_of_a_file_outdoes_its_name(write_set: WriteSet) -> None:
    root = write_set(
        {
            "fakebus.yaml": topic("[{file: a.txt, format: csv}, {file: b.csv, format: ndjson}]"),
            "a.txt": "value\n1\n",
            "b.csv": '{"value": 2}\n',
        }
    )

    assert [value for _, _, value, _ in records(load_fixtures(root, now_ms=NOW_MS))] == [b"1", b"2"]


def test_an_unknown_format_of_a_file_is_told_with_its_place(write_set: WriteSet) -> None:
    root = write_set({"fakebus.yaml": topic("{file: a.csv, format: cvs}"), "a.csv": "value\n1\n"})

    [found] = check_fixtures(root, now_ms=NOW_MS)

    assert str(found).endswith(
        'fakebus.yaml:3:63: there is no format "cvs" of events files; did you mean "csv"?'
    )


def test_msgpack_holds_what_json_holds(write_set: WriteSet) -> None:
    data = {"b": [1, -5, 2.5, None, True, "é"], "a": {}}
    line = json.dumps({"key": {"type": "MSGPACK", "data": 7}, "value": data})

    [(_, key, value, _)] = records(
        loaded(write_set, "e.ndjson", line, ", value: {format: msgpack}")
    )

    assert key == b"\x07"
    assert value.startswith(b"\x82\xa1b\x96")
    assert msgpack.unpackb(value) == data


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("18446744073709551616", "a number has more than 64 bits; write it as a text"),
        ('"\\ud800"', "a text holds half of a surrogate pair; write the character itself"),
    ],
)
def test_what_msgpack_cannot_hold_is_told(write_set: WriteSet, data: str, problem: str) -> None:
    [found] = mistakes(
        write_set, "e.ndjson", f'{{"value": {data}}}\n', ", value: {format: msgpack}"
    )

    assert problem in found


def test_a_column_of_thousands_of_parts_is_told(write_set: WriteSet) -> None:
    [found] = mistakes(write_set, "orders.csv", f"value{'.a' * 2000}\nx\n")
    assert found.startswith('orders.csv:1:1: the column "value.a.a.a')
    assert "has more than 100 parts; write events that are so deep as NDJSON" in found
