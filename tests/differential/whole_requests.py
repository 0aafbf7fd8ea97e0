"""Requests made from their definitions: every field filled, and each of them changed in turn.

A change empties a field (an empty array or text, null where it may be null), says it twice (an
element of an array), or gives a value that nothing has (a name, an id, a number below zero).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.schema import FieldSchema, StructSchema, api_schema
from fakebus.types import ZERO_UUID

UNKNOWN_ID = uuid.UUID(int=7)
LEFT_EMPTY = object()
WHOLE_NUMBERS = ("i8", "i16", "i32", "i64", "u16")


class Changed(NamedTuple):
    """A request in which one field is another than in the request that is whole."""

    field: str
    """Where it stands, as in ``topics.partitions.partition_index``; empty in the whole request."""
    value: str
    request: Any


def whole_and_changed(
    api: ApiKey, version: int, values: Mapping[str, Any], unknown: str
) -> Iterator[Changed]:
    """Yield a request with every field filled, and each with one field changed.

    Args:
        api: what is asked.
        version: in which the request is sent.
        values: of fields, by their name or by where they stand, which goes first; an array's is
            its element's, or :data:`LEFT_EMPTY`. The default of the definition for all others.
        unknown: a name that nothing has.
    """
    schema = api_schema(int(api))
    assert schema is not None
    root = schema.request.root
    yield Changed("", "whole", _build(root, version, values, "", None))
    for path, field in _fields(root, version, values, ""):
        for label, value in _other_values(field, version, _value(field, path, values), unknown):
            change = (path, label, value)
            yield Changed(path, label, _build(root, version, values, "", change))


def _fields(
    struct: StructSchema, version: int, values: Mapping[str, Any], above: str
) -> Iterator[tuple[str, FieldSchema]]:
    for field in (*struct.fields_in(version), *struct.tagged_fields_in(version)):
        path = f"{above}{field.name}"
        yield path, field
        if field.struct is not None and values.get(path) is not LEFT_EMPTY:
            yield from _fields(field.struct, version, values, f"{path}.")


def _value(field: FieldSchema, path: str, values: Mapping[str, Any]) -> Any:
    """Return what a scalar field has in the whole request."""
    for name in (path, field.name):
        if name in values:
            return values[name]
    if field.default not in (None, "null", ""):
        return {"true": True, "false": False}.get(field.default) or (
            int(field.default) if field.type in WHOLE_NUMBERS else field.default
        )
    return {"str": "", "bytes": b"", "rec": None, "bool": False, "uuid": ZERO_UUID}.get(
        field.type, 0
    )


def _other_values(
    field: FieldSchema, version: int, value: Any, unknown: str
) -> Iterator[tuple[str, Any]]:
    """Yield what a field is changed to, with a word for it."""
    if field.is_nullable_in(version):
        yield "null", None
    if field.is_array:
        yield "empty", []
        if value is not LEFT_EMPTY:
            yield "twice", "twice"
    if field.struct is not None:
        return
    others: dict[str, list[Any]] = {
        "str": ["", unknown],
        "bytes": [b""],
        "uuid": [ZERO_UUID, UNKNOWN_ID],
        "bool": [not value],
        "i8": [-1, 0, 99],
        "u16": [0, 99],
    }
    for other in others.get(field.type, [-1, 0, 99] if field.type in WHOLE_NUMBERS else []):
        if other != value:
            yield (
                "unknown" if other in (unknown, UNKNOWN_ID) else str(other),
                [other] if field.is_array else other,
            )


def _build(
    struct: StructSchema,
    version: int,
    values: Mapping[str, Any],
    above: str,
    change: tuple[str, str, Any] | None,
) -> Any:
    fields: dict[str, Any] = {}
    for field in (*struct.fields_in(version), *struct.tagged_fields_in(version)):
        path = f"{above}{field.name}"
        changed = change is not None and change[0] == path
        if changed and change is not None and change[1] != "twice":
            fields[field.name] = change[2]
            continue
        if _value(field, path, values) is LEFT_EMPTY and not changed:
            fields[field.name] = []
            continue
        made = (
            _value(field, path, values)
            if field.struct is None
            else _build(field.struct, version, values, f"{path}.", change)
        )
        fields[field.name] = ([made, made] if changed else [made]) if field.is_array else made
    return getattr(m, struct.name)(**fields)
