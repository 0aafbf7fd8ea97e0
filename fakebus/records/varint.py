"""Zigzag variable-length integers, as records use them (Protocol Buffers' sint32 and sint64)."""

from __future__ import annotations

from fakebus.records.errors import InvalidBatchError

_VARINT_BYTES = 5
_VARLONG_BYTES = 10
_CONTINUES = 0x80
_INT32_BITS = 0xFFFFFFFF
_INT64_BITS = 0xFFFFFFFFFFFFFFFF


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return an int32 and the position behind it.

    Raises:
        InvalidBatchError: it takes more than 5 bytes.
        IndexError: the data end inside it.
    """
    byte = data[position]
    if byte < _CONTINUES:
        return (byte >> 1) ^ -(byte & 1), position + 1
    # Lengths of records are of two bytes mostly: a call for these would take most of the time.
    low = data[position + 1]
    if low < _CONTINUES:
        raw = byte & 0x7F | low << 7
        return (raw >> 1) ^ -(raw & 1), position + 2
    raw, position = _read_long_form(data, position, _VARINT_BYTES)
    raw &= _INT32_BITS
    return (raw >> 1) ^ -(raw & 1), position


def read_varlong(data: bytes, position: int) -> tuple[int, int]:
    """Return an int64 and the position behind it.

    Raises:
        InvalidBatchError: it takes more than 10 bytes.
        IndexError: the data end inside it.
    """
    byte = data[position]
    if byte < _CONTINUES:
        return (byte >> 1) ^ -(byte & 1), position + 1
    low = data[position + 1]
    if low < _CONTINUES:
        raw = byte & 0x7F | low << 7
        return (raw >> 1) ^ -(raw & 1), position + 2
    raw, position = _read_long_form(data, position, _VARLONG_BYTES)
    raw &= _INT64_BITS
    return (raw >> 1) ^ -(raw & 1), position


def _read_long_form(data: bytes, position: int, max_bytes: int) -> tuple[int, int]:
    raw = 0
    for shift in range(0, 7 * max_bytes, 7):
        byte = data[position]
        position += 1
        raw |= (byte & 0x7F) << shift
        if byte < _CONTINUES:
            return raw, position
    raise InvalidBatchError(f"a variable-length integer is longer than {max_bytes} bytes")


def _encode(value: int) -> bytes:
    raw = value << 1 if value >= 0 else (~value << 1) | 1
    encoded = bytearray()
    while raw >= _CONTINUES:
        encoded.append(raw & 0x7F | _CONTINUES)
        raw >>= 7
    encoded.append(raw)
    return bytes(encoded)


# Offset deltas, lengths and most timestamp deltas are small: a table makes building a batch
# about twice as fast.
_SMALL = tuple(_encode(value) for value in range(1024))


def encode_varint(value: int) -> bytes:
    """Return an int32 or int64 in its shortest form."""
    if 0 <= value < len(_SMALL):
        return _SMALL[value]
    return _encode(value)
