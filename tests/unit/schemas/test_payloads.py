"""Bytes of keys and values: what they stand for, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakebus.schemas.framing import frame
from fakebus.schemas.interface import ParsedSchema, SchemaDataError
from fakebus.schemas.languages import language
from fakebus.schemas.payloads import Payload, decode, encode


@dataclass(frozen=True)
class Schema:
    schema_id: int
    parsed: ParsedSchema


RECORD = '{"type":"record","name":"R","fields":[{"name":"total","type":"long"}]}'
SCHEMAS = {
    1: Schema(1, language("AVRO").parse(RECORD)),
    2: Schema(2, language("JSON").parse('{"properties":{"total":{"type":"integer"}}}')),
    3: Schema(3, language("PROTOBUF").parse('syntax = "proto3"; message R { int32 total = 1; }')),
}


def source(schema_id: int, topic: str, is_key: bool) -> Schema | None:
    assert topic == "orders"
    return SCHEMAS.get(schema_id)


def of(data: bytes | None, *, is_key: bool = False) -> Payload[Schema]:
    return decode(data, source, topic="orders", is_key=is_key)


@pytest.mark.parametrize(("schema_id", "name"), [(1, "avro"), (2, "jsonschema"), (3, "protobuf")])
def test_framed_bytes_are_decoded_with_the_schema_that_they_name(schema_id: int, name: str) -> None:
    data = encode(SCHEMAS[schema_id], {"total": 7})
    for is_key in (False, True):
        found = of(data, is_key=is_key)
        assert (found.format, found.data, found.problem) == (name, {"total": 7}, None)
        assert (found.schema_id, found.schema) == (schema_id, SCHEMAS[schema_id])


@pytest.mark.parametrize(
    ("data", "is_key", "name", "expected"),
    [
        (None, False, "null", None),
        (b"", False, "string", ""),
        (b'{"a": 1}', False, "json", {"a": 1}),
        (b'{"a": 1}', True, "json", {"a": 1}),
        (b"7", False, "json", 7),
        (b"7", True, "string", "7"),
        (b"true", True, "string", "true"),
        (b"{oops", False, "string", "{oops"),
        (b"[" * 100_000, False, "string", "[" * 100_000),
        ("größe".encode(), False, "string", "größe"),
        (rb'{"a": "\ud800"}', False, "string", r'{"a": "\ud800"}'),
        (rb'{"a": "\ud83d\ude00"}', False, "json", {"a": "\U0001f600"}),
        (b"\xff\x00", False, "binary", b"\xff\x00"),
    ],
)
def test_other_bytes_are_json_text_or_bytes(
    data: bytes | None, is_key: bool, name: str, expected: object
) -> None:
    found = of(data, is_key=is_key)
    assert (found.format, found.data) == (name, expected)
    assert (found.schema_id, found.schema, found.problem) == (None, None, None)


def test_a_schema_that_nobody_knows_leaves_the_bytes_as_they_are() -> None:
    for found in (of(frame(9, b"\xff")), decode(frame(9, b"\xff"))):
        assert (found.format, found.data) == ("binary", frame(9, b"\xff"))
        assert (found.schema_id, found.schema, found.problem) == (9, None, None)
    assert of(frame(9, b"text")).data == "\0\0\0\0\x09text"


def test_bytes_that_do_not_fit_their_schema_are_told_with_the_place() -> None:
    wrong = SCHEMAS[2].parsed
    data = frame(2, b'{"total": "much"}')
    found = of(data)
    assert (found.format, found.data, found.schema) == ("binary", data, SCHEMAS[2])
    assert found.problem is not None
    assert found.problem.startswith("$.total: ")
    assert of(frame(1, b"\x02rest")).problem == "$: 4 bytes are left over after 1"
    with pytest.raises(SchemaDataError, match=r"^\$\.total: "):
        encode(Schema(2, wrong), {"total": "much"})


@given(data=st.binary(max_size=40), is_key=st.booleans())
def test_no_bytes_are_beyond_it(data: bytes, is_key: bool) -> None:
    found = of(data, is_key=is_key)
    assert found.data is not None or found.format == "json"
    if found.format == "binary":
        assert found.data == data
