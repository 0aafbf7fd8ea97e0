"""Confluent's framing: a zero byte, the schema's id as a big-endian int32, the payload.

Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/
(Wire format).
"""

from __future__ import annotations

import struct

_HEADER = struct.Struct(">bi")
HEADER_SIZE = _HEADER.size


def frame(schema_id: int, payload: bytes) -> bytes:
    """Return a framed payload."""
    return _HEADER.pack(0, schema_id) + payload


def framed_id(data: bytes | memoryview | None) -> int | None:
    """Return the schema id of framed data, or ``None`` when it is not framed."""
    if data is None or len(data) < HEADER_SIZE or data[0] != 0:
        return None
    schema_id: int = _HEADER.unpack_from(data)[1]
    return schema_id if schema_id >= 0 else None
