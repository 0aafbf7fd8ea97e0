"""Take records out of a batch, as compaction does.

What is left keeps its offsets: base offset, last offset delta and base sequence of the batch
stay, so that a reader is not told of the gap and a producer's last sequence number is kept.

Source: MemoryRecords.filterTo in Kafka; KIP-534 (delete horizon).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fakebus.records.batch import (
    DELETE_HORIZON_BIT,
    HEADER,
    LENGTH_OVERHEAD,
    NO_TIMESTAMP,
    BatchHeader,
    write_crc,
)
from fakebus.records.codecs import CODEC_MASK
from fakebus.records.compression import DEFAULT_MAX_BYTES, compress
from fakebus.records.errors import InvalidBatchError
from fakebus.records.varint import encode_varint, read_varint
from fakebus.records.walk import (
    TOO_LONG,
    frames,
    nullable_bytes,
    read_offset,
    read_timestamp,
    unpack,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fakebus.types import Buffer

_NULL = -1
_NO_ATTRIBUTES = b"\x00"


class KeyedRecord(NamedTuple):
    """Key of a record and what else compaction looks at."""

    offset: int
    key: bytes | None
    is_tombstone: bool
    """Whether the value is null, which stands for the deletion of the key."""
    timestamp: int
    start: int
    """Where in the unpacked records the offset delta stands."""
    end: int


class UnpackedBatch:
    """A batch whose records can be looked at and taken out.

    Args:
        batch: exactly one batch.

    Raises:
        RecordError: the batch cannot be read.
    """

    def __init__(self, batch: Buffer) -> None:
        self.header, self._data = unpack(batch, DEFAULT_MAX_BYTES)
        self.records: list[KeyedRecord] = []
        try:
            for start, end in frames(self.header, self._data):
                self.records.append(self._record(start, end))
        except IndexError:
            raise InvalidBatchError(TOO_LONG) from None

    def _record(self, start: int, end: int) -> KeyedRecord:
        timestamp, offset_at = read_timestamp(self.header, self._data, start)
        offset, position = read_offset(self.header, self._data, offset_at)
        key, position = nullable_bytes(self._data, position, end)
        value_length, _ = read_varint(self._data, position)
        return KeyedRecord(offset, key, value_length == _NULL, timestamp, offset_at, end)

    @property
    def delete_horizon_ms(self) -> int | None:
        """The time from which the batch's tombstones may go, ``None`` if it is not set."""
        return self.header.base_timestamp if self.header.has_delete_horizon else None

    def with_records(
        self,
        records: Iterable[KeyedRecord],
        *,
        delete_horizon_ms: int | None = None,
        level: int | None = None,
    ) -> bytearray:
        """Return the batch with some of its records.

        Args:
            records: those that stay, in their order; at least one.
            delete_horizon_ms: the time from which tombstones may go, in milliseconds since
                the epoch; it takes the place of the base timestamp.
            level: of the compression, see :func:`~fakebus.records.compression.compress`.
        """
        records = tuple(records)
        horizon_is_set = delete_horizon_ms is not None
        base_timestamp = records[0].timestamp if delete_horizon_ms is None else delete_horizon_ms
        encoded = bytearray()
        for record in records:
            delta = encode_varint(record.timestamp - base_timestamp)
            rest = self._data[record.start : record.end]
            encoded += encode_varint(len(_NO_ATTRIBUTES) + len(delta) + len(rest))
            encoded += _NO_ATTRIBUTES
            encoded += delta
            encoded += rest
        header = self.header
        return _pack(
            header._replace(
                attributes=header.attributes & ~DELETE_HORIZON_BIT
                | (horizon_is_set and DELETE_HORIZON_BIT),
                base_timestamp=base_timestamp,
                max_timestamp=max(record.timestamp for record in records),
                record_count=len(records),
            ),
            compress(header.codec, encoded, level),
        )


def without_records(header: BatchHeader) -> bytearray:
    """Return a batch that has lost all its records and only says who wrote last, and where.

    Source: DefaultRecordBatch.writeEmptyHeader in Kafka.
    """
    return _pack(
        header._replace(
            attributes=header.attributes & ~(CODEC_MASK | DELETE_HORIZON_BIT),
            base_timestamp=NO_TIMESTAMP,
            record_count=0,
        ),
        b"",
    )


def _pack(header: BatchHeader, encoded: Buffer) -> bytearray:
    length = HEADER.size - LENGTH_OVERHEAD + len(encoded)
    batch = bytearray(HEADER.pack(*header._replace(batch_length=length)))
    batch += encoded
    write_crc(batch)
    return batch
