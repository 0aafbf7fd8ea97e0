"""Values made from JSON Schemas, judged by the library ``jsonschema``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema.validators import validator_for

from fakebus.fixture_files.loader import generate_lines
from fakebus.fixture_files.problems import FixtureError
from tests.unit.fixture_files.conftest import WriteSet

NOW_MS = 1_700_000_000_000
DRAFT = "https://json-schema.org/draft/2020-12/schema"
SET = (
    "version: 1\nseed: 7\nsubjects: [{subject: v, schema: v.json, type: JSON}]\n"
    "topics: [{name: t, value: {subject: v}, generate: {count: 30}}]\n"
)
TREE = {
    "$dynamicAnchor": "node",
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "children": {"type": "array", "items": {"$dynamicRef": "#node"}},
    },
    "required": ["name", "children"],
    "additionalProperties": False,
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "dynamic references to the root": TREE,
    "dynamic references to a definition": {
        "$defs": {"tree": TREE},
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/tree"}},
        "required": ["root"],
    },
    "anchors": {
        "$defs": {"size": {"$anchor": "size", "type": "integer", "minimum": 3, "maximum": 4}},
        "type": "object",
        "properties": {"size": {"$ref": "#size"}},
        "required": ["size"],
    },
    "references by ids of parts": {
        "$id": "https://shop.example/order.json",
        "$defs": {
            "size": {
                "$id": "parts/size.json",
                "$ref": "#/$defs/unit",
                "$defs": {"unit": {"$anchor": "unit", "enum": ["cm"]}},
            },
            "unit": {"enum": ["not this one"]},
            "urn": {
                "$id": "urn:shop:colour",
                "$ref": "#all",
                "$defs": {"a": {"$anchor": "all", "const": "red"}},
            },
        },
        "type": "object",
        "properties": {
            "by_id": {"$ref": "parts/size.json"},
            "whole": {"$ref": "https://shop.example/parts/size.json#unit"},
            "inside": {"$ref": "parts/size.json#/$defs/unit"},
            "urn": {"$ref": "urn:shop:colour"},
        },
        "required": ["by_id", "whole", "inside", "urn"],
    },
    "anchors as draft 7 has them, and ids that count for nothing": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"n": {"$id": "#n", "type": "integer", "maximum": 4}},
        "type": "object",
        "properties": {"a": {"$ref": "#n"}, "b": {"$id": "b.json", "$ref": "#/definitions/n"}},
        "required": ["a", "b"],
    },
    "data that looks like schemas": {
        "type": "object",
        "properties": {
            "a": {"const": {"$ref": "#/properties/b", "$id": "x"}},
            "b": {"type": "null"},
        },
        "required": ["a", "b"],
    },
    "recursive references": {
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "$recursiveAnchor": True,
        "type": "object",
        "properties": {"n": {"type": "integer"}, "next": {"$recursiveRef": "#"}},
        "required": ["n"],
        "additionalProperties": False,
    },
    "words beside a reference": {
        "$defs": {"list": {"type": "array", "items": {"type": "integer"}}},
        "type": "object",
        "properties": {"many": {"$ref": "#/$defs/list", "minItems": 5, "maxItems": 6}},
        "required": ["many"],
    },
    "more properties than are required": {
        "type": "object",
        "properties": {name: {"type": "integer"} for name in "abcd"},
        "required": ["c"],
        "minProperties": 4,
        "additionalProperties": False,
    },
    "properties that are not listed": {
        "type": "object",
        "properties": {"property1": {"type": "boolean"}},
        "additionalProperties": {"type": "integer"},
        "minProperties": 3,
    },
    "properties of a map": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "minProperties": 2,
        "maxProperties": 2,
    },
    "fewer properties than there are": {
        "type": "object",
        "properties": {name: {"type": "integer"} for name in "abcdef"},
        "required": ["f"],
        "maxProperties": 2,
    },
    "properties that must not be": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "never": False},
    },
    "recursion that a number of properties asks for": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"leaf": {"type": "string"}, "node": {"$ref": "#/$defs/node"}},
                "minProperties": 1,
                "additionalProperties": False,
            }
        },
    },
    "a tuple": {
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "integer"}],
        "items": False,
        "minItems": 2,
    },
    "a tuple of old": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "array",
        "items": [{"type": "string"}],
        "additionalItems": False,
    },
    "a tuple that is cut": {
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}],
        "maxItems": 2,
    },
    "at most no items": {
        "type": "object",
        "properties": {"none": {"type": "array", "maxItems": 0}},
    },
    "no items": {"type": "object", "properties": {"none": {"type": "array", "items": False}}},
    "references with escapes": {
        "$defs": {"a b": {"type": "integer"}, "c/d": {"const": 1}, "g%h": {"type": "boolean"}},
        "type": "object",
        "properties": {
            "a": {"$ref": "#/$defs/a%20b"},
            "c": {"$ref": "#/$defs/c~1d"},
            "g": {"$ref": "#/$defs/g%25h"},
        },
        "required": ["a", "c", "g"],
    },
    "a property that two say something about": {
        "allOf": [
            {"properties": {"n": {"type": "integer", "minimum": 5}}, "required": ["n"]},
            {"properties": {"n": {"minimum": 3, "maximum": 7}}},
        ],
        "properties": {"n": {"type": "number"}},
    },
    "texts that two say something about": {
        "allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}],
    },
    "recursion through a property that two say something about": {
        "$ref": "#/$defs/base",
        "$defs": {
            "base": {
                "type": "object",
                "properties": {"l": {"$ref": "#/$defs/more"}, "r": {"$ref": "#/$defs/more"}},
            },
            "more": {
                "allOf": [{"$ref": "#/$defs/base"}, {"properties": {"l": {"type": "object"}}}]
            },
        },
    },
    "items that are all different": {
        "type": "array",
        "items": {"enum": ["a", "b", "c"]},
        "minItems": 3,
        "uniqueItems": True,
    },
    "a whole number between fractions": {
        "type": "integer",
        "exclusiveMinimum": 0.2,
        "exclusiveMaximum": 1.5,
    },
    "a number in a narrow room": {
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 0.001,
    },
    "whole numbers in steps that are not": {"type": "integer", "multipleOf": 1.5},
    "what looks like a function": {"enum": [{"$time": "now"}, {"$$a": [{"$b": 1}]}]},
    "a constant that looks like a function": {"const": {"$bytes": "zz"}},
}


def schema_file(schema: dict[str, Any]) -> str:
    return json.dumps({"$schema": DRAFT} | schema)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_values_are_what_their_schema_says(write_set: WriteSet, schema: dict[str, Any]) -> None:
    root = write_set({"fakebus.yaml": SET, "v.json": schema_file(schema)})
    whole = json.loads(schema_file(schema))
    validator = validator_for(whole)(whole)
    lines = generate_lines(root, "t", now_ms=NOW_MS)
    assert len(lines) == 30
    for line in lines:
        validator.validate(_as_data(json.loads(line)["value"]))


def _as_data(value: Any) -> Any:
    """Return what is read from a value: two dollar signs stand for one."""
    if isinstance(value, dict):
        return {
            name[1:] if name[:2] == "$$" else name: _as_data(inner) for name, inner in value.items()
        }
    return [_as_data(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            {"type": "array", "prefixItems": [{"type": "string"}], "items": False, "minItems": 2},
            "needs 2 items, and no more than 1 are allowed",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "minProperties": 2,
                "additionalProperties": False,
            },
            "an object needs 2 properties, and no more than 1 are allowed",
        ),
        (
            {
                "type": "object",
                "patternProperties": {"^x-": {"type": "string"}},
                "minProperties": 1,
                "additionalProperties": False,
            },
            "no more than 0 have names that are listed; give it a hint under with",
        ),
    ],
)
def test_a_schema_that_asks_for_more_than_it_allows_is_told(
    write_set: WriteSet, schema: dict[str, Any], message: str
) -> None:
    root = write_set({"fakebus.yaml": SET, "v.json": schema_file(schema)})
    with pytest.raises(FixtureError) as refused:
        generate_lines(root, "t", now_ms=NOW_MS)
    assert message in str(refused.value)
