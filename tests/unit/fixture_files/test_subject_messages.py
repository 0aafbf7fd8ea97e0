"""Every kind of mistake with subjects and their schemas, as the user gets to see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakebus.errors import MissingExtraError
from fakebus.fixture_files.encoding.encoder import _verify
from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.loader import check_fixtures
from fakebus.fixture_files.problems import DataError
from fakebus.schemas.interface import SchemaDataError
from tests.unit.fixture_files.conftest import WriteSet

ORDER = '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "int"}]}'
PROTO = 'syntax = "proto3"; message Order { int32 id = 1; }'
GOOD = '{"value": {"id": 1}}\n'


def root(subjects: str, topic: str = "{name: orders, value: {subject: o}, load: e.ndjson}") -> str:
    return f"version: 1\nsubjects:\n{subjects}topics:\n  - {topic}\n"


def problems(directory: Path) -> list[str]:
    found = check_fixtures(directory, now_ms=1_700_000_000_000)
    return [str(one).replace(f"{directory}/", "") for one in found]


SUBJECT_CASES = {
    "not an object": (
        "  - o.avsc\n",
        "fakebus.yaml:3:5: a subject must be an object; "
        "write  - {subject: orders-value, schema: schemas/order.avsc}",
    ),
    "no subject": (
        "  - {schema: o.avsc}\n",
        'fakebus.yaml:3:5: a subject needs the field "subject"; add  subject:',
    ),
    "no schema": (
        "  - {subject: o}\n",
        'fakebus.yaml:3:5: a subject needs the field "schema"; add  schema:',
    ),
    "unknown field": (
        "  - {subject: o, schema: o.avsc, compatability: NONE}\n",
        'fakebus.yaml:3:34: a subject has no field "compatability"; did you mean "compatibility"?',
    ),
    "unknown level": (
        "  - {subject: o, schema: o.avsc, compatibility: backwards}\n",
        'fakebus.yaml:3:49: there is no compatibility level "backwards"; did you mean "BACKWARD"?',
    ),
    "unknown type": (
        "  - {subject: o, schema: o.avsc, type: avroo}\n",
        'fakebus.yaml:3:40: there is no schema type "avroo"; did you mean "AVRO"?',
    ),
    "type not told": (
        "  - {subject: o, schema: o.txt}\n",
        'fakebus.yaml:3:26: the name of "o.txt" does not say what kind of schema it is; '
        "add  type: AVRO, JSON or PROTOBUF, or name it .avsc, .json or .proto",
    ),
    "no file": (
        "  - {subject: o, schema: missing.avsc}\n",
        'fakebus.yaml:3:26: there is no file "missing.avsc" in DIRECTORY; '
        "create it or mend the path",
    ),
    "no file name": (
        '  - {subject: o, schema: "x\\0.avsc"}\n',
        r'fakebus.yaml:3:26: "x\x00.avsc" is not a file name; '
        "write a path inside the fixture directory, relative to this file",
    ),
    "outside": (
        "  - {subject: o, schema: ../o.avsc}\n",
        'fakebus.yaml:3:26: the path "../o.avsc" leaves the fixture directory; '
        "write a path inside the fixture directory, relative to this file",
    ),
    "not json": (
        "  - {subject: o, schema: bad.avsc}\n",
        'bad.avsc:1:2: the schema of "o" is not valid: The schema is not JSON: Expecting property '
        "name enclosed in double quotes in line 1, column 2; mend the schema",
    ),
    "not a schema": (
        "  - {subject: o, schema: odd.avsc}\n",
        "odd.avsc:1:1: the schema of \"o\" is not valid: There is no type 'integer': define it, "
        "or refer to a schema that does; mend the schema",
    ),
    "id out of range": (
        "  - {subject: o, schema: o.avsc, id: 0}\n",
        'fakebus.yaml:3:38: "id" is 0; write a number from 1 to 2147483647',
    ),
    "id twice": (
        "  - {subject: o, schema: o.avsc, id: 7}\n  - {subject: p, schema: p.avsc, id: 7}\n",
        "fakebus.yaml:4:38: the id 7 does not fit: another schema has it, in fakebus.yaml:3; "
        "give each schema one id of its own, in all its subjects the same",
    ),
    "two ids": (
        "  - {subject: o, schema: o.avsc, id: 7}\n  - {subject: p, schema: o.avsc, id: 8}\n",
        "fakebus.yaml:4:38: the id 8 does not fit: the same schema has the id 7 already, in "
        "fakebus.yaml:3; "
        "give each schema one id of its own, in all its subjects the same",
    ),
    "reference not an object": (
        "  - {subject: o, schema: o.avsc, references: [x]}\n",
        'fakebus.yaml:3:47: an entry of "references" must be an object, not a text; '
        "write  name: value",
    ),
    "reference without a name": (
        "  - {subject: o, schema: o.avsc, references: [{subject: p}]}\n",
        'fakebus.yaml:3:47: a reference needs the field "name"; add  name:',
    ),
    "reference to nothing": (
        "  - {subject: o, schema: o.avsc, references: [{name: P, subject: p}]}\n",
        'fakebus.yaml:3:47: there is no subject "p" before this one; '
        "define what is referred to first",
    ),
    "reference misspelt": (
        "  - {subject: place, schema: p.avsc}\n"
        "  - {subject: o, schema: o.avsc, references: [{name: P, subject: plaice}]}\n",
        'fakebus.yaml:4:47: there is no subject "plaice" before this one; did you mean "place"?',
    ),
    "reference to a missing version": (
        "  - {subject: p, schema: p.avsc}\n"
        "  - {subject: o, schema: o.avsc, references: [{name: P, subject: p, version: 2}]}\n",
        'fakebus.yaml:4:47: there is no version 2 of "p" before this subject; it has 1',
    ),
    "readers not an object": (
        "  - {subject: o, schema: o.avsc, readers: [a]}\n",
        'fakebus.yaml:3:43: "readers" must be an object, not a list; write  name: value',
    ),
    "reader without a file": (
        "  - {subject: o, schema: o.avsc, readers: {mail: no.avsc}}\n",
        'fakebus.yaml:3:50: there is no file "no.avsc" in DIRECTORY; create it or mend the path',
    ),
    "reader's schema broken": (
        "  - {subject: o, schema: o.avsc, readers: {mail: odd.avsc}}\n",
        'odd.avsc:1:1: the schema that "mail" reads "o" with is not valid: '
        "There is no type 'integer': define it, or refer to a schema that does; "
        "mend the schema",
    ),
    "incompatible": (
        "  - {subject: o, schema: o.avsc, compatibility: FULL}\n  - {subject: o, schema: p.avsc}\n",
        'p.avsc:1:1: version 2 of "o" is not compatible with what came before under FULL: '
        "with the new schema, older data cannot be read: The reader's record is called Place, "
        "the writer's Order, and there is no alias (at /name); with the old schema, newer data "
        "cannot be read: The reader's record is called Order, the writer's Place, and there is "
        "no alias (at /name); make it compatible, or set another level with  compatibility:",
    ),
}


@pytest.mark.parametrize("case", SUBJECT_CASES)
def test_mistake_in_a_subject_is_told_with_its_place(write_set: WriteSet, case: str) -> None:
    subjects, message = SUBJECT_CASES[case]
    directory = write_set(
        {
            "fakebus.yaml": root(subjects),
            "o.avsc": ORDER,
            "o.txt": ORDER,
            "p.avsc": ORDER.replace("Order", "Place"),
            "bad.avsc": "{",
            "odd.avsc": '"integer"',
            "e.ndjson": GOOD,
        }
    )
    found = [one.replace(str(directory), "DIRECTORY") for one in problems(directory)]
    assert message in found, found


TOPIC_CASES = {
    "no such subject": (
        "{name: orders, value: {subject: orders}, load: e.ndjson}",
        'fakebus.yaml:5:27: there is no subject "orders"; did you mean "order"?',
    ),
    "no such version": (
        "{name: orders, value: {subject: order, version: 3}, load: e.ndjson}",
        'fakebus.yaml:5:27: there is no version 3 of "order"; it has 1',
    ),
    "format of another language": (
        "{name: orders, value: {subject: order, format: protobuf}, load: e.ndjson}",
        'fakebus.yaml:5:27: the schema of "order" is AVRO, so the format cannot be protobuf; '
        "write avro, or leave the format out",
    ),
    "format without a schema": (
        "{name: orders, value: {format: avro}, load: e.ndjson}",
        'fakebus.yaml:5:36: the format avro needs a subject; add "subject": the name of one under '
        "subjects",
    ),
    "format that takes no subject": (
        "{name: orders, value: {subject: order, format: json}, load: e.ndjson}",
        'fakebus.yaml:5:52: the format "json" has no subject; known: avro, jsonschema, protobuf',
    ),
    "unknown format": (
        "{name: orders, value: {format: jsonn}, load: e.ndjson}",
        'fakebus.yaml:5:36: there is no format "jsonn"; did you mean "json"?',
    ),
}


@pytest.mark.parametrize("case", TOPIC_CASES)
def test_mistake_in_the_use_of_a_subject_is_told(write_set: WriteSet, case: str) -> None:
    topic, message = TOPIC_CASES[case]
    directory = write_set(
        {
            "fakebus.yaml": root("  - {subject: order, schema: o.avsc}\n", topic),
            "o.avsc": ORDER,
            "e.ndjson": GOOD,
        }
    )
    assert message in problems(directory)


EVENT_CASES = {
    "missing field": ('{"value": {}}', "$: the field 'id' is missing and has no default"),
    "unknown field": ('{"value": {"id": 1, "x": 2}}', "$: Order has no field 'x'"),
    "wrong type": ('{"value": {"id": "1"}}', "$.id: expected int, got '1'"),
    "too large": (
        '{"value": {"id": 2147483648}}',
        "$.id: 2147483648 is out of the range of int",
    ),
    "not an object": ('{"value": 5}', "$: expected Order, got 5"),
    "unknown subject": (
        '{"value": {"subject": "orde", "data": {}}}',
        'there is no subject "orde"; did you mean "order"?',
    ),
    "broken subject": (
        '{"value": {"subject": "broken", "data": {}}}',
        'the schema of "broken" is not valid',
    ),
    "subject is a number": (
        '{"value": {"subject": 5, "data": {}}}',
        '"subject" must be a text',
    ),
    "type is a number": (
        '{"value": {"subject": "order", "type": 5, "data": {}}}',
        '"type" must be the name of a format',
    ),
    "version is a text": (
        '{"value": {"subject": "order", "version": "1", "data": {}}}',
        '"version" must be a whole number',
    ),
    "version is missing": (
        '{"value": {"subject": "order", "version": 9, "data": {}}}',
        'there is no version 9 of "order"; it has 1',
    ),
    "type without a subject": (
        '{"value": {"type": 7, "data": {}}}',
        '"type" must be the name of a format',
    ),
    "unknown type": (
        '{"value": {"type": "jason", "data": {}}}',
        'there is no format "jason"; did you mean "json"?',
    ),
    "half a surrogate in json": (
        '{"value": {"type": "json", "data": "\\ud800"}}',
        "a text holds half of a surrogate pair",
    ),
    "half a surrogate in msgpack": (
        '{"value": {"type": "msgpack", "data": "\\ud800"}}',
        "a text holds half of a surrogate pair",
    ),
    "half a surrogate in string": (
        '{"value": {"type": "string", "data": "\\ud800"}}',
        "the text holds half of a surrogate pair",
    ),
    "large number in msgpack": (
        '{"value": {"type": "msgpack", "data": 99999999999999999999}}',
        "a number has more than 64 bits; write it as a text",
    ),
    "number in string": (
        '{"value": {"type": "string", "data": 5}}',
        "the format string needs a text, not a number; write it in quotes, or use",
    ),
    "format without a subject": (
        '{"value": {"type": "protobuf", "data": {}}}',
        'the format protobuf needs a subject',
    ),
    "nested too deeply in msgpack": (
        '{"value": {"type": "msgpack", "data": ' + "[" * 1200 + "]" * 1200 + "}}",
        "nested",
    ),
    "bad function": (
        '{"value": {"id": {"$time": "now", "as": "week"}}}',
        '$time cannot be written as "week"',
    ),
    "function without a text": (
        '{"value": {"id": {"$time": 5}}}',
        "$time needs a text, not a number",
    ),
    "event function": (
        '{"value": {"id": {"$event": "name"}}}',
        '$event gives only the event\'s id and uuid; write {"$event": "uuid"} or {"$event": "id"}',
    ),
    "option of a function": (
        '{"value": {"id": {"$uuid": "a", "as": "iso"}}}',
        '$uuid has no option "as"; remove it',
    ),
    "headers are a number": (
        '{"value": {"id": 1}, "headers": 5}',
        '"headers" must be a list or an object, not a number',
    ),
    "header is no pair": (
        '{"value": {"id": 1}, "headers": [["a"]]}',
        "a header in a list must be a pair of name and value",
    ),
    "header is a number": (
        '{"value": {"id": 1}, "headers": {"a": 5}}',
        'the header "a" must be a text, not a number',
    ),
    "header of an unknown type": (
        '{"value": {"id": 1}, "headers": {"a": {"type": "x", "data": "b"}}}',
        'the header "a": there is no format "x"',
    ),
    "header with a number as type": (
        '{"value": {"id": 1}, "headers": {"a": {"type": 5, "data": "b"}}}',
        'the header "a": "type" must be a text, not a number',
    ),
    "half a surrogate in a header": (
        '{"value": {"id": 1}, "headers": {"a": "\\ud800"}}',
        'the header "a" holds half of a surrogate pair',
    ),
    "half a surrogate in a header's name": (
        '{"value": {"id": 1}, "headers": {"\\ud800": "a"}}',
        "a header's name holds half of a surrogate pair",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EVENT_CASES)
def test_mistake_in_data_is_told_with_its_place(write_set: WriteSet, case: str) -> None:
    event, message = EVENT_CASES[case]
    subjects = "  - {subject: order, schema: o.avsc}\n  - {subject: broken, schema: broken.avsc}\n"
    directory = write_set(
        {
            "fakebus.yaml": root(
                subjects, "{name: orders, value: {subject: order}, load: e.ndjson}"
            ),
            "o.avsc": ORDER,
            "broken.avsc": "5",
            "e.ndjson": event + "\n",
        }
    )
    found = [one for one in problems(directory) if one.startswith("e.ndjson:1:")]
    assert any(message in one for one in found), found


KEY_FIELD_CASES = {
    "missing": ("ordr", 'there is no field "ordr"; did you mean "order"? it has: order, n, none'),
    "within a number": ("n.x", "n is a number; mend the path, or give the event a key of its own"),
    "within nothing": ("order.x", 'there is no field "x" in order; there is nothing in it'),
    "null": ("none", "none is null; give the field a value, or the event a key of its own"),
}


@pytest.mark.parametrize("case", KEY_FIELD_CASES)
def test_a_key_field_that_an_event_does_not_have_is_told(write_set: WriteSet, case: str) -> None:
    path, message = KEY_FIELD_CASES[case]
    directory = write_set(
        {
            "fakebus.yaml": "version: 1\ntopics:\n"
            f"  - {{name: t, key: {{field: {path}}}, load: e.ndjson}}\n",
            "e.ndjson": '{"value": {"order": {}, "n": 5, "none": null}}\n',
        }
    )
    (found,) = problems(directory)
    assert found.startswith("e.ndjson:1:")
    assert message in found


def test_levels_hold_until_another_is_named(write_set: WriteSet) -> None:
    directory = write_set(
        {
            "fakebus.yaml": "version: 1\ncompatibility: FULL\nsubjects:\n"
            "  - {subject: o, schema: 1.avsc, compatibility: NONE}\n"
            "  - {subject: o, schema: 2.avsc}\n"
            "  - {subject: o, schema: 1.avsc, compatibility: FORWARD}\n"
            "  - {subject: p, schema: 1.avsc}\n  - {subject: p, schema: 2.avsc}\n"
            "topics:\n  - {name: o, value: {subject: o}}\n  - {name: p, value: {subject: p}}\n",
            "1.avsc": ORDER,
            "2.avsc": ORDER.replace("int", "string"),
        }
    )
    assert [one.partition(" is not compatible ")[0] for one in problems(directory)] == [
        '1.avsc:1:1: version 3 of "o"',
        '2.avsc:1:1: version 2 of "p"',
    ]


def test_what_is_imported_by_its_id_is_not_compared(write_set: WriteSet) -> None:
    directory = write_set(
        {
            "fakebus.yaml": "version: 1\ncompatibility: FULL\nsubjects:\n"
            "  - {subject: o, schema: 1.avsc, id: 5}\n  - {subject: o, schema: 2.avsc, id: 6}\n"
            "topics: [{name: o, value: {subject: o}}]\n",
            "1.avsc": ORDER,
            "2.avsc": ORDER.replace("int", "string"),
        }
    )
    assert problems(directory) == []


def test_a_field_that_a_message_does_not_have_is_told(write_set: WriteSet) -> None:
    directory = write_set(
        {
            "fakebus.yaml": root("  - {subject: o, schema: o.proto}\n"),
            "o.proto": PROTO,
            "e.ndjson": '{"value": {"id": 1, "ID": 2}}\n',
        }
    )
    (found,) = problems(directory)
    assert found.startswith('e.ndjson:1:11: "value": ')


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            '{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}',
            "the schema's references never end; mend the schema",
        ),
    ],
)
def test_a_schema_that_nothing_can_be_generated_from(
    write_set: WriteSet, schema: str, message: str
) -> None:
    topic = "{name: t, value: {subject: o}, generate: {count: 1}}"
    directory = write_set(
        {"fakebus.yaml": root("  - {subject: o, schema: o.json}\n", topic), "o.json": schema}
    )
    assert any(message in one for one in problems(directory)), problems(directory)


def test_a_language_whose_libraries_are_missing_names_the_extra(
    write_set: WriteSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Missing:
        def parse(self, *_: object) -> None:
            raise MissingExtraError("Protobuf", "protobuf")

    monkeypatch.setattr("fakebus.fixture_files.structure.schema_set.language", lambda _: Missing())
    directory = write_set({"fakebus.yaml": root("  - {subject: o, schema: o.proto}\n"),
                           "o.proto": PROTO, "e.ndjson": GOOD})  # fmt: skip
    assert problems(directory)[0] == (
        'fakebus.yaml:3:15: Protobuf needs an extra package: run  pip install "fakebus[protobuf]"'
    )


def test_an_encoding_that_loses_something_is_told() -> None:
    lossy = Format(name="x", encode=lambda _: b"new", decode=lambda _: {})
    with pytest.raises(DataError, match="what was written is read back as something else"):
        _verify(lossy, "data", b"old")

    # What was left out may come back as null, but as nothing else, and nothing may be missing.
    for read in ({"a": {"b": 1, "c": 0}}, {"a": {"c": None}}, {"a": {"b": 2, "c": None}}, {}):
        other = Format(name="x", encode=lambda _: b"new", decode=lambda _, read=read: read)
        with pytest.raises(DataError, match="read back as something else"):
            _verify(other, {"a": {"b": 1}}, b"old")
    filled = Format(name="x", encode=lambda _: b"new", decode=lambda _: {"a": {"c": None, "b": 1}})
    assert _verify(filled, {"a": {"b": 1}}, b"old") == {"a": {"b": 1, "c": None}}

    def fails(_: bytes) -> object:
        raise SchemaDataError("$: bad")

    with pytest.raises(DataError, match=r"what was written cannot be read back: \$: bad"):
        _verify(Format(name="x", encode=lambda _: b"", decode=fails), "data", b"old")


OLDER = """{"type": "record", "name": "Order", "fields": [
    {"name": "id", "type": "int"}, {"name": "old", "type": "int", "default": "none"}]}"""


@pytest.mark.parametrize(("pinned", "is_told"), [("", True), (", id: 7", False)])
def test_a_schema_with_its_id_is_held_to_no_rule_for_new_ones(
    write_set: WriteSet, pinned: str, is_told: bool
) -> None:
    directory = write_set(
        {
            "fakebus.yaml": root(f"  - {{subject: o, schema: o.avsc{pinned}}}\n"),
            "o.avsc": OLDER,
            "e.ndjson": '{"value": {"id": 1, "old": 2}}\n',
        }
    )
    found = problems(directory)
    assert (found != []) is is_told
    assert ["has the default" in one for one in found[:1]] == [True] * is_told


def test_a_default_that_does_not_fit_is_told_where_it_is_needed(write_set: WriteSet) -> None:
    directory = write_set(
        {
            "fakebus.yaml": root("  - {subject: o, schema: o.avsc, id: 7}\n"),
            "o.avsc": OLDER,
            "e.ndjson": GOOD,
        }
    )
    assert problems(directory) == [
        "e.ndjson:1:11: \"value\": $.old: expected int, got 'none'; mend the data, or the schema"
    ]


def test_a_schema_with_its_id_that_nothing_can_use_is_told(write_set: WriteSet) -> None:
    directory = write_set(
        {
            "fakebus.yaml": root("  - {subject: o, schema: o.json, id: 7}\n"),
            "o.json": '{"type": "no such type"}',
            "e.ndjson": GOOD,
        }
    )
    assert "fakebus.yaml" not in problems(directory)[0]
    assert 'the schema of "o" is not valid' in problems(directory)[0]
