"""Values without parts, to and from their binary form.

Source: https://avro.apache.org/docs/1.12.0/specification/ (Binary Encoding).
"""

from __future__ import annotations

import math
import struct
from datetime import date, time
from decimal import Decimal
from difflib import get_close_matches
from reprlib import Repr
from typing import TypeAlias
from uuid import UUID

from fakebus.schemas.avro.defaults import INT_RANGE, LONG_RANGE
from fakebus.schemas.avro.logical_values import decimal_text, number_of, text_of, unscaled
from fakebus.schemas.avro.nodes import Enum, Fixed, LogicalType, Primitive

Scalar: TypeAlias = Primitive | Enum | Fixed

_FLOATS = {"float": struct.Struct("<f"), "double": struct.Struct("<d")}
_NOT_NUMBERS = ("NaN", "Infinity", "-Infinity")


_REPR = Repr()
_REPR.maxlevel, _REPR.maxdict, _REPR.maxstring, _REPR.maxother = 2, 3, 60, 60


def shown(value: object) -> str:
    """Return a value for a message, cut short."""
    return _REPR.repr(value)


def long_bytes(value: int) -> bytes:
    """Return a number in zigzag, seven bits a byte."""
    rest = (value << 1) ^ (value >> 63)
    if rest < 0x4000:
        return bytes((rest & 0x7F | 0x80, rest >> 7) if rest > 0x7F else (rest,))
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def scalar_bytes(node: Scalar, value: object, *, is_default: bool = False) -> bytes:
    """Return the binary form of a value without parts.

    Args:
        node: its type.
        value: JSON-like, or Python's own bytes, date, time, datetime or Decimal.
        is_default: the value is a default of a schema, which knows no logical types.

    Raises:
        ValueError: the value does not fit; the message says what is expected.
    """
    logical = None if is_default or isinstance(node, Enum) else node.logical
    if isinstance(node, Enum):
        return _symbol(node, value)
    if isinstance(node, Fixed):
        return _fixed(node, logical, value)
    match node.kind:
        case "null":
            return _constant(value, {None: b""}, "null")
        case "boolean":
            return _constant(value, {True: b"\x01", False: b"\x00"}, "boolean")
        case "int" | "long":
            return _integer(node.kind, logical, value)
        case "float" | "double":
            return _float(node.kind, value)
        case "string":
            data = _string(value)
        case _:
            data = _bytes(logical, value)
    return long_bytes(len(data)) + data


def plain_float(number: float) -> float | str:
    """Return a number that JSON has, or the name of what is not a number."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def plain_integer(logical: LogicalType | None, number: int) -> int | str:
    """Return a number, or the date or time it stands for."""
    return number if logical is None else text_of(logical, number)


def plain_bytes(logical: LogicalType | None, data: bytes) -> str:
    """Return bytes as Avro's JSON has them: a character for each; or what they stand for.

    Raises:
        ValueError: a decimal that is too long to be written.
    """
    if logical is None:
        return data.decode("latin-1")
    return decimal_text(logical, data) if logical.name == "decimal" else str(UUID(bytes=data))


def _constant(value: object, known: dict[bool, bytes] | dict[None, bytes], kind: str) -> bytes:
    if value is None or isinstance(value, bool):
        for constant, data in known.items():
            if value is constant:
                return data
    raise ValueError(f"expected {kind}, got {shown(value)}")


def _symbol(node: Enum, value: object) -> bytes:
    if isinstance(value, str) and value in node.symbols:
        return long_bytes(node.symbols.index(value))
    near = get_close_matches(value, node.symbols, 1) if isinstance(value, str) else []
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"expected a symbol of {node.name.full}, got {shown(value)}{hint}")


def _integer(kind: str, logical: LogicalType | None, value: object) -> bytes:
    if logical is not None and isinstance(value, str | date | time):
        value = number_of(logical, value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"expected {kind}, got {shown(value)}")
    if value not in (INT_RANGE if kind == "int" else LONG_RANGE):
        raise ValueError(f"{shown(value)} is out of the range of {kind}")
    return long_bytes(value)


def _float(kind: str, value: object) -> bytes:
    if isinstance(value, str) and value in _NOT_NUMBERS:
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"expected {kind}, got {shown(value)}")
    try:
        # There are many NaNs; one stands for all, as in Java.
        return _FLOATS[kind].pack(math.nan if math.isnan(value) else value)
    except (OverflowError, struct.error):
        raise ValueError(f"{shown(value)} is out of the range of {kind}") from None


def _string(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"expected string, got {shown(value)}")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{shown(value)} has half of a surrogate pair in it") from None


def _bytes(logical: LogicalType | None, value: object) -> bytes:
    if logical is not None and isinstance(value, str | int | float | Decimal):
        if isinstance(value, bool):
            raise ValueError(f"expected a decimal number, got {value}")
        number = unscaled(logical, value)
        bits = (number if number >= 0 else ~number).bit_length()
        return number.to_bytes(bits // 8 + 1, "big", signed=True)
    return _raw(value, "bytes")


def _fixed(node: Fixed, logical: LogicalType | None, value: object) -> bytes:
    if logical is not None and not isinstance(value, bytes | bytearray | bool):
        if logical.name == "decimal" and isinstance(value, str | int | float | Decimal):
            # The precision is such that what it allows fits into the size.
            return unscaled(logical, value).to_bytes(node.size, "big", signed=True)
        if logical.name == "uuid" and isinstance(value, str):
            return _uuid(value)
    data = _raw(value, f"{node.name.full} (fixed of {node.size} bytes)")
    if len(data) != node.size:
        raise ValueError(f"expected {node.size} bytes for {node.name.full}, got {len(data)}")
    return data


def _uuid(text: str) -> bytes:
    try:
        return UUID(text).bytes
    except ValueError:
        raise ValueError(f"expected a UUID, got {shown(text)}") from None


def _raw(value: object, kind: str) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if not isinstance(value, str):
        raise ValueError(f"expected {kind}, got {shown(value)}")
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(
            f"expected {kind} as text with one character per byte, got {shown(value)}"
        ) from None
