"""Pairs of Protobuf schemas with what has to be said about them, and why.

Each pair is a body before and after a change. ``backward`` is whether the changed schema reads
what was written with the first one, ``forward`` the reverse. The reasons are those of the
wire format (https://protobuf.dev/programming-guides/proto3/#updating) and of the rules that
Confluent documents for its registry.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    name: str
    before: str
    after: str
    backward: bool
    forward: bool
    why: str
    syntax: str = "proto3"


def message(body: str, name: str = "M") -> str:
    return f"message {name} {{ {body} }}"


def field_types(old: str, new: str, both: bool, why: str) -> Pair:
    return Pair(
        name=f"{old} to {new}",
        before=message(f"{old} f = 1;"),
        after=message(f"{new} f = 1;"),
        backward=both,
        forward=both,
        why=why,
    )


_VARINT = "both are varints, and readers cut what is too long"
_OTHER = "the bytes on the wire mean something else"

PAIRS: tuple[Pair, ...] = (
    *(
        field_types(old, new, True, _VARINT)
        for old, new in (
            ("int32", "int64"),
            ("int32", "uint32"),
            ("int64", "uint64"),
            ("uint32", "bool"),
            ("bool", "int64"),
        )
    ),
    field_types("sint32", "sint64", True, "both are zigzag varints"),
    field_types("fixed32", "sfixed32", True, "both are four bytes"),
    field_types("fixed64", "sfixed64", True, "both are eight bytes"),
    field_types("string", "bytes", True, "both are bytes with a length"),
    *(
        field_types(old, new, False, _OTHER)
        for old, new in (
            ("int32", "string"),
            ("int32", "sint32"),
            ("int64", "fixed64"),
            ("fixed32", "fixed64"),
            ("float", "double"),
            ("float", "fixed32"),
            ("double", "fixed64"),
            ("string", "bool"),
            ("bytes", "double"),
            ("sint64", "uint64"),
            ("sfixed32", "float"),
        )
    ),
    Pair(
        name="nothing changed",
        before=message("int32 a = 1; string b = 2;"),
        after=message("int32 a = 1; string b = 2;"),
        backward=True,
        forward=True,
        why="it is the same schema",
    ),
    Pair(
        name="field added",
        before=message("int32 a = 1;"),
        after=message("int32 a = 1; string b = 2;"),
        backward=True,
        forward=True,
        why="a missing field has its default, an unknown one is kept aside",
    ),
    Pair(
        name="field renamed",
        before=message("int32 a = 1;"),
        after=message("int32 z = 1;"),
        backward=True,
        forward=True,
        why="names are not on the wire",
    ),
    Pair(
        name="number changed",
        before=message("int32 a = 1;"),
        after=message("int32 a = 2;"),
        backward=True,
        forward=True,
        why="to the wire one field has gone and another come",
    ),
    Pair(
        name="order of fields changed",
        before=message("int32 a = 1; string b = 2;"),
        after=message("string b = 2; int32 a = 1;"),
        backward=True,
        forward=True,
        why="fields are found by their numbers",
    ),
    Pair(
        name="reserved added",
        before=message("int32 a = 1; int32 b = 2;"),
        after=message("int32 a = 1; reserved 2;"),
        backward=True,
        forward=True,
        why="a reserved number is as good as a field removed",
    ),
    Pair(
        name="message added",
        before=message("int32 a = 1;"),
        after=message("int32 a = 1;") + message("int32 b = 1;", "N"),
        backward=True,
        forward=False,
        why="a reader without the message cannot read it",
    ),
    Pair(
        name="messages reordered",
        before=message("int32 a = 1;") + message("int32 b = 1;", "N"),
        after=message("int32 b = 1;", "N") + message("int32 a = 1;"),
        backward=True,
        forward=True,
        why="the indexes in front of a payload are those of its own schema",
    ),
    Pair(
        name="message renamed",
        before=message("int32 a = 1;"),
        after=message("int32 a = 1;", "N"),
        backward=False,
        forward=False,
        why="it is the old message removed and another one added",
    ),
    Pair(
        name="nested message added",
        before=message("int32 a = 1;"),
        after=message("int32 a = 1; message I { int32 x = 1; }"),
        backward=True,
        forward=False,
        why="removing a nested message is removing a message",
    ),
    Pair(
        name="nested message field changed",
        before=message("I i = 1; message I { int32 x = 1; }"),
        after=message("I i = 1; message I { string x = 1; }"),
        backward=False,
        forward=False,
        why="what stands in the field cannot be read",
    ),
    Pair(
        name="nested message field added",
        before=message("I i = 1; message I { int32 x = 1; }"),
        after=message("I i = 1; message I { int32 x = 1; int32 y = 2; }"),
        backward=True,
        forward=True,
        why="fields may come and go in nested messages too",
    ),
    Pair(
        name="message type of a field changed",
        before=message("A f = 1;") + message("int32 x = 1;", "A") + message("int32 x = 1;", "B"),
        after=message("B f = 1;") + message("int32 x = 1;", "A") + message("int32 x = 1;", "B"),
        backward=False,
        forward=False,
        why="another named type is not looked into",
    ),
    Pair(
        name="scalar to message",
        before=message("int32 f = 1;") + message("int32 x = 1;", "A"),
        after=message("A f = 1;") + message("int32 x = 1;", "A"),
        backward=False,
        forward=False,
        why="a number is no message",
    ),
    Pair(
        name="enum to int32",
        before=message("E f = 1; enum E { ZERO = 0; }"),
        after=message("int32 f = 1; enum E { ZERO = 0; }"),
        backward=True,
        forward=True,
        why="enums are varints",
    ),
    Pair(
        name="enum to string",
        before=message("E f = 1; enum E { ZERO = 0; }"),
        after=message("string f = 1; enum E { ZERO = 0; }"),
        backward=False,
        forward=False,
        why="a varint is no text",
    ),
    Pair(
        name="enum value added",
        before="enum E { ZERO = 0; }" + message("E e = 1;"),
        after="enum E { ZERO = 0; ONE = 1; }" + message("E e = 1;"),
        backward=True,
        forward=True,
        why="unknown values are kept as numbers",
    ),
    Pair(
        name="enum value renamed",
        before="enum E { ZERO = 0; ONE = 1; }" + message("E e = 1;"),
        after="enum E { ZERO = 0; UNO = 1; }" + message("E e = 1;"),
        backward=True,
        forward=True,
        why="names are not on the wire",
    ),
    Pair(
        name="enum removed",
        before="enum E { ZERO = 0; }" + message("int32 a = 1;"),
        after=message("int32 a = 1;"),
        backward=True,
        forward=True,
        why="enums are numbers to whoever does not know them",
    ),
    Pair(
        name="map to message",
        before=message("map<string, int32> f = 1;"),
        after=message("I f = 1; message I { int32 x = 1; }"),
        backward=False,
        forward=False,
        why="a map is many entries, a message is one",
    ),
    Pair(
        name="map value widened",
        before=message("map<string, int32> f = 1;"),
        after=message("map<string, int64> f = 1;"),
        backward=True,
        forward=True,
        why=_VARINT,
    ),
    Pair(
        name="map value changed",
        before=message("map<string, int32> f = 1;"),
        after=message("map<string, string> f = 1;"),
        backward=False,
        forward=False,
        why=_OTHER,
    ),
    Pair(
        name="map key changed",
        before=message("map<string, int32> f = 1;"),
        after=message("map<int32, int32> f = 1;"),
        backward=False,
        forward=False,
        why=_OTHER,
    ),
    Pair(
        name="map of messages changed inside",
        before=message("map<string, I> f = 1; message I { int32 x = 1; }"),
        after=message("map<string, I> f = 1; message I { double x = 1; }"),
        backward=False,
        forward=False,
        why="the entries' messages cannot be read",
    ),
    Pair(
        name="optional number to repeated",
        before=message("optional int32 f = 1;"),
        after=message("repeated int32 f = 1;"),
        backward=False,
        forward=False,
        why="repeated numbers are packed",
    ),
    Pair(
        name="optional text to repeated",
        before=message("optional string f = 1;"),
        after=message("repeated string f = 1;"),
        backward=True,
        forward=True,
        why="a text stands alone either way; readers of one take the last",
    ),
    Pair(
        name="optional message to repeated",
        before=message("optional I f = 1; message I { int32 x = 1; }"),
        after=message("repeated I f = 1; message I { int32 x = 1; }"),
        backward=True,
        forward=True,
        why="messages stand alone either way",
    ),
    Pair(
        name="presence added",
        before=message("int32 f = 1;"),
        after=message("optional int32 f = 1;"),
        backward=True,
        forward=True,
        why="presence is not on the wire",
    ),
    Pair(
        name="oneof added around one field",
        before=message("string a = 1;"),
        after=message("oneof o { string a = 1; }"),
        backward=True,
        forward=True,
        why="alone in a oneof a field is what it was",
    ),
    Pair(
        name="two fields moved into a new oneof",
        before=message("string a = 1; string b = 2;"),
        after=message("oneof o { string a = 1; string b = 2; }"),
        backward=False,
        forward=True,
        why="a writer may have set both, of which only one survives",
    ),
    Pair(
        name="field moved into an existing oneof",
        before=message("string b = 2; oneof o { string a = 1; }"),
        after=message("oneof o { string a = 1; string b = 2; }"),
        backward=False,
        forward=True,
        why="a writer may have set it beside the alternative",
    ),
    Pair(
        name="alternative added",
        before=message("oneof o { string a = 1; }"),
        after=message("oneof o { string a = 1; string b = 2; }"),
        backward=True,
        forward=False,
        why="the old reader sees an unknown field and none of its alternatives",
    ),
    Pair(
        name="oneof removed with all its fields",
        before=message("int32 z = 9; oneof o { string a = 1; string b = 2; }"),
        after=message("int32 z = 9;"),
        backward=True,
        forward=True,
        why="whoever does not know the oneof does not miss it",
    ),
    Pair(
        name="oneof renamed",
        before=message("oneof o { string a = 1; }"),
        after=message("oneof p { string a = 1; }"),
        backward=True,
        forward=True,
        why="names are not on the wire",
    ),
    Pair(
        name="oneofs merged",
        before=message("oneof o { string a = 1; } oneof p { string b = 2; }"),
        after=message("oneof o { string a = 1; string b = 2; }"),
        backward=False,
        forward=True,
        why="a writer may have set one of each",
    ),
    Pair(
        name="alternative's type changed",
        before=message("oneof o { string a = 1; int32 b = 2; }"),
        after=message("oneof o { string a = 1; double b = 2; }"),
        backward=False,
        forward=False,
        why=_OTHER,
    ),
    Pair(
        name="alternative set free",
        before=message("oneof o { string a = 1; string b = 2; }"),
        after=message("string a = 1; oneof o { string b = 2; }"),
        backward=True,
        forward=False,
        why="the new writer may set both",
    ),
    Pair(
        name="package changed",
        before="package a;" + message("int32 a = 1;"),
        after="package b;" + message("int32 a = 1;"),
        backward=False,
        forward=False,
        why="no message keeps its full name",
    ),
    Pair(
        name="package added",
        before=message("int32 a = 1;"),
        after="package b;" + message("int32 a = 1;"),
        backward=False,
        forward=False,
        why="no message keeps its full name",
    ),
    Pair(
        name="option changed",
        before='option java_package = "a";' + message("int32 a = 1;"),
        after='option java_package = "b";' + message("int32 a = 1 [deprecated = true];"),
        backward=True,
        forward=True,
        why="options are not on the wire",
    ),
    Pair(
        name="recursive message extended",
        before=message("M next = 1; int32 a = 2;"),
        after=message("M next = 1; int32 a = 2; string b = 3;"),
        backward=True,
        forward=True,
        why="the message is compared once, not for ever",
    ),
    Pair(
        name="recursive message changed",
        before=message("M next = 1; int32 a = 2;"),
        after=message("M next = 1; string a = 2;"),
        backward=False,
        forward=False,
        why=_OTHER,
    ),
    Pair(
        name="well-known type used",
        before='import "google/protobuf/timestamp.proto";'
        + message("google.protobuf.Timestamp t = 1;"),
        after='import "google/protobuf/timestamp.proto";'
        + message("google.protobuf.Timestamp t = 1; google.protobuf.Timestamp u = 2;"),
        backward=True,
        forward=True,
        why="imported messages are the same on both sides",
    ),
    Pair(
        name="timestamp to duration",
        before='import "google/protobuf/timestamp.proto";'
        + message("google.protobuf.Timestamp t = 1;"),
        after='import "google/protobuf/duration.proto";'
        + message("google.protobuf.Duration t = 1;"),
        backward=False,
        forward=False,
        why="the types have the same fields, and other names",
    ),
    Pair(
        name="required field added",
        before=message("optional int32 a = 1;"),
        after=message("optional int32 a = 1; required int32 b = 2;"),
        backward=False,
        forward=False,
        why="old messages lack it, and who does not know it may not drop it",
        syntax="proto2",
    ),
    Pair(
        name="optional field added in proto2",
        before=message("optional int32 a = 1;"),
        after=message("optional int32 a = 1; optional int32 b = 2;"),
        backward=True,
        forward=True,
        why="optional fields may come and go",
        syntax="proto2",
    ),
    Pair(
        name="group to message field",
        before=message("optional group G = 1 { optional int32 x = 1; }"),
        after=message("optional group G = 1 { optional int32 x = 1; optional int32 y = 2; }"),
        backward=True,
        forward=True,
        why="a group is a message inside another",
        syntax="proto2",
    ),
    Pair(
        name="default changed",
        before=message("optional int32 a = 1 [default = 1];"),
        after=message("optional int32 a = 1 [default = 2];"),
        backward=True,
        forward=True,
        why="defaults are the reader's own affair",
        syntax="proto2",
    ),
)
