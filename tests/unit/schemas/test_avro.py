"""Parsing, the canonical text and the references of Avro schemas."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise

import fastavro
import pytest
from avro.errors import AvroException
from avro.schema import parse as avro_parse
from hypothesis import given, settings

from fakebus.schemas.avro.language import LANGUAGE
from fakebus.schemas.interface import (
    STORED,
    Checks,
    ResolvedReference,
    SchemaDataError,
    SchemaError,
)
from tests.unit.schemas.avro_openedx import openedx_schemas
from tests.unit.schemas.avro_strategies import Schema, schemas
from tests.unit.schemas.avro_texts import INVALID, TEXTS, record

HYPHENATED = "org.openedx.enterprise.subsidy.redemption-reversed.v1"


def parsing_form(text: str) -> str:
    """Return what another library takes for the meaning of a schema."""
    form: str = fastavro.schema.to_parsing_canonical_form(json.loads(text))
    return form


def test_key_schemas_of_open_edx_are_all_the_same_string() -> None:
    texts = ['{"name": "course_key", "type": "string"}', '{"type": "string"}', '"string"']

    assert {LANGUAGE.parse(text).canonical for text in texts} == {'"string"'}


def test_attributes_are_in_the_order_of_java() -> None:
    text = (
        '{"x": 1, "aliases": ["A"], "fields": [{"p": 2, "aliases": ["z"], "order": "ignore",'
        ' "default": 5, "doc": "f", "type": "int", "name": "a"}], "doc": "d",'
        ' "namespace": "n", "name": "R", "type": "record"}'
    )

    assert LANGUAGE.parse(text).canonical == (
        '{"type":"record","name":"R","namespace":"n","doc":"d","fields":[{"name":"a","type":"int",'
        '"doc":"f","default":5,"order":"ignore","aliases":["z"],"p":2}],"x":1,"aliases":["A"]}'
    )


def test_an_inherited_namespace_is_not_repeated() -> None:
    inner = {"type": "fixed", "name": "n.F", "size": 1}
    other = {"type": "fixed", "name": "m.G", "size": 1}
    text = record(
        {"name": "a", "type": inner},
        {"name": "b", "type": "n.F"},
        {"name": "c", "type": other},
        {"name": "d", "type": "m.G"},
        namespace="n",
    )

    types = [field["type"] for field in json.loads(LANGUAGE.parse(text).canonical)["fields"]]
    assert types == [
        {"type": "fixed", "name": "F", "size": 1},
        "F",
        {"type": "fixed", "name": "G", "namespace": "m", "size": 1},
        "m.G",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1", "1"),
        ("1.0", "1.0"),
        ("1e2", "100.0"),
        ("9999999.5", "9999999.5"),
        ("1e7", "1.0E7"),
        ("-123456789.125", "-1.23456789125E8"),
        ("0.001", "0.001"),
        ("0.0001", "1.0E-4"),
        ("-0.0", "-0.0"),
        ("1e999", '"Infinity"'),
    ],
)
def test_numbers_are_written_as_java_does(number: str, text: str) -> None:
    parsed = LANGUAGE.parse(f'{{"type": "int", "x": {number}}}')

    assert parsed.canonical == f'{{"type":"int","x":{text}}}'


def test_control_characters_are_written_as_java_does() -> None:
    parsed = LANGUAGE.parse('{"type": "int", "x": "\\u001f\\t\\/\\u00e9\\\\u001f"}')

    assert parsed.canonical == '{"type":"int","x":"\\u001F\\t/é\\\\u001f"}'


@pytest.mark.parametrize("text", TEXTS)
def test_the_canonical_text_is_its_own(text: str) -> None:
    canonical = LANGUAGE.parse(text).canonical
    normalized = LANGUAGE.parse(text).normalized

    assert LANGUAGE.parse(canonical).canonical == canonical
    assert LANGUAGE.parse(normalized).normalized == normalized
    assert LANGUAGE.parse(canonical).normalized == normalized


@given(schemas())
@settings(max_examples=80)
def test_any_canonical_text_is_its_own_and_keeps_the_meaning(schema: Schema) -> None:
    text = json.dumps(schema)
    canonical = LANGUAGE.parse(text).canonical

    assert LANGUAGE.parse(canonical).canonical == canonical
    assert parsing_form(text) == parsing_form(canonical)


def test_the_normalized_text_does_not_depend_on_the_order_of_properties_or_on_shorthand() -> None:
    one = LANGUAGE.parse('{"type": "fixed", "name": "n.F", "size": 1, "b": 1, "a": 2}')
    two = LANGUAGE.parse(
        '{"a": 2, "b": 1, "namespace": "n", "name": "F", "size": 1, "type": "fixed"}'
    )

    assert one.canonical != two.canonical
    assert (
        one.normalized == two.normalized == ('{"type":"fixed","name":"n.F","size":1,"a":2,"b":1}')
    )


@pytest.mark.parametrize("what", INVALID)
def test_an_invalid_schema_is_refused_in_one_sentence(what: str) -> None:
    with pytest.raises(SchemaError) as refusal:
        LANGUAGE.parse(INVALID[what])

    message = str(refusal.value)
    assert message.endswith(".")
    assert message[0].isupper() or message[0] in "'\""
    assert "\n" not in message
    assert len(message) < 200


@pytest.mark.parametrize("what", INVALID)
def test_what_another_library_refuses_is_among_what_we_refuse(what: str) -> None:
    def is_refused(parse: Callable[[str], object]) -> bool:
        try:
            parse(INVALID[what])
        except (ValueError, KeyError, TypeError, AttributeError, AvroException):
            return True
        except fastavro.schema.SchemaParseException:
            return True
        return False

    if is_refused(avro_parse) or is_refused(lambda text: fastavro.parse_schema(json.loads(text))):
        with pytest.raises(SchemaError):
            LANGUAGE.parse(INVALID[what])


def test_the_namespace_of_an_open_edx_event_is_let_pass_unless_strict() -> None:
    text = record(namespace=HYPHENATED)

    assert LANGUAGE.parse(text).name == f"{HYPHENATED}.R"
    with pytest.raises(SchemaError, match="'redemption-reversed' is not a name"):
        LANGUAGE.parse(text, checks=Checks(strict=True))


def test_a_type_may_be_used_before_it_is_defined_and_defined_again() -> None:
    tree = '{"type":"record","name":"S","fields":[{"name":"s","type":["null","S"]}%s]}'
    text = record(
        {"name": "a", "type": ["null", "n.S"]},
        {"name": "b", "type": json.loads(tree % "")},
        {"name": "c", "type": json.loads(tree % "")},
        namespace="n",
    )
    schema = LANGUAGE.parse(text)
    canonical = json.loads(schema.canonical)
    assert [field["type"] for field in canonical["fields"]] == [
        ["null", json.loads(tree % "")],
        "S",
        "S",
    ]
    data = {"a": None, "b": {"s": {"n.S": {"s": None}}}, "c": {"s": None}}
    assert schema.decode(schema.encode(data)) is not None
    other = tree % ',{"name":"t","type":"int"}'
    with pytest.raises(SchemaError, match=r"'n\.S' is defined twice, differently"):
        LANGUAGE.parse(
            record(
                {"name": "b", "type": json.loads(tree % "")},
                {"name": "c", "type": json.loads(other)},
                namespace="n",
            )
        )


def test_two_references_may_bring_the_same_type() -> None:
    shared = {"type": "enum", "name": "my.C", "symbols": ["E"]}
    references = [
        ResolvedReference(name=name, text=record({"name": "c", "type": shared}, name=name))
        for name in ("my.A", "my.B")
    ]
    schema = LANGUAGE.parse('["my.A","my.B"]', references)
    assert schema.canonical == '["my.A","my.B"]'
    assert schema.formatted("resolved").count('"symbols"') == 1


def test_a_chain_of_types_each_before_its_definition_is_refused_and_not_fatal() -> None:
    names = [f"R{number}" for number in range(5000)]
    types = [
        {"type": "record", "name": name, "fields": [{"name": "a", "type": after}]}
        for name, after in pairwise([*names, "int"])
    ]
    with pytest.raises(SchemaError, match="nested"):
        LANGUAGE.parse(json.dumps(types))


def test_many_equal_definitions_take_no_longer_than_their_text() -> None:
    large = {"type": "enum", "name": "E", "symbols": [f"S{number}" for number in range(20_000)]}
    small = {"type": "record", "name": "R", "fields": [{"name": "e", "type": "E"}]}
    fields = [{"name": "e", "type": large}]
    fields += [{"name": f"f{number}", "type": small} for number in range(5000)]
    started = time.process_time()
    LANGUAGE.parse(json.dumps({"type": "record", "name": "All", "fields": fields}))
    assert time.process_time() - started < 5


def test_a_stored_default_that_fits_nothing_is_told_when_it_is_needed() -> None:
    text = record({"name": "x", "type": ["int", "null"], "default": "null"})
    with pytest.raises(SchemaError, match="does not fit"):
        LANGUAGE.parse(text)
    schema = LANGUAGE.parse(text, (), STORED)
    assert schema.encode({"x": 1}) == b"\x00\x02"
    with pytest.raises(SchemaDataError, match=r"^\$\.x: the default 'null' fits no branch"):
        schema.encode({})


def test_a_logical_type_that_does_not_fit_is_ignored_unless_strict() -> None:
    text = '{"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 5}'

    assert LANGUAGE.parse(text).encode(b"x") == b"\x02x"
    with pytest.raises(SchemaError, match="scale 5 is larger than its precision 2"):
        LANGUAGE.parse(text, checks=Checks(strict=True))


@pytest.mark.parametrize("name", ["unheard", 7, None, ["date"], {"date": 1}])
def test_what_names_no_logical_type_is_none(name: object) -> None:
    text = json.dumps({"type": "int", "logicalType": name})
    assert LANGUAGE.parse(text, checks=Checks(strict=True)).encode(3) == b"\x06"


def test_a_schema_builds_on_its_references() -> None:
    leaf = ResolvedReference(name="n.F", text='{"type": "fixed", "name": "n.F", "size": 1}')
    middle = ResolvedReference(name="n.M", text=record({"name": "f", "type": "n.F"}, name="n.M"))
    text = record({"name": "m", "type": "n.M"}, {"name": "f", "type": "F"}, namespace="n")

    parsed = LANGUAGE.parse(text, [leaf, middle])

    assert json.loads(parsed.canonical)["fields"] == [
        {"name": "m", "type": "M"},
        {"name": "f", "type": "F"},
    ]
    assert parsed.decode(parsed.encode({"m": {"f": "x"}, "f": "y"})) == {"m": {"f": "x"}, "f": "y"}
    assert LANGUAGE.parse(parsed.canonical, [leaf, middle]).canonical == parsed.canonical
    resolved = parsed.formatted("resolved")
    assert LANGUAGE.parse(resolved).decode(b"xy") == {"m": {"f": "x"}, "f": "y"}
    assert parsed.formatted("") == parsed.formatted("unheard-of") == parsed.canonical


def test_a_missing_reference_is_named() -> None:
    with pytest.raises(SchemaError, match=r"no type 'M' in the namespace 'n'.*refer to a schema"):
        LANGUAGE.parse(record({"name": "m", "type": "M"}, namespace="n"))


def test_a_broken_reference_is_named() -> None:
    with pytest.raises(SchemaError, match=r"^In the reference 'n.F': The schema is not JSON"):
        LANGUAGE.parse('"n.F"', [ResolvedReference(name="n.F", text="{")])


def bombs() -> dict[str, str]:
    arrays = '{"type":"array","items":'
    doubling = ",".join(
        record(*({"name": name, "type": f"R{n - 1}", "default": {}} for name in "ab"), name=f"R{n}")
        for n in range(1, 300)
    )
    return {
        "lists": "[" * 100_000,
        "arrays": arrays * 50_000 + '"int"' + "}" * 50_000,
        "properties": '{"type":"int","x":' + "[" * 50_000 + "]" * 50_000 + "}",
        "quotes": '"' + '\\"' * 100_000,
        "digits": '{"type":"int","x":' + "9" * 100_000 + "}",
        "names": f'[{{"type":"record","name":"R0","fields":[]}},{doubling}]',
    }


@pytest.mark.parametrize("what", bombs())
def test_a_schema_that_is_made_to_hurt_is_refused_at_once(what: str) -> None:
    text = bombs()[what]
    start = time.process_time()

    with pytest.raises(SchemaError):
        LANGUAGE.parse(text)

    assert time.process_time() - start < 2


def test_every_event_of_open_edx_has_a_stable_text() -> None:
    texts = openedx_schemas()
    assert len(texts) >= 63

    for event_type, text in texts.items():
        parsed = LANGUAGE.parse(text)
        assert parsed.name == f"{event_type}.CloudEvent"
        assert LANGUAGE.parse(parsed.canonical).canonical == parsed.canonical
        assert parsing_form(text) == parsing_form(parsed.canonical)
