"""Data of Avro schemas, to bytes and back."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_reader
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.schemas.avro.language import LANGUAGE, AvroSchema
from fakebus.schemas.interface import SchemaDataError
from tests.unit.schemas.avro_openedx import openedx_schemas
from tests.unit.schemas.avro_pairs import array, enum, field, fixed, logical, map_of, record
from tests.unit.schemas.avro_strategies import data_for, schemas

PERSON = record(
    field("name", "string"),
    field("email", ["null", "string"], None),
    field("tags", array("string"), []),
    name="org.Person",
)
USER = record(
    field("user", record(field("pii", PERSON), name="User")),
    field("scores", map_of(array("int"))),
    name="Event",
)
DECIMAL = logical("bytes", "decimal", precision=6, scale=2)
MILLIS = logical("long", "timestamp-millis")


def parsed(declared: Any) -> AvroSchema:
    return LANGUAGE.parse(json.dumps(declared))


@pytest.mark.parametrize(
    ("declared", "data", "payload"),
    [
        ("null", None, b""),
        ("boolean", True, b"\x01"),
        ("boolean", False, b"\x00"),
        ("int", 0, b"\x00"),
        ("int", -1, b"\x01"),
        ("int", 64, b"\x80\x01"),
        ("int", -(2**31), b"\xff\xff\xff\xff\x0f"),
        ("long", 2**63 - 1, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ("long", -(2**63), b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ("float", 1.5, b"\x00\x00\xc0\x3f"),
        ("double", -2.0, b"\x00\x00\x00\x00\x00\x00\x00\xc0"),
        ("double", "NaN", b"\x00\x00\x00\x00\x00\x00\xf8\x7f"),
        ("float", "-Infinity", b"\x00\x00\x80\xff"),
        ("string", "é", b"\x04\xc3\xa9"),
        ("bytes", "\u00ff\u0000", b"\x04\xff\x00"),
        (fixed(2), "\u00ffa", b"\xffa"),
        (enum("X", "Y"), "Y", b"\x02"),
        (array("int"), [], b"\x00"),
        (array("int"), [3, 27], b"\x04\x06\x36\x00"),
        (map_of("int"), {"a": 1}, b"\x02\x02a\x02\x00"),
        (["null", "string"], None, b"\x00"),
        (["null", "string"], "a", b"\x02\x02a"),
        (["int", "long"], {"long": 5}, b"\x02\x0a"),
        (["string", map_of("int")], {"map": {"string": 5}}, b"\x02\x02\x0cstring\x0a\x00"),
        (["string", map_of("int")], {"a": 5}, b"\x02\x02\x02a\x0a\x00"),
        (["double", "string"], "NaN", b"\x02\x06NaN"),
        (["double", "string"], {"double": "Infinity"}, b"\x00\x00\x00\x00\x00\x00\x00\xf0\x7f"),
        (["double", "string"], "nan", b"\x02\x06nan"),
        (["bytes", "string"], "a", b"\x02\x02a"),
        (["bytes", "string"], {"bytes": "a"}, b"\x00\x02a"),
        (["null", enum("X", name="n.E")], "X", b"\x02\x00"),
        (["string", enum("X", name="n.E")], {"n.E": "X"}, b"\x02\x00"),
        (["string", enum("X", name="n.E")], "Z", b"\x00\x02Z"),
        (DECIMAL, "12.34", b"\x04\x04\xd2"),
        (DECIMAL, "-0.01", b"\x02\xff"),
        (DECIMAL, "1.28", b"\x04\x00\x80"),
        (fixed(3, logicalType="decimal", precision=4), "-5", b"\xff\xff\xfb"),
        (
            fixed(16, logicalType="uuid"),
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            b"k\xa7\xb8\x10\x9d\xad\x11\xd1\x80\xb4\x00\xc0O\xd40\xc8",
        ),
        (logical("int", "date"), "1970-01-03", b"\x04"),
        (logical("int", "date"), "1969-12-31", b"\x01"),
        (logical("int", "time-millis"), "00:00:01.500", b"\xb8\x17"),
        (logical("long", "time-micros"), "00:00:00.000064", b"\x80\x01"),
        (logical("long", "time-micros"), -1, b"\x01"),
        (MILLIS, "1970-01-01T00:00:00.064Z", b"\x80\x01"),
        (MILLIS, "1969-12-31T23:59:59.999Z", b"\x01"),
        (MILLIS, 2**60, b"\x80\x80\x80\x80\x80\x80\x80\x80\x20"),
        (logical("long", "timestamp-nanos"), "1970-01-01T00:00:00.000000064Z", b"\x80\x01"),
        (logical("long", "local-timestamp-micros"), "1970-01-01T00:00:00.000064", b"\x80\x01"),
        (logical("string", "uuid"), "any text", b"\x10any text"),
    ],
)
def test_data_and_bytes_are_two_forms_of_the_same(
    declared: Any, data: object, payload: bytes
) -> None:
    assert parsed(declared).encode(data) == payload
    assert parsed(declared).decode(payload) == data


@pytest.mark.parametrize(
    ("declared", "data", "same"),
    [
        ("bytes", b"\xff", "\u00ff"),
        (fixed(1), b"\xff", "\u00ff"),
        ("double", 5, 5.0),
        ("double", math.inf, "Infinity"),
        (DECIMAL, 12.5, "12.50"),
        (DECIMAL, 12, "12.00"),
        (DECIMAL, Decimal("1E+3"), "1000.00"),
        (DECIMAL, "0e-99999999", "0.00"),
        (DECIMAL, b"\x04\xd2", "12.34"),
        (["null", DECIMAL], "1.5", "1.50"),
        (fixed(16, logicalType="uuid"), b"\0" * 16, "00000000-0000-0000-0000-000000000000"),
        (MILLIS, 64, "1970-01-01T00:00:00.064Z"),
        (MILLIS, "1970-01-01T01:00+01:00", "1970-01-01T00:00:00.000Z"),
        (MILLIS, "1970-01-01 00:00:00", "1970-01-01T00:00:00.000Z"),
        (MILLIS, "1970-01-01T00:00:00.0649999Z", "1970-01-01T00:00:00.064Z"),
        (MILLIS, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), "1970-01-01T00:00:01.000Z"),
        (["null", MILLIS], datetime(1970, 1, 1), "1970-01-01T00:00:00.000Z"),
        (logical("int", "date"), date(1970, 1, 2), "1970-01-02"),
        (logical("int", "date"), datetime(1970, 1, 2, 3), "1970-01-02"),
        (logical("int", "date"), 1, "1970-01-02"),
        (["null", "string"], {"string": "a"}, "a"),
        (["int", "long"], 2**40, 2**40),
        (["null", "double"], 5, 5.0),
        (array("int"), (1, 2), [1, 2]),
        (["null", PERSON], {"name": "Ann"}, {"name": "Ann", "email": None, "tags": []}),
        (
            [record(field("a", "int"), name="A"), record(field("b", "int"), name="B")],
            {"b": 1},
            {"B": {"b": 1}},
        ),
    ],
)
def test_other_forms_are_taken_as_well(declared: Any, data: object, same: object) -> None:
    assert parsed(declared).decode(parsed(declared).encode(data)) == same


PERSON_DATA = {"name": "Ann"}


@pytest.mark.parametrize(
    ("declared", "data", "message"),
    [
        (USER, 5, "$: expected Event, got 5"),
        (
            USER,
            {"user": {"pii": {"name": 5}}, "scores": {}},
            "$.user.pii.name: expected string, got 5",
        ),
        (
            USER,
            {"user": {"pii": {**PERSON_DATA, "email": 5}}, "scores": {}},
            "$.user.pii.email: expected string, got 5",
        ),
        (
            USER,
            {"user": {"pii": PERSON_DATA}, "scores": {"maths": [1, "x"]}},
            "$.scores.maths[1]: expected int, got 'x'",
        ),
        (PERSON, {}, "$: the field 'name' is missing and has no default"),
        (
            PERSON,
            {"name": "Ann", "mail": "a"},
            "$: org.Person has no field 'mail'; did you mean 'email'?",
        ),
        (PERSON, {"name": "Ann", "zzz": "a"}, "$: org.Person has no field 'zzz'"),
        ("int", True, "$: expected int, got True"),
        ("int", 5.0, "$: expected int, got 5.0"),
        ("int", "5", "$: expected int, got '5'"),
        ("int", 2**31, "$: 2147483648 is out of the range of int"),
        ("long", 2**63, "$: 9223372036854775808 is out of the range of long"),
        ("float", 1e300, "$: 1e+300 is out of the range of float"),
        ("double", "5", "$: expected double, got '5'"),
        ("boolean", 1, "$: expected boolean, got 1"),
        ("null", 0, "$: expected null, got 0"),
        ("null", False, "$: expected null, got False"),
        ("string", None, "$: expected string, got None"),
        ("string", "\ud800", "$: '\\ud800' has half of a surrogate pair in it"),
        ("bytes", "\u0100", "$: expected bytes as text with one character per byte, got '\u0100'"),
        ("bytes", 5, "$: expected bytes, got 5"),
        (fixed(2), "abc", "$: expected 2 bytes for F, got 3"),
        (
            enum("RED", "GREEN"),
            "GREN",
            "$: expected a symbol of E, got 'GREN'; did you mean 'GREEN'?",
        ),
        (enum("RED"), 5, "$: expected a symbol of E, got 5"),
        (array("int"), {"a": 1}, "$: expected array, got {'a': 1}"),
        (array("int"), "text", "$: expected array, got 'text'"),
        (map_of("int"), [1], "$: expected map, got [1]"),
        (map_of("int"), {1: 1}, "$: expected text as a key, got 1"),
        (["null", "int", "string"], 1.5, "$: expected null or int or string, got 1.5"),
        (["int", "string"], None, "$: expected int or string, got None"),
        (["int", "long"], 5, '$: 5 may be int or long; write {"int": ...} to say which'),
        (
            [record(name="A"), record(name="B")],
            {},
            '$: {} may be A or B; write {"A": ...} to say which',
        ),
        (
            [record(field("a", "int"), name="A"), record(field("b", "int"), name="B")],
            {"b": "x"},
            "$.b: expected int, got 'x' (taken as B)",
        ),
        (["null", "int"], {"int": "x"}, "$: expected int, got 'x'"),
        (DECIMAL, "1.234", "$: the number has more than 2 digits after the point"),
        (DECIMAL, "12345", "$: the number has more than 6 digits before and after the point"),
        (DECIMAL, "1e999999999", "$: the number has more than 6 digits before and after the point"),
        (DECIMAL, "much", "$: expected a decimal number, got 'much'"),
        (DECIMAL, "NaN", "$: expected a decimal number, got 'NaN'"),
        (DECIMAL, True, "$: expected a decimal number, got True"),
        (fixed(16, logicalType="uuid"), "x", "$: expected a UUID, got 'x'"),
        (
            MILLIS,
            "yesterday",
            "$: expected a number or a time like 2024-12-31T23:59:59.999Z, got 'yesterday'",
        ),
        (
            logical("long", "local-timestamp-millis"),
            "1970-01-01T00:00:00Z",
            "$: expected a time without an offset, got '1970-01-01T00:00:00Z'",
        ),
        (
            logical("int", "date"),
            "today",
            "$: expected a number or a date like 2024-12-31, got 'today'",
        ),
        (
            logical("int", "time-millis"),
            "noon",
            "$: expected a number or a time like 23:59:59.999, got 'noon'",
        ),
    ],
)
def test_data_that_does_not_fit_is_refused_with_its_place(
    declared: Any, data: object, message: str
) -> None:
    with pytest.raises(SchemaDataError) as refusal:
        parsed(declared).encode(data)

    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("declared", "payload", "message"),
    [
        ("string", b"\x06ab", "$: needs 3 bytes at 1, there are 2"),
        ("string", b"\x01", "$: needs -1 bytes at 1, there are 0"),
        ("string", b"\x02\xff", "$: a string is not UTF-8"),
        ("int", b"", "$: needs 1 bytes at 0, there are 0"),
        ("int", b"\x00\x00", "$: 1 bytes are left over after 1"),
        ("int", b"\xfe\xff\xff\xff\xff\x01", "$: 34359738367 is out of the range of int"),
        ("long", b"\xff" * 11, "$: a number has more than 64 bits"),
        ("long", b"\xff" * 9 + b"\x7f", "$: a number has more than 64 bits"),
        ("boolean", b"\x02", "$: a boolean is 0 or 1, not 2"),
        (enum("X"), b"\x02", "$: E has no symbol 1"),
        (enum("X"), b"\x01", "$: E has no symbol -1"),
        (["null"], b"\x02", "$: the union has no branch 1"),
        (array("int"), b"\x02\x00", "$: needs 1 bytes at 2, there are 0"),
        (array("string"), b"\x02\x04a", "$[0]: needs 2 bytes at 2, there are 1"),
        (map_of("int"), b"\x02\x02k", "$.k: needs 1 bytes at 3, there are 0"),
        (USER, b"\x02", "$.user.pii.name: needs 1 bytes at 1, there are 0"),
        (
            DECIMAL,
            b"\xc8\x32" + b"\x7f" * 3236,
            "$: a decimal of 3236 bytes is too long to be written",
        ),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 2**31, "scale": 2**31},
            b"\x02\x01",
            "$: 2147483648 digits after the point are too many to be written",
        ),
    ],
)
def test_bytes_that_do_not_fit_are_refused_with_their_place(
    declared: Any, payload: bytes, message: str
) -> None:
    with pytest.raises(SchemaDataError) as refusal:
        parsed(declared).decode(payload)

    assert str(refusal.value) == message


def test_a_block_with_its_size_is_read() -> None:
    assert parsed(array("int")).decode(b"\x03\x04\x06\x36\x00") == [3, 27]


def test_a_default_is_written_as_the_schema_means_it() -> None:
    schema = parsed(
        record(
            field("bytes", DECIMAL, "\u0004\u00d2"),
            field("when", MILLIS, 64),
            field("union", ["null", "int", "long"], 7),
            field("inner", record(field("a", "int", 3), field("b", "int"), name="In"), {"b": 4}),
            field("map", map_of("float"), {"k": 1}),
        )
    )

    assert schema.decode(schema.encode({})) == {
        "bytes": "12.34",
        "when": "1970-01-01T00:00:00.064Z",
        "union": {"int": 7},
        "inner": {"a": 3, "b": 4},
        "map": {"k": 1.0},
    }


@given(st.data())
@settings(max_examples=80)
def test_what_is_decoded_is_encoded_to_the_same_bytes(data: st.DataObject) -> None:
    declared = data.draw(schemas())
    schema = parsed(declared)
    payload = schema.encode(data.draw(data_for(schema.node)))

    decoded = schema.decode(payload)

    assert schema.encode(decoded) == payload
    assert schema.encode(json.loads(json.dumps(decoded, allow_nan=False))) == payload


@given(st.data())
@settings(max_examples=50)
def test_what_is_encoded_is_read_to_its_end_by_another_library(data: st.DataObject) -> None:
    # Its logical types know fewer days than a number has.
    declared = json.loads(json.dumps(data.draw(schemas())).replace("logicalType", "unheard"))
    schema = parsed(declared)
    payload = BytesIO(schema.encode(data.draw(data_for(schema.node))))

    schemaless_reader(payload, declared, None)

    assert payload.read() == b""


@given(st.data())
@settings(max_examples=50)
def test_any_bytes_are_decoded_or_refused(data: st.DataObject) -> None:
    schema = parsed(data.draw(schemas()))
    try:
        schema.decode(data.draw(st.binary(max_size=30)))
    except SchemaDataError:
        pass


def refused_soon(action: Any) -> str:
    start = time.process_time()
    with pytest.raises(SchemaDataError) as refusal:
        action()
    assert time.process_time() - start < 3
    return str(refusal.value)


def test_a_list_of_nothing_without_end_is_refused() -> None:
    for declared in ["null", record(), fixed(0)]:
        message = refused_soon(
            lambda of=declared: parsed(array(of)).decode(b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f")
        )
        assert message.endswith("too many values for 9 bytes")


def test_values_without_bytes_of_their_own_are_as_many_as_the_bytes_allow() -> None:
    inner = record(field("b", ["null", "int"]), name="B")
    optional = parsed(array(record(field("b", inner), name="A")))
    # A record of a record of an empty optional in each byte, far more than may come for nothing.
    payload = b"\x80\xe2\x09" + bytes(80_000) + b"\x00"
    assert optional.decode(payload) == [{"b": {"b": None}}] * 80_000

    deep: Any = "boolean"
    for n in range(60):
        deep = record(field("x", deep), name=f"R{n}")
    message = refused_soon(lambda: parsed(array(deep)).decode(payload))
    assert message.endswith(f"too many values for {len(payload)} bytes")


def doubling(*fields: dict[str, object]) -> AvroSchema:
    records = [record(*fields, name="R0")]
    for n in range(1, 60):
        both = (field(name, f"R{n - 1}", {}) for name in "ab")
        records.append(record(*both, name=f"R{n}"))
    return parsed(records)


def test_records_that_double_at_every_level_are_refused() -> None:
    last = {"R59": {}}

    assert "too many values" in refused_soon(lambda: doubling().decode(b"\x76"))
    assert "takes more than" in refused_soon(lambda: doubling(field("v", "int", 5)).encode(last))
    assert doubling().encode(last) == b"\x76"


def test_data_without_end_is_refused() -> None:
    chain = parsed(record(field("next", ["null", "R"], None)))
    data: dict[str, Any] = {}
    for _ in range(5000):
        data = {"next": data}

    assert "nested deeper" in refused_soon(lambda: chain.encode(data))
    assert "nested deeper" in refused_soon(lambda: chain.decode(b"\x02" * 5000 + b"\x00"))


def test_unions_in_unions_are_not_tried_over_and_over() -> None:
    inner = ["null", "A", record(field("u", ["null", "A", "B"]), name="B")]
    tree = parsed(record(field("u", inner), name="A"))
    data: Any = {"u": None}
    for _ in range(40):
        data = {"u": data}

    assert "may be A or B" in refused_soon(lambda: tree.encode(data))


def test_every_event_of_open_edx_takes_data_and_gives_it_back() -> None:
    for text in openedx_schemas().values():
        schema = LANGUAGE.parse(text)
        data = sample(json.loads(text), {})

        payload = schema.encode(data)

        assert schema.decode(payload) == data
        read = BytesIO(payload)
        named = json.loads(text.replace("redemption-reversed", "redemption_reversed"))
        assert schemaless_reader(read, named, None) == data


def sample(declared: Any, records: dict[str, Any]) -> Any:
    """Return data that has a value for everything, and null for nothing."""
    plain = {"string": "text", "long": 5, "boolean": True, "double": 0.5, "int": 1, "null": None}
    match declared:
        case str() if declared in plain:
            return plain[declared]
        case str():
            return sample(records[declared], records)
        case list():
            return sample(declared[-1] if declared[0] == "null" else declared[0], records)
        case {"type": "array", "items": items}:
            return [sample(items, records)]
        case {"type": "map", "values": values}:
            return {"key": sample(values, records)}
        case {"type": "record", "name": name, "fields": fields}:
            records[name.rpartition(".")[2]] = declared
            return {one["name"]: sample(one["type"], records) for one in fields}
    return sample(declared["type"], records)


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 8191, 8192])
def test_texts_of_any_length_come_back(length: int) -> None:
    schema = LANGUAGE.parse('"string"')
    for text in ("a" * length, "ß" * length):
        assert schema.decode(schema.encode(text)) == text


def test_an_optional_value_that_its_type_does_not_take_back_names_its_branch() -> None:
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 2}
    schema = LANGUAGE.parse(json.dumps(["null", decimal]))
    assert schema.decode(b"\x02\x02\x0c") == "12"
    assert schema.decode(b"\x02\x04\x30\x39") == {"bytes": "12345"}
