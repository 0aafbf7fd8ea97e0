"""Named types within schemas, each as a schema of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fakebus.schemas.avro.language import AvroSchema
from fakebus.schemas.avro.nodes import Array, Map, Named, Node, Record, Union
from fakebus.schemas.interface import ParsedSchema

_MOST = 1_000


def carried_types(schema: ParsedSchema) -> Mapping[str, ParsedSchema]:
    """Return the types that a schema carries, by their full names; of JSON Schema the whole."""
    if isinstance(schema, AvroSchema):
        found: dict[str, Named] = {}
        _collect(schema.node, found)
        return {name: AvroSchema(node) for name, node in found.items()}
    if schema.schema_type == "PROTOBUF":
        from fakebus.schemas.protobuf.language import ProtobufSchema

        if isinstance(schema, ProtobufSchema):
            return dict(schema.messages())
    return {} if schema.name is None else {schema.name: schema}


def _collect(node: Node, found: dict[str, Named]) -> None:
    # Not by a function that calls itself: a registry takes what is nested more deeply than that.
    left = [node]
    while left:
        each = left.pop()
        left += _parts(each)
        if isinstance(each, Named) and each.name.full not in found and len(found) < _MOST:
            found[each.name.full] = each
            if isinstance(each, Record):
                left += [field.type for field in reversed(each.fields)]


def _parts(node: Node) -> Iterator[Node]:
    match node:
        case Union():
            yield from node.branches
        case Array():
            yield node.items
        case Map():
            yield node.values
