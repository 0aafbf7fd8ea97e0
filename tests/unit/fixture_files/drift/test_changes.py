"""What has changed between two schemas, in words, for every language."""

from __future__ import annotations

import json

import pytest

from fakebus.fixture_files.drift.changes import changes
from fakebus.fixture_files.drift.outlines import outline
from fakebus.schemas.languages import language


def avro(*fields: object, **more: object) -> str:
    return json.dumps({"type": "record", "name": "Order", "fields": fields, **more})


def field(name: str, kind: object, **more: object) -> dict[str, object]:
    return {"name": name, "type": kind, **more}


INNER = {"type": "record", "name": "Inner", "fields": [field("x", "int")]}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (avro(field("a", "int")), avro(field("a", "int")), []),
        (
            avro(field("a", "int")),
            avro(field("a", "int", doc="how many")),
            ["only documentation, the order or the names of types differ"],
        ),
        (
            avro(field("a", "int")),
            avro(field("a", "long")),
            ['"a" is long now, was int'],
        ),
        (
            avro(field("a", "int")),
            avro(field("a", "int"), field("b", "string")),
            ['"b" (string) is new and has no default'],
        ),
        (
            avro(field("a", "int"), field("b", ["null", "string"], default=None)),
            avro(field("a", "int")),
            ['"b" (null or string, default null) is gone'],
        ),
        (
            avro(field("a", "int", default=1)),
            avro(field("a", "int")),
            ['"a" has no default now, had the default 1'],
        ),
        (
            avro(field("a", "int")),
            avro(field("a", INNER)),
            ['"a" is record Inner now, was int', '"a.x" (int) is new and has no default'],
        ),
        (
            # What is within says nothing that the record has not said.
            avro(field("a", INNER)),
            avro(),
            ['"a" (record Inner) is gone'],
        ),
        (
            avro(field("c", COLOUR)),
            avro(field("c", {**COLOUR, "symbols": ["RED", "BLUE"]})),
            ['"c (enum)" has gained BLUE and has lost GREEN'],
        ),
        (
            avro(field("c", {"type": "array", "items": INNER})),
            avro(field("c", {"type": "array", "items": {**INNER, "fields": [field("x", "long")]}})),
            ['"c[].x" is long now, was int'],
        ),
        (
            avro(field("t", "long")),
            avro(field("t", {"type": "long", "logicalType": "timestamp-millis"})),
            ['"t" is long (timestamp-millis) now, was long'],
        ),
        ('"string"', '"bytes"', ["the schema is bytes now, was string"]),
    ],
)
def test_avro(old: str, new: str, words: list[str]) -> None:
    parse = language("AVRO").parse
    assert changes(parse(old), parse(new)) == words


def test_a_record_within_itself_is_walked_once() -> None:
    node = {"type": "record", "name": "Node", "fields": [field("next", ["null", "Node"])]}
    wider = {**node, "fields": [*node["fields"], field("x", "int")]}  # type: ignore[misc]
    parse = language("AVRO").parse
    assert changes(parse(json.dumps(node)), parse(json.dumps(wider))) == [
        '"x" (int) is new and has no default'
    ]


def test_schemas_that_all_refer_to_each_other_are_walked_to_a_bound() -> None:
    names = [f"d{number}" for number in range(8)]
    links = {name: {"$ref": f"#/$defs/{name}"} for name in names}
    defined = {name: {"type": "object", "properties": links} for name in names}
    schema = {"type": "object", "properties": links, "$defs": defined}
    found = outline(language("JSON").parse(json.dumps(schema)))
    assert 4_000 < len(found) < 6_000


def json_schema(properties: dict[str, object], *required: str, **more: object) -> str:
    schema = {"type": "object", "properties": properties, "required": list(required), **more}
    return json.dumps(schema)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            json_schema({"a": {"type": "integer"}}),
            json_schema({"a": {"type": "integer"}}, "a"),
            ['"a" is required now'],
        ),
        (
            json_schema({"a": {"type": "integer"}}, "a"),
            json_schema({"a": {"type": ["integer", "null"]}}),
            ['"a" is integer or null now, was integer', '"a" is optional now'],
        ),
        (
            json_schema({"a": {"type": "string", "maxLength": 5}}),
            json_schema({"a": {"type": "string"}}),
            ['"a" has no maxLength now, had the maxLength 5'],
        ),
        (
            json_schema({"a": {"enum": ["x"]}}),
            json_schema({"a": {"enum": ["x", "y"]}}),
            ['"a" has gained "y"'],
        ),
        (
            json_schema({"a": {"enum": ["x"]}}),
            json_schema({"a": {}}),
            ['"a" allows any value now'],
        ),
        (
            json_schema({"a": {"$ref": "#/$defs/n"}}, **{"$defs": {"n": {"type": "integer"}}}),
            json_schema({"a": {"$ref": "#/$defs/n"}}, **{"$defs": {"n": {"type": "string"}}}),
            ['"a" is string now, was integer'],
        ),
        (
            json_schema(
                {"a": {"$ref": "n.json"}},
                **{"definitions": {"n": {"$id": "n.json", "type": "integer"}}},
            ),
            json_schema(
                {"a": {"$ref": "#n"}}, **{"definitions": {"n": {"$id": "#n", "type": "string"}}}
            ),
            ['"a" is string now, was integer'],
        ),
        (
            json_schema({"a": {"type": "array", "items": {"type": "integer"}}}),
            json_schema({"a": {"type": "array", "items": {"type": "number"}}}),
            ['"a[]" is number now, was integer'],
        ),
    ],
)
def test_json_schema(old: str, new: str, words: list[str]) -> None:
    parse = language("JSON").parse
    assert changes(parse(old), parse(new)) == words


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("string a = 1;", "string a = 2;", ['"Order.a" has the number 2 now, had the number 1']),
        ("string a = 1;", "bytes a = 1;", ['"Order.a" is bytes now, was string']),
        (
            "string a = 1;",
            "string a = 1; repeated int32 b = 2;",
            ['"Order.b" (repeated int32, number 2) is new'],
        ),
        (
            "enum E { A = 0; } E e = 1;",
            "enum E { A = 0; B = 1; } E e = 1;",
            ['"Order.E (enum)" has gained B'],
        ),
    ],
)
def test_protobuf(old: str, new: str, words: list[str]) -> None:
    def parsed(body: str) -> object:
        return language("PROTOBUF").parse(f'syntax = "proto3"; message Order {{ {body} }}')

    assert changes(parsed(old), parsed(new)) == words  # type: ignore[arg-type]


def test_another_language() -> None:
    old = language("AVRO").parse('"string"')
    new = language("JSON").parse('{"type": "string"}')
    assert changes(old, new) == ["the schema is JSON now, was AVRO"]
