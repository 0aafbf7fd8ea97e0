"""Whether the default of a field fits its type.

A default is JSON. For a union it may fit any branch, as in Avro 1.12; older versions of the
specification ask for the first. A new schema is held to no more than Avro's Java library asks
for: any text is a default of an enum, of bytes and of a fixed there. Source: the specification,
Complex Types, Records; org.apache.avro.Schema.isValidDefault.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from fakebus.schemas.avro.nodes import Array, Enum, Fixed, Map, Node, Primitive, Record, Union
from fakebus.schemas.interface import SchemaError

INT_RANGE = range(-(2**31), 2**31)
LONG_RANGE = range(-(2**63), 2**63)


def as_number(node: Node, default: object) -> object:
    """Return a field's default; text for a number becomes the number, as in Java."""
    if node.kind in ("float", "double") and isinstance(default, str):
        try:
            return float(default)
        except ValueError:
            pass
    return default


def check_default(node: Node, default: object, what: str) -> None:
    """Hold a default to the rules for new schemas.

    Args:
        node: the field's type.
        default: a JSON value.
        what: the field, for messages.

    Raises:
        SchemaError: the default does not fit.
    """
    if not _fits(node, default, what, exactly=False):
        shown = json.dumps(default, ensure_ascii=False)
        raise SchemaError(f"{what} has the default {shown}, which does not fit {_kinds(node)}.")


def fits_default(node: Node, value: object) -> bool:
    """Return whether a JSON value can be written as a default of a type that is wholly read."""
    return _fits(node, value, "A field", exactly=True)


def _kinds(node: Node) -> str:
    if isinstance(node, Union):
        return " or ".join(branch.kind for branch in node.branches) or "an empty union"
    return node.kind


def _fits(node: Node, value: object, what: str, *, exactly: bool) -> bool:
    match node:
        case Primitive():
            return _fits_primitive(node.kind, value, exactly=exactly)
        case Enum():
            return isinstance(value, str) and (value in node.symbols or not exactly)
        case Fixed():
            is_right = isinstance(value, str) and _is_bytes(value) and len(value) == node.size
            return is_right or (isinstance(value, str) and not exactly)
        case Array():
            return isinstance(value, list) and all(
                _fits(node.items, one, what, exactly=exactly) for one in value
            )
        case Map():
            return isinstance(value, Mapping) and all(
                _fits(node.values, one, what, exactly=exactly) for one in value.values()
            )
        case Union():
            return any(_fits(branch, value, what, exactly=exactly) for branch in node.branches)
        case Record():
            return _fits_record(node, value, what, exactly=exactly)


def _fits_record(node: Record, value: object, what: str, *, exactly: bool) -> bool:
    if not isinstance(value, Mapping):
        return False
    if not node.is_complete:
        raise SchemaError(f"{what} has a default of the record around it, which has no end.")
    # The defaults of the record's own fields were checked when it was read.
    return all(
        _fits(field.type, value[field.name], what, exactly=exactly)
        if field.name in value
        else field.has_default
        for field in node.fields
    )


def _fits_primitive(kind: str, value: object, *, exactly: bool) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "int" | "long":
            numbers = INT_RANGE if kind == "int" else LONG_RANGE
            return isinstance(value, int) and not isinstance(value, bool) and value in numbers
        case "float" | "double":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "bytes":
            return isinstance(value, str) and (_is_bytes(value) or not exactly)
    return isinstance(value, str)


def _is_bytes(text: str) -> bool:
    return all(ord(character) < 0x100 for character in text)
