"""From Avro's binary form to plain data, which :mod:`fakebus.schemas.avro.encoder` takes back.

``bytes`` and ``fixed`` come as Avro's JSON has them, text with a character per byte; decimals,
UUIDs, dates and times as text; what is not a number by its name; a branch of a union as
``{"name of the branch": value}`` where the plain value could mean another one.
Source: the specification, Binary Encoding.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from fakebus.schemas.avro.defaults import INT_RANGE, LONG_RANGE
from fakebus.schemas.avro.encoder import MAX_DATA_DEPTH, Path, place
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
from fakebus.schemas.avro.scalars import plain_bytes, plain_float, plain_integer
from fakebus.schemas.avro.union_branches import is_plain
from fakebus.schemas.interface import SchemaDataError

_FREE_VALUES = 100_000
"""How many values may come without a byte of their own, such as nulls."""
_LONGEST_VARINT = 10


def decode(node: Node, payload: bytes) -> object:
    """Return the data of a binary form.

    Raises:
        SchemaDataError: the bytes do not fit, or some are left over.
    """
    decoder = _Decoder(data=bytes(payload))
    value = decoder.read(node, None, 0)
    if decoder.at < len(payload):
        raise SchemaDataError(
            f"$: {len(payload) - decoder.at} bytes are left over after {decoder.at}"
        )
    return value


@dataclass(slots=True, kw_only=True)
class _Decoder:
    data: bytes
    at: int = 0
    values: int = 0

    def read(self, node: Node, path: Path, depth: int) -> object:
        self._count(path, depth)
        match node:
            case Record():
                return {
                    one.name: self.read(one.type, (path, one.name), depth + 1)
                    for one in node.fields
                }
            case Union():
                return self._union(node, path, depth)
            case Array():
                return self._array(node, path, depth)
            case Map():
                return self._map(node, path, depth)
            case Enum():
                at = self._long(path)
                if not 0 <= at < len(node.symbols):
                    raise SchemaDataError(f"{place(path)}: {node.name.full} has no symbol {at}")
                return node.symbols[at]
            case Fixed():
                return self._plain_bytes(node.logical, self._take(node.size, path), path)
            case Primitive():
                return self._primitive(node, path)

    def _primitive(self, node: Primitive, path: Path) -> object:
        match node.kind:
            case "null":
                return None
            case "boolean":
                flag = self._take(1, path)[0]
                if flag > 1:
                    raise SchemaDataError(f"{place(path)}: a boolean is 0 or 1, not {flag}")
                return flag == 1
            case "int" | "long":
                number = self._long(path)
                if node.kind == "int" and number not in INT_RANGE:
                    raise SchemaDataError(f"{place(path)}: {number} is out of the range of int")
                return plain_integer(node.logical, number)
            case "float":
                return plain_float(struct.unpack("<f", self._take(4, path))[0])
            case "double":
                return plain_float(struct.unpack("<d", self._take(8, path))[0])
            case "bytes":
                return self._plain_bytes(node.logical, self._take(self._long(path), path), path)
        return self._text(path)

    def _union(self, node: Union, path: Path, depth: int) -> object:
        at = self._long(path)
        if not 0 <= at < len(node.branches):
            raise SchemaDataError(f"{place(path)}: the union has no branch {at}")
        value = self.read(node.branches[at], path, depth + 1)
        return value if is_plain(node, at, value) else {type_name(node.branches[at]): value}

    def _array(self, node: Array, path: Path, depth: int) -> list[object]:
        items: list[object] = []
        while count := self._block(path):
            for _ in range(count):
                items.append(self.read(node.items, (path, len(items)), depth + 1))
        return items

    def _map(self, node: Map, path: Path, depth: int) -> dict[str, object]:
        entries: dict[str, object] = {}
        while count := self._block(path):
            for _ in range(count):
                key = self._text(path)
                entries[key] = self.read(node.values, (path, key), depth + 1)
        return entries

    def _block(self, path: Path) -> int:
        count = self._long(path)
        if count < 0:
            # A negative count is followed by the size of the block, for readers that skip it.
            self._long(path)
        return abs(count)

    def _text(self, path: Path) -> str:
        try:
            return self._take(self._long(path), path).decode()
        except UnicodeDecodeError:
            raise SchemaDataError(f"{place(path)}: a string is not UTF-8") from None

    def _plain_bytes(self, logical: LogicalType | None, data: bytes, path: Path) -> str:
        try:
            return plain_bytes(logical, data)
        except ValueError as error:
            raise SchemaDataError(f"{place(path)}: {error}") from None

    def _take(self, size: int, path: Path) -> bytes:
        if not 0 <= size <= len(self.data) - self.at:
            left = len(self.data) - self.at
            message = f"needs {size} bytes at {self.at}, there are {left}"
            raise SchemaDataError(f"{place(path)}: {message}")
        self.at += size
        return self.data[self.at - size : self.at]

    def _long(self, path: Path) -> int:
        value = 0
        for shift in range(0, 7 * _LONGEST_VARINT, 7):
            byte = self._take(1, path)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                number = (value >> 1) ^ -(value & 1)
                if number in LONG_RANGE:
                    return number
                break
        raise SchemaDataError(f"{place(path)}: a number has more than 64 bits")

    def _count(self, path: Path, depth: int) -> None:
        if depth > MAX_DATA_DEPTH:
            raise SchemaDataError(
                f"{place(path)}: the data is nested deeper than {MAX_DATA_DEPTH} levels"
            )
        self.values += 1
        if self.values > _FREE_VALUES + MAX_DATA_DEPTH * len(self.data):
            raise SchemaDataError(f"{place(path)}: too many values for {len(self.data)} bytes")
