"""From Avro's binary form to plain data, which :mod:`fakebus.schemas.avro.encoder` takes back.

``bytes`` and ``fixed`` come as Avro's JSON has them, text with a character per byte; decimals,
UUIDs, dates and times as text; what is not a number by its name; a branch of a union as
``{"name of the branch": value}`` where the plain value could mean another one.
Source: the specification, Binary Encoding. As for the encoder, a schema becomes functions.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeAlias

from fakebus.schemas.avro.defaults import INT_RANGE, LONG_RANGE
from fakebus.schemas.avro.misfits import MAX_DATA_DEPTH, Misfit, too_deep
from fakebus.schemas.avro.nodes import (
    Array,
    Enum,
    Fixed,
    LogicalType,
    Map,
    Node,
    Primitive,
    Record,
    Union,
    type_name,
)
from fakebus.schemas.avro.scalars import Scalar, plain_bytes, plain_float, plain_integer
from fakebus.schemas.avro.union_branches import (
    PLAIN_TYPES,
    is_plain,
    is_plainly_optional,
    named_branch,
)
from fakebus.schemas.interface import SchemaDataError

_FREE_VALUES = 100_000
"""How many values may come without a byte of their own, such as nulls."""
_VALUES_OF_A_BYTE = 8
"""How many may come with a byte: a record of a record of an empty optional is one of seven. What a
value takes in memory is a hundred times that."""
_LONGEST_VARINT = 10
_unpack_double = struct.Struct("<d").unpack


def decoder_of(node: Node) -> Callable[[bytes], object]:
    """Return what turns the binary form of a type into data.

    It raises a SchemaDataError if the bytes do not fit, or some are left over.
    """
    read = _Readers().of(node)

    def decode(payload: bytes) -> object:
        source = _Source(bytes(payload))
        try:
            value = read(source, 0)
        except Misfit as misfit:
            raise SchemaDataError(str(misfit)) from None
        if source.at < len(payload):
            raise SchemaDataError(
                f"$: {len(payload) - source.at} bytes are left over after {source.at}"
            )
        return value

    return decode


class _Source:
    """Bytes, and how far they are read."""

    __slots__ = ("at", "data", "values_left")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.values_left = _FREE_VALUES + _VALUES_OF_A_BYTE * len(data)

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        if not 0 <= size <= len(self.data) - self.at:
            left = len(self.data) - self.at
            raise Misfit(f"needs {size} bytes at {self.at}, there are {left}")
        self.at += size
        return self.data[self.at - size : self.at]

    def long(self) -> int:
        """Return the next number."""
        at, data = self.at, self.data
        if at < len(data) and (byte := data[at]) < 0x80:
            self.at = at + 1
            return (byte >> 1) ^ -(byte & 1)
        value = shift = 0
        for byte in data[at : at + _LONGEST_VARINT]:
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                number = (value >> 1) ^ -(value & 1)
                if number not in LONG_RANGE:
                    break
                self.at = at + shift // 7
                return number
        else:
            if shift < 7 * _LONGEST_VARINT:
                # Its end is missing, which this says.
                self.take(shift // 7 + 1)
        raise Misfit("a number has more than 64 bits")

    def block(self) -> int:
        """Return how many items follow."""
        count = self.long()
        if count < 0:
            # A negative count is followed by the size of the block, for readers that skip it.
            self.long()
        return abs(count)

    def count(self, values: int, depth: int) -> None:
        """Count values that lie so many levels deep."""
        if depth > MAX_DATA_DEPTH:
            raise too_deep()
        self.values_left -= values
        if self.values_left < 0:
            raise Misfit(f"too many values for {len(self.data)} bytes")


_Read: TypeAlias = Callable[[_Source, int], Any]
"""Returns the next value, which lies so many levels deep."""


class _Readers:
    """Readers of types, each made once."""

    def __init__(self) -> None:
        self._known: dict[Node, _Read] = {}

    def of(self, node: Node) -> _Read:
        """Return what reads values of a type."""
        if node not in self._known:
            match node:
                case Record():
                    # Its fields are added behind, for they may be of the same type.
                    parts: list[tuple[str, _Read]] = []
                    self._known[node] = _record_reader(parts)
                    parts += [(one.name, self.of(one.type)) for one in node.fields]
                case Array():
                    self._known[node] = _array_reader(self.of(node.items))
                case Map():
                    self._known[node] = _map_reader(self.of(node.values))
                case Union():
                    branches = [self.of(branch) for branch in node.branches]
                    self._known[node] = _union_reader(node, branches)
                case _:
                    self._known[node] = _scalar_reader(node)
        return self._known[node]


def _record_reader(parts: list[tuple[str, _Read]]) -> _Read:
    def read(source: _Source, depth: int) -> dict[str, Any]:
        source.count(1 + len(parts), depth)
        found, name = {}, ""
        try:
            for name, part in parts:
                found[name] = part(source, depth + 1)
        except Misfit as misfit:
            misfit.path.append(name)
            raise
        return found

    return read


def _array_reader(item: _Read) -> _Read:
    def read(source: _Source, depth: int) -> list[Any]:
        items: list[Any] = []
        source.count(1, depth)
        while count := source.block():
            try:
                for _ in range(count):
                    source.count(1, depth)
                    items.append(item(source, depth + 1))
            except Misfit as misfit:
                misfit.path.append(len(items))
                raise
        return items

    return read


def _map_reader(value: _Read) -> _Read:
    def read(source: _Source, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        source.count(1, depth)
        while count := source.block():
            for _ in range(count):
                key = _read_text(source, depth)
                try:
                    entries[key] = value(source, depth + 1)
                except Misfit as misfit:
                    misfit.path.append(key)
                    raise
        return entries

    return read


def _union_reader(node: Union, branches: list[_Read]) -> _Read:
    # What is no object can only mean the one branch that is not null.
    is_clear = is_plainly_optional(node)

    def read(source: _Source, depth: int) -> Any:
        source.count(1, depth)
        at = source.long()
        if not 0 <= at < len(branches):
            raise Misfit(f"the union has no branch {at}")
        value = branches[at](source, depth + 1)
        if is_clear and type(value) in PLAIN_TYPES:
            return value
        if named_branch(node, value) is None if is_clear else is_plain(node, at, value):
            return value
        return {type_name(node.branches[at]): value}

    return read


def _scalar_reader(node: Scalar) -> _Read:
    match node:
        case Enum():
            return _symbol_reader(node)
        case Fixed():
            return lambda source, _: _plain_bytes(node.logical, source.take(node.size))
        case Primitive(kind="int" | "long"):
            return _integer_reader(node)
    return {
        "null": lambda source, _: None,
        "boolean": _read_boolean,
        "float": lambda source, _: plain_float(struct.unpack("<f", source.take(4))[0]),
        "double": lambda source, _: plain_float(_unpack_double(source.take(8))[0]),
        "bytes": lambda source, _: _plain_bytes(node.logical, source.take(source.long())),
        "string": _read_text,
    }[node.kind]


def _symbol_reader(node: Enum) -> _Read:
    def read(source: _Source, depth: int) -> str:
        at = source.long()
        if not 0 <= at < len(node.symbols):
            raise Misfit(f"{node.name.full} has no symbol {at}")
        return node.symbols[at]

    return read


def _integer_reader(node: Primitive) -> _Read:
    if node.kind == "long" and node.logical is None:
        return lambda source, _: source.long()
    numbers = INT_RANGE if node.kind == "int" else LONG_RANGE

    def read(source: _Source, depth: int) -> int | str:
        number = source.long()
        if number not in numbers:
            raise Misfit(f"{number} is out of the range of int")
        return plain_integer(node.logical, number)

    return read


def _read_text(source: _Source, depth: int) -> str:
    # Most are short, with one byte for their size, which is even.
    at, data = source.at, source.data
    size = data[at] if at < len(data) else 0x80
    end = at + 1 + (size >> 1)
    if size < 0x80 and not size & 1 and end <= len(data):
        source.at, found = end, data[at + 1 : end]
    else:
        found = source.take(source.long())
    try:
        return found.decode()
    except UnicodeDecodeError:
        raise Misfit("a string is not UTF-8") from None


def _read_boolean(source: _Source, depth: int) -> bool:
    flag = source.take(1)[0]
    if flag > 1:
        raise Misfit(f"a boolean is 0 or 1, not {flag}")
    return flag == 1


def _plain_bytes(logical: LogicalType | None, data: bytes) -> str:
    try:
        return plain_bytes(logical, data)
    except ValueError as error:
        raise Misfit(str(error)) from None
