"""The JSON Schema language: texts, references, data."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from jsonschema import Draft201909Validator, Draft202012Validator
from jsonschema.protocols import Validator

from fakebus.schemas.interface import (
    Checks,
    ResolvedReference,
    SchemaDataError,
    SchemaError,
)
from fakebus.schemas.json_schema.meta_schemas import schema_validator
from fakebus.schemas.languages import language

JSON = language("JSON")
DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("3", "object or a boolean"),
        ("[" * 1_000_000, "levels deep"),
        ('"' + '\\"' * 100_000, "not JSON"),
        ('{"type":"foo"}', r"\$\.type"),
        ('{"$ref":"#/definitions/Gone"}', "#/definitions/Gone leads nowhere"),
        ('{"$ref":"http://example.com/gone.json"}', "http://example.com/gone.json leads nowhere"),
        ('{"pattern":"("}', "pattern"),
        ('{"properties":{"a":{"pattern":"[z-a]"}}}', "pattern"),
        ('{"patternProperties":{"*":{}}}', "pattern"),
        (json.dumps({"pattern": "(" * 5000}), "pattern"),
        (json.dumps({"pattern": "a" * 20_000}), "longer than"),
        ('{"minimum":1e999}', "too large"),
        ('{"enum":[' + "1" * 5000 + "]}", "digits"),
        ('{"const":NaN}', "NaN"),
        ('{"const":"\\ud800"}', "surrogate"),
        ('{"$schema":"http://json-schema.org/draft-06/schema#","exclusiveMinimum":true}', "number"),
    ],
)
def test_a_text_that_is_no_schema_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(SchemaError, match=reason):
        JSON.parse(text)


@pytest.mark.parametrize(
    "text", ["true", "false", "{}", '{"$ref":"#"}', '{"pattern":"^\\\\p{L}$"}']
)
def test_the_smallest_schemas_are_schemas(text: str) -> None:
    assert JSON.parse(text).canonical == text


def test_a_schema_of_draft_4_may_say_that_a_limit_is_exclusive() -> None:
    text = (
        '{"$schema":"http://json-schema.org/draft-04/schema#","minimum":1,"exclusiveMinimum":true}'
    )
    schema = JSON.parse(text)
    assert schema.encode(2) == b"2"
    with pytest.raises(SchemaDataError):
        schema.encode(1)


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        # As objectMapper.readTree(...).toString() of Jackson 2.20 with exact BigDecimals.
        ("1.0", "1.0"),
        ("1.50", "1.50"),
        ("1e10", "1E+10"),
        ("1E-5", "0.00001"),
        ("0.0000001", "1E-7"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
        ("-0.0", "0.0"),
        ("0e3", "0E+3"),
        ("100", "100"),
    ],
)
def test_numbers_keep_their_digits_also_when_normalized(number: str, kept: str) -> None:
    schema = JSON.parse(f'{{"minimum":{number},"default":[{number}],"enum":[{{"a":{number}}}]}}')
    assert schema.canonical == f'{{"minimum":{kept},"default":[{kept}],"enum":[{{"a":{kept}}}]}}'
    assert schema.normalized == f'{{"default":[{kept}],"enum":[{{"a":{kept}}}],"minimum":{kept}}}'
    assert not schema.incompatibilities(JSON.parse(schema.canonical))


def test_the_canonical_text_keeps_the_order_and_the_normalized_one_sorts() -> None:
    schema = JSON.parse('{ "title": "Größe",\n "minimum": 1.0, "$id": "x:y", "enum": ["b", "a"] }')
    assert schema.canonical == '{"title":"Größe","minimum":1.0,"$id":"x:y","enum":["b","a"]}'
    assert schema.normalized == '{"$id":"x:y","enum":["b","a"],"minimum":1.0,"title":"Größe"}'
    assert schema.formatted("resolved") == schema.canonical
    assert schema.name == "Größe"


def test_a_schema_without_a_title_has_no_name() -> None:
    assert JSON.parse("{}").name is None
    assert JSON.parse("true").name is None


@pytest.mark.parametrize("base", [None, "http://example.com/schemas/order.json"])
def test_a_reference_is_found_by_its_name_whatever_the_schemas_id(base: str | None) -> None:
    contents = {"properties": {"a": {"$ref": "part.json#/definitions/A"}}}
    if base is not None:
        contents["$id"] = base  # type: ignore[assignment]
    part = ResolvedReference(
        name="part.json",
        text='{"definitions":{"A":{"$ref":"#/definitions/B"},"B":{"type":"null"}}}',
    )
    schema = JSON.parse(json.dumps(contents), [part])
    assert schema.encode({"a": None}) == b'{"a":null}'
    with pytest.raises(SchemaDataError, match=r"\$\.a"):
        schema.encode({"a": 1})


def test_a_reference_that_leads_nowhere_inside_another_is_named() -> None:
    part = ResolvedReference(name="part.json", text='{"$ref":"gone.json"}')
    with pytest.raises(SchemaError, match=r"gone\.json leads nowhere"):
        JSON.parse('{"$ref":"part.json"}', [part])


def test_a_reference_that_is_no_schema_is_named() -> None:
    with pytest.raises(SchemaError, match=r"part\.json"):
        JSON.parse("{}", [ResolvedReference(name="part.json", text='{"type":1}')])
    with pytest.raises(SchemaError, match=r"part\.json"):
        JSON.parse("{}", [ResolvedReference(name="part.json", text="{")])


def test_anchors_and_definitions_of_newer_drafts_are_followed() -> None:
    schema = JSON.parse(
        json.dumps(
            {
                "$schema": DRAFT_2020,
                "properties": {"a": {"$ref": "#named"}},
                "$defs": {"N": {"$anchor": "named", "type": "integer"}},
            }
        )
    )
    with pytest.raises(SchemaDataError, match=r"\$\.a"):
        schema.encode({"a": "x"})


def test_data_goes_through_as_compact_utf_8() -> None:
    schema = JSON.parse('{"type":"object","properties":{"name":{"type":"string"}}}')
    payload = schema.encode({"name": "Zoë", "n": [1, 2.5, None]})
    assert payload == '{"name":"Zoë","n":[1,2.5,null]}'.encode()
    assert schema.decode(payload) == {"name": "Zoë", "n": [1, 2.5, None]}


@pytest.mark.parametrize("data", [{1, 2}, b"bytes", float("nan"), object(), {"a": "\ud800"}])
def test_data_that_is_not_json_is_refused(data: object) -> None:
    with pytest.raises(SchemaDataError, match="not JSON data"):
        JSON.parse("true").encode(data)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(b"\xff", "UTF-8"), (b"{", "JSON"), (b"1 2", "JSON"), (b"", "JSON"), (b'"x"', r"\$:")],
)
def test_a_payload_that_does_not_fit_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(SchemaDataError, match=reason):
        JSON.parse('{"type":"integer"}').decode(payload)


def test_a_schema_that_only_refers_to_itself_does_not_hang() -> None:
    with pytest.raises(SchemaDataError, match="too deep"):
        JSON.parse('{"$ref":"#"}').encode(1)


SCHEMAS_GOOD_AND_BAD = [
    {"type": "foo"},
    {"properties": {"a": {"type": 1}}},
    {"items": [{}]},
    {"prefixItems": {}},
    {"prefixItems": []},
    {"allOf": [3]},
    {"not": {"minLength": -1}},
    {"$id": "a#b"},
    {"required": ["a", "a"]},
    {"dependentSchemas": {"a": {"enum": 3}}},
    {"dependencies": {"a": ["b"]}},
    {"dependencies": {"a": {"type": 9}}},
    {"additionalProperties": 5},
    {"if": {"type": "a"}},
    {"$defs": {"a": {"pattern": 3}}},
    {"definitions": {"a": {"pattern": 3}}},
    {"unevaluatedItems": {"type": 3}},
    {"contentSchema": {"type": 3}},
    {"$anchor": "9"},
    {"$ref": 3},
    {"maxItems": 2.0},
    {"maxItems": 2.5},
    {"title": 3},
    {"properties": {"a": {"items": {"oneOf": [{"type": "string"}, {"maximum": "x"}]}}}},
    {"$defs": {"a": {"anyOf": [{"type": ["string", "null"]}], "default": None}}},
    {},
    True,
]


@pytest.mark.parametrize("validator", [Draft201909Validator, Draft202012Validator])
@pytest.mark.parametrize("schema", SCHEMAS_GOOD_AND_BAD)
def test_the_meta_schema_put_together_judges_as_the_one_in_vocabularies(
    validator: type[Validator], schema: object
) -> None:
    in_vocabularies = validator(validator.META_SCHEMA)
    assert schema_validator(validator).is_valid(schema) == in_vocabularies.is_valid(schema)


DEFINED = {"definitions": {"X": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/X"}}}


@pytest.mark.parametrize(
    "draft",
    [
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-04/schema#",
        "https://json-schema.org/draft/2020-12/schema",
    ],
)
def test_definitions_are_found_under_defs_too(draft: str) -> None:
    schema = JSON.parse(json.dumps({"$schema": draft, **DEFINED}))
    assert "$defs" not in json.loads(schema.canonical)
    with pytest.raises(SchemaDataError, match="integer"):
        schema.encode({"a": "x"})
    loose = {**DEFINED, "definitions": {"X": {"type": ["integer", "string"]}}}
    other = JSON.parse(json.dumps({"$schema": draft, **loose}))
    assert other.incompatibilities(schema) == []
    assert schema.incompatibilities(other) != []
    referring = {"properties": {"b": {"$ref": "shared.json#/$defs/X"}}}
    shared = ResolvedReference(name="shared.json", text=json.dumps(DEFINED))
    assert JSON.parse(json.dumps(referring), [shared]).encode({"b": 1})
    own = {"$defs": {"X": {"type": "string"}}, **DEFINED}
    assert JSON.parse(json.dumps({"$schema": draft, **own})).encode({"a": "x"})


def test_a_property_of_the_registry_is_refused_where_fields_are_validated() -> None:
    text = json.dumps({"properties": {"$$a": {}}})
    JSON.parse(text)
    with pytest.raises(SchemaError, match=r"\$\$a begins with \$\$"):
        JSON.parse(text, (), Checks(fields=True))


def test_references_that_lead_to_the_same_part_again_and_again_are_given_up() -> None:
    links = {
        f"a{number}": {"allOf": [{"$ref": f"#/$defs/a{number + 1}"}] * 2} for number in range(40)
    }
    text = json.dumps({"$defs": {**links, "a40": {"type": "string"}}, "$ref": "#/$defs/a0"})
    schema = JSON.parse(text.replace('"$ref": "#/$defs/a0"', '"allOf": [{"$ref": "#/$defs/a0"}]'))
    for work in (lambda: schema.encode("x"), lambda: schema.decode(b'"x"')):
        with pytest.raises(SchemaDataError, match="too many steps"):
            work()


def test_large_data_may_take_as_many_steps_as_it_has_parts() -> None:
    schema = JSON.parse('{"items": {"properties": {"a": {"type": "integer"}}}}')
    assert schema.encode([{"a": number} for number in range(60_000)])


def test_what_was_just_written_is_known_to_fit_and_nothing_else_is() -> None:
    schema = JSON.parse('{"properties":{"1":{"type":"integer"}}}')
    assert schema.decode(schema.encode({"1": 1})) == {"1": 1}
    with pytest.raises(SchemaDataError):
        schema.decode(b'{"1":"x"}')
    # A key that is no text becomes one in the payload, which is another value than was checked.
    with pytest.raises(SchemaDataError):
        schema.decode(schema.encode({1: "x"}))


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        ([{"a": 1}, {"a": True}, {"a": [1]}, {}, []], True),
        ([1, True, "1", None, False, 0], True),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1.0}], False),
        ([[{"a": []}], [{"a": []}]], False),
    ],
)
def test_items_are_unique_as_values_of_json(data: list[object], fits: bool) -> None:
    unique, one_of = JSON.parse('{"uniqueItems": true}'), JSON.parse(json.dumps({"enum": [data]}))
    assert one_of.encode(data)
    with contextlib.nullcontext() if fits else pytest.raises(SchemaDataError, match="item twice"):
        assert unique.encode(data)


def test_many_objects_are_not_compared_by_pairs() -> None:
    begun = time.process_time()
    assert JSON.parse('{"uniqueItems": true}').encode([{"a": n} for n in range(30_000)])
    assert JSON.parse(json.dumps({"items": {"enum": [{"a": n} for n in range(5000)]}})).encode(
        [{"a": 4999}] * 3000
    )
    assert time.process_time() - begun < 30


def test_a_number_of_thousands_of_digits_is_told_without_advice_on_python() -> None:
    with pytest.raises(SchemaError, match="a number has too many digits"):
        JSON.parse(f'{{"maxLength": {"1" * 5000}}}')
