"""Walk over the records of a batch, reading only as much of each as a question needs.

Lengths and counts are checked against the bytes that are there; see :mod:`.reader`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakebus.records.batch import HEADER_SIZE, TIMESTAMP_TYPE_BIT, BatchHeader, check_whole
from fakebus.records.codecs import CODEC_MASK
from fakebus.records.compression import decompress
from fakebus.records.errors import InvalidBatchError
from fakebus.records.varint import read_varint, read_varlong
from fakebus.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakebus.types import Buffer

_MIN_INT64 = -(2**63)
_MAX_INT64 = 2**63 - 1
_ATTRIBUTE_BYTES = 1
_ATTRIBUTES_LOW_BYTE = 22
"""Of a batch: it says how that is packed."""
_CONTINUES = 0x80
_NULL = -1
_PASSED_AT_ONCE = 500
"""Records that are passed over without telling; some hundred microseconds."""

TOO_LONG = "a record is longer than its length says"
"""What it means when the functions below run into the end of the data (IndexError)."""


def unpack(batch: Buffer, max_bytes: int) -> tuple[BatchHeader, bytes]:
    """Return the header and the unpacked records of exactly one batch.

    Raises:
        RecordError: the batch cannot be read, or unpacks to more than ``max_bytes``.
    """
    header = check_whole(batch)
    if header.record_count < 0:
        raise InvalidBatchError(f"the record batch counts {counted(header.record_count, 'record')}")
    if header.last_offset > _MAX_INT64:
        raise InvalidBatchError("the record batch ends behind the largest offset")
    # bytes are indexed faster than a memoryview, and their slices are what records hold.
    return header, bytes(decompress(header.codec, memoryview(batch)[HEADER_SIZE:], max_bytes))


def frames(header: BatchHeader, data: bytes, first: int = 0) -> Iterator[tuple[int, int]]:
    """Yield for each record where its timestamp delta starts and where the record ends.

    Args:
        header: of the batch.
        data: its unpacked records.
        first: the place in the batch, from 0, of the first record that is wanted; of those before
            it some are yielded, so that the caller can give way to others.

    Raises:
        InvalidBatchError: the records do not fill the data.
    """
    position = 0
    size = len(data)
    try:
        for place in range(header.record_count):
            length, start = read_varint(data, position)
            position = start + length
            if length <= 0 or position > size:
                raise InvalidBatchError(f"a record cannot be {length} bytes long here")
            if place >= first or not place % _PASSED_AT_ONCE:
                yield start + _ATTRIBUTE_BYTES, position
    except IndexError:
        raise InvalidBatchError(
            f"the records end before the {header.record_count} that the header counts"
        ) from None
    if position != size:
        raise InvalidBatchError(f"{size - position} bytes follow the last record")


def read_timestamp(header: BatchHeader, data: bytes, position: int) -> tuple[int, int]:
    """Return a record's timestamp and the position behind it."""
    delta, position = read_varlong(data, position)
    if header.attributes & TIMESTAMP_TYPE_BIT:
        return header.max_timestamp, position
    timestamp = header.base_timestamp + delta
    if not _MIN_INT64 <= timestamp <= _MAX_INT64:
        raise InvalidBatchError("a record's timestamp does not fit into 64 bits")
    return timestamp, position


def read_offset(header: BatchHeader, data: bytes, position: int) -> tuple[int, int]:
    """Return a record's offset and the position behind it."""
    delta, position = read_varint(data, position)
    if not 0 <= delta <= header.last_offset_delta:
        raise InvalidBatchError(
            f"a record's offset delta is {delta}, "
            f"but the last of the batch is {header.last_offset_delta}"
        )
    return header.base_offset + delta, position


def nullable_bytes(data: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    """Return a key, a value or a part of a header, and the position behind it."""
    length, position = read_varint(data, position)
    stop = position + length
    if length >= 0 and stop <= end:
        return data[position:stop], stop
    if length == _NULL:
        return None, position
    raise InvalidBatchError(f"a part of a record cannot be {length} bytes long here")


def may_have_headers(batch: Buffer) -> bool:  # noqa: C901 - calls would take most of the time
    """Whether a record of a batch has headers; also if that cannot be told, as if it is packed.

    It reads three lengths of each record and nothing else: a third of the time that reading takes.
    """
    data = bytes(batch)
    # What is read here was stored, but nobody has looked into every record.
    if len(data) < HEADER_SIZE or data[_ATTRIBUTES_LOW_BYTE] & CODEC_MASK:
        return True
    position, size = HEADER_SIZE, len(data)
    try:
        while position < size:
            # The length of the record.
            byte = data[position]
            if byte < _CONTINUES:
                length, at = byte >> 1, position + 1
            else:
                low = data[position + 1]
                if low < _CONTINUES:
                    length, at = (byte & 127 | low << 7) >> 1, position + 2
                else:
                    length, at = read_varint(data, position)
                    if length < 0:
                        return True
            position = at + length
            # Its attributes, and where its time and its offset end.
            at += 1
            while data[at] >= _CONTINUES:
                at += 1
            at += 1
            while data[at] >= _CONTINUES:
                at += 1
            # Its key and its value: their lengths have a sign, and -1 is none of them.
            byte = data[at + 1]
            at += 2
            if byte >= _CONTINUES:
                key, at = read_varint(data, at - 1)
                at += max(key, 0)
            elif not byte & 1:
                at += byte >> 1
            byte = data[at]
            at += 1
            if byte >= _CONTINUES:
                low = data[at]
                if low < _CONTINUES:
                    at += 1 + ((byte & 127 | low << 7) >> 1)
                else:
                    value, at = read_varint(data, at - 1)
                    at += max(value, 0)
            elif not byte & 1:
                at += byte >> 1
            # The number of headers is the last byte if it is 0.
            if at != position - 1 or data[at]:
                return True
    except (IndexError, InvalidBatchError):
        return True
    return position != size
