"""Whether messages of one schema can be read with another: a comparison of descriptors.

The rules are those of Confluent's registry, which are the wire's own and a few more: numbers
of one wire type may replace each other, fields may come, go and be renamed, but messages must
not vanish, fields must not move into a oneof together, and required fields stay required.
Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/serdes-protobuf.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from fakebus.schemas.interface import Incompatibility
from fakebus.schemas.protobuf.printer import scalar_name

_REQUIRED = FieldDescriptorProto.LABEL_REQUIRED
_WIRE_GROUPS: Mapping[str, str] = {
    **dict.fromkeys(("int32", "int64", "uint32", "uint64", "bool", "enum"), "a varint number"),
    **dict.fromkeys(("sint32", "sint64"), "a zigzag number"),
    **dict.fromkeys(("string", "bytes"), "text or bytes"),
    **dict.fromkeys(("fixed32", "sfixed32"), "four fixed bytes"),
    **dict.fromkeys(("fixed64", "sfixed64"), "eight fixed bytes"),
    "float": "a float",
    "double": "a double",
}


@dataclass(frozen=True, slots=True)
class _Message:
    descriptor: DescriptorProto
    file: FileDescriptorProto
    local_name: str
    """Without the package."""


class Types:
    """All messages and enums of some files, by their full names with a leading dot.

    Args:
        files: a file and what it imports.
    """

    def __init__(self, files: list[FileDescriptorProto]) -> None:
        self.messages: dict[str, _Message] = {}
        self.enums: dict[str, EnumDescriptorProto] = {}
        for file in files:
            prefix = f".{file.package}" if file.package else ""
            for enum in file.enum_type:
                self.enums[f"{prefix}.{enum.name}"] = enum
            for message in file.message_type:
                self._add(message, file, prefix, message.name)

    def _add(
        self, message: DescriptorProto, file: FileDescriptorProto, prefix: str, local: str
    ) -> None:
        self.messages[f"{prefix}.{local}"] = _Message(message, file, local)
        for enum in message.enum_type:
            self.enums[f"{prefix}.{local}.{enum.name}"] = enum
        for nested in message.nested_type:
            self._add(nested, file, prefix, f"{local}.{nested.name}")

    def map_entry(self, field: FieldDescriptorProto) -> DescriptorProto | None:
        """Return the entry message of a map field."""
        found = self.messages.get(field.type_name)
        return found.descriptor if found and found.descriptor.options.map_entry else None


def compare(
    reader: FileDescriptorProto,
    reader_types: Types,
    writer: FileDescriptorProto,
    writer_types: Types,
) -> list[Incompatibility]:
    """Return why messages of ``writer`` cannot be read with ``reader``."""
    comparison = _Comparison(reader_types, writer_types)
    found = list(comparison.messages(writer.message_type, reader.message_type, "#"))
    if writer.package != reader.package:
        found.insert(
            0,
            Incompatibility(
                "PACKAGE_CHANGED",
                "#/",
                f"The package is {writer.package!r} for the writer and "
                f"{reader.package!r} for the reader, so no message has the same name",
            ),
        )
    unique: dict[tuple[str, str], Incompatibility] = {}
    for each in found:
        unique.setdefault((each.kind, each.path), each)
    return list(unique.values())


class _Comparison:
    def __init__(self, reader: Types, writer: Types) -> None:
        self._reader = reader
        self._writer = writer
        self._seen: set[tuple[int, int]] = set()

    def messages(
        self, writer: Iterable[DescriptorProto], reader: Iterable[DescriptorProto], path: str
    ) -> Iterator[Incompatibility]:
        of_reader = {each.name: each for each in reader}
        for message in writer:
            if message.options.map_entry:
                continue
            here = f"{path}/{message.name}"
            other = of_reader.get(message.name)
            if other is None:
                yield Incompatibility(
                    "MESSAGE_REMOVED",
                    here,
                    f"The message {message.name} is in the writer and not in the reader",
                )
            else:
                yield from self.message(message, other, here)

    def message(
        self, writer: DescriptorProto, reader: DescriptorProto, path: str
    ) -> Iterator[Incompatibility]:
        # Recursive types lead back here, and pairs that are compared already say nothing new.
        pair = (id(writer), id(reader))
        if pair in self._seen:
            return
        self._seen.add(pair)
        yield from self._moved_together(writer, reader, path)
        yield from self._fields(writer, reader, path)
        yield from self.messages(writer.nested_type, reader.nested_type, path)

    def _moved_together(
        self, writer: DescriptorProto, reader: DescriptorProto, path: str
    ) -> Iterator[Incompatibility]:
        before = {field.number: _oneof(writer, field) for field in writer.field}
        for index, oneof in enumerate(reader.oneof_decl):
            members = [
                field.number
                for field in reader.field
                if _oneof(reader, field) == oneof.name and field.number in before
            ]
            origins = {before[number] or f"field {number}" for number in members}
            if not members or len(origins) < 2:
                continue
            single = sum(before[number] is None for number in members)
            kind = (
                "MULTIPLE_FIELDS_MOVED_TO_ONEOF" if single > 1 else "FIELD_MOVED_TO_EXISTING_ONEOF"
            )
            yield Incompatibility(
                kind,
                f"{path}/{reader.oneof_decl[index].name}",
                f"Fields that a writer may set together are alternatives of the oneof "
                f"{oneof.name} in the reader, which keeps only one of them",
            )

    def _fields(
        self, writer: DescriptorProto, reader: DescriptorProto, path: str
    ) -> Iterator[Incompatibility]:
        of_writer = {field.number: field for field in writer.field}
        of_reader = {field.number: field for field in reader.field}
        deleted = _deleted_oneofs(writer, reader)
        for number in sorted({*of_writer, *of_reader}):
            old, new = of_writer.get(number), of_reader.get(number)
            if new is None and old is not None:
                yield from self._removed(writer, old, path, deleted)
            elif old is None and new is not None:
                if new.label == _REQUIRED and _oneof(reader, new) is None:
                    yield Incompatibility(
                        "REQUIRED_FIELD_ADDED",
                        f"{path}/{number}",
                        f"The reader requires the field {new.name}, which the writer does not have",
                    )
            elif old is not None and new is not None:
                oneof = _oneof(reader, new)
                inner = f"{path}/{oneof}/{number}" if oneof else f"{path}/{number}"
                yield from self._field(old, new, inner)

    def _removed(
        self, writer: DescriptorProto, field: FieldDescriptorProto, path: str, deleted: set[str]
    ) -> Iterator[Incompatibility]:
        oneof = _oneof(writer, field)
        if oneof is not None and oneof not in deleted:
            yield Incompatibility(
                "ONEOF_FIELD_REMOVED",
                f"{path}/{oneof}/{field.number}",
                f"The reader lacks {field.name}, an alternative of the oneof {oneof}, and "
                "would see none of them set",
            )
        elif oneof is None and field.label == _REQUIRED:
            yield Incompatibility(
                "REQUIRED_FIELD_REMOVED",
                f"{path}/{field.number}",
                f"The required field {field.name} of the writer is not in the reader",
            )

    def _field(
        self, old: FieldDescriptorProto, new: FieldDescriptorProto, path: str
    ) -> Iterator[Incompatibility]:
        old_entry, new_entry = self._writer.map_entry(old), self._reader.map_entry(new)
        old_kind, new_kind = _kind(old, old_entry), _kind(new, new_entry)
        if old_kind != new_kind:
            yield Incompatibility(
                "FIELD_KIND_CHANGED",
                path,
                f"The field {new.name} is {old_kind} for the writer and {new_kind} for the reader",
            )
        elif old_entry is not None and new_entry is not None:
            for old_part, new_part in zip(old_entry.field, new_entry.field, strict=True):
                yield from self._types(old_part, new_part, path, with_label=False)
        else:
            yield from self._types(old, new, path, with_label=True)

    def _types(
        self, old: FieldDescriptorProto, new: FieldDescriptorProto, path: str, *, with_label: bool
    ) -> Iterator[Incompatibility]:
        old_kind, new_kind = _kind(old, None), _kind(new, None)
        if old_kind != new_kind:
            yield Incompatibility(
                "FIELD_KIND_CHANGED",
                path,
                f"It is {old_kind} for the writer and {new_kind} for the reader",
            )
        elif old_kind == "a message":
            yield from self._message_types(old, new, path)
        else:
            yield from self._scalars(old, new, path, with_label=with_label)

    def _message_types(
        self, old: FieldDescriptorProto, new: FieldDescriptorProto, path: str
    ) -> Iterator[Incompatibility]:
        old_type = self._writer.messages.get(old.type_name)
        new_type = self._reader.messages.get(new.type_name)
        if old_type is None or new_type is None or old_type.local_name != new_type.local_name:
            yield Incompatibility(
                "FIELD_NAMED_TYPE_CHANGED",
                path,
                f"The field {new.name} is a {old.type_name.lstrip('.')} for the writer "
                f"and a {new.type_name.lstrip('.')} for the reader",
            )
            return
        name = new_type.local_name.replace(".", "/")
        inner = list(self.message(old_type.descriptor, new_type.descriptor, f"#/{name}"))
        yield from inner
        if inner:
            yield Incompatibility(
                "FIELD_NAMED_TYPE_CHANGED",
                path,
                f"The reader cannot read every {new_type.local_name} that the writer "
                f"puts into {new.name}",
            )

    def _scalars(
        self, old: FieldDescriptorProto, new: FieldDescriptorProto, path: str, *, with_label: bool
    ) -> Iterator[Incompatibility]:
        old_group = _WIRE_GROUPS[scalar_name(old.type) or "enum"]
        new_group = _WIRE_GROUPS[scalar_name(new.type) or "enum"]
        if old_group != new_group:
            yield Incompatibility(
                "FIELD_SCALAR_KIND_CHANGED",
                path,
                f"The field {new.name} is {old_group} on the wire for the writer and "
                f"{new_group} for the reader",
            )
            return
        old_label, new_label = _label(old), _label(new)
        changed = with_label and None not in (old_label, new_label) and old_label != new_label
        if changed and old_group != "text or bytes":
            yield Incompatibility(
                "FIELD_NUMERIC_LABEL_CHANGED",
                path,
                f"The number {new.name} is {old_label} for the writer and {new_label} for "
                "the reader, which are written differently",
            )


def _oneof(message: DescriptorProto, field: FieldDescriptorProto) -> str | None:
    if not field.HasField("oneof_index") or field.proto3_optional:
        return None
    return message.oneof_decl[field.oneof_index].name


def _deleted_oneofs(writer: DescriptorProto, reader: DescriptorProto) -> set[str]:
    """Return the oneofs of which nothing is left, which readers just ignore."""
    names = {_oneof(reader, field) for field in reader.field}
    numbers = {field.number for field in reader.field}
    gone = set()
    for oneof in writer.oneof_decl:
        members = {f.number for f in writer.field if _oneof(writer, f) == oneof.name}
        if oneof.name not in names and not members & numbers:
            gone.add(oneof.name)
    return gone


def _kind(field: FieldDescriptorProto, map_entry: DescriptorProto | None) -> str:
    if map_entry is not None:
        return "a map"
    if field.type in (FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.TYPE_GROUP):
        return "a message"
    return "a scalar"


def _label(field: FieldDescriptorProto) -> str | None:
    """Return the label as it stands in the text; ``None`` where none is written."""
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return "repeated"
    if field.label == _REQUIRED:
        return "required"
    return "optional" if field.proto3_optional else None
