"""Texts of valid schemas with something special in their form, and of invalid ones."""

from __future__ import annotations

import json
from typing import Any


def record(*fields: dict[str, Any], **rest: Any) -> str:
    return json.dumps({"type": "record", "name": "R", "fields": list(fields), **rest})


TEXTS = [
    '"string"',
    '{"type": "string"}',
    '{"name": "course_key", "type": "string"}',
    '{"type": "string", "doc": "dropped", "avro.java.string": "String"}',
    '{"type": "int", "logicalType": "date"}',
    '{"type": "int", "logicalType": "timestamp-millis"}',
    '{"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 5}',
    '["null", "int"]',
    "[]",
    '{"type": "array", "items": {"type": "map", "values": "long"}, "x": 1, "default": []}',
    '{"type": "fixed", "size": 2, "name": "F", "doc": "d", "aliases": ["G"], "x": [1, null]}',
    '{"symbols": ["B", "A"], "default": "A", "name": "a.E", "type": "enum", "doc": "d", "p": {}}',
    '{"type": "error", "name": "R", "fields": []}',
    '// a comment\n{"type": /* another */ "int", "url": "http://x//y"}',
    record(),
    record({"name": "a", "type": "int", "default": 1, "doc": "d", "order": "ignore", "z": 1}),
    record({"name": "a", "type": "int", "order": "ASCENDING", "aliases": ["x", "y", "x"]}),
    record({"name": "a", "type": "double", "default": 1}),
    record({"name": "a", "type": "double", "default": 1e10}),
    record({"name": "a", "type": "float", "default": 0.25}),
    record({"name": "a", "type": "double", "default": "1.5"}),
    record({"name": "a", "type": "double", "default": -1.25e-7}),
    record({"name": "a", "type": ["null", "string"], "default": "any branch"}),
    record({"name": "a", "type": "bytes", "default": "\u00ff\u0000"}),
    record({"name": "a", "type": "string", "default": 'é"\\\u0001\u007f\u2028\t/'}),
    record({"name": "a", "type": {"type": "map", "values": "int"}, "default": {"k": 1}}),
    record({"name": "a", "type": ["null", "R"], "default": None}),
    record({"name": "a", "type": {"type": "R2", "x": 1}}).replace(
        '{"type": "R2", "x": 1}', '{"type": "record", "name": "R2", "fields": []}'
    ),
    record({"name": "a", "type": "int", "logicalType": "date"}),
    record(namespace="n", aliases=["A", "n.B", "m.C", "A"], doc="d", extra={"k": [1, 2.5]}),
    record(namespace="", name="n.R"),
    record(namespace="other", name="n.R"),
    record(
        {"name": "a", "type": {"type": "fixed", "name": "F", "size": 1}},
        {"name": "b", "type": "F"},
        {"name": "c", "type": "n.F"},
        {"name": "d", "type": {"type": "enum", "name": "E", "namespace": "m", "symbols": []}},
        {"name": "e", "type": "m.E"},
        {"name": "f", "type": {"type": "fixed", "name": "G", "namespace": "", "size": 1}},
        {"name": "g", "type": "G"},
        namespace="n",
    ),
    record(
        {"name": "a", "type": {"type": "fixed", "name": "record", "size": 1}},
        {"name": "b", "type": "n.record"},
        namespace="n",
    ),
    record(namespace="org.openedx.enterprise.subsidy.redemption-reversed.v1"),
    record({"name": "größe", "type": "int"}),
    record({"name": "a", "type": "R"}),
    # What Java's library takes since 1.12: use before definition, and an equal definition again.
    record(
        {"name": "a", "type": "F"},
        {"name": "b", "type": {"type": "fixed", "name": "F", "size": 1}},
    ),
    record(
        {"name": "a", "type": ["null", "S"], "default": None},
        {"name": "b", "type": {"type": "array", "items": "S"}},
        {
            "name": "c",
            "type": {
                "type": "record",
                "name": "S",
                "fields": [{"name": "t", "type": ["T", "S"]}, {"name": "r", "type": "R"}],
            },
        },
        {"name": "d", "type": {"type": "enum", "name": "T", "namespace": "n", "symbols": ["X"]}},
        namespace="n",
    ),
    *(
        record({"name": "a", "type": one}, {"name": "b", "type": two})
        for one, two in [
            (
                {"type": "enum", "name": "E", "symbols": ["A"], "p": {"x": 1, "y": 2}},
                {"type": "enum", "name": "E", "symbols": ["A"], "p": {"y": 2, "x": 1}, "doc": "d"},
            ),
            (
                {"type": "fixed", "name": "F", "size": 2},
                {"type": "fixed", "name": "F", "size": 2, "aliases": ["G"]},
            ),
            (
                {"type": "record", "name": "S", "fields": [{"name": "s", "type": "int"}]},
                {"type": "record", "name": "S", "fields": [{"name": "s", "type": "int"}]},
            ),
        ]
    ),
    # And any text as the default of an enum, a fixed or bytes.
    record({"name": "a", "type": {"type": "fixed", "name": "F", "size": 2}, "default": "x"}),
    record({"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["A"]}, "default": "B"}),
    record({"name": "a", "type": "bytes", "default": "\u0100"}),
]

INVALID = {
    "no JSON": "string",
    "open brace": "{",
    "two values": '"int" "int"',
    "not a number": '{"type": "int", "x": NaN}',
    "number": "5",
    "null": "null",
    "unknown type": '"integer"',
    "no type": '{"name": "x"}',
    "type that is an object": '{"type": {"type": "int"}}',
    "unknown type in braces": '{"type": "integer"}',
    "array without items": '{"type": "array"}',
    "map without values": '{"type": "map"}',
    "items of an unknown type": '{"type": "array", "items": "what"}',
    "union twice": '["int", "int"]',
    "union twice by name": '[{"type": "fixed", "name": "F", "size": 1}, "F"]',
    "union in a union": '["null", ["int"]]',
    "record without name": '{"type": "record", "fields": []}',
    "record without fields": '{"type": "record", "name": "R"}',
    "fields that are no list": '{"type": "record", "name": "R", "fields": {}}',
    "field that is no object": '{"type": "record", "name": "R", "fields": ["a"]}',
    "field without name": record({"type": "int"}),
    "field without type": record({"name": "a"}),
    "field twice": record({"name": "a", "type": "int"}, {"name": "a", "type": "int"}),
    "field with a dot": record({"name": "a.b", "type": "int"}),
    "name with a hyphen": record(name="a-b"),
    "name that begins with a digit": record(name="1a"),
    "empty name": record(name=""),
    "name that is a number": record(name=5),
    "type called like one of Avro's own": record(name="string"),
    "bad order": record({"name": "a", "type": "int", "order": "up"}),
    "aliases that are no list": record(aliases="x"),
    "alias that is a number": record(aliases=[5]),
    "field alias that is a number": record({"name": "a", "type": "int", "aliases": [5]}),
    "type defined twice": record(
        {"name": "a", "type": {"type": "fixed", "name": "F", "size": 1}},
        {"name": "b", "type": {"type": "fixed", "name": "F", "size": 2}},
    ),
    "type that is never defined": record({"name": "a", "type": "F"}),
    "enum defined again with another symbol": record(
        {"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["A"]}},
        {"name": "b", "type": {"type": "enum", "name": "E", "symbols": ["B"]}},
    ),
    "record defined again in itself": record(
        {"name": "a", "type": {"type": "record", "name": "R", "fields": []}}
    ),
    "type of another namespace": record(
        {"name": "a", "type": {"type": "fixed", "name": "n.F", "size": 1}},
        {"name": "b", "type": "F"},
    ),
    "enum without symbols": '{"type": "enum", "name": "E"}',
    "symbol twice": '{"type": "enum", "name": "E", "symbols": ["A", "A"]}',
    "symbol with a hyphen": '{"type": "enum", "name": "E", "symbols": ["A-B"]}',
    "symbol that is a number": '{"type": "enum", "name": "E", "symbols": [1]}',
    "enum default that is no symbol": (
        '{"type": "enum", "name": "E", "symbols": ["A"], "default": "B"}'
    ),
    "fixed without size": '{"type": "fixed", "name": "F"}',
    "size below zero": '{"type": "fixed", "name": "F", "size": -1}',
    "size that is text": '{"type": "fixed", "name": "F", "size": "1"}',
    "default of text for int": record({"name": "a", "type": "int", "default": "x"}),
    "default beyond int": record({"name": "a", "type": "int", "default": 2**31}),
    "default beyond long": record({"name": "a", "type": "long", "default": 2**63}),
    "default of a fraction for long": record({"name": "a", "type": "long", "default": 1.5}),
    "default of null for string": record({"name": "a", "type": "string", "default": None}),
    "default of a number for string": record({"name": "a", "type": "string", "default": 1}),
    "default of a number for boolean": record({"name": "a", "type": "boolean", "default": 0}),
    "default of true for int": record({"name": "a", "type": "int", "default": True}),
    "default of text for double": record({"name": "a", "type": "double", "default": "x"}),
    "default of no branch": record({"name": "a", "type": ["null", "int"], "default": "x"}),
    "default of a bad item": record(
        {"name": "a", "type": {"type": "array", "items": "int"}, "default": ["x"]}
    ),
    "default of a bad map": record(
        {"name": "a", "type": {"type": "map", "values": "int"}, "default": []}
    ),
    "default that lacks a field": record(
        {
            "name": "a",
            "type": {"type": "record", "name": "S", "fields": [{"name": "b", "type": "int"}]},
            "default": {},
        }
    ),
    "default without end": record({"name": "a", "type": "R", "default": {}}),
}
