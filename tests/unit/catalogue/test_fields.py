from __future__ import annotations

import json

import pytest

from fakebus.catalogue.fields import fields, lost_fields, without_field
from fakebus.errors import FakebusError
from fakebus.schemas.interface import ParsedSchema
from fakebus.schemas.languages import language

AVRO = """{"type": "record", "name": "Order", "namespace": "shop", "fields": [
  {"name": "id", "type": "string"},
  {"name": "address", "type": ["null", {"type": "record", "name": "Address", "fields": [
    {"name": "street", "type": "string"}, {"name": "zip", "type": "string", "default": "?"}]}]},
  {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line",
    "fields": [{"name": "sku", "type": "string"}, {"name": "next", "type": ["null", "Line"]}]}}}
]}"""
JSON = """{"type": "object", "required": ["id"], "properties": {
  "id": {"type": "string"}, "address": {"$ref": "#/$defs/Address"}, "self": {"$ref": "#"},
  "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {}}}}},
  "$defs": {"Address": {"type": "object", "required": ["street"],
    "properties": {"street": {"type": "string"}, "zip": {"type": "string"}}}}}"""
PROTOBUF = """syntax = "proto3"; package shop;
message Order {
  string id = 1; Address address = 2; repeated Line lines = 3; map<string, Address> others = 4;
  optional string note = 5;
  oneof paid { string card = 6; }
  oneof sent { string mail = 7; string van = 8; }
}
message Address { string street = 1; string zip = 2; Address last = 3; }
message Line { string sku = 1; }"""
TEXTS = {"AVRO": AVRO, "JSON": JSON, "PROTOBUF": PROTOBUF}


def parsed(kind: str, text: str = "") -> ParsedSchema:
    return language(kind).parse(text or TEXTS[kind])


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("path", ["id", "address", "address.street", "lines.sku", "lines[].sku"])
def test_a_field_goes_in_every_language_wherever_it_stands(kind: str, path: str) -> None:
    old = parsed(kind)
    new = without_field(old, (), path)
    plain = path.replace("[]", "")
    assert plain in {each.path for each in fields(old)}
    assert plain not in {each.path for each in fields(new)}
    assert plain in {each.path for each in lost_fields(old, new)}
    # It is a schema that can be written down and read again, and the old one is as it was.
    assert parsed(kind, new.canonical).canonical == new.canonical
    assert old.canonical == parsed(kind).canonical


@pytest.mark.parametrize("kind", TEXTS)
def test_a_field_that_is_not_there_is_told_with_the_nearest(kind: str) -> None:
    with pytest.raises(FakebusError, match=r'no field "adress.street"; did you mean "address.st'):
        without_field(parsed(kind), (), "adress.street")


@pytest.mark.parametrize("name", ["address.json", "address.json#/$defs/all", "address.json#all"])
def test_a_field_goes_where_its_schema_is_known_by_an_id_of_its_own(name: str) -> None:
    kept = {"$anchor": "all", "properties": {"street": {}, "zip": {}}}
    part = {"$id": "address.json", "$ref": "#/$defs/all", "$defs": {"all": kept}}
    draft = "https://json-schema.org/draft/2020-12/schema"
    root = {"properties": {"address": {"$ref": name}}, "$defs": {"address": part}}
    new = without_field(
        parsed("JSON", json.dumps({"$schema": draft, **root})), (), "address.street"
    )
    assert {each.path for each in fields(new)} == {"address", "address.zip"}
    assert json.loads(new.canonical)["$defs"]["address"]["$ref"] == "#/$defs/all"


def test_a_required_property_is_required_no_more_when_it_goes() -> None:
    assert '"required":[]' in without_field(parsed("JSON"), (), "id").canonical


@pytest.mark.parametrize("path", ["others.street", "note", "card", "mail", "Order.note"])
def test_fields_of_maps_oneofs_and_optional_ones_go_from_protobuf(path: str) -> None:
    new = without_field(parsed("PROTOBUF"), (), path)
    assert parsed("PROTOBUF", new.canonical).canonical == new.canonical
    assert path.removeprefix("Order.") not in {each.path for each in fields(new)}
    if path == "mail":
        assert "van = 8" in new.canonical


def test_a_renamed_field_is_not_lost_where_an_alias_or_its_number_finds_it() -> None:
    avro = AVRO.replace('"name": "id"', '"name": "number", "aliases": ["id"]')
    assert lost_fields(parsed("AVRO"), parsed("AVRO", avro)) == []
    bare = AVRO.replace('"name": "id"', '"name": "number"')
    assert [each.path for each in lost_fields(parsed("AVRO"), parsed("AVRO", bare))] == ["id"]
    proto = PROTOBUF.replace("string id = 1", "string number = 1")
    assert lost_fields(parsed("PROTOBUF"), parsed("PROTOBUF", proto)) == []


def test_a_field_says_what_readers_find_instead() -> None:
    said = {each.path: each.instead for each in fields(parsed("AVRO"))}
    assert said["address.zip"] == 'the default "?"'
    assert said["id"] is None
    said = {each.path: each.instead for each in fields(parsed("PROTOBUF"))}
    assert said["note"] is not None
    assert said["id"] is None


def test_schemas_that_are_their_own_parts_come_to_an_end() -> None:
    wide = "".join(f"Node f{number} = {number};" for number in range(1, 9))
    text = f'syntax = "proto3"; message Node {{ {wide} }}'
    assert 8 <= len(fields(parsed("PROTOBUF", text))) <= 5000
    everywhere = ",".join(f'"p{number}": {{"$ref": "#"}}' for number in range(8))
    assert len(fields(parsed("JSON", f'{{"properties": {{{everywhere}}}}}'))) <= 5000


def test_a_schema_may_be_no_object_at_all() -> None:
    assert fields(parsed("JSON", "true")) == []
    assert fields(parsed("AVRO", '"string"')) == []
