"""The header of a record batch (format 2): parse it, check it, count by it, patch it in place.

Layout, big-endian, 61 bytes: base offset int64, length of what follows int32, partition
leader epoch int32, magic int8, CRC uint32, attributes int16, last offset delta int32, base
timestamp int64, max timestamp int64, producer id int64, producer epoch int16, base sequence
int32, record count int32. The CRC covers everything from the attributes on, so the base
offset and the leader epoch may change without a new CRC.

Few plain records are counted, by going from length to length. Of many, the last one is looked
for: where its length reaches exactly to the end and its offset delta is the last one, nothing
more is read; anything else is counted. Compressed ones are not unpacked: what their codec says
about the unpacked size, or the most that it can make of so many bytes, bounds the count. That is
cheap enough for every batch that comes in, and enough to keep a count from being believed before
there are bytes for it.

Source: "Record Batch" in Kafka's documentation of its message format; KIP-98;
DefaultRecordBatch.iterator and LogValidator in Kafka; RFC 1952 (the size at the end of gzip),
snappy's format description (the size at the start of a block).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from fakebus.records.checksum import crc32c
from fakebus.records.codecs import CODEC_MASK, Codec, most_unpacked
from fakebus.records.errors import CorruptBatchError, InvalidBatchError, UnsupportedCodecError
from fakebus.records.varint import encode_varint, read_varint
from fakebus.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fakebus.types import Buffer

HEADER = Struct(">qiibIhiqqqhii")
HEADER_SIZE = HEADER.size
"""Bytes before the first record: 61."""

LENGTH_OVERHEAD = 12
"""Bytes that the batch length does not count: the base offset and the length itself."""

CRC_START = 21
"""Where the range of the CRC begins."""

MAGIC = 2
"""The only record format that Kafka 4 still writes."""

TIMESTAMP_TYPE_BIT = 0x08
TRANSACTIONAL_BIT = 0x10
CONTROL_BIT = 0x20
DELETE_HORIZON_BIT = 0x40

NO_TIMESTAMP = -1
NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
NO_SEQUENCE = -1

_BEGINNING = Struct(">qiibI")
"""What the CRC does not cover, and the CRC."""
_IN_RUN = Struct(">qi4xbI2xi")
"""Base offset, length, magic, CRC, and how far the last offset is from the base offset."""
_MAX_INT32 = 0x7FFFFFFF
_INT16 = Struct(">h")
_INT32 = Struct(">i")
_INT64 = Struct(">q")
_UINT32 = Struct(">I")
_EPOCH_AT = 12
_CRC_AT = 17
_ATTRIBUTES_AT = 21
_MAX_TIMESTAMP_AT = 35
_PRODUCER_AT = 43
_PRODUCER = Struct(">qhi")
"""The producer's id and epoch, and the sequence of the first record."""


class TimestampType(IntEnum):
    """Type of a batch's timestamps: set by the producer, or by the broker on append."""

    CREATE_TIME = 0
    LOG_APPEND_TIME = 1


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


class BatchHeader(NamedTuple):
    """The 61 bytes in front of a batch's records."""

    base_offset: int
    batch_length: int
    """Bytes after this field, that is the size of the batch less 12."""
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return self.batch_length + LENGTH_OVERHEAD

    @property
    def codec(self) -> Codec:
        """The compression of the records.

        Raises:
            UnsupportedCodecError: the attributes hold a number without a meaning (5 to 7).
        """
        number = self.attributes & CODEC_MASK
        try:
            return Codec(number)
        except ValueError:
            raise UnsupportedCodecError(f"there is no compression codec {number}") from None

    @property
    def timestamp_type(self) -> TimestampType:
        """Who set the timestamps."""
        if self.attributes & TIMESTAMP_TYPE_BIT:
            return TimestampType.LOG_APPEND_TIME
        return TimestampType.CREATE_TIME

    @property
    def is_transactional(self) -> bool:
        """Whether the batch belongs to a transaction."""
        return bool(self.attributes & TRANSACTIONAL_BIT)

    @property
    def has_delete_horizon(self) -> bool:
        """Whether the base timestamp is the time from which tombstones may go (KIP-534)."""
        return bool(self.attributes & DELETE_HORIZON_BIT)

    @property
    def last_offset(self) -> int:
        """The offset of the last record, also when compaction has removed that record."""
        return self.base_offset + self.last_offset_delta

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last record; it wraps from 2^31-1 to 0. -1 without one."""
        if self.base_sequence == NO_SEQUENCE:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) & _MAX_INT32


def parse_header(buffer: Buffer, offset: int = 0) -> BatchHeader:
    """Return the header of the batch at ``offset``; nothing is checked but its length.

    Raises:
        CorruptBatchError: fewer than 61 bytes are left.
    """
    if offset < 0 or len(buffer) - offset < HEADER_SIZE:
        raise CorruptBatchError("the record batch is shorter than its header of 61 bytes")
    return BatchHeader._make(HEADER.unpack_from(buffer, offset))


def split(data: Buffer) -> Iterator[Buffer]:
    """Yield the batches that stand one behind the other, all of them whole."""
    at = 0
    while at < len(data):
        end = at + parse_header(data, at).size
        yield data if end - at == len(data) else data[at:end]
        at = end


def check_whole(buffer: Buffer) -> BatchHeader:
    """Return the header of a buffer that is exactly one batch of format 2.

    Raises:
        CorruptBatchError: the buffer is shorter than its header or than the header says.
        InvalidBatchError: it is another format, or longer than the header says.
    """
    header = parse_header(buffer)
    if header.magic != MAGIC:
        raise InvalidBatchError(f"record format {header.magic} is not supported, only format 2")
    if header.size > len(buffer):
        raise CorruptBatchError(
            f"the record batch is cut off: {len(buffer)} bytes of {header.size} are there"
        )
    if header.size < len(buffer):
        raise InvalidBatchError(
            f"the record batch is {header.size} bytes long, but {len(buffer)} bytes were sent"
        )
    return header


def compute_crc(buffer: Buffer) -> int:
    """Return the CRC-32C over the batch from its attributes to its end.

    Args:
        buffer: exactly one batch.
    """
    return crc32c(memoryview(buffer)[CRC_START:], 0)


def invalid_crcs(batches: Sequence[Buffer]) -> list[int]:
    """Return which of these batches do not have the CRC of their header, or are cut off."""
    wrong = []
    for place, buffer in enumerate(batches):
        if len(buffer) < HEADER_SIZE or (
            crc32c(memoryview(buffer)[CRC_START:], 0) != _UINT32.unpack_from(buffer, _CRC_AT)[0]
        ):
            wrong.append(place)
    return wrong


def count_sound(batches: Sequence[tuple[int, Buffer]]) -> int:
    """Return how many batches come before the first that is not what it was written as.

    Args:
        batches: each with the base offset that it is to have.
    """
    sound = 0
    for base_offset, buffer in batches:
        if len(buffer) < HEADER_SIZE:
            break
        base, length, _, magic, crc = _BEGINNING.unpack_from(buffer)
        if (
            base != base_offset
            or length + LENGTH_OVERHEAD != len(buffer)
            or magic != MAGIC
            or crc != crc32c(memoryview(buffer)[CRC_START:], 0)
        ):
            break
        sound += 1
    return sound


def measure_run(data: bytes, base_offset: int) -> tuple[int, int]:
    """Return how many batches stand in a run, and the offset behind the last one.

    There are none if one is not what it was written as, or does not begin where the one before
    it ends.

    Args:
        data: small batches, one behind the other.
        base_offset: that of the first.
    """
    at, count, expected, end, unpack = 0, 0, base_offset, len(data), _IN_RUN.unpack_from
    while at <= end - HEADER_SIZE:
        base, length, magic, crc, delta = unpack(data, at)
        behind = at + LENGTH_OVERHEAD + length
        # A view would cost more than the copy.
        if (
            base != expected
            or magic != MAGIC
            or behind < at + HEADER_SIZE
            or crc != crc32c(data[at + CRC_START : behind], 0)
        ):
            return 0, base_offset
        at, expected = behind, base + delta + 1
        count += 1
    return (count if at == end else 0), expected


def assign_offset(buffer: bytearray | memoryview, base_offset: int, leader_epoch: int) -> None:
    """Write the base offset and the leader epoch into the batch; the CRC stays valid."""
    _INT64.pack_into(buffer, 0, base_offset)
    _INT32.pack_into(buffer, _EPOCH_AT, leader_epoch)


def set_log_append_time(buffer: bytearray | memoryview, now_ms: int) -> None:
    """Make ``now_ms`` the timestamp of every record, and renew the CRC.

    The base timestamp and the records stay: consumers take the max timestamp for each record
    when the timestamp type says so.
    """
    attributes = _INT16.unpack_from(buffer, _ATTRIBUTES_AT)[0]
    _INT16.pack_into(buffer, _ATTRIBUTES_AT, attributes | TIMESTAMP_TYPE_BIT)
    _INT64.pack_into(buffer, _MAX_TIMESTAMP_AT, now_ms)
    write_crc(buffer)


def clear_timestamp_type(buffer: bytearray | memoryview) -> None:
    """Mark the timestamps as the producer's, and renew the CRC when that is a change."""
    attributes = _INT16.unpack_from(buffer, _ATTRIBUTES_AT)[0]
    if attributes & TIMESTAMP_TYPE_BIT:
        _INT16.pack_into(buffer, _ATTRIBUTES_AT, attributes & ~TIMESTAMP_TYPE_BIT)
        write_crc(buffer)


def clear_producer(buffer: bytearray | memoryview) -> None:
    """Take out who produced the batch, and renew the CRC: nobody can tell that it comes again."""
    _PRODUCER.pack_into(buffer, _PRODUCER_AT, NO_PRODUCER_ID, NO_PRODUCER_EPOCH, NO_SEQUENCE)
    write_crc(buffer)


def write_crc(buffer: bytearray | memoryview) -> None:
    """Write the CRC that the batch ought to have into its header."""
    _UINT32.pack_into(buffer, _CRC_AT, compute_crc(buffer))


def check_count(batch: Buffer, header: BatchHeader) -> None:
    """Accept a batch whose record count its bytes bear out.

    Args:
        batch: exactly one batch.
        header: its header; a codec number without a meaning is let through.

    Raises:
        InvalidBatchError: there are fewer or more records than the header counts.
    """
    count = header.record_count
    if count > MAX_RECORDS:
        raise InvalidBatchError(f"the record batch counts more than {MAX_RECORDS} records")
    codec = header.attributes & CODEC_MASK
    if codec:
        if codec <= Codec.ZSTD and count > unpacked_bytes(batch, header) // SMALLEST_RECORD:
            raise _too_few(count)
        return
    size = len(batch) - HEADER_SIZE
    if count > size // SMALLEST_RECORD:
        raise _too_few(count)
    if count > _FEW_RECORDS and _ends_with(bytes(memoryview(batch)[-_TAIL_BYTES:]), count - 1):
        return
    _count_plain(bytes(memoryview(batch)[HEADER_SIZE:]), count)


def unpacked_bytes(batch: Buffer, header: BatchHeader) -> int:
    """Return how many bytes the records unpack to, or the most that it may be.

    Args:
        batch: exactly one batch.
        header: its header.
    """
    return most_unpacked(header.attributes & CODEC_MASK, memoryview(batch)[HEADER_SIZE:])


def _too_few(count: int) -> InvalidBatchError:
    return InvalidBatchError(f"the record batch holds fewer records than the {count} it counts")


def _count_plain(data: bytes, count: int) -> None:
    # bytes are indexed faster than a memoryview.
    size, position = len(data), 0
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
            f"{counted(size - position, 'byte')} more than the record batch needs for the "
            f"{counted(count, 'record')} that it counts"
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
