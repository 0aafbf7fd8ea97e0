"""Whether a batch can hold as many records as its header says.

Few plain records are counted, by going from length to length. Of many, the last one is looked
for: where its length reaches exactly to the end and its offset delta is the last one, nothing
more is read; anything else is counted. Compressed ones are not unpacked: what their codec says
about the unpacked size, or the most that it can make of so many bytes, bounds the count. That is
cheap enough for every batch that comes in, and enough to keep a count from being believed before
there are bytes for it.

Source: DefaultRecordBatch.iterator and LogValidator in Kafka; RFC 1952 (the size at the end of
gzip), snappy's format description (the size at the start of a block).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakebus.records.batch import CODEC_MASK, HEADER_SIZE, BatchHeader, Codec
from fakebus.records.compression import snappy_blocks
from fakebus.records.errors import DecompressionError, InvalidBatchError
from fakebus.records.varint import encode_varint, read_varint

if TYPE_CHECKING:
    from fakebus.types import Buffer

SMALLEST_RECORD = 7
"""Length, attributes, timestamp delta, offset delta, no key, no value, no headers."""

MAX_RECORDS = 1_000_000
"""Records of one batch; no client's configs permit more (librdkafka's ``batch.num.messages``)."""

_SMALLEST_LENGTH = SMALLEST_RECORD - 1
_FEW_RECORDS = 64
"""So many are counted, which takes no longer than looking for the last one."""
_TAIL_BYTES = 16 * 1024
"""Where the last of many records is looked for."""
_LOOKS = 16
"""Places in the tail that may look like its offset delta, by chance or on purpose."""
_LONGEST_LENGTH = 3
"""Bytes of a length within the tail."""
_CONTINUES = 0x80
_MOST_UNPACKED = {Codec.LZ4: 255, Codec.ZSTD: 128 * 1024 // 4}
"""Bytes that a byte can unpack to: lz4 repeats, and zstd has blocks of 128 KiB in four bytes."""


def check_count(batch: Buffer, header: BatchHeader) -> None:
    """Accept a batch whose record count its bytes bear out.

    Args:
        batch: exactly one batch.
        header: its header; a codec number without a meaning is let through.

    Raises:
        InvalidBatchError: there are fewer or more records than the header counts.
    """
    if header.record_count > MAX_RECORDS:
        raise InvalidBatchError(f"the record batch counts more than {MAX_RECORDS} records")
    codec = header.attributes & CODEC_MASK
    if codec == Codec.NONE:
        _check_plain(batch, header.record_count)
    elif codec in _BOUNDS or codec in _MOST_UNPACKED:
        most = _most_unpacked(codec, memoryview(batch)[HEADER_SIZE:]) // SMALLEST_RECORD
        if header.record_count > most:
            raise _too_few(header.record_count)


def unpacked_bytes(batch: Buffer, header: BatchHeader) -> int:
    """Return how many bytes the records unpack to, or the most that it may be.

    Args:
        batch: exactly one batch.
        header: its header.
    """
    data = memoryview(batch)[HEADER_SIZE:]
    codec = header.attributes & CODEC_MASK
    if codec in _BOUNDS or codec in _MOST_UNPACKED:
        return _most_unpacked(codec, data)
    return len(data)


def _too_few(count: int) -> InvalidBatchError:
    return InvalidBatchError(f"the record batch holds fewer records than the {count} it counts")


def _check_plain(batch: Buffer, count: int) -> None:
    size = len(batch) - HEADER_SIZE
    if count > size // SMALLEST_RECORD:
        raise _too_few(count)
    if count > _FEW_RECORDS and _ends_with(bytes(memoryview(batch)[-_TAIL_BYTES:]), count - 1):
        return
    # bytes are indexed faster than a memoryview.
    data = bytes(memoryview(batch)[HEADER_SIZE:])
    position = 0
    try:
        for _ in range(count):
            raw = data[position]
            position += 1
            if raw >= _CONTINUES:
                second = data[position]
                position += 1
                raw += (second - 1) << 7
                if second >= _CONTINUES:
                    length, position = read_varint(data, position - 2)
                    raw = length << 1
            # A zigzag number: odd ones are negative.
            if raw & 1 or raw < _SMALLEST_LENGTH << 1:
                raise InvalidBatchError("a record of the batch has an impossible length")
            position += raw >> 1
    except IndexError:
        raise _too_few(count) from None
    if position > size:
        raise _too_few(count)
    if position < size:
        raise InvalidBatchError(
            f"{size - position} bytes follow the {count} records that the record batch counts"
        )


def _ends_with(tail: bytes, offset_delta: int) -> bool:
    wanted = encode_varint(offset_delta)
    at = len(tail)
    for _ in range(_LOOKS):
        at = tail.rfind(wanted, 0, at)
        if at < 0:
            return False
        if _is_last_record(tail, at):
            return True
        at += len(wanted) - 1
    return False


def _is_last_record(tail: bytes, offset_delta_at: int) -> bool:
    """Return whether a record with its offset delta at a place reaches exactly to the end."""
    # A timestamp delta stands before it: one byte that ends it, after those that continue.
    attributes_at = offset_delta_at - 2
    while attributes_at > _LONGEST_LENGTH and tail[attributes_at] >= _CONTINUES:
        attributes_at -= 1
    if attributes_at <= _LONGEST_LENGTH or tail[attributes_at]:
        return False
    for size in range(1, _LONGEST_LENGTH + 1):
        length, end = read_varint(tail, attributes_at - size)
        if end == attributes_at and end + length == len(tail):
            return True
    return False


def _most_unpacked(codec: int, data: memoryview) -> int:
    bound = _BOUNDS.get(codec)
    return len(data) * _MOST_UNPACKED[Codec(codec)] if bound is None else bound(data)


def _gzip_size(data: memoryview) -> int:
    return int.from_bytes(data[-4:], "little")


def _snappy_size(data: memoryview) -> int:
    try:
        return sum(_block_size(block) for block in snappy_blocks(data))
    except DecompressionError:
        return 0


def _block_size(block: memoryview) -> int:
    size = 0
    for place, byte in enumerate(block[:5]):
        size |= (byte & 0x7F) << 7 * place
        if byte < _CONTINUES:
            break
    return size


_BOUNDS = {int(Codec.GZIP): _gzip_size, int(Codec.SNAPPY): _snappy_size}
