"""The quick way to write plain Avro data, beside the exact one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.schemas.avro.language import LANGUAGE, AvroSchema
from fakebus.schemas.avro.plain_encoder import plain_encoder_of
from fakebus.schemas.interface import STORED, SchemaDataError
from tests.unit.schemas.avro_pairs import array, enum, field, logical, map_of, record
from tests.unit.schemas.avro_strategies import data_for, schemas

MAX_SIZE = 1000
INNER = record(field("n", "int"), field("note", ["null", "string"], None), name="Inner")
OUTER = record(
    field("text", "string"),
    field("flag", "boolean"),
    field("number", "long"),
    field("real", "double"),
    field("kind", enum("A", "B", name="Kind")),
    field("list", array(INNER)),
    field("map", map_of("string")),
    field("maybe", ["Inner", "null"], None),
    field("filled", "string", "x"),
    field("at", ["null", logical("long", "timestamp-millis")], None),
    field("any", ["null", "string", "long"], None),
    name="Outer",
)
PLAIN: dict[str, Any] = {
    "text": "é" * 40,
    "flag": True,
    "number": -(2**62),
    "real": 1.5,
    "kind": "B",
    "list": [{"n": 1}, {"n": 2**31 - 1, "note": "x"}, {"n": -64, "note": None}],
    "map": {"a": "", "b": "x"},
    "filled": "y",
}


def parsed(declared: Any) -> AvroSchema:
    return LANGUAGE.parse(json.dumps(declared))


OUTER_SCHEMA = parsed(OUTER)


def quick(schema: AvroSchema, data: object) -> bytes | None:
    encode = plain_encoder_of(schema.node, MAX_SIZE)
    return None if encode is None else encode(data)


def without_nulls(data: object) -> object:
    if isinstance(data, dict):
        return {name: without_nulls(item) for name, item in data.items() if item is not None}
    return [without_nulls(item) for item in data] if isinstance(data, list) else data


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"maybe": None},
        {"maybe": {"n": 3, "note": "x"}},
        {"at": 1_700_000_000_000},
        {"at": "2024-05-01T09:00:00Z"},
        {"any": None},
        {"number": 63},
    ],
)
def test_plain_data_has_the_bytes_of_the_exact_way(more: dict[str, Any]) -> None:
    data = PLAIN | more
    written = quick(OUTER_SCHEMA, data)
    assert written is not None
    assert written == OUTER_SCHEMA.encode(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": 1},
        {"text": "\ud800"},
        {"text": "x" * MAX_SIZE},
        {"flag": 1},
        {"number": True},
        {"number": 2**63},
        {"number": 1.0},
        {"real": 1},
        {"real": float("inf")},
        {"real": float("nan")},
        {"kind": "C"},
        {"kind": ["A"]},
        {"list": ({"n": 1},)},
        {"list": [{"n": 2**31}]},
        {"list": [{}]},
        {"list": [None]},
        {"map": {1: "x"}},
        {"map": [["a", "x"]]},
        {"maybe": {"Inner": {"n": 1}}},
        {"maybe": {"n": 1}, "flags": True},
        {"maybe": {"null": None}},
        {"at": 0},
        {"at": "1970-01-01T00:00:00Z"},
        {"at": "yesterday"},
        {"at": True},
        {"any": 1},
        {"unknown": None},
    ],
)
def test_what_is_not_plain_is_left_to_the_exact_way(wrong: dict[str, Any]) -> None:
    assert quick(OUTER_SCHEMA, PLAIN | wrong) is None


def test_a_missing_field_with_another_default_is_left_to_the_exact_way() -> None:
    assert quick(OUTER_SCHEMA, {name: PLAIN[name] for name in PLAIN if name != "filled"}) is None
    # As many as there have to be, but one of them is another.
    renamed = {"full" if name == "filled" else name: item for name, item in PLAIN.items()}
    assert quick(OUTER_SCHEMA, renamed) is None


def test_an_object_that_may_name_its_branch_is_left_to_the_exact_way() -> None:
    schema = parsed(record(field("x", ["null", map_of("string")], None), name="R"))
    assert quick(schema, {"x": {"map": "y"}}) is None
    assert quick(schema, {"x": {"null": "y"}}) is None
    assert quick(schema, {"x": {"other": "y"}}) == schema.encode({"x": {"other": "y"}})
    with pytest.raises(SchemaDataError, match="expected map"):
        schema.encode({"x": {"map": "y"}})


@pytest.mark.parametrize(
    "declared",
    [
        record(field("next", ["null", "R"], None), name="R"),
        record(field("nothing", "null"), name="R"),
        array(record(name="R")),
        record(
            *(field(f"f{n}", record(field("n", "int"), name=f"R{n}")) for n in range(70)), name="R"
        ),
    ],
    ids=["recursive", "null", "empty", "many types"],
)
def test_some_types_have_no_quick_way(declared: Any) -> None:
    assert plain_encoder_of(parsed(declared).node, MAX_SIZE) is None


def test_a_name_of_a_field_is_no_source() -> None:
    schema = LANGUAGE.parse(
        json.dumps(record(field("'] + 1/0 #", "string"), name="R")),
        checks=STORED,
    )
    assert quick(schema, {"'] + 1/0 #": "x"}) == b"\x02x"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("abcd") | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.data())
@settings(max_examples=120)
def test_the_quick_way_agrees_with_the_exact_one_or_stands_back(data: st.DataObject) -> None:
    schema = parsed(data.draw(schemas()))
    encode = plain_encoder_of(schema.node, MAX_SIZE)
    if encode is None:
        return
    named = data.draw(data_for(schema.node))
    read = schema.decode(schema.encode(named))
    for each in (named, read, data.draw(JSON)):
        written = encode(each)
        if written is not None:
            assert written == schema.encode(each)
            # Times are read back in other forms.
            again = schema.decode(written)
            assert schema.encode(again) == written
            if "logicalType" not in schema.canonical:
                assert without_nulls(again) == without_nulls(each)


def test_a_schema_finds_its_quick_way_only_when_it_is_used_often() -> None:
    schema = parsed(INNER)
    found = [schema.encode_plain({"n": 1}) for _ in range(600)]
    assert found[:400] == [None] * 400
    assert found[-1] == schema.encode({"n": 1})
