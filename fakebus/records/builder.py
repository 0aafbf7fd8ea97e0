"""Put records into a batch, byte for byte as client libraries do.

The tests compare with aiokafka, kafka-python and librdkafka.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING

from fakebus.records.batch import (
    CONTROL_BIT,
    HEADER,
    LENGTH_OVERHEAD,
    MAGIC,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    TIMESTAMP_TYPE_BIT,
    TRANSACTIONAL_BIT,
    TimestampType,
    write_crc,
)
from fakebus.records.codecs import Codec
from fakebus.records.compression import compress
from fakebus.records.errors import InvalidBatchError
from fakebus.records.record import NewRecord
from fakebus.records.varint import encode_varint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fakebus.records.record import RecordHeaders

_MIN_INT64 = -(2**63)
_MAX_INT64 = 2**63 - 1
_NO_LEADER_EPOCH = -1
_NULL = encode_varint(-1)
_NO_ATTRIBUTES = b"\x00"
_NO_HEADERS = encode_varint(0)
_CONTROL_VERSION = 0
_CONTROL_KEY = Struct(">hh")
_ABORT, _COMMIT = 0, 1
"""Types of control records (Kafka's ControlRecordType)."""
_END_MARKER = Struct(">hi")


def build_batch(
    records: Sequence[NewRecord],
    *,
    base_timestamp: int | None = None,
    codec: Codec = Codec.NONE,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    transactional: bool = False,
    control: bool = False,
    timestamp_type: TimestampType = TimestampType.CREATE_TIME,
) -> bytearray:
    """Return a batch with base offset 0 and no leader epoch, ready to be appended.

    Args:
        records: one or more records.
        base_timestamp: what the timestamps are counted from; the first record's when None.
        codec: the compression of the records.
        producer_id: the idempotent producer's id.
        producer_epoch: that producer's epoch.
        base_sequence: the sequence number of the first record.
        transactional: whether the records belong to a transaction.
        control: whether this is a control batch.
        timestamp_type: who set the timestamps.

    Raises:
        InvalidBatchError: there is no record, or a timestamp does not fit into 64 bits.
        UnsupportedCodecError: the codec's library is not installed.
    """
    if not records:
        raise InvalidBatchError("a record batch needs at least one record")
    if base_timestamp is None:
        base_timestamp = records[0].timestamp_ms
    max_timestamp = max(record.timestamp_ms for record in records)
    if max_timestamp > _MAX_INT64 or min(record.timestamp_ms for record in records) < _MIN_INT64:
        raise InvalidBatchError("a record's timestamp does not fit into 64 bits")
    attributes = codec | (timestamp_type and TIMESTAMP_TYPE_BIT)
    attributes |= (transactional and TRANSACTIONAL_BIT) | (control and CONTROL_BIT)
    encoded = compress(codec, _encode_records(records, base_timestamp))
    batch = bytearray(
        HEADER.pack(
            0,
            HEADER.size - LENGTH_OVERHEAD + len(encoded),
            _NO_LEADER_EPOCH,
            MAGIC,
            0,
            attributes,
            len(records) - 1,
            base_timestamp,
            max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            len(records),
        )
    )
    batch += encoded
    write_crc(batch)
    return batch


def build_end_marker(
    *,
    commit: bool,
    producer_id: int,
    producer_epoch: int,
    coordinator_epoch: int,
    timestamp_ms: int,
) -> bytearray:
    """Return the control batch that ends a transaction in a partition; it takes one offset.

    Args:
        commit: True for a commit marker, False for an abort marker.
        producer_id: whose transaction ends.
        producer_epoch: that producer's epoch.
        coordinator_epoch: the epoch of the transaction coordinator.
        timestamp_ms: the marker's timestamp.

    Source: EndTransactionMarker in Kafka's record format; KIP-98.
    """
    record = _end_record(coordinator_epoch, commit=commit)
    marker = bytearray(
        HEADER.pack(
            0,
            HEADER.size - LENGTH_OVERHEAD + len(record),
            _NO_LEADER_EPOCH,
            MAGIC,
            0,
            TRANSACTIONAL_BIT | CONTROL_BIT,
            0,
            timestamp_ms,
            timestamp_ms,
            producer_id,
            producer_epoch,
            NO_SEQUENCE,
            1,
        )
    )
    marker += record
    write_crc(marker)
    return marker


@lru_cache(maxsize=4)
def _end_record(coordinator_epoch: int, *, commit: bool) -> bytes:
    """Return the record of a marker, which is the same in nearly all of them."""
    key = _CONTROL_KEY.pack(_CONTROL_VERSION, _COMMIT if commit else _ABORT)
    value = _END_MARKER.pack(_CONTROL_VERSION, coordinator_epoch)
    return bytes(_encode_records([NewRecord(key, value, (), 0)], 0))


def _encode_records(records: Sequence[NewRecord], base_timestamp: int) -> bytearray:
    encoded = bytearray()
    for offset_delta, (key, value, headers, timestamp) in enumerate(records):
        body = b"".join(
            (
                _NO_ATTRIBUTES,
                encode_varint(timestamp - base_timestamp),
                encode_varint(offset_delta),
                _NULL if key is None else encode_varint(len(key)),
                key or b"",
                _NULL if value is None else encode_varint(len(value)),
                value or b"",
                _encode_headers(headers) if headers else _NO_HEADERS,
            )
        )
        encoded += encode_varint(len(body))
        encoded += body
    return encoded


def _encode_headers(headers: RecordHeaders) -> bytes:
    parts = [encode_varint(len(headers))]
    for name, value in headers:
        encoded_name = name.encode()
        parts += (encode_varint(len(encoded_name)), encoded_name)
        if value is None:
            parts.append(_NULL)
        else:
            parts += (encode_varint(len(value)), value)
    return b"".join(parts)
