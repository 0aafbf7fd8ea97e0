"""The message definitions: Kafka's field layouts as data, in ``definitions/``.

There is one file for each API, named ``<api key>_<name>.txt``; ``consumer_protocol.txt``
holds the two messages that consumers hide inside JoinGroup and SyncGroup, and
``coordinator_records.txt`` the records of internal topics. A message is::

    FetchRequest 4-18 flexible 12+
      cluster_id str 12+ ?12+ #0:12+ =null
      topics []FetchRequestFetchTopic 0+
        topic str 0-12

that is, its versions and the first flexible one (KIP-482), then its fields in the order of
the wire: name, type, versions, and where they apply ``?`` the versions in which it may be
null, ``#tag:`` the versions in which it is a tagged field, and ``=`` the default. The
fields of a struct are indented below it. Types: ``i8 i16 i32 i64 u16 f64 bool uuid`` of
fixed size, ``str``, ``bytes``, ``rec`` (record batches), a struct's name; ``[]`` before
any of them makes it an array. Versions that no message has any more (``0+`` in Produce)
stand as Kafka has them. One default is not Kafka's: an ``error_message`` that may be null
is null, which is what a real broker sends when there was no error.

A struct keeps the name that Kafka gives it when all messages mean the same by it, and then
has one class; otherwise the message's name stands before it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from fakebus.protocol.versions import VersionRange, parse_versions

SCALAR_TYPES = frozenset(
    ("i8", "i16", "i32", "i64", "u16", "f64", "bool", "uuid", "str", "bytes", "rec")
)


class FieldSchema(NamedTuple):
    """One field of a struct."""

    name: str
    type: str
    """A scalar type, or the name of the struct; without the ``[]`` of an array."""
    is_array: bool
    struct: StructSchema | None
    versions: VersionRange
    nullable: VersionRange | None
    tag: int | None
    tagged: VersionRange | None
    default: str | None
    """As written: ``null``, a number, ``true``; ``None`` for the zero of the type."""

    def is_nullable_in(self, version: int) -> bool:
        """Tell whether null may be written in this version."""
        return self.nullable is not None and version in self.nullable

    def is_tagged_in(self, version: int) -> bool:
        """Tell whether the field travels in the tag section in this version."""
        return self.tagged is not None and version in self.tagged


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StructSchema:
    """A message, or a struct inside one; each is made once, and is a key by its identity."""

    name: str
    fields: tuple[FieldSchema, ...]

    @cache  # noqa: B019 - schemas live as long as the process
    def fields_in(self, version: int) -> list[FieldSchema]:
        """Return the fields that stand in order in this version, without tagged ones."""
        return [f for f in self.fields if version in f.versions and not f.is_tagged_in(version)]

    def tagged_fields_in(self, version: int) -> list[FieldSchema]:
        """Return the tagged fields of this version by ascending tag, as they are written."""
        found = [f for f in self.fields if version in f.versions and f.is_tagged_in(version)]
        return sorted(found, key=lambda field: field.tag or 0)

    def walk(self) -> Iterator[StructSchema]:
        """Yield the structs inside, innermost first, and this one last."""
        for field in self.fields:
            if field.struct is not None:
                yield from field.struct.walk()
        yield self


class MessageSchema(NamedTuple):
    """A request, a response, or a message of the consumer protocol."""

    api_key: int | None
    versions: VersionRange
    flexible: VersionRange | None
    root: StructSchema

    def is_flexible(self, version: int) -> bool:
        """Tell whether this version has compact lengths and tag sections (KIP-482)."""
        return self.flexible is not None and version in self.flexible

    @property
    def layout_versions(self) -> list[int]:
        """The versions in which the bytes are laid out otherwise than in the one before."""
        found = {self.versions.min}
        ranges = [self.flexible]
        for struct in self.root.walk():
            for field in struct.fields:
                ranges += [field.versions, field.nullable, field.tagged]
        for versions in ranges:
            if versions is not None:
                found |= {versions.min, versions.max + 1}
        return sorted(version for version in found if version in self.versions)


class ApiSchema(NamedTuple):
    """A request and its response."""

    api_key: int
    request: MessageSchema
    response: MessageSchema


_FIELD = re.compile(
    r"(?P<indent> +)(?P<name>\w+) (?P<array>\[\])?(?P<type>\w+) (?P<versions>[\d+-]+)"
    r"(?: \?(?P<nullable>[\d+-]+))?(?: #(?P<tag>\d+):(?P<tagged>[\d+-]+))?(?: =(?P<default>\S*))?"
)
_STRUCT_NAME = re.compile(r"^ *(?:\w+ (?:\[\])?)?([A-Z]\w+) \d", re.MULTILINE)
_INDENT = 2
# Not importlib.resources: importing it costs more than reading all the files.
_DEFINITIONS = os.path.join(os.path.dirname(__file__), "definitions")
_WITHOUT_API = ("consumer_protocol.txt", "coordinator_records.txt")


def _parse_fields(
    lines: list[re.Match[str]], position: int, depth: int
) -> tuple[tuple[FieldSchema, ...], int]:
    """Read the fields at one depth; return them and the position of the first other line."""
    fields: list[FieldSchema] = []
    while position < len(lines) and len(lines[position]["indent"]) == depth * _INDENT:
        line = lines[position]
        inner, position = _parse_fields(lines, position + 1, depth + 1)
        is_struct = line["type"] not in SCALAR_TYPES
        if is_struct != bool(inner):
            raise ValueError(f"{line.string!r}: a struct has fields, and nothing else has")
        fields.append(
            FieldSchema(
                name=sys.intern(line["name"]),
                type=sys.intern(line["type"]),
                is_array=line["array"] is not None,
                struct=StructSchema(name=line["type"], fields=inner) if is_struct else None,
                versions=parse_versions(line["versions"]),
                nullable=parse_versions(line["nullable"]) if line["nullable"] else None,
                tag=int(line["tag"]) if line["tag"] else None,
                tagged=parse_versions(line["tagged"]) if line["tag"] else None,
                default=line["default"],
            )
        )
    return tuple(fields), position


def parse_message(text: str, api_key: int | None) -> MessageSchema:
    """Read one message of a definition file.

    Raises:
        ValueError: a line is not of the form that the module's docstring gives.
    """
    head, *body = text.rstrip().split("\n")
    name, versions, flexible_word, flexible = head.split()
    matches = [_FIELD.fullmatch(line) for line in body]
    lines = [match for match in matches if match is not None]
    fields, end = _parse_fields(lines, 0, 1)
    if flexible_word != "flexible" or end != len(body):
        raise ValueError(f"{name}: line {end + 2} of the definition cannot be read")
    return MessageSchema(
        api_key=api_key,
        versions=parse_versions(versions),
        flexible=None if flexible == "none" else parse_versions(flexible),
        root=StructSchema(name=name, fields=fields),
    )


@cache
def _file_names() -> dict[int, str]:
    names = sorted(os.listdir(_DEFINITIONS))
    return {int(name[:2]): name for name in names if name[:2].isdigit()}


def _read(file_name: str) -> list[str]:
    """Return the text of each message in a definition file."""
    with open(os.path.join(_DEFINITIONS, file_name), encoding="utf-8") as file:
        return file.read().strip().split("\n\n")


def api_keys() -> list[int]:
    """Return the keys of the APIs that have a definition, ascending."""
    return list(api_heads())


@cache
def api_heads() -> dict[int, tuple[str, VersionRange]]:
    """Return the name and the versions of each API, without reading its fields."""
    heads = {key: _read(file_name)[0].split(maxsplit=2) for key, file_name in _file_names().items()}
    return {
        key: (name.removesuffix("Request"), parse_versions(versions))
        for key, (name, versions, _) in heads.items()
    }


@cache
def api_schema(api_key: int) -> ApiSchema | None:
    """Return the definition of an API, read on first use; ``None`` when there is none."""
    file_name = _file_names().get(api_key)
    if file_name is None:
        return None
    request, response = (parse_message(text, api_key) for text in _read(file_name))
    return ApiSchema(api_key=api_key, request=request, response=response)


@cache
def schemas_without_api() -> dict[str, MessageSchema]:
    """Return the messages of the consumer protocol and of internal topics by name."""
    messages = [parse_message(text, None) for name in _WITHOUT_API for text in _read(name)]
    return {message.root.name: message for message in messages}


def all_messages() -> Iterator[MessageSchema]:
    """Yield every message that has a definition."""
    for api_key in api_keys():
        schema = api_schema(api_key)
        if schema is not None:
            yield schema.request
            yield schema.response
    yield from schemas_without_api().values()


@cache
def _texts_by_struct() -> dict[str, str]:
    texts: dict[str, str] = {}
    for file_name in (*_file_names().values(), *_WITHOUT_API):
        for text in _read(file_name):
            texts.update(dict.fromkeys(_STRUCT_NAME.findall(text), text))
    return texts


def struct_schemas(name: str) -> Iterator[StructSchema]:
    """Yield the structs of a message that has a struct of this name; none if none has.

    They are read anew each time: a broker needs most classes, but few definitions.
    """
    text = _texts_by_struct().get(name)
    if text is not None:
        yield from parse_message(text, None).root.walk()
