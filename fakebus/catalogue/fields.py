"""Fields of schemas in every language, by their paths, and schemas without one of them.

A path is what people write: the names with dots between, through arrays, maps, branches and
references, such as ``address.street``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from fakebus.errors import FakebusError
from fakebus.fixture_files.problems import did_you_mean, quoted
from fakebus.schemas.avro.language import AvroSchema
from fakebus.schemas.avro.nodes import NO_DEFAULT, Array, Map, Node, Record, Union
from fakebus.schemas.avro.nodes import Field as AvroField
from fakebus.schemas.interface import STORED, ParsedSchema, ResolvedReference
from fakebus.schemas.json_schema.own_references import own_references
from fakebus.schemas.json_schema.pointers import pointed_to
from fakebus.schemas.languages import language

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

    from fakebus.schemas.protobuf.comparison import Types
    from fakebus.schemas.protobuf.language import ProtobufSchema

_MAX_PLACES = 5_000
"""Types that refer to each other have more paths than anybody can look at."""
_STEPS = re.compile(r"\[\]|\{\}")

NONE = object()
"""No default."""
_MAX_NAMES = 64
"""The names that one field may be found under, by aliases at every step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Field of a schema, at one of the paths that lead to it."""

    path: str
    written: tuple[str, ...] = ()
    """What data has at each step: the name, in Protobuf the number."""
    read: frozenset[tuple[str, ...]] = frozenset({()})
    """What is found as this field, aliases at each step among it."""
    instead: str | None = None
    """What readers find where data has no such field; ``None`` if they fail or cannot tell."""
    default: object = NONE
    """What Avro says that readers find instead."""
    remove: Callable[[], object] = lambda: None
    """Takes the field out of the schema that was walked."""

    def inner(
        self,
        name: str,
        written: str,
        instead: str | None,
        remove: Callable[[], object],
        aliases: Sequence[str] = (),
    ) -> Field:
        """Return a field within this one."""
        read = ((*step, last) for step in self.read for last in (written, *aliases))
        return Field(
            path=f"{self.path}.{name}" if self.path else name,
            written=(*self.written, written),
            read=frozenset(islice(read, _MAX_NAMES)),
            instead=instead,
            remove=remove,
        )


_ROOT = Field(path="")


def fields(schema: ParsedSchema) -> list[Field]:
    """Return the fields of a schema; none of one whose language has no fields.

    Of one that is nested more deeply than Python walks those that come before.
    """
    found: list[Field] = []
    with suppress(RecursionError):
        walked = (
            _avro(schema.node, _ROOT, frozenset())
            if isinstance(schema, AvroSchema)
            else _walked(schema)[0]
        )
        found.extend(islice(walked, _MAX_PLACES))
    return found


def lost_fields(old: ParsedSchema, new: ParsedSchema) -> list[Field]:
    """Return the fields of a schema that another one has under no name, the outermost of each."""
    left = {found for each in fields(new) for found in each.read}
    lost = [each for each in fields(old) if each.written not in left]
    around = {each.written for each in lost}
    return [each for each in lost if each.written[:-1] not in around]


def without_field(
    schema: ParsedSchema, references: Sequence[ResolvedReference], path: str
) -> ParsedSchema:
    """Return a schema without one of its fields.

    Args:
        schema: the schema.
        references: what it builds on.
        path: the field, such as ``address.street``.

    Raises:
        FakebusError: it has no such field, and the text names the nearest; or it is nested too
            deeply.
    """
    wanted = _STEPS.sub("", path)
    try:
        found, changed = _walked(schema)
        places = list(islice(found, _MAX_PLACES))
    except RecursionError:
        raise FakebusError(
            "the schema is nested too deeply to take a field out of it: give the new one whole"
        ) from None
    # Protobuf's own way to write a field begins with the message.
    whole = wanted.removeprefix(f"{(schema.name or '').rpartition('.')[2]}.")
    meant = [one for one in places if one.path == wanted] or [
        one for one in places if one.path == whole
    ]
    if not meant:
        hint = did_you_mean(wanted, {each.path for each in places})
        raise FakebusError(f"the schema has no field {quoted(path)}; {hint}")
    for each in meant:
        each.remove()
    return changed(references)


_Changed = Callable[[Sequence[ResolvedReference]], ParsedSchema]


def _walked(schema: ParsedSchema) -> tuple[Iterator[Field], _Changed]:
    """Return the fields of a copy of a schema, and what makes a schema of the changed copy."""
    if isinstance(schema, AvroSchema):
        node = deepcopy(schema.node, {id(NO_DEFAULT): NO_DEFAULT})
        return _avro(node, _ROOT, frozenset()), lambda _: AvroSchema(node)
    if schema.schema_type == "JSON":
        root = json.loads(schema.canonical)
        return (
            _JsonFields(root).within(root, _ROOT, ()),
            lambda references: language("JSON").parse(json.dumps(root), references, STORED),
        )
    if schema.schema_type == "PROTOBUF":
        from fakebus.schemas.protobuf.language import ProtobufSchema

        if isinstance(schema, ProtobufSchema):
            copy = schema.copied()
            return _protobuf(copy), lambda _: copy
    return iter(()), lambda _: schema


def _avro(node: Node, around: Field, within: frozenset[str]) -> Iterator[Field]:
    if isinstance(node, Union):
        for branch in node.branches:
            yield from _avro(branch, around, within)
    elif isinstance(node, Array | Map):
        yield from _avro(node.items if isinstance(node, Array) else node.values, around, within)
    elif isinstance(node, Record) and node.name.full not in within:
        for field in node.fields:
            instead = f"the default {json.dumps(field.default)}" if field.has_default else None
            drop = partial(_drop, node, field)
            inner = around.inner(field.name, field.name, instead, drop, field.aliases)
            found = replace(inner, default=field.default) if field.has_default else inner
            yield found
            yield from _avro(field.type, found, within | {node.name.full})


def _drop(record: Record, field: AvroField) -> None:
    record.fields = tuple(each for each in record.fields if each is not field)
    record.by_name.pop(field.name, None)


class _JsonFields:
    """Properties of a JSON schema, through local references, items and branches."""

    _BRANCHES = ("allOf", "anyOf", "oneOf")
    _MAX_REFERENCES = 40

    def __init__(self, root: Any) -> None:
        self._root = root
        # What is dropped from the schema leaves its references as they are written.
        self._targets = {
            id(node): pointer for node, word, pointer in own_references(root) if word == "$ref"
        }

    def within(self, node: Any, around: Field, seen: tuple[str, ...]) -> Iterator[Field]:
        """Yield the properties of a place and all beneath it; ``seen`` led here."""
        if not isinstance(node, dict):
            return
        target = self._targets.get(id(node))
        if target is not None and target not in seen and len(seen) < self._MAX_REFERENCES:
            yield from self.within(pointed_to(self._root, target), around, (*seen, target))
        properties = node.get("properties")
        if not isinstance(properties, dict):
            properties = {}
        for name in list(properties):
            required = node.get("required")
            needed = isinstance(required, list) and name in required
            instead = None if needed else "nothing, which its schema allows"
            found = around.inner(name, name, instead, partial(self._drop, node, name))
            inner = properties[name]
            yield found
            yield from self.within(inner, found, seen)
        for name in ("items", "additionalProperties"):
            yield from self.within(node.get(name), around, seen)
        for name in self._BRANCHES:
            branches = node.get(name)
            for branch in branches if isinstance(branches, list) else ():
                yield from self.within(branch, around, seen)

    @staticmethod
    def _drop(node: dict[str, Any], name: str) -> None:
        node["properties"].pop(name, None)
        if isinstance(required := node.get("required"), list) and name in required:
            required.remove(name)


def _protobuf(schema: ProtobufSchema) -> Iterator[Field]:
    for number, message in enumerate(schema.file.message_type):
        # A schema registry calls the schema by its first message.
        around = _ROOT.inner(message.name, message.name, None, lambda: None) if number else _ROOT
        yield from _messages(schema.types, message, around, ())


def _messages(
    types: Types, message: DescriptorProto, around: Field, within: tuple[int, ...]
) -> Iterator[Field]:
    if id(message) in within:
        return
    for field in list(message.field):
        instead = "nothing, which it can tell" if _has_presence(field) else None
        drop = partial(_take_out, message, field)
        found = around.inner(field.name, str(field.number), instead, drop)
        yield found
        entry = types.map_entry(field)
        named = (field if entry is None else entry.field[1]).type_name
        inner = types.messages.get(named)
        if inner is not None and not named.startswith(".google.protobuf."):
            yield from _messages(types, inner.descriptor, found, (*within, id(message)))


def _has_presence(field: FieldDescriptorProto) -> bool:
    is_single = field.label != field.LABEL_REPEATED
    return is_single and (field.HasField("oneof_index") or field.type == field.TYPE_MESSAGE)


def _take_out(message: DescriptorProto, field: FieldDescriptorProto) -> None:
    left = [each for each in message.field if each.number != field.number]
    if field.HasField("oneof_index"):
        group = field.oneof_index
        if not any(one.HasField("oneof_index") and one.oneof_index == group for one in left):
            # A oneof has at least one field.
            del message.oneof_decl[group]
            for each in left:
                if each.HasField("oneof_index") and each.oneof_index > group:
                    each.oneof_index -= 1
    copies = [type(each).FromString(each.SerializeToString()) for each in left]
    del message.field[:]
    message.field.extend(copies)
