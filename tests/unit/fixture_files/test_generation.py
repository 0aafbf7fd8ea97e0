"""Generated events: the same every time, fitting their schemas, and steered by hints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakebus.cli.main import run
from fakebus.fixture_files.generation_hints import faker_version
from fakebus.fixture_files.loader import check_fixtures, generate_lines, load_fixtures
from tests.unit.fixture_files.conftest import WriteSet

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000

USER_SCHEMA = {
    "type": "record",
    "name": "User",
    "namespace": "org.example",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "email", "type": ["null", "string"], "default": None},
        {
            "name": "mode",
            "type": {"type": "enum", "name": "Mode", "symbols": ["audit", "verified"]},
        },
        {"name": "active", "type": "boolean"},
        {"name": "score", "type": "double"},
        {"name": "small", "type": "float"},
        {"name": "blob", "type": "bytes"},
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 4}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "marks", "type": {"type": "map", "values": "int"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "born", "type": {"type": "int", "logicalType": "date"}},
        {"name": "uid", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "either", "type": ["int", "string", "Mode"]},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2},
        },
        {"name": "parent", "type": ["null", "User"], "default": None},
        {
            "name": "course",
            "type": {
                "type": "record",
                "name": "Course",
                "fields": [{"name": "key", "type": "string"}],
            },
        },
    ],
}
JSON_SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["id", "kind", "when", "items", "amount", "step"],
    "additionalProperties": False,
    "definitions": {"item": {"type": "object", "properties": {"sku": {"type": "string"}}}},
    "properties": {
        "id": {"type": "integer", "minimum": 10, "maximum": 20},
        "kind": {"enum": ["new", "old"]},
        "when": {"type": "string", "format": "date-time"},
        "mail": {"type": "string", "format": "email"},
        "short": {"type": "string", "maxLength": 3},
        "long": {"type": "string", "minLength": 40},
        "items": {"type": "array", "minItems": 2, "items": {"$ref": "#/definitions/item"}},
        "amount": {"type": "number", "exclusiveMinimum": 0, "maximum": 5},
        "step": {"type": "integer", "multipleOf": 5, "minimum": 3},
        "maybe": {"type": ["string", "null"]},
        "shape": {"oneOf": [{"type": "boolean"}, {"type": "null"}]},
        "both": {"allOf": [{"type": "object"}, {"properties": {"a": {"const": 7}}}]},
        "$ref": {"type": "string"},
    },
}
HEAD = "version: 1\nclock: {anchor: 2023-11-14T22:13:20Z}\nseed: 7\n"
AVRO = (
    HEAD
    + "subjects: [{subject: users-value, schema: user.avsc}]\n"
    + "topics:\n  - name: users\n    value: {subject: users-value}\n"
)
PLAIN = HEAD + "topics:\n  - name: users\n"


def lines(root: Path, topic: str = "users", count: int | None = None) -> list[dict[str, Any]]:
    made = generate_lines(root, topic, now_ms=NOW_MS, count=count)
    return [json.loads(line) for line in made]


@pytest.fixture
def avro_set(write_set: WriteSet) -> Callable[[str], Path]:
    def write(generate: str) -> Path:
        text = f"{AVRO}    generate: {generate}\n"
        return write_set({"fakebus.yaml": text, "user.avsc": json.dumps(USER_SCHEMA)})

    return write


@pytest.fixture
def plain_set(write_set: WriteSet) -> Callable[..., Path]:
    def write(generate: str, **more: str) -> Path:
        text = f"{PLAIN}    generate: {generate}\n" + more.pop("rest", "")
        return write_set({"fakebus.yaml": text, **{f"{n}.ndjson": t for n, t in more.items()}})

    return write


def test_events_of_an_avro_schema_pass_every_check(avro_set: Callable[[str], Path]) -> None:
    root = avro_set("{count: 60}")
    assert check_fixtures(root, now_ms=NOW_MS) == []
    fixture_set = load_fixtures(root, now_ms=NOW_MS)
    (stream,) = fixture_set.streams
    assert len(stream.events) == 60
    values = [line["value"] for line in lines(root)]
    assert {value["mode"] for value in values} == {"audit", "verified"}
    assert {value["email"] is None for value in values} == {True, False}
    assert {next(iter(value["either"])) for value in values} == {
        "int",
        "string",
        "org.example.Mode",
    }


def test_events_of_a_json_schema_pass_every_check(write_set: WriteSet) -> None:
    text = (
        HEAD + "subjects: [{subject: v, schema: v.json}]\n"
        "topics: [{name: users, value: {subject: v}, generate: {count: 60}}]\n"
    )
    root = write_set({"fakebus.yaml": text, "v.json": json.dumps(JSON_SCHEMA)})
    assert check_fixtures(root, now_ms=NOW_MS) == []
    values = [line["value"] for line in lines(root)]
    assert all(value["step"] % 5 == 0 and 0 < value["amount"] <= 5 for value in values)
    assert {"maybe" in value for value in values} == {True, False}


def test_generating_again_gives_the_same_bytes(avro_set: Callable[[str], Path]) -> None:
    root = avro_set("{count: 20, with: {email: {faker: email}, id: {sequence: 1}}}")
    first, second = (load_fixtures(root, now_ms=NOW_MS + late).streams for late in (0, 5))
    assert [event.record for event in first[0].events] == [
        event.record for event in second[0].events
    ]
    assert first[0].settings_digest == second[0].settings_digest


def test_another_seed_gives_other_events(avro_set: Callable[[str], Path]) -> None:
    first = lines(avro_set("{count: 5}"))
    assert lines(avro_set("{count: 5, seed: 8}")) != first
    assert lines(avro_set("{count: 5, seed: 7}")) == first


def test_one_more_hint_changes_no_other_value(avro_set: Callable[[str], Path]) -> None:
    before = [line["value"] for line in lines(avro_set("{count: 20}"))]
    hints = "{count: 20, with: {course.key: {choice: [a, b]}, id: {number: [1, 3]}}}"
    after = [line["value"] for line in lines(avro_set(hints))]
    assert after != before
    for old, new in zip(before, after, strict=True):
        assert new["course"]["key"] in ("a", "b")
        assert new["id"] in (1, 2, 3)
        changed = {"course": old["course"], "id": old["id"]}
        assert new | changed == old


def test_a_hint_below_an_optional_field_is_never_left_out(avro_set: Callable[[str], Path]) -> None:
    made = lines(avro_set("{count: 40, with: {email: {constant: a@b}}}"))
    assert {line["value"]["email"] for line in made} == {"a@b"}


def test_events_are_spread_over_the_range_in_order(plain_set: Callable[..., Path]) -> None:
    root = plain_set("{count: 30, with: {n: {sequence: 5}}, at: {from: -10d, to: -1d}}")
    (stream,) = load_fixtures(root, now_ms=NOW_MS).streams
    times = [event.record.timestamp_ms for event in stream.events]
    assert times == sorted(times)
    assert NOW_MS - 10 * DAY_MS <= times[0] < NOW_MS - 9 * DAY_MS
    assert NOW_MS - 2 * DAY_MS < times[-1] <= NOW_MS - DAY_MS
    assert [line["value"]["n"] for line in lines(root)] == list(range(5, 35))
    assert all(line["at"].startswith("-") for line in lines(root))


def test_a_range_of_instants_gives_instants(plain_set: Callable[..., Path]) -> None:
    root = plain_set(
        "{count: 2, with: {n: {sequence: 1}}, at: {from: 2020-01-01, to: 2020-01-03T00:00:00Z}}"
    )
    assert [line["at"][:10] for line in lines(root)] == ["2020-01-01", "2020-01-02"]


def test_every_function_makes_what_it_says(plain_set: Callable[..., Path]) -> None:
    root = plain_set(
        "{count: 50, with: {a.b: {sequence: 1, step: 2, text: 'user-{}'}, a.c: {uuid: u}, "
        "d: {boolean: 1}, e: {number: [0.5, 0.75], decimals: 3}, f: {constant: [1, null]}, "
        "g: {choice: [1, 2], weights: [0, 1]}, h: {time: at, as: timestamp-millis}, "
        "i: {faker: pydecimal, args: {left_digits: 2, right_digits: 1}}, "
        "j: {faker: date_object}, k: {faker: first_name, locale: de_DE}}, "
        "key: a.b, tags: [demo]}"
    )
    assert check_fixtures(root, now_ms=NOW_MS) == []
    (stream,) = load_fixtures(root, now_ms=NOW_MS).streams
    value = json.loads(stream.events[1].record.value or b"")
    assert stream.events[1].record.key == b"user-3"
    assert stream.events[1].tags == ("demo",)
    assert value["a"]["b"] == "user-3"
    assert len(value["a"]["c"]) == 36
    assert value["d"] is True
    assert 0.5 <= value["e"] <= 0.75
    assert value["f"] == [1, None]
    assert value["g"] == 2
    assert value["h"] == stream.events[1].record.timestamp_ms
    assert isinstance(value["i"], str)
    assert len(value["j"]) == 10
    assert value["k"]


def test_uuids_of_one_name_are_the_same_in_two_topics(plain_set: Callable[..., Path]) -> None:
    rest = "  - {name: b, generate: {count: 3, with: {id: {uuid: user}}}}\n"
    root = plain_set("{count: 3, with: {user: {uuid: user}}}", rest=rest)
    first = [line["value"]["user"] for line in lines(root)]
    assert first == [line["value"]["id"] for line in lines(root, "b")]
    assert len(set(first)) == 3


def test_references_find_keys_and_values_of_loaded_and_generated_events(
    plain_set: Callable[..., Path],
) -> None:
    rest = (
        "  - {name: dev.courses, load: c.ndjson, key: {field: course.key}}\n"
        "  - {name: made, generate: {count: 4, with: {n: {sequence: 100}}}}\n"
    )
    courses = '{"value": {"course": {"key": "c1"}}}\n{"key": "k2", "value": {"course": {}}}\n'
    root = plain_set(
        "{count: 40, with: {k: {ref: dev.courses.key}, c: {ref: dev.courses.value.course.key}, "
        "n: {ref: made.value.n}}}",
        rest=rest,
        c=courses,
    )
    values = [line["value"] for line in lines(root)]
    assert {value["k"] for value in values} == {"c1", "k2"}
    assert {value["c"] for value in values} == {"c1"}
    assert {value["n"] for value in values} == {100, 101, 102, 103}


def test_examples_are_loaded_events_with_other_values(plain_set: Callable[..., Path]) -> None:
    rest = "    load: {file: e.ndjson, headers: {h: x}, key: {format: binary}}\n"
    events = (
        '{"key": "AAE=", "value": {"data": {"total": 1, "items": [{"n": 1}, {"n": 2}]}}, '
        '"headers": {"own": "1"}}\n'
        '{"value": {"total": 2, "items": []}}\n'
    )
    root = plain_set(
        "{count: 20, from: example, with: {items.n: {number: [5, 9]}, total: {sequence: 50}}}",
        rest=rest,
        e=events,
    )
    assert check_fixtures(root, now_ms=NOW_MS) == []
    made, loaded = load_fixtures(root, now_ms=NOW_MS).streams[::-1]
    assert (len(loaded.events), len(made.events)) == (2, 20)
    values = [json.loads(event.record.value or b"") for event in made.events]
    assert [value["total"] for value in values] == list(range(50, 70))
    assert {item["n"] for value in values for item in value["items"]} <= {5, 6, 7, 8, 9}
    assert {event.record.key for event in made.events} == {b"\0\1", None}
    assert {event.record.headers[0] for event in made.events} == {("h", b"x")}


def test_a_topic_may_generate_several_kinds_of_events(plain_set: Callable[..., Path]) -> None:
    root = plain_set(
        "[{count: 2, with: {a: {sequence: 1}}, headers: {kind: a}}, "
        "{count: 3, with: {$: {constant: plain}}, value: {format: string}}]"
    )
    first, second = load_fixtures(root, now_ms=NOW_MS).streams
    assert [event.record.headers for event in first.events] == [(("kind", b"a"),)] * 2
    assert [event.record.value for event in second.events] == [b"plain"] * 3


def test_frozen_lines_are_the_same_events(plain_set: Callable[..., Path]) -> None:
    root = plain_set("{count: 9, with: {n: {number: [1, 99]}}, key: {uuid: k}}")
    (made,) = load_fixtures(root, now_ms=NOW_MS).streams
    frozen = "\n".join(generate_lines(root, "users", now_ms=NOW_MS))
    (root / "e.ndjson").write_text(frozen)
    (root / "fakebus.yaml").write_text(PLAIN + "    load: e.ndjson\n")
    (loaded,) = load_fixtures(root, now_ms=NOW_MS).streams
    assert [event.record for event in loaded.events] == [event.record for event in made.events]


def test_count_makes_events_of_a_topic_that_generates_none(write_set: WriteSet) -> None:
    root = write_set({"fakebus.yaml": AVRO, "user.avsc": json.dumps(USER_SCHEMA)})
    assert load_fixtures(root, now_ms=NOW_MS).record_count == 0
    assert len(lines(root, count=3)) == 3


def test_keys_come_from_the_key_schema_or_the_key_field(write_set: WriteSet) -> None:
    text = (
        HEAD + "subjects: [{subject: k, schema: k.avsc}, {subject: v, schema: v.avsc}]\n"
        "topics:\n"
        "  - {name: a, key: {subject: k}, value: {subject: v}, generate: {count: 4}}\n"
        "  - {name: b, key: {field: id}, value: {subject: v}, generate: {count: 4}}\n"
    )
    root = write_set(
        {
            "fakebus.yaml": text,
            "k.avsc": '"string"',
            "v.avsc": '{"type": "record", "name": "V", "fields": [{"name": "id", "type": "int"}]}',
        }
    )
    first, second = load_fixtures(root, now_ms=NOW_MS).streams
    assert all((event.record.key or b"")[6:10] == b"key-" for event in first.events)
    assert [line["key"][:4] for line in lines(root, "a")] == ["key-"] * 4
    ids = [str(line["value"]["id"]).encode() for line in lines(root, "b")]
    assert [event.record.key for event in second.events] == ids


GENERATE_CASES: dict[str, tuple[str, str | None]] = {
    "no count": ("{}", '"generate" needs the field "count"; add  count:'),
    "count": ("{count: 0}", '"count" is 0; write a number from 1 to 100000'),
    "no object": (
        "[5]",
        'an entry of "generate" must be an object, not a number; write  name: value',
    ),
    "field": (
        "{count: 1, fron: schema, with: {a: {sequence: 1}}}",
        '"generate" has no field "fron"; did you mean "from"?',
    ),
    "from": (
        "{count: 1, from: exampel}",
        'nothing can be generated from "exampel"; did you mean "example"?',
    ),
    "nothing": (
        "{count: 1}",
        "the values of users have no Avro schema or JSON Schema to be made from; "
        "say what they hold under with, or write  from: example",
    ),
    "no examples": (
        "{count: 1, from: example}",
        "users has no events that could be examples; load some, or write  from: schema",
    ),
    "hint is no object": (
        "{count: 1, with: {a: 5}}",
        '"a" must be an object, not a number; '
        "write a function and what it takes, such as  {sequence: 1}",
    ),
    "no function": (
        "{count: 1, with: {a: {}}}",
        '"a" names no function that makes values; known: boolean, choice, constant, faker, '
        "number, ref, sequence, time, uuid",
    ),
    "unknown function": (
        "{count: 1, with: {a: {sequenz: 1}}}",
        '"a" names no function that makes values; did you mean "sequence"?',
    ),
    "two functions": (
        "{count: 1, with: {a: {sequence: 1, uuid: u}}}",
        '"a" has more than one function: sequence, uuid; keep one',
    ),
    "option": (
        "{count: 1, with: {a: {sequence: 1, stop: 2}}}",
        '"sequence" has no field "stop"; did you mean "step"?',
    ),
    "overlap": (
        "{count: 1, with: {a: {sequence: 1}, a.b: {sequence: 1}}}",
        '"a.b" and "a" lie one in the other; keep one of them',
    ),
    "sequence": (
        "{count: 1, with: {a: {sequence: x}}}",
        "sequence: it begins with a whole number, not a text; write  {sequence: 1}",
    ),
    "sequence step": (
        "{count: 1, with: {a: {sequence: 1, step: x}}}",
        'sequence: "step" must be a whole number, not a text; step: 1',
    ),
    "sequence text": (
        "{count: 1, with: {a: {sequence: 1, text: user}}}",
        'sequence: "text" must hold {} where the number goes; write  text: "user-{}"',
    ),
    "choice": (
        "{count: 1, with: {a: {choice: []}}}",
        "choice: it takes a list that is not empty; write  {choice: [audit, verified]}",
    ),
    "weights": (
        "{count: 1, with: {a: {choice: [1], weights: [x]}}}",
        "choice: the weights must be numbers from 0, not all 0; write  weights: [9, 1]",
    ),
    "weights count": (
        "{count: 1, with: {a: {choice: [1], weights: [1, 2]}}}",
        "choice: there are 1 choices and 2 weights; give each choice one weight",
    ),
    "number": (
        "{count: 1, with: {a: {number: 5}}}",
        "number: it takes the lowest and the highest number; write  {number: [1, 100]}",
    ),
    "number order": (
        "{count: 1, with: {a: {number: [5, 1]}}}",
        "number: the lowest number 5 is above the highest, 1; exchange them",
    ),
    "boolean": (
        "{count: 1, with: {a: {boolean: 7}}}",
        "boolean: it takes the share of true, from 0 to 1; write  {boolean: 0.5}",
    ),
    "uuid": (
        "{count: 1, with: {a: {uuid: 5}}}",
        "uuid: it takes a text, not a number; write  {uuid: user}",
    ),
    "time": (
        "{count: 1, with: {a: {time: 5}}}",
        'time: it takes a text, not a number; write  {time: "at -5m", as: iso}',
    ),
    "ref": (
        "{count: 1, with: {a: {ref: 5}}}",
        "ref: it takes a text, not a number; write  {ref: courses.value.course_key}",
    ),
    "ref topic": (
        "{count: 1, with: {a: {ref: user.key}}}",
        'ref: there is no topic for "user.key"; did you mean "users"?',
    ),
    "ref part": (
        "{count: 1, with: {a: {ref: empty.headers}}}",
        'ref: "empty.headers" names neither a key nor a value; '
        "write empty.key, empty.value or empty.value.FIELD",
    ),
    "ref nothing": (
        "{count: 1, with: {a: {ref: empty.key}}}",
        "ref: empty has no events to refer to; load or generate some",
    ),
    "ref no key": (
        "{count: 1, with: {a: {ref: full.key}}}",
        "ref: no event of full has a key; refer to something else",
    ),
    "ref field": (
        "{count: 1, with: {a: {ref: full.value.b.d}}}",
        'ref: in full\'s events there is no field "d" in b; known: c',
    ),
    "ref circle": (
        "{count: 1, with: {a: {ref: users.key}}}",
        "the generated events refer to each other in a circle: users -> users; "
        "take one reference out",
    ),
    "faker name": (
        "{count: 1, with: {a: {faker: emial}}}",
        'faker: faker has no "emial"; did you mean "email"?',
    ),
    "faker private": (
        "{count: 1, with: {a: {faker: seed_instance}}}",
        'faker: faker has no "seed_instance"; did you mean "sentence"?',
    ),
    "faker importing": (
        "{count: 1, with: {a: {faker: add_provider, args: {provider: this}}}}",
        'faker: faker has no "add_provider"; did you mean "credit_card_provider"?',
    ),
    "faker strange": (
        "{count: 1, with: {a: {faker: xqzwv}}}",
        'faker: faker has no "xqzwv"; see the list of faker\'s standard providers',
    ),
    "faker args": (
        "{count: 1, with: {a: {faker: email, args: 5}}}",
        'faker: "args" must be an object; write  args: {max_value: 9}',
    ),
    "faker args unknown": (
        "{count: 1, with: {a: {faker: boolean, args: {x: 5}}}}",
        None,
    ),
    "faker locale": (
        "{count: 1, with: {a: {faker: email, locale: 5}}}",
        'faker: "locale" must be a text; write  locale: de_DE',
    ),
    "faker locale unknown": (
        "{count: 1, with: {a: {faker: email, locale: xx_YY}}}",
        'faker: faker has no locale "xx_YY"; write one such as en_US or de_DE',
    ),
    "faker result": (
        "{count: 1, with: {a: {faker: binary, args: {length: 3}}}}",
        "faker: faker's binary gives a bytes, which JSON does not have; "
        "use another of faker's functions",
    ),
    "faker version": (
        "{count: 1, with: {a: {faker: email}}, faker_version: 1.2.3}",
        f"the events are made with faker 1.2.3, and faker {faker_version()} is installed, which "
        f"may make others; install faker==1.2.3, or write  faker_version: {faker_version()}",
    ),
    "range": (
        "{count: 1, with: {a: {sequence: 1}}, at: {from: soon}}",
        '"soon" is not a point in time; write an instant such as "2024-05-01T09:00:00Z" or an '
        'offset from the anchor such as "-2d3h" or "+30s" (units: w d h m s ms, in this order)',
    ),
    "range order": (
        "{count: 1, with: {a: {sequence: 1}}, at: {from: -1d, to: -2d}}",
        'the events would begin at "-1d" and end before, at "-2d"; exchange from and to',
    ),
    "range mixed": (
        "{count: 1, with: {a: {sequence: 1}}, at: {from: 2020-01-01}}",
        "one end of the range is an instant and the other counts from the anchor; "
        "write both as instants, or both as offsets",
    ),
    "key path": (
        "{count: 1, with: {user.id: {sequence: 1}}, key: user.ids}",
        'the key: there is no field "ids" in user; did you mean "id"? it has: id',
    ),
    "key hint": (
        "{count: 1, with: {a: {sequence: 1}}, key: {sequence: x}}",
        "sequence: it begins with a whole number, not a text; write  {sequence: 1}",
    ),
}


@pytest.mark.parametrize(
    ("generate", "expected"), GENERATE_CASES.values(), ids=GENERATE_CASES.keys()
)
def test_mistake_in_generate_is_told(
    plain_set: Callable[..., Path], generate: str, expected: str | None
) -> None:
    rest = "  - name: empty\n  - {name: full, load: full.ndjson}\n"
    root = plain_set(generate, rest=rest, full='{"value": {"b": {"c": 1}}}\n')
    (problem,) = check_fixtures(root, now_ms=NOW_MS)
    assert (problem.line, Path(problem.file).name) == (6, "fakebus.yaml")
    shown = f"{problem.message}; {problem.hint}"
    if expected is None:
        assert problem.message.startswith("faker: faker's boolean fails: ")
    else:
        assert shown == expected


def test_a_hint_for_a_field_that_the_schema_does_not_have_is_told(
    avro_set: Callable[[str], Path],
) -> None:
    root = avro_set("{count: 5, with: {course.kye: {constant: x}}}")
    (problem,) = check_fixtures(root, now_ms=NOW_MS)
    assert problem.message == 'the values have no field "course.kye"'
    assert problem.hint == 'did you mean "course.key"?'


def test_a_hint_for_a_field_that_no_example_has_is_told(plain_set: Callable[..., Path]) -> None:
    root = plain_set(
        "{count: 5, from: example, with: {a.b: {constant: x}}}",
        rest="    load: e.ndjson\n",
        e='{"value": {"a": 5}}\n',
    )
    (problem,) = check_fixtures(root, now_ms=NOW_MS)
    assert str(problem).endswith('the examples have no field "a.b"; mend the path')


def test_a_value_that_does_not_fit_the_schema_is_told_where_it_is_generated(
    avro_set: Callable[[str], Path],
) -> None:
    (problem,) = check_fixtures(avro_set("{count: 1, with: {id: {constant: x}}}"), now_ms=NOW_MS)
    assert (problem.line, problem.column) == (8, 15)
    assert problem.message.startswith('"value": ')


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"type": "object", "required": ["a"], "properties": {"a": {"pattern": "^a"}}},
            "the texts of a must match a pattern; "
            "give it a hint under with, such as  {choice: [...]}",
        ),
        (
            {
                "type": "object",
                "required": ["a"],
                "properties": {"a": {"$ref": "#"}},
            },
            "holds itself without an end; give it a hint under with",
        ),
    ],
    ids=["pattern", "endless"],
)
def test_what_a_json_schema_does_not_say_is_told(
    write_set: WriteSet, schema: dict[str, Any], expected: str
) -> None:
    text = (
        HEAD + "subjects: [{subject: v, schema: v.json}]\n"
        "topics: [{name: users, value: {subject: v}, generate: {count: 1}}]\n"
    )
    root = write_set({"fakebus.yaml": text, "v.json": json.dumps(schema)})
    (problem,) = check_fixtures(root, now_ms=NOW_MS)
    assert str(problem).endswith(expected)


def optional(name: str) -> dict[str, Any]:
    return {"name": name, "type": ["null", "Tree"], "default": None}


def record(name: str, **fields: Any) -> dict[str, Any]:
    made = [{"name": field, "type": kind} for field, kind in fields.items()]
    return {"type": "record", "name": name, "fields": made}


def nested_arrays(depth: int) -> Any:
    return "int" if not depth else {"type": "array", "items": nested_arrays(depth - 1)}


ITSELF = {"$ref": "#"}
PAIR = {"type": "object", "required": ["a", "b"], "properties": {"a": ITSELF, "b": ITSELF}}
RECURSIVE: dict[str, tuple[str, Any]] = {
    "avro tree": (
        "avsc",
        {
            "type": "record",
            "name": "Tree",
            "fields": [{"name": "v", "type": "int"}, optional("left"), optional("right")],
        },
    ),
    "avro expression": ("avsc", record("E", op=["int", record("Add", l="E", r="E")])),
    "avro arrays": (
        "avsc",
        record("A", a={"type": "array", "items": "A"}, b={"type": "map", "values": "A"}),
    ),
    "avro through another": (
        "avsc",
        record("A", b=record("B", a=[{"type": "array", "items": "A"}, "A"], c=["B", "string"])),
    ),
    "avro arrays of arrays": ("avsc", nested_arrays(25)),
    "json tree": (
        "json",
        {"type": "object", "properties": {"a": ITSELF, "b": ITSELF, "c": ITSELF}},
    ),
    "json required array": (
        "json",
        {
            "type": "object",
            "required": ["a"],
            "properties": {"a": {"type": "array", "items": ITSELF}},
        },
    ),
    "json expression": ("json", {"oneOf": [{"type": "integer"}, PAIR]}),
    "json types": ("json", {**PAIR, "type": ["object", "array", "integer"], "items": ITSELF}),
    "json object or number": (
        "json",
        {
            "type": ["object", "integer"],
            "required": ["a", "b", "c"],
            "properties": {"a": ITSELF, "b": ITSELF, "c": ITSELF},
        },
    ),
    "json items": (
        "json",
        {"anyOf": [{"type": "array", "minItems": 2, "items": ITSELF}, {"type": "boolean"}]},
    ),
}


@pytest.mark.parametrize(("suffix", "schema"), RECURSIVE.values(), ids=RECURSIVE.keys())
def test_an_event_of_a_recursive_schema_ends_and_stays_small(
    write_set: WriteSet, suffix: str, schema: Any
) -> None:
    text = (
        f"{HEAD}subjects: [{{subject: v, schema: v.{suffix}}}]\n"
        "topics: [{name: users, value: {subject: v}, generate: {count: 15}}]\n"
    )
    root = write_set({"fakebus.yaml": text, f"v.{suffix}": json.dumps(schema)})
    (stream,) = load_fixtures(root, now_ms=NOW_MS).streams
    values = [event.record.value or b"" for event in stream.events]
    assert len(values) == 15
    assert max(map(len, values)) < 20_000
    assert sum(map(len, values)) < 100_000


@pytest.mark.parametrize(
    ("suffix", "schema", "expected"),
    [
        (
            "avsc",
            record("N", next="N"),
            'the record "N" of next.next.next.next.… holds itself without an end; '
            "let a field be null, or give it a hint under with",
        ),
        (
            "avsc",
            record("A", b=record("B", x={"type": "array", "items": "int"}, a=["A", "B"])),
            "holds itself without an end; let a field be null, or give it a hint under with",
        ),
        (
            "json",
            {"type": "array", "minItems": 2, "items": ITSELF},
            "the schema of value holds itself without an end; give it a hint under with",
        ),
        (
            "json",
            {"type": "array", "minItems": 60_000},
            "an event of this schema would have more than 50000 values; "
            "give the part that repeats a hint under with",
        ),
        (
            "json",
            {"type": "object", "minProperties": 10**30},
            "an event of this schema would have more than 50000 values; "
            "give the part that repeats a hint under with",
        ),
        (
            "json",
            {"type": "string", "minLength": 10**9},
            "the texts and bytes of an event of this schema would be longer than 1000000; "
            "give the part that is long a hint under with",
        ),
        (
            "json",
            {"type": "array", "minItems": 20_000, "items": {"type": "string", "minLength": 99}},
            "the texts and bytes of an event of this schema would be longer than 1000000; "
            "give the part that is long a hint under with",
        ),
        (
            "avsc",
            record("F", f={"type": "fixed", "name": "Blob", "size": 2 * 10**9}),
            "the texts and bytes of an event of this schema would be longer than 1000000; "
            "give the part that is long a hint under with",
        ),
        (
            "avsc",
            record(
                "D",
                d={"type": "bytes", "logicalType": "decimal", "precision": 2 * 10**9}
                | {"scale": 10**9},
            ),
            "the texts and bytes of an event of this schema would be longer than 1000000; "
            "give the part that is long a hint under with",
        ),
        (
            "avsc",
            record("E", e={"type": "enum", "name": "None_", "symbols": []}),
            "the schema of e has no symbol, so no value fits; mend the schema",
        ),
        (
            "avsc",
            record("U", u=[]),
            "the schema of u has no branch, so no value fits; mend the schema",
        ),
        ("json", {"allOf": [ITSELF]}, "the schema's references never end; mend the schema"),
        (
            "json",
            {"oneOf": [{"$ref": "#/definitions/a"}], "definitions": {"a": {"anyOf": [ITSELF]}}},
            "the schema's references never end; mend the schema",
        ),
    ],
)
def test_a_schema_that_cannot_end_or_have_a_value_is_told(
    write_set: WriteSet, suffix: str, schema: Any, expected: str
) -> None:
    text = (
        f"{HEAD}subjects: [{{subject: v, schema: v.{suffix}}}]\n"
        "topics: [{name: users, value: {subject: v}, generate: {count: 2}}]\n"
    )
    root = write_set({"fakebus.yaml": text, f"v.{suffix}": json.dumps(schema)})
    (problem,) = check_fixtures(root, now_ms=NOW_MS)
    assert str(problem).endswith(expected)


def test_bounds_of_json_schema_may_be_written_with_a_fraction_of_zero(write_set: WriteSet) -> None:
    schema = {
        "type": "array",
        "minItems": 2.0,
        "maxItems": 2.0,
        "items": {"type": "string", "minLength": 12.0, "maxLength": 12.0},
    }
    text = (
        f"{HEAD}subjects: [{{subject: v, schema: v.json}}]\n"
        "topics: [{name: users, value: {subject: v}, generate: {count: 2}}]\n"
    )
    root = write_set({"fakebus.yaml": text, "v.json": json.dumps(schema)})
    assert check_fixtures(root, now_ms=NOW_MS) == []


def test_steps_that_are_too_small_to_be_counted_are_left_to_chance(write_set: WriteSet) -> None:
    text = (
        f"{HEAD}subjects: [{{subject: v, schema: v.json}}]\n"
        "topics: [{name: users, value: {subject: v}, generate: {count: 2}}]\n"
    )
    schema = json.dumps({"type": "number", "multipleOf": 1e-320})
    root = write_set({"fakebus.yaml": text, "v.json": schema})
    for problem in check_fixtures(root, now_ms=NOW_MS):
        assert "is not a multiple of" in problem.message


def test_a_hint_ends_what_cannot_end_by_itself(write_set: WriteSet) -> None:
    text = (
        f"{HEAD}subjects: [{{subject: v, schema: v.avsc}}]\n"
        "topics: [{name: users, value: {subject: v}, generate: "
        "{count: 1, with: {next.next: {constant: {next: x}}}}}]\n"
    )
    root = write_set({"fakebus.yaml": text, "v.avsc": json.dumps(record("N", next="N"))})
    (problem,) = check_fixtures(root, now_ms=NOW_MS)
    # What the hint makes does not fit; that is all there is to say.
    assert problem.message.startswith('"value": ')


def test_a_missing_faker_names_its_extra(
    plain_set: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fakebus.fixture_files import generation_hints

    generation_hints._faker_of.cache_clear()
    monkeypatch.setitem(sys.modules, "faker", None)
    root = plain_set("{count: 1, with: {a: {faker: email}}}")
    (problem,) = check_fixtures(root, now_ms=NOW_MS)
    assert problem.message == (
        'faker: the function faker needs an extra package: run  pip install "fakebus[faker]"'
    )


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("user", '1:1: there is no topic "user"; did you mean "users"?'),
        (
            "users",
            '5:11: the topic "users" has no generate; '
            "add it, or say how many events to make from its schema with --count",
        ),
    ],
)
def test_lines_of_a_topic_that_generates_nothing_are_refused(
    write_set: WriteSet, topic: str, expected: str
) -> None:
    from fakebus.fixture_files.problems import FixtureError

    with pytest.raises(FixtureError) as raised:
        generate_lines(write_set({"fakebus.yaml": PLAIN}), topic, now_ms=NOW_MS)
    assert str(raised.value).endswith(expected)


def test_lines_are_written_over_others_only_when_forced(
    write_set: WriteSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_set({"fakebus.yaml": AVRO, "user.avsc": json.dumps(USER_SCHEMA)})
    output = tmp_path / "out.ndjson"
    command = ["fixtures", "generate", str(root), "--topic", "users", "--count", "2"]
    command += ["-o", str(output)]
    assert run(command) == 0
    written = output.read_text()
    assert run(command) == 0
    output.write_text("mine\n")
    assert run(command) == 2
    assert "out.ndjson is there with other lines, which would be lost" in capsys.readouterr().err
    assert output.read_text() == "mine\n"
    assert run([*command, "--force"]) == 0
    assert output.read_text() == written
