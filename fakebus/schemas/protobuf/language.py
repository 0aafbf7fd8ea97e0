"""``PROTOBUF``: the language that the registry and fixtures use."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from fakebus.errors import MissingExtraError
from fakebus.schemas.interface import (
    NEW,
    Checks,
    Incompatibility,
    ParsedSchema,
    ResolvedReference,
    SchemaDataError,
    SchemaError,
)
from fakebus.schemas.protobuf.sources import first_type
from fakebus.schemas.unusable import UnusableSchema

try:
    import grpc_tools  # noqa: F401 - only to see that it is there
    from google.protobuf import json_format
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import DecodeError
    from google.protobuf.message_factory import GetMessageClass
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True
    from fakebus.schemas.protobuf.comparison import Types, compare
    from fakebus.schemas.protobuf.compiler import COMPILER, UnknownTypeError, no_such_file
    from fakebus.schemas.protobuf.indexes import read_indexes, write_indexes
    from fakebus.schemas.protobuf.misfits import misfit
    from fakebus.schemas.protobuf.printer import print_file
    from fakebus.schemas.protobuf.sources import (
        Import,
        import_statement,
        imports_of,
        without_comments,
    )

MAX_DEPTH = 100
_MAIN = "fakebus-main.proto"


class ProtobufSchema:
    """A ``.proto`` file with all that it imports.

    Args:
        files: descriptors, dependencies first, the schema itself last.
        imports: what the schema says that it imports, whether it is there or not.
        text: as it was written, if the descriptors do not hold everything.
        pool: knows all types, where the files would define some of them twice.
    """

    schema_type = "PROTOBUF"

    def __init__(
        self,
        files: Sequence[FileDescriptorProto],
        imports: Sequence[Import],
        text: str | None = None,
        pool: DescriptorPool | None = None,
    ) -> None:
        if pool is not None:
            self._pool = pool
        self.files = list(files)
        self.file = self.files[-1]
        self._imports = imports
        self._text = None if text is None else without_comments(text)

    def copied(self) -> ProtobufSchema:
        """Return the same schema with descriptors of its own, which may be changed at first."""
        files = [FileDescriptorProto.FromString(each.SerializeToString()) for each in self.files]
        return ProtobufSchema(files, self._imports)

    def messages(self) -> Iterator[tuple[str, ProtobufSchema]]:
        """Yield the messages of the file, each by its full name as a schema of its own."""
        package = f"{self.file.package}." if self.file.package else ""
        for message in self.file.message_type:
            file = FileDescriptorProto(package=self.file.package, syntax=self.file.syntax)
            if self.file.edition:
                file.edition = self.file.edition
            file.name = f"{_MAIN}.{message.name}"
            file.message_type.append(message)
            files = [*self.files, file]
            yield f"{package}{message.name}", ProtobufSchema(files, self._imports, pool=self._pool)

    @cached_property
    def _pool(self) -> DescriptorPool:
        pool = DescriptorPool()
        for file in self.files:
            pool.Add(file)
        return pool

    @cached_property
    def types(self) -> Types:
        """All messages and enums that there are."""
        return Types(self.files)

    @cached_property
    def canonical(self) -> str:
        """The text that is stored and served."""
        return self._text or print_file(_importing(self.file, self._imports), self._pool)

    @cached_property
    def normalized(self) -> str:
        """The text with imports and the order of types and fields settled."""
        if self._text is not None:
            return self._text
        file = _importing(self.file, sorted(self._imports, key=lambda one: one.name))
        for message in file.message_type:
            _sort_fields(message)
        return print_file(file, self._pool)

    @property
    def identity(self) -> str:
        """The canonical text."""
        return self.canonical

    @property
    def name(self) -> str | None:
        """The full name of the first message, or of the first enum where there is none."""
        types = self.file.message_type or self.file.enum_type
        if not types:
            return None
        first: str = types[0].name
        return f"{self.file.package}.{first}" if self.file.package else first

    def formatted(self, output_format: str) -> str:
        """Return the schema as ``serialized`` or with ``ignore_extensions``."""
        if output_format == "serialized":
            file = FileDescriptorProto.FromString(self.file.SerializeToString())
            file.ClearField("source_code_info")
            return base64.b64encode(file.SerializeToString(deterministic=True)).decode()
        if output_format == "ignore_extensions":
            return print_file(self.file, self._pool, with_extensions=False)
        return self.canonical

    def incompatibilities(self, writer: ParsedSchema) -> list[Incompatibility]:
        """Return why messages written with ``writer`` cannot be read."""
        if writer.schema_type == self.schema_type and isinstance(writer, UnusableSchema):
            raise SchemaError(writer.problem)
        if not isinstance(writer, ProtobufSchema):
            return [
                Incompatibility(
                    "SCHEMA_TYPE_MISMATCH",
                    "#",
                    f"A {writer.schema_type} schema is no Protobuf schema",
                )
            ]
        return compare(self.file, self.types, writer.file, writer.types)

    def encode(self, data: object) -> bytes:
        """Return the message indexes and the message; data in Protobuf's JSON form.

        Raises:
            SchemaDataError: the data does not fit the first message.
        """
        return self.encode_message(self._first(), data)

    def encode_message(self, name: str, data: object) -> bytes:
        """Encode one of the messages.

        Args:
            name: its full name.
            data: in Protobuf's JSON form.
        """
        try:
            descriptor = self._pool.FindMessageTypeByName(name)
        except KeyError:
            raise SchemaDataError(f"the schema has no message {name}") from None
        if not isinstance(data, dict):
            raise SchemaDataError(f"$: a message is an object, not {type(data).__name__}")
        message = GetMessageClass(descriptor)()
        try:
            json_format.ParseDict(data, message)
            payload = message.SerializeToString(deterministic=True)
        except (json_format.ParseError, ValueError, TypeError) as error:
            raise SchemaDataError(misfit(descriptor, data, _one_line(error))) from None
        except Exception as error:
            # protobuf's own EncodeError has no public base but Exception.
            raise SchemaDataError(f"$: {_one_line(error)}") from error
        return write_indexes(_indexes(descriptor)) + payload

    def decode(self, payload: bytes) -> object:
        """Return the message in Protobuf's JSON form, fields named as in the schema.

        Raises:
            SchemaDataError: the bytes do not fit.
        """
        return self._decode(payload, with_defaults=False)

    def decode_with_defaults(self, payload: bytes) -> object:
        """Return the message with the fields too that were not written; see :meth:`decode`."""
        return self._decode(payload, with_defaults=True)

    def _decode(self, payload: bytes, *, with_defaults: bool) -> object:
        indexes, size = read_indexes(payload)
        descriptor = self._message_at(indexes)
        message = GetMessageClass(descriptor)()
        try:
            message.ParseFromString(payload[size:])
            found: dict[str, Any] = json_format.MessageToDict(
                message,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=with_defaults,
                descriptor_pool=self._pool,
            )
        except (DecodeError, ValueError, TypeError) as error:
            raise SchemaDataError(f"the bytes are no {descriptor.full_name}: {error}") from None
        return found

    def _first(self) -> str:
        if self.name is None or not self.file.message_type:
            raise SchemaDataError("the schema has no message")
        return self.name

    def _message_at(self, indexes: Sequence[int]) -> Descriptor:
        messages = self.file.message_type
        names = [self.file.package] if self.file.package else []
        for index in indexes:
            if not 0 <= index < len(messages):
                raise SchemaDataError(f"the schema has no message at {list(indexes)}")
            names.append(messages[index].name)
            messages = messages[index].nested_type
        return self._pool.FindMessageTypeByName(".".join(names))


class ProtobufLanguage:
    """Protocol Buffers, version 2, 3 and editions."""

    schema_type = "PROTOBUF"

    def name_of(self, text: str) -> str | None:
        """Return the full name of the first message, or of the first enum where there is none."""
        return first_type(text)

    def parse(
        self, text: str, references: Sequence[ResolvedReference] = (), checks: Checks = NEW
    ) -> ParsedSchema:
        """Return the schema of a ``.proto`` text or of the base64 of a FileDescriptorProto."""
        if not AVAILABLE:
            raise MissingExtraError("Protobuf", "protobuf")
        files = {reference.name: reference.text for reference in references}
        descriptor = _descriptor(text)
        if descriptor is not None:
            return _from_descriptor(descriptor, files)
        _check_depth(text)
        files.pop(_MAIN, None)
        try:
            found = COMPILER.compile({**files, _MAIN: text}, _MAIN, imported_only=checks.fields)
        except UnknownTypeError as error:
            if checks.new:
                raise
            bare = without_comments(text)
            return UnusableSchema("PROTOBUF", bare, bare, str(error))
        written = text if found.has_unknown_options else None
        return ProtobufSchema(found.files, [*imports_of(text)], written)


def _descriptor(text: str) -> FileDescriptorProto | None:
    """Return the descriptor that base64 text holds; ``None`` for ``.proto`` text."""
    try:
        data = base64.b64decode(text, validate=True)
        found = FileDescriptorProto.FromString(data)
    except (binascii.Error, ValueError, DecodeError):
        return None
    # Any short word is base64 too; a descriptor says at least something.
    return found if data and (found.message_type or found.name or found.syntax) else None


def _from_descriptor(file: FileDescriptorProto, files: Mapping[str, str]) -> ProtobufSchema:
    public, weak = set(file.public_dependency), set(file.weak_dependency)
    imports = [
        Import(name, "public" if at in public else "weak" if at in weak else "")
        for at, name in enumerate(file.dependency)
    ]
    own = FileDescriptorProto.FromString(file.SerializeToString())
    own.name = _MAIN
    own.ClearField("source_code_info")
    # What protoc fills in for text stands in the descriptors of some clients only.
    for message in own.message_type:
        _clear_json_names(message)
    for field in own.extension:
        field.ClearField("json_name")
    try:
        return _linked(own, imports, imports, files)
    except SchemaError:
        # It may mean the types of references that it does not import, as a text may.
        own_names = {one.name for one in imports}
        others = [Import(name) for name in files if name not in own_names]
        if not others:
            raise
        return _linked(own, imports, [*imports, *others], files)


def _linked(
    own: FileDescriptorProto,
    imports: Sequence[Import],
    needed: Sequence[Import],
    files: Mapping[str, str],
) -> ProtobufSchema:
    # A file of nothing but the imports makes protoc resolve them, well-known ones too.
    text = 'syntax = "proto3";\n' + "".join(map(import_statement, needed))
    try:
        found = COMPILER.compile({**files, _MAIN: text}, _MAIN).files[:-1]
    except SchemaError as error:
        raise SchemaError(f"an import cannot be resolved: {error}") from None
    there = {each.name for each in found}
    own = _importing(own, [one for one in needed if one.name in there])
    pool = DescriptorPool()
    try:
        for each in (*found, own):
            pool.Add(each)
        pool.FindFileByName(_MAIN)
    except (TypeError, ValueError, KeyError) as error:
        missing = [one.name for one in needed if one.name not in there]
        hint = f"; {no_such_file(missing[0])}" if missing else ""
        raise SchemaError(f"the descriptor is not valid: {_one_line(error)}{hint}") from None
    return ProtobufSchema([*found, own], imports)


def _importing(file: FileDescriptorProto, imports: Sequence[Import]) -> FileDescriptorProto:
    """Return a copy of a file that imports others."""
    copy = FileDescriptorProto.FromString(file.SerializeToString())
    copy.dependency[:] = [one.name for one in imports]
    copy.public_dependency[:] = [at for at, one in enumerate(imports) if one.kind == "public"]
    copy.weak_dependency[:] = [at for at, one in enumerate(imports) if one.kind == "weak"]
    return copy


def _clear_json_names(message: Any) -> None:
    from fakebus.schemas.protobuf.printer import json_name

    for field in (*message.field, *message.extension):
        if field.json_name == json_name(field.name):
            field.ClearField("json_name")
    for nested in message.nested_type:
        _clear_json_names(nested)


def _check_depth(text: str) -> None:
    depth = 0
    for char in text:
        if char == "{":
            depth += 1
            if depth > MAX_DEPTH:
                raise SchemaError(f"the schema is nested deeper than {MAX_DEPTH} levels")
        elif char == "}":
            depth -= 1


def _sort_fields(message: DescriptorProto) -> None:
    message.field.sort(key=lambda field: field.number)
    for nested in message.nested_type:
        _sort_fields(nested)


def _indexes(descriptor: Descriptor) -> list[int]:
    indexes: list[int] = []
    node: Descriptor | None = descriptor
    while node is not None:
        outer = node.containing_type
        siblings = (
            list(outer.nested_types)
            if outer is not None
            else list(node.file.message_types_by_name.values())
        )
        indexes.insert(0, [each.name for each in siblings].index(node.name))
        node = outer
    return indexes


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:400]


LANGUAGE = ProtobufLanguage()
