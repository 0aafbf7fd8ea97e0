from __future__ import annotations

import json
import time
from io import BytesIO
from typing import Any, cast

import pytest
from fastavro import schemaless_reader
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.schemas.avro.language import LANGUAGE, AvroSchema
from fakebus.schemas.interface import ParsedSchema
from tests.unit.schemas.avro_openedx import openedx_schemas
from tests.unit.schemas.avro_pairs import (
    PAIRS,
    A,
    B,
    Pair,
    array,
    enum,
    field,
    fixed,
    map_of,
    record,
)
from tests.unit.schemas.avro_strategies import data_for, schemas


def parsed(declared: Any) -> AvroSchema:
    return LANGUAGE.parse(json.dumps(declared))


def reads(reader: Any, writer: Any) -> bool:
    return not parsed(reader).incompatibilities(parsed(writer))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.reason.replace(" ", "-"))
def test_data_passes_between_two_schemas_as_the_specification_says(pair: Pair) -> None:
    assert (reads(pair.new, pair.old), reads(pair.old, pair.new)) == (pair.backward, pair.forward)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.reason.replace(" ", "-"))
def test_every_schema_reads_its_own_data(pair: Pair) -> None:
    assert reads(pair.new, pair.new)
    assert reads(pair.old, pair.old)


def reasons(reader: Any, writer: Any) -> list[tuple[str, str, str]]:
    found = parsed(reader).incompatibilities(parsed(writer))
    return [(one.kind, one.path, one.message) for one in found]


def test_a_missing_field_is_named_with_its_place() -> None:
    assert reasons(record(A, B), record(A)) == [
        (
            "READER_FIELD_MISSING_DEFAULT_VALUE",
            "/fields/1",
            "The reader's field 'b' has no default and the writer has no such field.",
        )
    ]


def test_every_reason_is_told_with_its_place() -> None:
    new = record(
        field("a", "int"),
        field("e", enum("X")),
        field("f", fixed(2)),
        field("l", array(map_of("int"))),
        field("u", ["null", "int"]),
        field("v", "int"),
        field("w", "int"),
        name="New",
    )
    old = record(
        field("a", "string"),
        field("e", enum("X", "Z", "Y")),
        field("f", fixed(3)),
        field("l", array(map_of("long"))),
        field("u", ["null", "string", "int"]),
        field("v", ["int", "null"]),
        name="Old",
    )

    assert [(kind, path) for kind, path, _ in reasons(new, old)] == [
        ("NAME_MISMATCH", "/name"),
        ("READER_FIELD_MISSING_DEFAULT_VALUE", "/fields/6"),
        ("TYPE_MISMATCH", "/fields/0/type"),
        ("MISSING_ENUM_SYMBOLS", "/fields/1/type/symbols"),
        ("FIXED_SIZE_MISMATCH", "/fields/2/type/size"),
        ("TYPE_MISMATCH", "/fields/3/type/items/values"),
        ("MISSING_UNION_BRANCH", "/fields/4/type/1"),
        ("TYPE_MISMATCH", "/fields/5/type/1"),
    ]
    assert [message for *_, message in reasons(new, old)] == [
        "The reader's record is called New, the writer's Old, and there is no alias.",
        "The reader's field 'w' has no default and the writer has no such field.",
        "The reader's int cannot take the writer's string.",
        "The reader's enum lacks Y, Z and has no default.",
        "The reader's fixed has 2 bytes, the writer's 3.",
        "The reader's int cannot take the writer's long.",
        "The reader's union has no branch for the writer's type string.",
        "The reader's int cannot take the writer's null.",
    ]


def test_the_root_has_a_place_as_well() -> None:
    assert [path for _, path, _ in reasons("int", "string")] == ["/"]
    assert [path for _, path, _ in reasons(["int"], "string")] == ["/"]


def test_another_language_is_one_reason() -> None:
    class Other:
        schema_type = "JSON"

    [reason] = parsed("int").incompatibilities(cast(ParsedSchema, Other()))
    assert (reason.kind, reason.path) == ("TYPE_MISMATCH", "/")
    assert reason.message == "The reader's schema is AVRO, the writer's JSON."


@given(schemas())
@settings(max_examples=60)
def test_any_schema_reads_its_own_data(schema: Any) -> None:
    assert reads(schema, schema)


@given(st.data())
@settings(max_examples=60)
def test_what_is_said_to_be_readable_is_read_by_another_library(data: st.DataObject) -> None:
    # The other library knows fewer days than a number has, and they are not compared anyway.
    writer = json.loads(json.dumps(data.draw(schemas())).replace("logicalType", "unheard"))
    reader = data.draw(evolved(writer))
    payload = parsed(writer).encode(data.draw(data_for(parsed(writer).node)))

    if reads(reader, writer):
        try:
            schemaless_reader(BytesIO(payload), writer, reader)
        except UnicodeDecodeError:
            pass  # Bytes are promoted to string, whatever they are.


@st.composite
def evolved(draw: st.DrawFn, schema: Any) -> Any:
    """Return a schema with some fields added, removed, widened or made optional."""
    if isinstance(schema, list):
        branches = [draw(evolved(branch)) for branch in schema]
        kinds = [one if isinstance(one, str) else one.get("name", one["type"]) for one in branches]
        if len(set(kinds)) < len(kinds):
            return schema  # Two that were widened to the same.
        return branches if "null" in schema or draw(st.booleans()) else ["null", *branches]
    if not isinstance(schema, dict):
        wider = {"int": "long", "float": "double", "string": "bytes"}
        return wider.get(schema, schema) if draw(st.booleans()) else schema
    changed = dict(schema)
    for part in {"items", "values"} & changed.keys():
        changed[part] = draw(evolved(changed[part]))
    if "fields" in changed:
        fields = [{**one, "type": draw(evolved(one["type"]))} for one in changed["fields"]]
        if draw(st.booleans()):
            fields.append(field("new", "int", *draw(st.sampled_from([(), (5,)]))))
        changed["fields"] = fields
    return changed


def names_of(count: int, *parts: int) -> Any:
    """Return a union of records, each of which has those further on for its fields."""
    return [
        record(
            *(field(f"f{part}", ["null", f"N{at - part}"]) for part in parts if part <= at),
            name=f"N{at}",
        )
        for at in range(count)
    ]


def cycle(length: int, *last: dict[str, object]) -> Any:
    """Return a record in a record and so on; the last has the first, and some fields more."""
    inside: Any = "N0"
    for at in reversed(range(length)):
        others = [f"N{other}" for other in range(40)]
        inside = record(field("next", ["null", inside]), *last, name=f"N{at}", aliases=others)
        last = ()
    return inside


def test_types_that_name_one_another_many_times_over_are_compared_in_no_time() -> None:
    reader, writer = parsed(names_of(60, 1, 2, 3)), parsed([*names_of(60, 1, 2, 3), "int"])
    start = time.process_time()

    assert [one.path for one in reader.incompatibilities(writer)] == ["/60"]
    assert not writer.incompatibilities(reader)

    assert time.process_time() - start < 2


def test_cycles_of_two_lengths_are_compared_to_their_end() -> None:
    assert reads(cycle(31), cycle(37))
    assert reads(cycle(31), cycle(37, A))
    assert not reads(cycle(31, A), cycle(37))


def test_every_event_of_open_edx_may_gain_a_required_field_going_forward() -> None:
    for text in openedx_schemas().values():
        old = json.loads(text)
        new = {**old, "fields": [*old["fields"], field("added", "string")]}

        assert reads(old, new), "new data is read by old code"
        assert not reads(new, old), "old data lacks the field"
