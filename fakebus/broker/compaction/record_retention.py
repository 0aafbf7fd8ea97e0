"""Which records of a batch compaction keeps.

Source: Kafka's Cleaner (checkBatchRetention, shouldRetainRecord) and MemoryRecords.filterTo;
KIP-534 for the delete horizon of tombstones.
"""

from __future__ import annotations

from hashlib import blake2b

from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.broker.producer_state import ProducerState
from fakebus.records.batch import CONTROL_BIT, BatchHeader, parse_header
from fakebus.records.codecs import Codec
from fakebus.records.errors import RecordError
from fakebus.records.filtering import KeyedRecord, UnpackedBatch, without_records
from fakebus.storage.interface import StoredBatch

_DIGEST_BYTES = 16
_MAX_INT64 = 2**63 - 1


class OffsetMap:
    """The newest offset of every key, in bounded memory.

    Args:
        producers: the log's producers, who know what was aborted.
    """

    def __init__(self, producers: ProducerState) -> None:
        self._producers = producers
        self._offsets: dict[bytes, int] = {}
        self.end_offset = 0
        """The map knows every record before this offset, and after the one it began with."""

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, batch: StoredBatch) -> None:
        """Take in the records of the next batch."""
        self.end_offset = batch.last_offset + 1
        if batch.attributes & CONTROL_BIT or self._producers.is_aborted(batch):
            return
        try:
            records = UnpackedBatch(batch.data).records
        except RecordError:
            # It came before the topic was compacted, when nobody looked into it.
            return
        for record in records:
            if record.key is not None:
                self._offsets[_short(record.key)] = record.offset

    def newest(self, key: bytes) -> int:
        """Return the newest offset of a key, -1 if the map has none."""
        return self._offsets.get(_short(key), -1)


def _short(key: bytes) -> bytes:
    # A short key is shorter than a digest, so the two are never taken for each other.
    return key if len(key) < _DIGEST_BYTES else blake2b(key, digest_size=_DIGEST_BYTES).digest()


class RecordRetention:
    """Decides in one round of compaction.

    Args:
        offsets: the newest offsets of the keys.
        config: the topic's configs.
        producers: the log's producers; the last batch of each stays, if need be empty.
        upto_offset: where the round ends; the batch that ends there stays, if need be empty.
        now_ms: the time of the round.
    """

    def __init__(
        self,
        offsets: OffsetMap,
        config: TopicConfig,
        producers: ProducerState,
        upto_offset: int,
        now_ms: int,
    ) -> None:
        self._offsets = offsets
        self._config = config
        self._producers = producers
        self._upto_offset = upto_offset
        self._now_ms = now_ms

    def retain(self, batch: StoredBatch) -> StoredBatch | None:
        """Return what stays of a batch: itself, a smaller one, or nothing."""
        if batch.attributes & CONTROL_BIT:
            return batch
        try:
            unpacked = UnpackedBatch(batch.data)
        except RecordError:
            # What cannot be read cannot be judged.
            return batch
        horizon_ms = unpacked.delete_horizon_ms
        records = [record for record in unpacked.records if self._stays(record, horizon_ms)]
        if self._producers.is_aborted(batch):
            records = []
        if not records:
            return self._emptied(batch, unpacked.header)
        if horizon_ms is None and any(record.is_tombstone for record in records):
            horizon_ms = min(self._now_ms + self._config.delete_retention_ms, _MAX_INT64)
        elif len(records) == len(unpacked.records):
            return batch
        level = self._level(unpacked.header.codec)
        return _restored(
            batch, unpacked.with_records(records, delete_horizon_ms=horizon_ms, level=level)
        )

    def _stays(self, record: KeyedRecord, horizon_ms: int | None) -> bool:
        if record.offset >= self._offsets.end_offset:
            return True
        if record.key is None or record.offset < self._offsets.newest(record.key):
            return False
        return not record.is_tombstone or horizon_ms is None or self._now_ms < horizon_ms

    def _emptied(self, batch: StoredBatch, header: BatchHeader) -> StoredBatch | None:
        if batch.last_offset + 1 != self._upto_offset and not self._is_last_of_producer(batch):
            return None
        return _restored(batch, without_records(header)) if header.record_count else batch

    def _is_last_of_producer(self, batch: StoredBatch) -> bool:
        entry = self._producers.entries.get(batch.producer_id)
        return (
            entry is not None
            and bool(entry.batches)
            and entry.batches[-1].last_offset == batch.last_offset
        )

    def _level(self, codec: Codec) -> int | None:
        # The topic's level is that of the codec which the topic itself compresses with.
        same = self._config.compression_type == codec.name.lower()
        return self._config.compression_level if same else None


def _restored(batch: StoredBatch, data: bytearray) -> StoredBatch:
    header = parse_header(data)
    return batch._replace(
        max_timestamp=header.max_timestamp, attributes=header.attributes, data=data
    )
