"""Compatibility of JSON schemas: pairs with known answers, laws, bounds."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fakebus.schemas.interface import (
    Incompatibility,
    ParsedSchema,
    ResolvedReference,
    SchemaDataError,
)
from fakebus.schemas.json_schema.differences import BREAKING, Difference
from fakebus.schemas.languages import language

JSON = language("JSON")
# Each with the answers that follow from the specification and Confluent's documented rules, and
# a sentence why. Backward: the new schema reads the old one's data; forward: the reverse.
PAIRS = json.loads((Path(__file__).parent / "json_pairs.json").read_text())


def parse(schema: object, **references: object) -> ParsedSchema:
    return JSON.parse(
        json.dumps(schema),
        [
            ResolvedReference(name=f"{name}.json", text=json.dumps(text))
            for name, text in references.items()
        ],
    )


def breaks(writer: object, reader: object) -> list[Incompatibility]:
    return parse(reader).incompatibilities(parse(writer))


def reads(writer: object, reader: object) -> bool:
    return not breaks(writer, reader)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["reason"])
def test_a_pair_is_as_compatible_as_the_rules_say(pair: dict[str, Any]) -> None:
    found = breaks(pair["old"], pair["new"])
    assert (not found) == pair["backward"], found
    found = breaks(pair["new"], pair["old"])
    assert (not found) == pair["forward"], found


@pytest.mark.parametrize("side", ["old", "new"])
def test_every_schema_of_the_pairs_reads_what_it_wrote(side: str) -> None:
    for pair in PAIRS:
        schema = pair[side]
        # Another title, so that the texts differ and the comparison is really made.
        other = {**schema, "title": "other"} if isinstance(schema, dict) else schema
        assert reads(schema, other), pair["reason"]


def test_the_pairs_are_many_and_of_all_four_answers() -> None:
    assert len(PAIRS) >= 200
    answers = [(pair["backward"], pair["forward"]) for pair in PAIRS]
    assert all(answers.count(answer) >= 20 for answer in set(answers))
    assert len(set(answers)) == 4


def test_an_incompatibility_says_what_broke_and_where() -> None:
    old = {"properties": {"a/b": {"type": "array", "items": {"type": "string"}}}}
    new = {"properties": {"a/b": {"type": "array", "items": {"type": "null"}}}}
    (found,) = breaks(old, new)
    assert found.kind == "TYPE_CHANGED"
    assert found.path == "#/properties/a~1b/items/type"
    assert found.message.startswith(f"At {found.path} ")


def test_every_breaking_kind_is_a_sentence_in_the_making() -> None:
    for kind, sentence in BREAKING.items():
        assert Difference(kind).breaks
        assert sentence
        assert not sentence.endswith(".")


def test_a_writer_of_another_language_is_one_incompatibility() -> None:
    class Other:
        schema_type = "AVRO"

    (found,) = parse({}).incompatibilities(Other())  # type: ignore[arg-type]
    assert "AVRO" in found.message


def test_a_change_in_a_given_reference_is_seen() -> None:
    schema = {"properties": {"a": {"$ref": "part.json"}}}
    old = parse(schema, part={"type": "integer"})
    new = parse(schema, part={"type": "number"})
    assert new.incompatibilities(old) == []
    (found,) = old.incompatibilities(new)
    assert (found.kind, found.path) == ("TYPE_NARROWED", "#/properties/a/type")


def test_references_may_lead_round_through_given_documents() -> None:
    schema = {"$id": "http://a.example/root.json", "properties": {"a": {"$ref": "part.json"}}}
    part = {"properties": {"up": {"$ref": "http://a.example/root.json"}, "v": {"type": "integer"}}}
    wider = {**part, "properties": {**part["properties"], "v": {"type": "number"}}}
    assert parse(schema, part=wider).incompatibilities(parse(schema, part=part)) == []
    assert parse(schema, part=part).incompatibilities(parse(schema, part=wider))


# Shared definitions and definitions that refer to each other


def shared(depth: int, last: str) -> dict[str, Any]:
    definitions: dict[str, Any] = {
        f"D{index}": {
            "properties": {
                "a": {"$ref": f"#/definitions/D{index + 1}"},
                "b": {"$ref": f"#/definitions/D{index + 1}"},
            }
        }
        for index in range(depth)
    }
    definitions[f"D{depth}"] = {"type": last}
    return {"definitions": definitions, "$ref": "#/definitions/D0"}


def test_definitions_shared_at_every_level_do_not_multiply() -> None:
    assert reads(shared(60, "integer"), shared(60, "number"))
    found = breaks(shared(60, "string"), shared(60, "number"))
    assert 0 < len(found) <= 50


@pytest.mark.parametrize("length", [50, 1500])
def test_a_long_chain_of_references_is_followed_to_its_end(length: int) -> None:
    def chain(last: str) -> dict[str, Any]:
        definitions: dict[str, Any] = {
            f"D{index}": {"properties": {"a": {"$ref": f"#/definitions/D{index + 1}"}}}
            for index in range(length)
        }
        definitions[f"D{length}"] = {"type": last}
        return {"definitions": definitions, "$ref": "#/definitions/D0"}

    assert reads(chain("integer"), chain("number"))
    assert not reads(chain("number"), chain("integer"))


def mesh(size: int, last: str) -> dict[str, Any]:
    definitions: dict[str, Any] = {
        f"D{index}": {
            "anyOf": [
                *({"$ref": f"#/definitions/D{(index + step) % size}"} for step in range(1, 8)),
                {
                    "type": "object",
                    "properties": {
                        "next": {"$ref": f"#/definitions/D{index * 7 % size}"},
                        f"p{index}": {"type": last if index == size - 1 else "integer"},
                    },
                },
            ]
        }
        for index in range(size)
    }
    return {"definitions": definitions, "$ref": "#/definitions/D0"}


def test_definitions_that_all_refer_to_each_other_end_in_an_answer() -> None:
    started = time.process_time()
    assert reads(mesh(20, "integer"), mesh(20, "number"))
    assert not reads(mesh(20, "integer"), mesh(20, "string"))
    assert time.process_time() - started < 5


def test_an_assumption_that_fails_is_not_remembered() -> None:
    # B is first met inside A, while A is assumed to fit; A then breaks, so B does too.
    def schema(leaf: str) -> dict[str, Any]:
        return {
            "definitions": {
                "A": {
                    "type": "object",
                    "properties": {"b": {"$ref": "#/definitions/B"}, "z": {"type": leaf}},
                },
                "B": {"type": "object", "properties": {"a": {"$ref": "#/definitions/A"}}},
            },
            "oneOf": [{"$ref": "#/definitions/A"}, {"$ref": "#/definitions/B"}],
        }

    kinds = [found.kind for found in breaks(schema("string"), schema("integer"))]
    assert kinds == ["COMBINED_TYPE_SUBSCHEMAS_CHANGED"]


def test_alternatives_are_paired_off_even_when_the_first_choice_is_taken() -> None:
    def upto(length: int) -> dict[str, Any]:
        return {"type": "string", "maxLength": length}

    # Only 9 takes 8, so 5 has to make do with 6 and 1 with 2.
    assert reads({"oneOf": [upto(1), upto(5), upto(8)]}, {"oneOf": [upto(9), upto(6), upto(2)]})
    assert not reads({"oneOf": [upto(3), upto(8), upto(7)]}, {"oneOf": [upto(9), upto(6), upto(5)]})


def test_two_schemas_of_100_kilobytes_are_compared_at_once() -> None:
    properties = {
        f"property{index}": {"type": "string", "maxLength": index, "description": "d" * 20}
        for index in range(1100)
    }
    changed = {**properties, "property5": {"type": "string", "maxLength": 4}}
    old = parse({"type": "object", "properties": properties})
    new = parse({"type": "object", "properties": changed})
    assert len(old.canonical) > 90_000
    started = time.process_time()
    (found,) = new.incompatibilities(old)
    assert time.process_time() - started < 1  # A tenth of it on an idle machine.
    assert found.kind == "MAX_LENGTH_DECREASED"


def test_five_hundred_alternatives_in_another_order_are_compared_at_once() -> None:
    alternatives = [
        {"type": "object", "properties": {"kind": {"const": index}}, "required": ["kind"]}
        for index in range(500)
    ]
    started = time.process_time()
    assert reads({"oneOf": alternatives}, {"oneOf": [{"type": "null"}, *alternatives[::-1]]})
    assert time.process_time() - started < 3


# Laws

SCALARS = st.one_of(
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    st.builds(
        lambda low, high: {"type": "string", "minLength": low, "maxLength": high},
        st.integers(0, 2),
        st.integers(2, 4),
    ),
    st.builds(
        lambda name, low, high: {"type": name, "minimum": low, "exclusiveMaximum": high},
        st.sampled_from(["integer", "number"]),
        st.integers(-2, 0),
        st.integers(1, 3),
    ),
    st.builds(
        lambda name, factor: {"type": name, "multipleOf": factor},
        st.sampled_from(["integer", "number"]),
        st.sampled_from([1, 2, 3, 4, 0.5]),
    ),
    st.builds(
        lambda values: {"enum": values},
        st.lists(st.sampled_from(["a", "b", 1, True, None]), min_size=1, unique_by=repr),
    ),
)


def closed_objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda properties, names: {
            "type": "object",
            "properties": properties,
            "required": sorted(set(names) & set(properties)),
            "additionalProperties": False,
        },
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        st.lists(st.sampled_from("abc"), unique=True),
    )


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda items, low, high: {
            "type": "array",
            "items": items,
            "minItems": low,
            "maxItems": high,
        },
        inner,
        st.integers(0, 1),
        st.integers(1, 2),
    )


def alternatives(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3))


SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(closed_objects(inner), arrays(inner), alternatives(inner)),
    max_leaves=5,
)
SMALL_VALUES = (None, True, False, -1, 0, 0.5, 1, 2, 3, 4, "", "a", "b", "ab", "abcd")
VALUES = st.recursive(
    st.sampled_from(SMALL_VALUES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    ),
    max_leaves=4,
)


def fits(schema: ParsedSchema, value: object) -> bool:
    try:
        schema.encode(value)
    except SchemaDataError:
        return False
    return True


@given(schema=SCHEMAS)
@settings(max_examples=50)
def test_law_every_schema_reads_what_it_wrote(schema: dict[str, Any]) -> None:
    assert reads(schema, {**schema, "title": "other"})


@given(schema=SCHEMAS)
@settings(max_examples=50)
def test_law_anything_reads_everything_and_false_was_never_written(schema: dict[str, Any]) -> None:
    assert reads(schema, {})
    assert reads(False, schema)


@given(old=SCHEMAS, new=SCHEMAS, values=st.lists(VALUES, min_size=20, max_size=40))
@settings(max_examples=60)
def test_law_what_a_closed_writer_may_write_a_compatible_reader_takes(
    old: dict[str, Any], new: dict[str, Any], values: list[Any]
) -> None:
    # Confluent's rules are sound for these keywords: typed, closed, and "required" of listed
    # properties only, without defaults, dependencies, patterns of names, or "contains".
    writer, reader = parse(old), parse(new)
    if reader.incompatibilities(writer):
        return
    for value in (*SMALL_VALUES, *values):
        assert not fits(writer, value) or fits(reader, value)


def loosened(schema: Any) -> Any:
    """Return a schema with every limit moved outwards by one."""
    if isinstance(schema, list):
        return [loosened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    wider = {key: value if key == "enum" else loosened(value) for key, value in schema.items()}
    for key, step in (("maxLength", 1), ("maxItems", 1), ("exclusiveMaximum", 1), ("minimum", -1)):
        if isinstance(wider.get(key), int):
            wider[key] += step
    if wider.get("type") == "integer":
        wider["type"] = "number"
    if isinstance(wider.get("required"), list):
        wider["required"] = []
    return wider


def different_parts(schema: Any) -> list[int]:
    """Return how many different parts each combination in a schema has."""
    if isinstance(schema, list):
        return [count for item in schema for count in different_parts(item)]
    if not isinstance(schema, dict):
        return []
    different = [
        len({json.dumps(part, sort_keys=True) for part in schema[key]})
        for key in ("allOf", "anyOf", "oneOf")
        if key in schema
    ]
    return different + [count for item in schema.values() for count in different_parts(item)]


@given(schema=SCHEMAS, values=st.lists(VALUES, min_size=10, max_size=20))
@settings(max_examples=50)
def test_law_a_schema_that_was_only_loosened_reads_all_that_was_written(
    schema: dict[str, Any], values: list[Any]
) -> None:
    wider = loosened(schema)
    # Alternatives that have become the same count once, so that there seem to be fewer.
    assume(different_parts(wider) == different_parts(schema))
    assert reads(schema, wider)
    writer, reader = parse(schema), parse(wider)
    for value in (*SMALL_VALUES, *values):
        assert not fits(writer, value) or fits(reader, value)


@given(first=SCALARS, second=SCHEMAS)
@settings(max_examples=50)
def test_law_one_more_alternative_never_hurts(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert reads({"anyOf": [first]}, {"anyOf": [first, second]})
    assert reads(first, {"anyOf": [second, first]})
