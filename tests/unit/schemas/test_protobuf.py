"""Protobuf schemas: text in and out, descriptors, comparison, coding, and bad input."""

from __future__ import annotations

import base64
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from confluent_kafka.schema_registry.confluent import meta_pb2
from confluent_kafka.schema_registry.confluent.type import decimal_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.type import date_pb2, money_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.schemas.interface import (
    STORED,
    Checks,
    ResolvedReference,
    SchemaDataError,
    SchemaError,
)
from fakebus.schemas.languages import language
from fakebus.schemas.protobuf.compiler import COMPILER, Compiler
from fakebus.schemas.protobuf.indexes import read_indexes, write_indexes
from fakebus.schemas.protobuf.language import ProtobufSchema
from fakebus.schemas.protobuf.sources import Sources, import_statement, imports_of
from fakebus.schemas.protobuf.worker import compile_files
from tests.unit.schemas.protobuf_pairs import PAIRS, Pair

PROTOBUF = language("PROTOBUF")


def parse(text: str, *references: ResolvedReference) -> ProtobufSchema:
    schema = PROTOBUF.parse(text, references)
    assert isinstance(schema, ProtobufSchema)
    return schema


def of_pair(pair: Pair) -> tuple[ProtobufSchema, ProtobufSchema]:
    before, after = (
        parse(f'syntax = "{pair.syntax}";\n{body}') for body in (pair.before, pair.after)
    )
    return before, after


def test_the_corpus_is_large_and_every_pair_has_a_reason() -> None:
    assert len(PAIRS) >= 60
    assert len({pair.name for pair in PAIRS}) == len(PAIRS)
    assert all(pair.why for pair in PAIRS)


@pytest.mark.parametrize("pair", PAIRS, ids=[pair.name for pair in PAIRS])
def test_a_pair_is_compared_as_the_rules_say(pair: Pair) -> None:
    before, after = of_pair(pair)
    backward = after.incompatibilities(before)
    forward = before.incompatibilities(after)
    assert (not backward) == pair.backward, (pair.why, backward)
    assert (not forward) == pair.forward, (pair.why, forward)
    for found in (*backward, *forward):
        assert found.kind
        assert found.path.startswith("#")
        assert found.message


@pytest.mark.parametrize("pair", PAIRS, ids=[pair.name for pair in PAIRS])
def test_every_schema_reads_itself(pair: Pair) -> None:
    for schema in of_pair(pair):
        assert schema.incompatibilities(schema) == []


SCALARS = ["int32", "sint64", "string", "bytes", "bool", "double", "fixed32"]
FIELDS = st.dictionaries(st.integers(1, 6), st.sampled_from(SCALARS), min_size=1)


@settings(max_examples=40)
@given(old=FIELDS, new=FIELDS)
def test_what_is_called_compatible_is_read_by_protobuf_itself(
    old: dict[int, str], new: dict[int, str]
) -> None:
    def schema(fields: dict[int, str]) -> ProtobufSchema:
        body = " ".join(f"{kind} f{number} = {number};" for number, kind in fields.items())
        return parse(f'syntax = "proto3"; message M {{ {body} }}')

    writer, reader = schema(old), schema(new)
    values = {"string": "é", "bytes": "AAEC", "bool": True, "double": 1.5}
    data = {f"f{number}": values.get(kind, 1) for number, kind in old.items()}
    payload = writer.encode(data)
    if not reader.incompatibilities(writer) and not {"string", "bytes"} & {*old.values()}:
        decoded = reader.decode(payload)
        assert isinstance(decoded, dict)
        for number in old.keys() & new.keys():
            assert f"f{number}" in decoded


RICH = """
syntax = "proto3";
package shop.v1;
import "google/protobuf/timestamp.proto";
import public "google/protobuf/empty.proto";
import "google/protobuf/descriptor.proto";
option java_package = "com.example.shop";
option optimize_for = CODE_SIZE;
extend google.protobuf.FieldOptions { string pii = 50001; Level level = 50002; Note note = 50003; }
message Note { string text = 1; repeated int32 lines = 2; }
enum Level { LEVEL_UNSPECIFIED = 0; HIGH = 1; }
message Order {
  option deprecated = true;
  reserved 5, 7 to 9, 100 to max;
  reserved "old", "older";
  string id = 1 [(pii) = "a \\"quoted\\" one", json_name = "orderId"];
  repeated int32 counts = 2 [packed = false];
  map<string, Line> lines = 3;
  google.protobuf.Timestamp at = 4;
  optional bool paid = 6 [(level) = HIGH, (note) = { text: "é" lines: [1, 2] }];
  oneof choice { string card = 10; Line line = 11 [deprecated = true]; }
  Status status = 12;
  message Line { string sku = 1; Order parent = 2; }
  enum Status {
    option allow_alias = true;
    UNKNOWN = 0; OPEN = 1; STARTED = 1 [deprecated = true]; LOST = -1;
    reserved 7, 9 to max; reserved "GONE";
  }
}
service Orders {
  option deprecated = true;
  rpc Get(Order) returns (stream Order);
  rpc Put(stream Order) returns (google.protobuf.Empty) { option idempotency_level = IDEMPOTENT; }
}
"""
PROTO2 = """
syntax = "proto2";
message Old {
  required int32 a = 1 [default = -7];
  optional string b = 2 [default = "tab\\t and \\"quote\\""];
  optional bytes c = 3 [default = "\\001\\xff"];
  optional double d = 4 [default = inf];
  optional Kind kind = 5 [default = SECOND];
  repeated group Item = 6 { optional int32 x = 1; }
  extensions 100 to 199, 500;
  extend Old { optional int32 inner = 101; }
  enum Kind { FIRST = 1; SECOND = 2; }
}
extend Old { optional string outer = 100; }
"""
EDITION = """
edition = "2023";
package e;
message M { int32 a = 1 [features.field_presence = IMPLICIT]; repeated string b = 2; reserved c; }
"""


def without_names(file: FileDescriptorProto) -> FileDescriptorProto:
    copy = FileDescriptorProto.FromString(file.SerializeToString())
    copy.ClearField("name")
    copy.ClearField("source_code_info")
    return copy


@pytest.mark.parametrize("text", [RICH, PROTO2, EDITION], ids=["proto3", "proto2", "edition"])
def test_the_text_that_is_served_means_the_same_descriptor(text: str) -> None:
    schema = parse(text)
    again = parse(schema.canonical)
    assert without_names(again.file) == without_names(schema.file)
    assert again.canonical == schema.canonical


@pytest.mark.parametrize("text", [RICH, PROTO2, EDITION], ids=["proto3", "proto2", "edition"])
def test_text_and_base64_of_a_file_are_the_same_schema(text: str) -> None:
    schema = parse(text)
    serialized = schema.formatted("serialized")
    assert parse(serialized).canonical == schema.canonical
    file = FileDescriptorProto.FromString(base64.b64decode(serialized))
    # Clients name the file as it is named with them.
    file.name = "some/folder/order.proto"
    renamed = base64.b64encode(file.SerializeToString()).decode()
    assert parse(renamed).canonical == schema.canonical


def test_comments_and_space_make_no_other_schema() -> None:
    plain = parse('syntax = "proto3"; message M { int32 a = 1; }')
    commented = parse('// hello\nsyntax = "proto3";\n\nmessage M {\n  /* a */ int32 a = 1;\n}\n')
    assert plain.canonical == commented.canonical


def test_normalized_text_does_not_depend_on_the_order() -> None:
    imports = ['import "google/protobuf/empty.proto";', 'import "google/protobuf/any.proto";']
    fields = ["google.protobuf.Any a = 1;", "google.protobuf.Empty b = 2;"]
    first, second = (
        parse(f'syntax = "proto3"; {i[0]} {i[1]} message M {{ {f[0]} {f[1]} }}')
        for i, f in ((imports, fields), (imports[::-1], fields[::-1]))
    )
    assert first.canonical != second.canonical
    assert first.normalized == second.normalized


def test_extensions_can_be_left_out() -> None:
    text = parse(PROTO2).formatted("ignore_extensions")
    assert "extend" not in text
    assert "message Old" in text
    assert parse(PROTO2).formatted("no-such-form") == parse(PROTO2).canonical


def test_references_are_imported() -> None:
    base = ResolvedReference(
        name="common/base.proto", text='syntax = "proto3"; package c; message Base { int32 x = 1; }'
    )
    middle = ResolvedReference(
        name="middle.proto",
        text='syntax = "proto3"; import "common/base.proto"; message Mid { c.Base base = 1; }',
    )
    text = 'syntax = "proto3"; import "middle.proto"; message M { Mid mid = 1; }'
    schema = parse(text, base, middle)
    assert schema.decode(schema.encode({"mid": {"base": {"x": 7}}})) == {"mid": {"base": {"x": 7}}}
    serialized = schema.formatted("serialized")
    assert parse(serialized, base, middle).canonical == schema.canonical
    with pytest.raises(SchemaError, match=r"middle\.proto"):
        parse(text)
    with pytest.raises(SchemaError, match=r"descriptor is not valid: .*middle\.proto"):
        parse(serialized)


def test_the_name_is_that_of_the_first_message_or_enum() -> None:
    assert parse(RICH).name == "shop.v1.Note"
    assert parse('syntax = "proto3"; package k; enum E { A = 0; }').name == "k.E"
    assert parse('syntax = "proto3"; enum E { A = 0; } message M {}').name == "M"
    assert parse('syntax = "proto3"; service S {}').name is None


WITHOUT_MESSAGES = [
    "",
    "// nothing",
    'syntax = "proto3";',
    "package k;",
    'syntax = "proto3"; package k; enum Kind { KIND_UNSPECIFIED = 0; KIND_A = 1; }',
    'syntax = "proto3"; import "google/protobuf/empty.proto"; service S {'
    " rpc Do (google.protobuf.Empty) returns (stream google.protobuf.Empty); }",
    'import "google/protobuf/descriptor.proto";'
    " extend google.protobuf.FileOptions { optional string version = 99999; }",
    'syntax = "proto3"; import public "google/protobuf/timestamp.proto";',
    'syntax = "proto3"; option java_package = "com.example";',
    'edition = "2023"; enum E { A = 0; }',
]


@pytest.mark.parametrize("text", WITHOUT_MESSAGES)
def test_a_file_without_messages_is_a_schema_like_any(text: str) -> None:
    schema = parse(text)
    assert parse(schema.canonical).canonical == schema.canonical
    assert parse(schema.normalized).normalized == schema.normalized
    assert parse(schema.formatted("serialized")).canonical == schema.canonical
    assert parse(schema.formatted("ignore_extensions")).name == schema.name
    for other in (schema, parse(RICH)):
        assert isinstance(schema.incompatibilities(other), list)
        assert isinstance(other.incompatibilities(schema), list)
    assert schema.incompatibilities(schema) == []
    for work in (lambda: schema.encode({}), lambda: schema.decode(b"\0")):
        with pytest.raises(SchemaDataError, match="no message"):
            work()


DATA = {
    "id": "é",
    "counts": [1, 2],
    "lines": {"a": {"sku": "x"}},
    "at": "2024-05-01T09:00:00Z",
    "paid": False,
    "card": "4242",
    "status": "OPEN",
}


def test_data_comes_back_as_it_was_written() -> None:
    schema = parse(RICH)
    payload = schema.encode_message("shop.v1.Order", DATA)
    assert schema.decode(payload) == DATA
    inner = schema.encode_message("shop.v1.Order.Line", {"sku": "x"})
    assert schema.decode(inner) == {"sku": "x"}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"text": 5}, "text"),
        ({"txet": "a"}, 'no field "txet"'),
        ({"lines": ["a"]}, "lines"),
        ({"lines": 5}, "lines"),
        ({"lines": [2**40]}, "lines"),
        ("text", "a message is an object"),
        (None, "a message is an object"),
    ],
)
def test_data_that_does_not_fit_is_told_with_its_place(data: object, problem: str) -> None:
    with pytest.raises(SchemaDataError) as failure:
        parse(RICH).encode(data)
    assert problem in str(failure.value)


PLACES = """syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
message Pay {
  string id = 1;
  Money total = 2;
  map<string, int32> counts = 3;
  map<int32, Money> by_year = 4;
  repeated Money parts = 5;
  Color color = 6;
  google.protobuf.Timestamp paid_at = 7;
  google.protobuf.Int64Value limit = 8;
  repeated int32 days = 9;
  oneof one { int32 a = 10; int32 b = 11; }
}
message Money { int64 cents = 1; }
enum Color { RED = 0; BLUE = 1; }
"""


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"total": {"cents": {}}}, "$.total.cents: {} is no int64"),
        ({"total": 3}, "$.total: shop.Money is an object, not 3"),
        ({"counts": {"x": 1, "y": "much"}}, '$.counts["y"]: "much" is no int32'),
        ({"counts": [1]}, "$.counts: a map is an object, not [1]"),
        ({"byYear": {"last": {}}}, '$.byYear: the key "last" is no int32'),
        ({"by_year": {"7": {"cents": True}}}, '$.by_year["7"].cents: true is no int64'),
        ({"parts": [{}, {"cents": 1.5}]}, "$.parts[1].cents: 1.5 is no int64"),
        ({"parts": {}}, "$.parts: it is a list, not {}"),
        ({"days": [1, None]}, "$.days[1]: null is no int32"),
        ({"days": [2**31]}, "$.days[0]: 2147483648 is no int32"),
        ({"color": "GREEN"}, '$.color: "GREEN" is no shop.Color; known: RED, BLUE'),
        ({"limit": "none"}, '$.limit: "none" is no int64'),
        ({"total": {"euros": 1}}, '$.total: shop.Money has no field "euros"; known: cents'),
    ],
)
def test_what_does_not_fit_a_message_is_told_with_its_path_and_type(
    data: object, problem: str
) -> None:
    with pytest.raises(SchemaDataError) as failure:
        parse(PLACES).encode(data)
    assert str(failure.value) == problem


@pytest.mark.parametrize(
    ("data", "start"),
    [({"paid_at": "yesterday"}, "$.paid_at: "), ({"a": 1, "b": 2}, "$: ")],
)
def test_what_json_format_says_of_a_message_as_a_whole_stands_behind_its_place(
    data: object, start: str
) -> None:
    with pytest.raises(SchemaDataError) as failure:
        parse(PLACES).encode(data)
    assert str(failure.value).startswith(start)


def test_a_required_field_must_be_there() -> None:
    with pytest.raises(SchemaDataError, match="a"):
        parse(PROTO2).encode({"b": "x"})


@pytest.mark.parametrize(
    "payload", [b"", b"\x80", b"\x00\xff", b"\x02\x63", b"\xff\xff\xff\xff\xff\xff", b"\x01\x00"]
)
def test_bytes_that_are_no_message_are_refused(payload: bytes) -> None:
    with pytest.raises(SchemaDataError):
        parse(RICH).decode(payload)


@given(st.lists(st.integers(0, 2**20), min_size=1, max_size=20))
def test_message_indexes_come_back(indexes: list[int]) -> None:
    written = write_indexes(indexes)
    assert read_indexes(written + b"rest") == (indexes, len(written))
    assert (written == b"\0") == (indexes == [0])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("this is no proto", "Expected top-level statement"),
        ('syntax = "proto3"; message M { int32 a = 1; int32 b = 1; }', "already been used"),
        ('syntax = "proto3"; message M { Missing a = 1; }', '"Missing" is not defined'),
        ('syntax = "proto3"; message M { required int32 a = 1; }', "not allowed in proto3"),
        (
            'syntax = "proto3"; import "nowhere.proto"; message M { gone.G g = 1; }',
            r"^1:56: \"gone.G\" is not defined; 'nowhere.proto' is imported and is not there",
        ),
        ('syntax = "proto3"; message M { int32 a = 0; }', "positive"),
        ("message M {" * 5000 + "}" * 5000, "nested deeper than 100"),
        (
            base64.b64encode(
                FileDescriptorProto(
                    name="x",
                    syntax="proto3",
                    dependency=["gone.proto"],
                    message_type=[
                        {"name": "M", "field": [{"name": "g", "number": 1, "type_name": ".G"}]}
                    ],
                ).SerializeToString()
            ).decode(),
            "descriptor is not valid: .*; 'gone.proto' is imported and is not there",
        ),
        ("", "Missing|empty|syntax"),
    ],
    ids=["words", "number twice", "type", "required", "import", "zero", "deep", "base64", "empty"],
)
def test_a_bad_schema_is_refused_in_one_sentence(text: str, problem: str) -> None:
    if not text:
        # An empty file is a valid one, to protoc.
        assert parse(text).name is None
        return
    with pytest.raises(SchemaError, match=problem) as failure:
        parse(text)
    assert len(str(failure.value)) < 500
    assert "\n" not in str(failure.value)
    assert "fakebus-protoc" not in str(failure.value)


def test_a_message_of_another_language_cannot_be_read() -> None:
    avro = language("AVRO").parse('"string"')
    [found] = parse(RICH).incompatibilities(avro)
    assert found.kind == "SCHEMA_TYPE_MISMATCH"


def test_a_worker_that_dies_is_replaced() -> None:
    compiler = Compiler()
    text = {"a.proto": 'syntax = "proto3"; message M {}'}
    assert compiler.compile(text, "a.proto")
    process = compiler._process
    assert process is not None
    process.kill()
    process.wait()
    assert compiler.compile(text, "a.proto")
    assert compiler._process is not process
    compiler._stop()


def test_a_worker_that_does_not_answer_costs_its_own_text_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiler = Compiler()
    text = {"a.proto": 'syntax = "proto3"; message M {}'}
    assert compiler.compile(text, "a.proto")
    process = compiler._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr("fakebus.schemas.protobuf.compiler._TIMEOUT_S", 0.1)
    with pytest.raises(SchemaError, match="took too long"):
        compiler.compile(text, "a.proto")
    assert process.poll() is not None
    assert compiler.compile(text, "a.proto")
    compiler._stop()


class Interruption(BaseException):
    """What ends the work of a thread that takes too long."""


@pytest.mark.parametrize("place", ["select", "read"])
def test_who_is_interrupted_leaves_no_answer_to_the_next(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    compiler = Compiler()
    text = 'syntax = "proto3"; message %s {}'
    assert compiler.compile({"a": text % "First"}, "a").files

    def interrupt(*_: object) -> None:
        raise Interruption

    with monkeypatch.context() as patched:
        patched.setattr(*{"select": (select, "select"), "read": (os, "read")}[place], interrupt)
        with pytest.raises(Interruption):
            compiler.compile({"a": text % "Second"}, "a")
    [third] = compiler.compile({"a": text % "Third"}, "a").files
    assert third.message_type[0].name == "Third"
    compiler._asked += 1
    monkeypatch.setattr(compiler, "_ask", lambda _: b'{"number": 1, "files": []}')
    with pytest.raises(SchemaError, match="another question"):
        compiler.compile({"a": text % "Fourth"}, "a")


def test_no_worker_outlives_the_process_that_started_it() -> None:
    script = (
        "from fakebus.schemas.protobuf.compiler import COMPILER as c\n"
        "c.compile({'a.proto': 'syntax = \"proto3\";'}, 'a.proto')\n"
        "print(c._process.pid, flush=True)\n"
        "import os; os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    worker = int(done.stdout)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    pytest.fail("the worker is still there")


@pytest.mark.parametrize(
    "oracle", [meta_pb2, decimal_pb2, date_pb2, money_pb2], ids=lambda each: each.DESCRIPTOR.name
)
def test_types_that_need_no_reference_are_those_of_the_serializers(oracle: ModuleType) -> None:
    name = oracle.DESCRIPTOR.name
    (found,) = [
        file
        for file in COMPILER.compile({"m": f'syntax = "proto3"; import "{name}";'}, "m").files
        if file.name == name
    ]
    expected = FileDescriptorProto()
    oracle.DESCRIPTOR.CopyToProto(expected)
    for file in (found, expected):
        # protoc fills these in, generated modules leave them out.
        for message in file.message_type:
            for field in (*message.field, *(f for n in message.nested_type for f in n.field)):
                field.ClearField("json_name")
        for field in file.extension:
            field.ClearField("json_name")
        file.ClearField("options")
    assert found == expected


@pytest.mark.parametrize("name", ["{folder}/victim.txt", "../../../../../..{folder}/victim.txt"])
def test_the_name_of_a_reference_is_no_path(name: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    name = name.format(folder=tmp_path)
    base = ResolvedReference(name=name, text='syntax = "proto3"; message B {}')
    found = parse(f'syntax = "proto3"; import "{name}"; message A {{ B b = 1; }}', base)
    assert victim.read_text() == "mine"
    assert found.file.dependency == [name]
    parse('syntax = "proto3"; message A {}', base)
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["x" * 5000, "a:b=c.proto", "sp ace.proto", "é.proto", "fakebus-main.txt", "-I"]
)
def test_a_file_is_imported_by_whatever_name_its_reference_has(name: str) -> None:
    base = ResolvedReference(name=name, text='syntax = "proto3"; message B {}')
    found = parse(f"syntax = 'proto3'; import public '{name}'; message A {{ B b = 1; }}", base)
    assert [file.name for file in found.files] == [name, "fakebus-main.proto"]
    assert found.decode(found.encode({"b": {}})) == {"b": {}}


@pytest.mark.parametrize("name", ["a\0.proto", "half \ud800"])
def test_a_name_that_no_descriptor_can_hold_is_refused(name: str) -> None:
    base = ResolvedReference(name=name, text='syntax = "proto3"; message B {}')
    with pytest.raises(SchemaError, match="cannot be the name of a file"):
        parse('syntax = "proto3"; message A {}', base)


def test_the_name_of_one_file_may_be_a_folder_of_another() -> None:
    references = [
        ResolvedReference(name=name, text=f'syntax = "proto3"; message {message} {{}}')
        for name, message in (("a", "B"), ("a/b", "C"))
    ]
    parse(
        'syntax = "proto3"; import "a"; import "a/b"; message A { B b = 1; C c = 2; }', *references
    )


def test_only_import_statements_import() -> None:
    text = """
        syntax = "proto3"; // import "comment.proto";
        /* import "block.proto"; */ option java_package = "import 'text.proto';";
        import /* why */ public "a/" 'b.proto' ; import weak "c.proto";
        message M { string import = 1 [deprecated = true]; message N {} } import "d.proto";
        extend google.protobuf.FileOptions { string e = 50000 [default = ";"]; }
    """
    assert [(each.name, each.kind) for each in imports_of(text)] == [
        ("a/b.proto", "public"),
        ("c.proto", "weak"),
        ("d.proto", ""),
    ]


def test_a_complaint_names_the_file_as_the_client_did() -> None:
    base = ResolvedReference(name="shop/item.proto", text='syntax = "proto3"; message B { int B }')
    with pytest.raises(SchemaError, match=r"^shop/item\.proto:1:38: "):
        parse('syntax = "proto3"; import "shop/item.proto"; message A {}', base)


def test_the_compilers_worker_takes_no_name_from_outside(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a name of ours"):
        compile_files({f"{tmp_path}/x": ""}, f"{tmp_path}/x")
    assert [*tmp_path.iterdir()] == []


def test_googles_other_packages_need_a_reference() -> None:
    text = 'syntax = "proto3"; import "google/api/http.proto"; message M { google.api.Http h = 1; }'
    with pytest.raises(SchemaError, match=r"'google/api/http\.proto' is imported and is not there"):
        parse(text)
    rule = ResolvedReference(
        name="google/api/http.proto", text='package google.api; syntax = "proto3"; message Http {}'
    )
    with pytest.raises(SchemaError, match=r"^google/api/http\.proto:1:\d+: "):
        parse(text, rule)


B = ResolvedReference(name="b.proto", text='syntax = "proto3"; package b; message B {}')


@pytest.mark.parametrize(
    ("body", "references", "serialized_imports"),
    [
        ('import "acme/missing.proto"; message A { string x = 1; }', [], []),
        ('import "another/b.proto"; message A { b.B b = 1; }', [B], ["b.proto"]),
        ("message A { b.B b = 1; }", [B], ["b.proto"]),
        (
            'import public "gone.proto"; import "b.proto"; message A { b.B b = 1; }',
            [B],
            ["b.proto"],
        ),
        (
            "message A { google.protobuf.Timestamp at = 1; confluent.type.Decimal price = 2; }",
            [],
            ["confluent/type/decimal.proto", "google/protobuf/timestamp.proto"],
        ),
        (
            'import "c.proto"; message A { b.B b = 1; c.C c = 2; }',
            [
                B,
                ResolvedReference(
                    name="c.proto",
                    text='syntax = "proto3"; package c; import "elsewhere/b.proto";'
                    " message C { b.B b = 1; }",
                ),
            ],
            ["b.proto", "c.proto"],
        ),
    ],
    ids=["nowhere", "another name", "no import", "public", "well-known", "of a reference"],
)
def test_types_are_looked_for_and_not_files(
    body: str, references: list[ResolvedReference], serialized_imports: list[str]
) -> None:
    schema = parse(f'syntax = "proto3"; {body}', *references)
    assert parse(schema.canonical, *references).canonical == schema.canonical
    imports = [*imports_of(body)]
    assert [*map(import_statement, imports)] == [
        *map(import_statement, imports_of(schema.canonical))
    ]
    assert schema.decode(schema.encode({})) == {}
    coded = FileDescriptorProto.FromString(base64.b64decode(schema.formatted("serialized")))
    assert sorted(coded.dependency) == serialized_imports
    assert parse(schema.formatted("serialized"), *references).incompatibilities(schema) == []


def test_with_validated_fields_types_come_from_imports() -> None:
    checks = Checks(fields=True)
    text = 'syntax = "proto3"; import "{}"; message A {{ b.B b = 1; }}'
    PROTOBUF.parse(text.format("b.proto"), [B], checks)
    with pytest.raises(SchemaError, match=r'"b\.B" is not defined'):
        PROTOBUF.parse(text.format("another/b.proto"), [B], checks)
    PROTOBUF.parse('syntax = "proto3"; import "missing.proto"; message A {}', [], checks)


ANNOTATED = """
syntax = "proto3"; /* of a service */
import "google/api/annotations.proto";
option (acme.owner).team = "shop";
message M {
  option (acme.kept) = { a: [1, { b: "};" }] };
  string a = 1 [(acme.pii) = true, deprecated = true, (acme.rules) = { min: 1, max: 2 }];
  string b = 2 [(acme.pii) = true];  string c = 3 [deprecated = true, (acme.pii) = true];
}
enum E { A = 0 [(acme.text) = "]"]; }
service S {
  rpc Do (M) returns (M) { option (google.api.http) = { get: "/v1/{a}" body: "*" }; }
}
"""


def test_options_that_nothing_defines_are_kept() -> None:
    schema = parse(ANNOTATED)
    assert [field.options.deprecated for field in schema.file.message_type[0].field] == [
        True,
        False,
        True,
    ]
    assert "of a service" not in schema.canonical
    for option in ("(acme.owner).team", "(acme.kept)", "(acme.rules)", "(google.api.http)"):
        assert option in schema.canonical
    assert parse(schema.canonical).canonical == schema.canonical
    assert parse(schema.normalized).normalized == schema.normalized
    other = parse(ANNOTATED.replace("/v1/", "/v2/"))
    assert other.identity != schema.identity
    assert other.incompatibilities(schema) == []
    assert schema.decode(schema.encode({"a": "x"})) == {"a": "x"}


def test_the_place_of_a_complaint_is_that_of_the_text_for_all_that_was_replaced() -> None:
    text = ANNOTATED.replace("string b = 2 [(acme.pii) = true];  string", "string b = 2; Gone")
    line = next(at for at, one in enumerate(text.splitlines(), 1) if "Gone" in one)
    with pytest.raises(SchemaError) as failure:
        parse(text)
    assert failure.value.place == (line, text.splitlines()[line - 1].index("Gone") + 1)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "message M { string a = 1 [" * 90, "option " * 90_000]
)
def test_a_text_of_brackets_is_looked_through_once(text: str) -> None:
    started = time.process_time()
    Sources({"a": text}).texts(widened=True, unknown={"(a)"})
    assert time.process_time() - started < 5


def test_what_is_stored_and_cannot_be_used_is_told_from_others() -> None:
    text = 'syntax = "proto3"; message A { Gone g = 1; }'
    with pytest.raises(SchemaError):
        parse(text)
    stored = PROTOBUF.parse(text, (), STORED)
    assert stored.identity == PROTOBUF.parse(f"// again\n\n{text}", (), STORED).identity
    assert stored.incompatibilities(stored) == []
    good = parse('syntax = "proto3"; message A {}')
    for work in (
        lambda: good.incompatibilities(stored),
        lambda: stored.incompatibilities(good),
        lambda: stored.encode({}),
        lambda: stored.decode(b""),
    ):
        with pytest.raises(ValueError, match='"Gone" is not defined'):
            work()
    with pytest.raises(SchemaError, match="Expected"):
        PROTOBUF.parse("this is no proto", (), STORED)


def test_nothing_in_the_current_directory_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "select.py").write_text('raise SystemExit("this was run")\n')
    (tmp_path / "fakebus.py").write_text('raise SystemExit("this was run")\n')
    monkeypatch.chdir(tmp_path)
    compiler = Compiler()
    assert compiler.compile({"a": 'syntax = "proto3"; message A {}'}, "a").files
    compiler._stop()


@pytest.mark.parametrize("head", ['syntax = "proto2";', 'syntax = "proto3";', 'edition = "2023";'])
def test_messages_are_schemas_of_their_own_that_know_the_others(head: str) -> None:
    label = "optional " if "proto2" in head else ""
    schema = parse(
        f"{head} package p; message A {{ {label}B b = 1; }} message B {{ {label}A a = 1; }}"
    )
    found = dict(schema.messages())
    assert found.keys() == {"p.A", "p.B"}
    assert [one in found["p.A"].canonical for one in ("message A", "message B")] == [True, False]
    assert found["p.A"].canonical.splitlines()[0] == head
    assert found["p.A"].incompatibilities(found["p.A"]) == []
