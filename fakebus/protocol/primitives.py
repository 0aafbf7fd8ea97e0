"""What the generated functions call for everything that is not straight-line code.

The common case (a length below 128) is written out in the generated source; these
functions take over when the first byte of a varint has its continuation bit set, and where
a loop or a decision over buffers is needed. Readers take the whole frame, a position and
return the new position; they never read beyond the frame without raising.
"""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

from fakebus.protocol.errors import DecodeError, EncodeError
from fakebus.types import ZERO_UUID, Buffer

MAX_STRING_LENGTH = 0x7FFF
"""Kafka refuses longer strings in both encodings."""

MAX_ELEMENTS = 30_000
"""Array elements and tagged fields in one message. To read one, to look it up and to answer it
takes some ten microseconds: this keeps a hostile frame from holding up everybody else for long."""

JOIN_BELOW = 4096
"""Record batches below this size are copied behind the bytes before them; larger ones stay
the buffers they are."""

VARINT = [bytes((n,)) for n in range(128)]
"""The unsigned varints of one byte."""

_ZERO_UUID_BYTES = bytes(16)


def read_uvarint(data: memoryview, position: int, first: int) -> tuple[int, int]:
    """Read the rest of an unsigned varint whose first byte has been read.

    Args:
        data: the frame.
        position: the byte after the first.
        first: the first byte, with its continuation bit set or not.

    Returns:
        The value (below 2**32) and the position after it.

    Raises:
        DecodeError: there are more than five bytes, or more than 32 bits.
    """
    if first < 0x80:
        return first, position
    byte = data[position]
    position += 1
    value = (first & 0x7F) | (byte & 0x7F) << 7
    shift = 14
    while byte > 0x7F:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if value > 0xFFFFFFFF or shift > 35:
            raise DecodeError(position, "a varint has more than 32 bits")
    return value, position


def read_other_string(
    data: memoryview, position: int, first: int, end: int, name: str
) -> tuple[str, int]:
    """Read a compact string that is longer than 126 bytes, or not valid.

    Args:
        data: the frame.
        position: the byte after the first of the length.
        first: that first byte.
        end: the length of the frame.
        name: the field, for the error.

    Returns:
        The string and the position after it.

    Raises:
        DecodeError: the length is not valid, or is that of null.
    """
    value, position = read_uvarint(data, position, first)
    length = value - 1
    if length > MAX_STRING_LENGTH:
        raise DecodeError(position, f"{name} has {length} bytes, which is too long")
    if not 0 <= length <= end - position:
        raise length_error(position, length, end, name)
    return str(data[position : position + length], "utf-8"), position + length


def null_or_error(position: int, length: int, end: int, name: str, nullable: bool) -> None:
    """Return for a null that is allowed.

    Raises:
        DecodeError: the length of a string, bytes or records field is anything else.
    """
    if length != -1 or not nullable:
        raise length_error(position, length, end, name)


def length_error(position: int, length: int, end: int, name: str) -> DecodeError:
    """Return the error for a length that is negative or leads out of the frame."""
    if length == -1:
        return DecodeError(position, f"{name} must not be null")
    if length < 0:
        return DecodeError(position, f"{name} has a length of {length}")
    return DecodeError(position, f"{name} ends beyond the frame, {end - position} bytes are left")


def skip_tagged_fields(
    data: memoryview, position: int, first: int, end: int, elements: int = 0
) -> tuple[int, int]:
    """Pass over a tag section none of whose tags we know (KIP-482).

    Args:
        data: the frame.
        position: the byte after the first of the section's count.
        first: that first byte.
        end: the length of the frame.
        elements: how many array elements and tagged fields there were before.

    Returns:
        The position after the section, and how many there are now.

    Raises:
        DecodeError: a size leads out of the frame, or there are too many.
    """
    count, position = read_uvarint(data, position, first)
    elements += count
    if elements > MAX_ELEMENTS:
        raise array_error(position, count, "tagged fields")
    for _ in range(count):
        _, position = read_uvarint(data, position + 1, data[position])
        size, position = read_uvarint(data, position + 1, data[position])
        position += size
        if position > end:
            raise DecodeError(position - size, f"a tagged field of {size} bytes ends too late")
    return position, elements


def array_error(position: int, count: int, name: str) -> DecodeError:
    """Return the error for an array count that the rest of the frame cannot hold."""
    if count < 0:
        return DecodeError(position, f"{name}: an array of {count} elements")
    return DecodeError(position, f"{name}: {count} elements do not fit into the frame")


@lru_cache(maxsize=1024)
def _cached_uuid(raw: bytes) -> UUID:
    return UUID(bytes=raw)


def uuid_from_bytes(raw: bytes) -> UUID:
    """Return the uuid; topic ids come again and again, so they are remembered."""
    return ZERO_UUID if raw == _ZERO_UUID_BYTES else _cached_uuid(raw)


def uvarint_bytes(value: int) -> bytes:
    """Return an unsigned varint.

    Raises:
        EncodeError: the value has more than 32 bits.
    """
    if not 0 <= value <= 0xFFFFFFFF:
        raise EncodeError(f"{value} is no unsigned 32 bit number")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def string_length_bytes(value: int) -> bytes:
    """Return a compact string's length, which is one more than its bytes.

    Raises:
        EncodeError: the string is longer than Kafka takes.
    """
    if value > MAX_STRING_LENGTH + 1:
        raise EncodeError(f"a string of {value - 1} bytes is too long")
    return uvarint_bytes(value)


def append_records(
    buffers: list[Buffer], out: bytearray, records: object, compact: bool
) -> bytearray:
    """Add record batches with their length to what has been written, without a copy.

    Args:
        buffers: the finished buffers of the message.
        out: the buffer being written; it joins ``buffers`` before a large batch.
        records: a buffer, or a list or tuple of buffers.
        compact: whether the length is a varint.

    Returns:
        The buffer to go on writing to.

    Raises:
        EncodeError: ``records`` is none of these.
    """
    parts = records if isinstance(records, list | tuple) else (records,)
    size = 0
    for part in parts:
        if not isinstance(part, bytes | bytearray | memoryview):
            raise EncodeError(f"records must be buffers, not {type(part).__name__}")
        size += len(part)
    out += uvarint_bytes(size + 1) if compact else size.to_bytes(4, "big")
    for part in parts:
        if len(part) < JOIN_BELOW:
            out += part
        else:
            if out:
                buffers.append(out)
            buffers.append(part)
            out = bytearray()
    return out
