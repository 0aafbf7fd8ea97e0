"""Pairs of Avro schemas and whether data passes between them, from the specification.

`backward`: a reader with `new` takes what was written with `old`; `forward`: the other way.
The chapter is Schema Resolution of https://avro.apache.org/docs/1.12.0/specification/.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Schema = Any


class Pair(NamedTuple):
    new: Schema
    old: Schema
    backward: bool
    forward: bool
    reason: str


NONE = object()


def field(name: str, type_: Schema, default: object = NONE, **rest: object) -> dict[str, object]:
    return {
        "name": name,
        "type": type_,
        **({} if default is NONE else {"default": default}),
        **rest,
    }


def record(*fields: dict[str, object], name: str = "R", **rest: object) -> dict[str, object]:
    return {"type": "record", "name": name, "fields": list(fields), **rest}


def enum(*symbols: str, name: str = "E", **rest: object) -> dict[str, object]:
    return {"type": "enum", "name": name, "symbols": list(symbols), **rest}


def fixed(size: int, name: str = "F", **rest: object) -> dict[str, object]:
    return {"type": "fixed", "name": name, "size": size, **rest}


def array(items: Schema) -> dict[str, object]:
    return {"type": "array", "items": items}


def map_of(values: Schema) -> dict[str, object]:
    return {"type": "map", "values": values}


def logical(base: str, name: str, **rest: object) -> dict[str, object]:
    return {"type": base, "logicalType": name, **rest}


YES, NO = True, False
A, B = field("a", "int"), field("b", "string")
ID = field("id", "long")
NODE = record(field("next", ["null", "Node"], None), field("v", "int"), name="Node")
LONG_NODE = record(field("next", ["null", "Node"], None), field("v", "long"), name="Node")
TEXT_NODE = record(field("next", ["null", "Node"], None), field("v", "string"), name="Node")
TREE = record(field("children", array("Tree")), field("v", "int"), name="Tree")

PRIMITIVES = [
    Pair("null", "null", YES, YES, "the same type"),
    Pair("boolean", "boolean", YES, YES, "the same type"),
    Pair("int", "int", YES, YES, "the same type"),
    Pair("long", "long", YES, YES, "the same type"),
    Pair("float", "float", YES, YES, "the same type"),
    Pair("double", "double", YES, YES, "the same type"),
    Pair("bytes", "bytes", YES, YES, "the same type"),
    Pair("string", "string", YES, YES, "the same type"),
    Pair("long", "int", YES, NO, "int is promoted to long, never back"),
    Pair("float", "int", YES, NO, "int is promoted to float, never back"),
    Pair("double", "int", YES, NO, "int is promoted to double, never back"),
    Pair("float", "long", YES, NO, "long is promoted to float, never back"),
    Pair("double", "long", YES, NO, "long is promoted to double, never back"),
    Pair("double", "float", YES, NO, "float is promoted to double, never back"),
    Pair("string", "bytes", YES, YES, "string and bytes are promoted both ways"),
    Pair("null", "boolean", NO, NO, "nothing is promoted to or from null"),
    Pair("null", "int", NO, NO, "nothing is promoted to or from null"),
    Pair("null", "string", NO, NO, "nothing is promoted to or from null"),
    Pair("null", "bytes", NO, NO, "nothing is promoted to or from null"),
    Pair("boolean", "int", NO, NO, "a boolean is no number"),
    Pair("boolean", "long", NO, NO, "a boolean is no number"),
    Pair("boolean", "double", NO, NO, "a boolean is no number"),
    Pair("boolean", "string", NO, NO, "a boolean is no text"),
    Pair("string", "int", NO, NO, "a number is not turned into text"),
    Pair("string", "long", NO, NO, "a number is not turned into text"),
    Pair("string", "float", NO, NO, "a number is not turned into text"),
    Pair("string", "double", NO, NO, "a number is not turned into text"),
    Pair("bytes", "int", NO, NO, "a number is not turned into bytes"),
    Pair("bytes", "long", NO, NO, "a number is not turned into bytes"),
    Pair("bytes", "float", NO, NO, "a number is not turned into bytes"),
    Pair("bytes", "double", NO, NO, "a number is not turned into bytes"),
    Pair("bytes", "boolean", NO, NO, "a boolean is no bytes"),
]

KINDS = [
    Pair(record(A), "int", NO, NO, "a record and a number are different kinds"),
    Pair(record(), "null", NO, NO, "an empty record is not null, though both take no bytes"),
    Pair(record(A), map_of("int"), NO, NO, "a map does not become a record"),
    Pair(array("int"), map_of("int"), NO, NO, "a map does not become an array"),
    Pair(array("int"), "int", NO, NO, "a value does not become a list of one"),
    Pair(array("string"), "string", NO, NO, "a text does not become a list of one"),
    Pair(enum("X"), "string", NO, NO, "text is not promoted to an enum, nor back"),
    Pair(enum("X"), "int", NO, NO, "a number is not promoted to an enum"),
    Pair(fixed(4), "bytes", NO, NO, "fixed and bytes are not promoted"),
    Pair(fixed(4), "string", NO, NO, "fixed and string are not promoted"),
    Pair(fixed(1), enum("X"), NO, NO, "fixed and enum are different kinds"),
    Pair(map_of("int"), "null", NO, NO, "a map and null are different kinds"),
    Pair(record(A, name="X"), enum("X", name="X"), NO, NO, "the name does not outdo the kind"),
]

CONTAINERS = [
    Pair(array("int"), array("int"), YES, YES, "the items agree"),
    Pair(array("long"), array("int"), YES, NO, "items are promoted as values are"),
    Pair(array("string"), array("bytes"), YES, YES, "items are promoted as values are"),
    Pair(array("string"), array("int"), NO, NO, "the items do not agree"),
    Pair(array(array("double")), array(array("float")), YES, NO, "items of items are promoted"),
    Pair(array(["null", "int"]), array("int"), YES, NO, "items may become nullable"),
    Pair(array(["null", "int"]), array("null"), YES, NO, "items may become a wider union"),
    Pair(array(array("int")), array("int"), NO, NO, "a list is not an item"),
    Pair(map_of("int"), map_of("int"), YES, YES, "the values agree"),
    Pair(map_of("double"), map_of("int"), YES, NO, "values are promoted"),
    Pair(map_of("string"), map_of("bytes"), YES, YES, "values are promoted both ways"),
    Pair(map_of("boolean"), map_of("int"), NO, NO, "the values do not agree"),
    Pair(map_of(array("long")), map_of(array("int")), YES, NO, "promotion reaches the inside"),
    Pair(map_of(map_of("int")), map_of("int"), NO, NO, "a map is not a value"),
    Pair(map_of(["null", "string"]), map_of("string"), YES, NO, "values may become nullable"),
    Pair(array(record(A)), array(record(A, B)), YES, NO, "records of a list are resolved"),
    Pair(map_of(record(A)), map_of(record(A, B)), YES, NO, "records of a map are resolved"),
    Pair(array(enum("X", "Y")), array(enum("X")), YES, NO, "enums of a list are resolved"),
]

FIELDS = [
    Pair(record(A), record(A), YES, YES, "the same record"),
    Pair(record(), record(), YES, YES, "records without fields agree"),
    Pair(record(), record(A), YES, NO, "a writer's field that the reader lacks is skipped"),
    Pair(record(A), record(A, B), YES, NO, "b was required: the old reader misses it"),
    Pair(
        record(A, B), record(A), NO, YES, "an added field without default has no value in old data"
    ),
    Pair(
        record(A, field("b", "string", "")),
        record(A),
        YES,
        YES,
        "an added field with a default is filled in, and skipped by the old reader",
    ),
    Pair(
        record(A),
        record(A, field("b", "string", "x")),
        YES,
        YES,
        "a removed field with a default is skipped, and filled in by the old reader",
    ),
    Pair(
        record(A, field("b", ["null", "string"], None)),
        record(A),
        YES,
        YES,
        "an optional field has null as its default",
    ),
    Pair(
        record(A, field("b", ["null", "string"])),
        record(A),
        NO,
        YES,
        "a nullable type alone is no default",
    ),
    Pair(record(A, field("b", "null")), record(A), NO, YES, "even null needs a default"),
    Pair(record(A, field("b", "null", None)), record(A), YES, YES, "null is a default like any"),
    Pair(record(B, A), record(A, B), YES, YES, "fields are found by name, their order is free"),
    Pair(record(field("a", "long")), record(A), YES, NO, "fields are promoted"),
    Pair(record(field("a", "string")), record(A), NO, NO, "the types of a field do not agree"),
    Pair(
        record(field("a", "string", "x")),
        record(A),
        NO,
        NO,
        "a default does not help when the writer has the field in another type",
    ),
    Pair(record(field("c", "int")), record(A), NO, NO, "a renamed field without alias is another"),
    Pair(
        record(field("c", "int", aliases=["a"])),
        record(A),
        YES,
        NO,
        "the reader's alias finds the writer's field; the old reader knows no alias",
    ),
    Pair(
        record(field("c", "long", aliases=["a"])),
        record(A),
        YES,
        NO,
        "a field found by its alias is promoted",
    ),
    Pair(
        record(field("c", "string", aliases=["a"])),
        record(A),
        NO,
        NO,
        "a field found by its alias must still agree",
    ),
    Pair(
        record(field("c", "int", aliases=["x", "a"])),
        record(A),
        YES,
        NO,
        "any of the aliases will do",
    ),
    Pair(
        record(field("c", "int", aliases=["x"])),
        record(A),
        NO,
        NO,
        "an alias that names nothing does not help",
    ),
    Pair(
        record(field("c", "int", 0, aliases=["a"])),
        record(field("a", "int", 0)),
        YES,
        YES,
        "renaming with alias and defaults goes both ways",
    ),
    Pair(
        record(field("a", "int", doc="new")),
        record(A),
        YES,
        YES,
        "documentation is not compared",
    ),
    Pair(
        record(field("a", "int", order="descending")), record(A), YES, YES, "order is for sorting"
    ),
    Pair(
        record(field("a", "int", 1)), record(field("a", "int", 2)), YES, YES, "defaults may differ"
    ),
    Pair(record(field("a", "int", 1)), record(A), YES, YES, "a default may be added"),
    Pair(record(field("A", "int")), record(A), NO, NO, "names are told apart by case"),
    Pair(
        record(field("a", ["null", "int"])),
        record(A),
        YES,
        NO,
        "making a field nullable widens it, and the old reader has no null",
    ),
    Pair(
        record(field("a", ["int", "null"], 0)),
        record(A),
        YES,
        NO,
        "the place of null in the union does not matter",
    ),
    Pair(
        record(A, B, field("c", "int"), field("d", "int")),
        record(A, B),
        NO,
        YES,
        "two fields are added without default",
    ),
    Pair(
        record(A, field("b", "string", ""), field("c", "int")),
        record(A),
        NO,
        YES,
        "one default does not stand in for another field",
    ),
    Pair(
        record(A, field("b", record(ID, name="In"), {"id": 1})),
        record(A),
        YES,
        YES,
        "a record may be a default",
    ),
    Pair(
        record(A, field("b", array("int"), [])), record(A), YES, YES, "an empty list is a default"
    ),
    Pair(
        record(A, field("b", map_of("int"), {})), record(A), YES, YES, "an empty map is a default"
    ),
    Pair(record(A, field("b", enum("X", "Y"), "X")), record(A), YES, YES, "a symbol is a default"),
    Pair(
        record(A, field("b", enum("X", default="X"))),
        record(A),
        NO,
        YES,
        "the default of an enum is for unknown symbols, not for a missing field",
    ),
]

NESTED = [
    Pair(
        record(field("in", record(ID, name="In"))),
        record(field("in", record(ID, B, name="In"))),
        YES,
        NO,
        "a field is removed within",
    ),
    Pair(
        record(field("in", record(ID, field("b", "string", ""), name="In"))),
        record(field("in", record(ID, name="In"))),
        YES,
        YES,
        "a field with a default is added within",
    ),
    Pair(
        record(field("in", record(ID, B, name="In"), {"id": 1, "b": ""})),
        record(field("in", record(ID, name="In"))),
        NO,
        YES,
        "a default of the outer field does not help the inner one",
    ),
    Pair(
        record(field("in", record(ID, name="In"))),
        record(field("in", record(ID, name="Other"))),
        NO,
        NO,
        "the records within have different names",
    ),
    Pair(
        record(field("in", record(ID, name="In", aliases=["Other"]))),
        record(field("in", record(ID, name="Other"))),
        YES,
        NO,
        "an alias of the record within",
    ),
    Pair(
        record(field("x", record(ID, name="In")), field("y", "In")),
        record(field("x", record(ID, name="In")), field("y", record(ID, name="In2"))),
        NO,
        NO,
        "a type that is named twice must agree in both places",
    ),
    Pair(
        record(field("x", record(ID, name="In")), field("y", "In")),
        record(field("y", record(ID, name="In")), field("x", "In")),
        YES,
        YES,
        "where a type is defined does not matter",
    ),
    Pair(
        record(field("in", ["null", record(ID, name="In")], None)),
        record(field("in", ["null", record(ID, B, name="In")], None)),
        YES,
        NO,
        "a record in a union is resolved as well",
    ),
    Pair(
        record(field("in", array(record(ID, B, name="In")))),
        record(field("in", array(record(ID, name="In")))),
        NO,
        YES,
        "a required field is added to the items of a list",
    ),
    Pair(
        record(field("in", "long")),
        record(field("in", record(ID, name="In"))),
        NO,
        NO,
        "a record is not replaced by one of its fields",
    ),
]

NAMES = [
    Pair(record(A, name="S"), record(A), NO, NO, "records with different names do not match"),
    Pair(
        record(A, name="S", aliases=["R"]),
        record(A),
        YES,
        NO,
        "the reader's alias is the writer's name",
    ),
    Pair(
        record(A, name="S", aliases=["R"]),
        record(A, name="R", aliases=["S"]),
        YES,
        YES,
        "both know each other's name",
    ),
    Pair(
        record(A, name="R", namespace="new"),
        record(A, name="R", namespace="old"),
        YES,
        YES,
        "only the last part of the names is compared",
    ),
    Pair(record(A, name="x.R"), record(A), YES, YES, "a namespace is added"),
    Pair(
        record(A, name="S", namespace="n", aliases=["R"]),
        record(A, name="R", namespace="n"),
        YES,
        NO,
        "an alias without dots is in the namespace of its type",
    ),
    Pair(
        record(A, name="S", namespace="n", aliases=["R"]),
        record(A, name="R", namespace="m"),
        NO,
        NO,
        "an alias is compared in full",
    ),
    Pair(
        record(A, name="S", namespace="n", aliases=["m.R"]),
        record(A, name="R", namespace="m"),
        YES,
        NO,
        "an alias may name another namespace",
    ),
    Pair(record(A, doc="new"), record(A), YES, YES, "documentation is not compared"),
    Pair(record(A, owner="me"), record(A), YES, YES, "other properties are not compared"),
    Pair({**record(A), "type": "error"}, record(A), YES, YES, "an error is a record"),
]

ENUMS = [
    Pair(enum("X"), enum("X"), YES, YES, "the same symbols"),
    Pair(enum("X", "Y"), enum("Y", "X"), YES, YES, "symbols are found by name"),
    Pair(enum("X", "Y"), enum("X"), YES, NO, "a symbol is added that the old reader lacks"),
    Pair(enum("X"), enum("X", "Y"), NO, YES, "a symbol is removed that old data may have"),
    Pair(enum("X"), enum("Y"), NO, NO, "no symbol in common"),
    Pair(
        enum("X", default="X"),
        enum("X", "Y"),
        YES,
        YES,
        "the reader's default stands for what it does not know",
    ),
    Pair(
        enum("X", "Z", default="Z"),
        enum("X", "Y", default="X"),
        YES,
        YES,
        "each has a default for the other's symbols",
    ),
    Pair(enum("X", "Y", default="X"), enum("X"), YES, NO, "the writer's default helps no reader"),
    Pair(enum("X", name="G"), enum("X"), NO, NO, "enums with different names"),
    Pair(enum("X", name="G", aliases=["E"]), enum("X"), YES, NO, "the alias of an enum"),
    Pair(
        enum("X", name="G", default="X"), enum("X", "Y"), NO, NO, "a default does not excuse a name"
    ),
    Pair(enum("X", name="n.E"), enum("X", name="m.E"), YES, YES, "namespaces are not compared"),
    Pair(enum("x"), enum("X"), NO, NO, "symbols are told apart by case"),
    Pair(
        record(field("e", enum("X"), "X")),
        record(field("e", enum("X", "Y"), "X")),
        NO,
        YES,
        "the default of the field does not stand for an unknown symbol",
    ),
    Pair(
        record(field("e", enum("X", default="X"))),
        record(field("e", enum("X", "Y"))),
        YES,
        YES,
        "the default of the enum does, in a field as well",
    ),
    Pair(enum(), enum("X"), NO, YES, "without symbols nothing can be read, nor written"),
]

FIXEDS = [
    Pair(fixed(4), fixed(4), YES, YES, "the same size and name"),
    Pair(fixed(4), fixed(8), NO, NO, "different sizes"),
    Pair(fixed(0), fixed(1), NO, NO, "different sizes"),
    Pair(fixed(4, "G"), fixed(4), NO, NO, "different names"),
    Pair(fixed(4, "G", aliases=["F"]), fixed(4), YES, NO, "the alias of a fixed"),
    Pair(fixed(8, "G", aliases=["F"]), fixed(4), NO, NO, "an alias does not change the size"),
    Pair(fixed(4, "n.F"), fixed(4, "m.F"), YES, YES, "namespaces are not compared"),
    Pair(fixed(16, logicalType="uuid"), fixed(16), YES, YES, "logical types are not compared"),
]

UNIONS = [
    Pair(["null", "int"], ["null", "int"], YES, YES, "the same union"),
    Pair(["int", "null"], ["null", "int"], YES, YES, "the order of branches does not matter"),
    Pair(["null", "int"], "int", YES, NO, "a type is widened to a union"),
    Pair(["null", "int"], "null", YES, NO, "a type is widened to a union"),
    Pair(["int"], "int", YES, YES, "a union of one is as good as its branch"),
    Pair(["null", "int", "string"], ["null", "int"], YES, NO, "a branch is added"),
    Pair(["null", "string"], ["null", "int"], NO, NO, "the branches besides null do not agree"),
    Pair(["null", "long"], ["null", "int"], YES, NO, "branches are promoted"),
    Pair(["null", "long"], "int", YES, NO, "a value is promoted into a branch"),
    Pair(["null", "string"], ["null", "bytes"], YES, YES, "branches are promoted both ways"),
    Pair("long", ["int", "long"], YES, YES, "every branch of the writer must fit, and one of mine"),
    Pair("int", ["int", "long"], NO, YES, "one branch of the writer does not fit"),
    Pair("double", ["int", "long", "float"], YES, NO, "all branches are promoted to double"),
    Pair("string", ["null", "string"], NO, YES, "null may come, and has no place"),
    Pair(["string", "bytes"], "bytes", YES, YES, "bytes is read as bytes; string becomes bytes"),
    Pair(["int", "string"], ["string", "int"], YES, YES, "the same branches"),
    Pair(["int", "string"], ["boolean", "int"], NO, NO, "boolean has no branch; string neither"),
    Pair(["null"], ["null", "int"], NO, YES, "a branch is removed"),
    Pair([], [], YES, YES, "nothing is written, nothing is read"),
    Pair(["int"], [], YES, NO, "what cannot be written can be read"),
    Pair("int", [], YES, NO, "what cannot be written can be read"),
    Pair(["null", array("int")], ["null", array("int")], YES, YES, "lists in unions"),
    Pair(["null", array("long")], ["null", array("int")], YES, NO, "lists in unions are promoted"),
    Pair(["null", map_of("int")], ["null", array("int")], NO, NO, "a map is no list"),
    Pair(["null", record(A)], record(A), YES, NO, "a record becomes optional"),
    Pair(["null", record(A)], record(A, B), YES, NO, "a record becomes optional and loses a field"),
    Pair(["null", record(A, B)], record(A), NO, NO, "a branch must resolve in full"),
    Pair([record(A), record(B, name="S")], record(A), YES, NO, "another record is added"),
    Pair(
        [record(A), record(B, name="S")],
        [record(B, name="S"), record(A)],
        YES,
        YES,
        "records of a union are found by name",
    ),
    Pair([record(A), record(B, name="S")], record(A, name="T"), NO, NO, "no branch of that name"),
    Pair(
        ["null", record(A, name="S", aliases=["R"])],
        ["null", record(A)],
        YES,
        NO,
        "the alias of a branch",
    ),
    Pair(["null", enum("X", "Y")], ["null", enum("X")], YES, NO, "a symbol is added in a branch"),
    Pair(
        [enum("X"), "string"],
        [enum("X", "Y"), "string"],
        NO,
        YES,
        "a symbol is not read as text",
    ),
    Pair(["null", fixed(4)], ["null", fixed(8)], NO, NO, "the sizes of the branches differ"),
    Pair(
        [fixed(4), fixed(8, "G")], fixed(8, "G"), YES, NO, "one of two fixed types is the right one"
    ),
    Pair(
        record(field("u", ["null", "int", "string"])),
        record(field("u", ["null", "int"])),
        YES,
        NO,
        "a branch is added in a field",
    ),
    Pair(
        record(field("u", ["null", "string"], None)),
        record(field("u", "string")),
        YES,
        NO,
        "a required field becomes optional",
    ),
    Pair(
        record(field("u", "string")),
        record(field("u", ["null", "string"], None)),
        NO,
        YES,
        "an optional field becomes required",
    ),
    Pair(
        record(field("u", "string", "x")),
        record(field("u", ["null", "string"], None)),
        NO,
        YES,
        "a default is for a field that is missing, not for one that is null",
    ),
]

RECURSIVE = [
    Pair(NODE, NODE, YES, YES, "a type that holds itself"),
    Pair(LONG_NODE, NODE, YES, NO, "promotion at every depth"),
    Pair(TEXT_NODE, NODE, NO, NO, "disagreement at every depth"),
    Pair(TREE, TREE, YES, YES, "a tree by way of a list"),
    Pair(
        record(field("children", array("Tree")), name="Tree"),
        TREE,
        YES,
        NO,
        "a field is removed at every depth",
    ),
    Pair(
        record(field("children", array("Tree")), field("v", "int", 0), name="Tree"),
        record(field("children", array("Tree")), name="Tree"),
        YES,
        YES,
        "a field with a default is added at every depth",
    ),
    Pair(
        record(field("children", map_of("Tree")), field("v", "int"), name="Tree"),
        TREE,
        NO,
        NO,
        "the lists of a tree become maps",
    ),
    Pair(
        record(field("b", ["null", record(field("a", ["null", "R"]), name="B")])),
        record(field("b", ["null", record(field("a", ["null", "R"]), ID, name="B")])),
        YES,
        NO,
        "two types that hold each other",
    ),
    Pair(
        record(field("next", ["null", record(field("next", ["null", "R"]), name="R2")])),
        record(field("next", ["null", "R"])),
        NO,
        NO,
        "a chain of two names is not a chain of one",
    ),
    Pair(
        record(
            field(
                "next",
                ["null", record(field("next", ["null", "R"]), name="R2", aliases=["R"])],
            )
        ),
        record(field("next", ["null", "R"])),
        YES,
        NO,
        "with an alias it is, for one direction",
    ),
]

LOGICAL = [
    Pair(logical("long", "timestamp-millis"), "long", YES, YES, "logical types are not compared"),
    Pair(
        logical("long", "timestamp-millis"),
        logical("long", "timestamp-micros"),
        YES,
        YES,
        "not even when they mean different things",
    ),
    Pair(logical("int", "date"), logical("long", "timestamp-millis"), NO, YES, "int becomes long"),
    Pair(logical("string", "uuid"), "string", YES, YES, "a logical type is added"),
    Pair(
        logical("bytes", "decimal", precision=9, scale=2),
        logical("bytes", "decimal", precision=9, scale=3),
        YES,
        YES,
        "Java's library does not compare scales, though the specification asks for it",
    ),
    Pair(logical("bytes", "decimal", precision=9), "string", YES, YES, "the bases are promoted"),
    Pair(logical("int", "no-such"), "int", YES, YES, "an unknown logical type is ignored"),
]

OPEN_EDX = [
    Pair(
        record(field("course", "string"), field("user", "long"), name="CloudEvent"),
        record(field("course", "string"), name="CloudEvent"),
        NO,
        YES,
        "Open edX adds required top-level fields: old readers skip them",
    ),
    Pair(
        record(field("course", "string"), name="x.v2.CloudEvent"),
        record(field("course", "string"), name="x.v1.CloudEvent"),
        YES,
        YES,
        "all events are called CloudEvent, in namespaces of their own",
    ),
    Pair(
        record(
            field("user", record(field("pii", ["null", "string"], None), ID, name="UserData")),
            name="CloudEvent",
        ),
        record(field("user", record(ID, name="UserData")), name="CloudEvent"),
        YES,
        YES,
        "an optional attribute is added to a data class",
    ),
]

PAIRS = [
    *PRIMITIVES,
    *KINDS,
    *CONTAINERS,
    *FIELDS,
    *NESTED,
    *NAMES,
    *ENUMS,
    *FIXEDS,
    *UNIONS,
    *RECURSIVE,
    *LOGICAL,
    *OPEN_EDX,
]
