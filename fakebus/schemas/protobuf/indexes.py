"""The message indexes in front of a Protobuf payload: which message of the file it is.

Zigzag varints, the count first; ``[0]``, the first message, is the single byte 0.
Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/
(Wire format).
"""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.schemas.interface import SchemaDataError

_MAX_INDEXES = 100
_MAX_VARINT_BYTES = 5


def write_indexes(indexes: Sequence[int]) -> bytes:
    """Return the bytes of message indexes."""
    if list(indexes) == [0]:
        return b"\0"
    return b"".join(_varint(number) for number in (len(indexes), *indexes))


def read_indexes(payload: bytes) -> tuple[list[int], int]:
    """Return message indexes and how many bytes they take.

    Raises:
        SchemaDataError: the bytes hold none.
    """
    count, position = _read(payload, 0)
    if count == 0:
        return [0], position
    if not 0 < count <= _MAX_INDEXES:
        raise SchemaDataError(f"{count} message indexes cannot be")
    indexes = []
    for _ in range(count):
        index, position = _read(payload, position)
        indexes.append(index)
    return indexes, position


def _varint(number: int) -> bytes:
    zigzag = number << 1
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def _read(payload: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        if position >= len(payload):
            raise SchemaDataError("the message indexes are cut off")
        byte = payload[position]
        position += 1
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
    raise SchemaDataError("a message index has too many bytes")
