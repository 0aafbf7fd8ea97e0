"""Logical types: which are valid where, and their values as text.

A logical type that does not fit its type is ignored, as the specification says; in strict
mode it is refused. Source: https://avro.apache.org/docs/1.12.0/specification/ (Logical Types).
"""

from __future__ import annotations

import math
from typing import TypeGuard

from fakebus.schemas.avro.nodes import LogicalType, Properties
from fakebus.schemas.interface import SchemaError

LOGICAL_TYPE = "logicalType"
UUID_SIZE = 16

_BASES = {
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "timestamp-millis": ("long",),
    "timestamp-micros": ("long",),
    "timestamp-nanos": ("long",),
    "local-timestamp-millis": ("long",),
    "local-timestamp-micros": ("long",),
    "local-timestamp-nanos": ("long",),
    "decimal": ("bytes", "fixed"),
    "uuid": ("string", "fixed"),
}


def logical_type(
    kind: str, properties: Properties, *, size: int | None = None, strict: bool = False
) -> LogicalType | None:
    """Return the logical type among the properties of a type, if there is one and it is valid.

    Args:
        kind: the type it stands on.
        properties: of that type.
        size: in bytes, of a ``fixed``.
        strict: refuse an invalid one.

    Raises:
        SchemaError: it is not valid, in strict mode.
    """
    name = properties.get(LOGICAL_TYPE)
    if not isinstance(name, str) or name not in _BASES:
        return None
    problem = _problem(name, kind, properties, size)
    if problem is None:
        precision, scale = properties.get("precision"), properties.get("scale")
        return LogicalType(
            name=name,
            precision=precision if _is_integer(precision) else 0,
            scale=scale if _is_integer(scale) else 0,
        )
    if strict:
        raise SchemaError(f"The logical type {name!r} is not valid: {problem}.")
    return None


def _problem(name: str, kind: str, properties: Properties, size: int | None) -> str | None:
    if kind not in _BASES[name]:
        return f"it stands on {' or '.join(_BASES[name])}, not on {kind}"
    if name == "uuid" and kind == "fixed" and size != UUID_SIZE:
        return f"a UUID has {UUID_SIZE} bytes, not {size}"
    return _decimal_problem(properties, size) if name == "decimal" else None


def _decimal_problem(properties: Properties, size: int | None) -> str | None:
    precision, scale = properties.get("precision"), properties.get("scale", 0)
    if not _is_integer(precision) or precision <= 0:
        return f"its precision must be a number above 0, not {precision!r}"
    if not _is_integer(scale) or scale < 0:
        return f"its scale must be a number of 0 or more, not {scale!r}"
    if scale > precision:
        return f"its scale {scale} is larger than its precision {precision}"
    if size is not None and precision > math.floor(math.log10(2) * (8 * size - 1)):
        return f"{precision} digits do not fit into {size} bytes"
    return None


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
