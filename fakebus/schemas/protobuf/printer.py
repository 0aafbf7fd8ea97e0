"""From a descriptor to ``.proto`` text: the form that is stored and served.

Texts that mean the same descriptor give the same text, however they were written and whether
they came as text or as base64. Comments are not part of a descriptor.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    Edition,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from fakebus.schemas.protobuf.descriptors import is_repeated

_SCALARS: Mapping[int, str] = {
    FieldDescriptorProto.TYPE_DOUBLE: "double",
    FieldDescriptorProto.TYPE_FLOAT: "float",
    FieldDescriptorProto.TYPE_INT64: "int64",
    FieldDescriptorProto.TYPE_UINT64: "uint64",
    FieldDescriptorProto.TYPE_INT32: "int32",
    FieldDescriptorProto.TYPE_FIXED64: "fixed64",
    FieldDescriptorProto.TYPE_FIXED32: "fixed32",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_UINT32: "uint32",
    FieldDescriptorProto.TYPE_SFIXED32: "sfixed32",
    FieldDescriptorProto.TYPE_SFIXED64: "sfixed64",
    FieldDescriptorProto.TYPE_SINT32: "sint32",
    FieldDescriptorProto.TYPE_SINT64: "sint64",
}
_LABELS: Mapping[int, str] = {
    FieldDescriptorProto.LABEL_OPTIONAL: "optional ",
    FieldDescriptorProto.LABEL_REQUIRED: "required ",
    FieldDescriptorProto.LABEL_REPEATED: "repeated ",
}
_MAX_FIELD = 536_870_911
_MAX_ENUM = 2**31 - 1


def scalar_name(field_type: int) -> str | None:
    """Return the name of a scalar type, or ``None`` for messages, groups and enums."""
    return _SCALARS.get(field_type)


def print_file(
    file: FileDescriptorProto, pool: DescriptorPool, *, with_extensions: bool = True
) -> str:
    """Return a file's text.

    Args:
        file: the descriptor.
        pool: knows the file and all that it imports, for options that are extensions.
        with_extensions: whether ``extend`` blocks and extension ranges are printed.
    """
    return "\n".join(_Printer(file, pool, with_extensions=with_extensions).lines()) + "\n"


def edition_name(file: FileDescriptorProto) -> str:
    """Return the edition as it is written, such as ``2023``."""
    return Edition.Name(file.edition).removeprefix("EDITION_")


class _Printer:
    def __init__(
        self, file: FileDescriptorProto, pool: DescriptorPool, *, with_extensions: bool
    ) -> None:
        self._file = file
        self._pool = pool
        self._with_extensions = with_extensions
        self._proto3 = file.syntax == "proto3"
        self._editions = file.syntax == "editions"

    def lines(self) -> Iterator[str]:
        file = self._file
        if self._editions:
            yield f'edition = "{edition_name(file)}";'
        else:
            yield f'syntax = "{file.syntax or "proto2"}";'
        if file.package:
            yield f"package {file.package};"
        if file.dependency:
            yield ""
        public, weak = set(file.public_dependency), set(file.weak_dependency)
        for index, name in enumerate(file.dependency):
            kind = "public " if index in public else "weak " if index in weak else ""
            yield f"import {kind}{json.dumps(name)};"
        options = list(self._options(file.options))
        if options:
            yield ""
        for name, value in options:
            yield f"option {name} = {value};"
        for block in self._blocks():
            yield ""
            yield from block

    def _blocks(self) -> Iterator[Iterable[str]]:
        file = self._file
        groups = _groups_of(file.extension)
        for message in file.message_type:
            if message.name not in groups:
                yield self._message(message, [file.package])
        for enum in file.enum_type:
            yield self._enum(enum)
        if self._with_extensions and file.extension:
            yield self._extensions(file.extension, [file.package], file.message_type)
        for service in file.service:
            yield self._service(service)

    def _message(self, message: DescriptorProto, scope: list[str]) -> Iterator[str]:
        yield f"message {message.name} {{"
        yield from _indented(self._message_body(message, [*scope, message.name]))
        yield "}"

    def _message_body(self, message: DescriptorProto, scope: list[str]) -> Iterator[str]:
        for name, value in self._options(message.options, leave_out=("map_entry",)):
            yield f"option {name} = {value};"
        entries = {each.name: each for each in message.nested_type if each.options.map_entry}
        groups = _groups_of([*message.field, *message.extension])
        printed: set[int] = set()
        for field in message.field:
            real_oneof = field.HasField("oneof_index") and not field.proto3_optional
            if not real_oneof:
                yield from self._field(field, scope, entries, message.nested_type)
            elif field.oneof_index not in printed:
                printed.add(field.oneof_index)
                yield from self._oneof(message, field.oneof_index, scope, entries)
        yield from self._numbers(message)
        for nested in message.nested_type:
            if nested.name not in entries and nested.name not in groups:
                yield from self._message(nested, scope)
        for enum in message.enum_type:
            yield from self._enum(enum)
        if self._with_extensions and message.extension:
            yield from self._extensions(message.extension, scope, message.nested_type)

    def _numbers(self, message: DescriptorProto) -> Iterator[str]:
        if message.reserved_range:
            # The end of a message's range is exclusive.
            ranges = (
                _range(each.start, each.end - 1, _MAX_FIELD) for each in message.reserved_range
            )
            yield f"reserved {', '.join(ranges)};"
        yield from self._reserved_names(message.reserved_name)
        if self._with_extensions:
            for each in message.extension_range:
                options = self._bracket(list(self._options(each.options)))
                yield f"extensions {_range(each.start, each.end - 1, _MAX_FIELD)}{options};"

    def _reserved_names(self, names: Iterable[str]) -> Iterator[str]:
        # Editions write them as identifiers, earlier versions as texts.
        written = [name if self._editions else json.dumps(name) for name in names]
        if written:
            yield f"reserved {', '.join(written)};"

    def _oneof(
        self,
        message: DescriptorProto,
        index: int,
        scope: list[str],
        entries: Mapping[str, DescriptorProto],
    ) -> Iterator[str]:
        oneof = message.oneof_decl[index]
        yield f"oneof {oneof.name} {{"
        for name, value in self._options(oneof.options):
            yield f"  option {name} = {value};"
        for field in message.field:
            if field.HasField("oneof_index") and field.oneof_index == index:
                yield from _indented(
                    self._field(field, scope, entries, message.nested_type, in_oneof=True)
                )
        yield "}"

    def _field(
        self,
        field: FieldDescriptorProto,
        scope: list[str],
        entries: Mapping[str, DescriptorProto],
        nested: Iterable[DescriptorProto],
        *,
        in_oneof: bool = False,
    ) -> Iterator[str]:
        brackets = self._bracket(list(self._field_options(field)))
        entry = entries.get(field.type_name.rsplit(".", 1)[-1])
        if entry is not None and field.type == FieldDescriptorProto.TYPE_MESSAGE:
            key, value = (self._type(each, scope) for each in entry.field)
            yield f"map<{key}, {value}> {field.name} = {field.number}{brackets};"
            return
        label = self._label(field, in_oneof=in_oneof)
        if field.type == FieldDescriptorProto.TYPE_GROUP:
            name = field.type_name.rsplit(".", 1)[-1]
            group = next(each for each in nested if each.name == name)
            yield f"{label}group {name} = {field.number}{brackets} {{"
            yield from _indented(self._message_body(group, [*scope, name]))
            yield "}"
            return
        yield f"{label}{self._type(field, scope)} {field.name} = {field.number}{brackets};"

    def _label(self, field: FieldDescriptorProto, *, in_oneof: bool) -> str:
        if in_oneof:
            return ""
        implicit = self._editions or (self._proto3 and not field.proto3_optional)
        if implicit and field.label == FieldDescriptorProto.LABEL_OPTIONAL:
            return ""
        return _LABELS[field.label]

    def _type(self, field: FieldDescriptorProto, scope: list[str]) -> str:
        scalar = _SCALARS.get(field.type)
        # The leading dot keeps the name from meaning something nearer.
        return scalar if scalar is not None else field.type_name

    def _field_options(self, field: FieldDescriptorProto) -> Iterator[tuple[str, str]]:
        if field.HasField("default_value"):
            yield "default", _default(field)
        if field.HasField("json_name") and field.json_name != json_name(field.name):
            yield "json_name", json.dumps(field.json_name)
        yield from self._options(field.options)

    def _bracket(self, options: list[tuple[str, str]]) -> str:
        if not options:
            return ""
        return f" [{', '.join(f'{name} = {value}' for name, value in options)}]"

    def _enum(self, enum: EnumDescriptorProto) -> Iterator[str]:
        yield f"enum {enum.name} {{"
        for name, value in self._options(enum.options):
            yield f"  option {name} = {value};"
        for each in enum.value:
            brackets = self._bracket(list(self._options(each.options)))
            yield f"  {each.name} = {each.number}{brackets};"
        if enum.reserved_range:
            # The end of an enum's range is inclusive.
            ranges = (_range(each.start, each.end, _MAX_ENUM) for each in enum.reserved_range)
            yield f"  reserved {', '.join(ranges)};"
        yield from _indented(self._reserved_names(enum.reserved_name))
        yield "}"

    def _extensions(
        self,
        fields: Iterable[FieldDescriptorProto],
        scope: list[str],
        nested: Iterable[DescriptorProto],
    ) -> Iterator[str]:
        extended: dict[str, list[FieldDescriptorProto]] = {}
        for field in fields:
            extended.setdefault(field.extendee, []).append(field)
        for name, members in extended.items():
            yield f"extend {name} {{"
            for field in members:
                yield from _indented(self._field(field, scope, {}, nested))
            yield "}"

    def _service(self, service: ServiceDescriptorProto) -> Iterator[str]:
        yield f"service {service.name} {{"
        for name, value in self._options(service.options):
            yield f"  option {name} = {value};"
        for method in service.method:
            takes = ("stream " if method.client_streaming else "") + method.input_type
            gives = ("stream " if method.server_streaming else "") + method.output_type
            head = f"  rpc {method.name} ({takes}) returns ({gives})"
            options = list(self._options(method.options))
            if not options:
                yield f"{head};"
                continue
            yield f"{head} {{"
            for name, value in options:
                yield f"    option {name} = {value};"
            yield "  }"
        yield "}"

    def _options(
        self, options: Message, leave_out: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, str]]:
        known = self._with_known_extensions(options)
        for field, value in sorted(known.ListFields(), key=lambda item: item[0].number):
            if field.name in leave_out or field.name == "uninterpreted_option":
                continue
            name = f"({field.full_name})" if field.is_extension else field.name
            values = value if is_repeated(field) else [value]
            for each in values:
                yield name, _option_value(field, each)

    def _with_known_extensions(self, options: Message) -> Message:
        """Return options read again with the extensions of the imported files."""
        try:
            descriptor = self._pool.FindMessageTypeByName(options.DESCRIPTOR.full_name)
        except KeyError:
            return options
        again: Message = GetMessageClass(descriptor).FromString(options.SerializeToString())
        return again


def json_name(name: str) -> str:
    """Return the JSON name that protoc gives a field."""
    words = name.split("_")
    return words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])


def _groups_of(fields: Iterable[FieldDescriptorProto]) -> set[str]:
    return {
        field.type_name.rsplit(".", 1)[-1]
        for field in fields
        if field.type == FieldDescriptorProto.TYPE_GROUP
    }


def _indented(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield f"  {line}" if line else line


def _range(start: int, end: int, highest: int) -> str:
    if start == end:
        return str(start)
    return f"{start} to {'max' if end == highest else end}"


def _default(field: FieldDescriptorProto) -> str:
    if field.type == FieldDescriptorProto.TYPE_STRING:
        return _text(field.default_value)
    if field.type == FieldDescriptorProto.TYPE_BYTES:
        # protoc has escaped it already.
        return f'"{field.default_value}"'
    return field.default_value


def _option_value(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        found = field.enum_type.values_by_number.get(value)
        return str(value) if found is None else str(found.name)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes):
        return '"' + "".join(f"\\{byte:03o}" for byte in value) + '"'
    if isinstance(value, Message):
        return "{ " + text_format.MessageToString(value, as_one_line=True) + " }"
    return repr(value) if isinstance(value, float) else str(value)


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return (
        '"'
        + "".join(
            char if char.isprintable() else "".join(f"\\{byte:03o}" for byte in char.encode())
            for char in escaped
        )
        + '"'
    )
