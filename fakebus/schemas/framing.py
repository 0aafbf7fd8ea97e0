"""Confluent's framing: a zero byte, the schema's id as a big-endian int32, the payload.

Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/
(Wire format).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from uuid import UUID

_HEADER = struct.Struct(">bi")
HEADER_SIZE = _HEADER.size
GUID_HEADERS = ("__value_schema_id", "__key_schema_id")
"""The headers that name the schemas of value and key by their guids."""


_GUID = 1
_GUID_END = 17


def guid_of_header(value: bytes | None) -> tuple[UUID, bytes] | None:
    """Return the guid of the schema that a header names, and what follows it there.

    Serializers that leave the framing to headers put a one before the 16 bytes of the guid, and
    Protobuf's message indexes behind them.
    """
    if value is None or len(value) < _GUID_END or value[0] != _GUID:
        return None
    return UUID(bytes=bytes(value[1:_GUID_END])), bytes(value[_GUID_END:])


def framings_of(
    headers: Iterable[tuple[str, bytes | None]], id_of_guid: Callable[[str], int | None]
) -> tuple[bytes, bytes]:
    """Return what value and key of a record would begin with if they were framed.

    It is empty where no header names a schema, or ``id_of_guid`` does not know it.
    """
    first: dict[str, bytes | None] = {}
    for name, value in headers:
        first.setdefault(name, value)
    found = []
    for name in GUID_HEADERS:
        told = guid_of_header(first.get(name))
        schema_id = None if told is None else id_of_guid(str(told[0]))
        found.append(b"" if told is None or schema_id is None else frame(schema_id, told[1]))
    return found[0], found[1]


def frame(schema_id: int, payload: bytes) -> bytes:
    """Return a framed payload."""
    return _HEADER.pack(0, schema_id) + payload


def framed_id(data: bytes | memoryview | None) -> int | None:
    """Return the schema id of framed data, or ``None`` when it is not framed."""
    if data is None or len(data) < HEADER_SIZE or data[0] != 0:
        return None
    schema_id: int = _HEADER.unpack_from(data)[1]
    return schema_id if schema_id >= 0 else None
