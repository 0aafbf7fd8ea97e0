"""Batches for broker tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fakebus.broker.broker import Broker
from fakebus.broker.fetching import FetchTarget
from fakebus.broker.log_rewriting import LogContent, replace_logs
from fakebus.broker.partition_log import PartitionLog
from fakebus.records.builder import build_batch
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord, Record
from fakebus.storage.interface import KeptRange, LogChange, StoredBatch
from fakebus.types import TopicPartition

T0 = TopicPartition("t", 0)


def batch(
    *values: bytes | None, key: bytes | None = b"k", at: int = -1, **options: Any
) -> bytearray:
    """Return a batch with one record for each value, all with the same key and timestamp."""
    return build_batch([NewRecord(key=key, value=v, timestamp_ms=at) for v in values], **options)


async def read(broker: Broker, offset: int = 0, partition: TopicPartition = T0) -> list[Record]:
    """Return all records of a partition from an offset on."""
    log = broker.partition_log(partition)
    records: list[Record] = []
    while offset < log.high_watermark:
        (found,) = await broker.fetch([FetchTarget(log, offset, 10_000_000)])
        for data in found.single_batches():
            for record in read_records(data):
                if record.offset >= offset:
                    records.append(record)
        offset = records[-1].offset + 1
    return records


async def keep(broker: Broker, batches: Sequence[StoredBatch]) -> list[KeptRange]:
    """Let storage keep batches as it does for snapshots, and return where they are."""
    storage, end = broker._storage, batches[-1].last_offset + 1
    elsewhere = storage.next_log_id()
    storage.append_batches(elsewhere, batches, lambda failure: None)
    await storage.keep_batches(LogChange(elsewhere, elsewhere, 0, end))
    return [KeptRange(0, end, elsewhere)]


async def filled(broker: Broker, kept: Sequence[KeptRange]) -> int:
    """Return a log that nobody sees with what was kept."""
    log_id = broker._storage.next_log_id()
    for begin, end, change_id in kept:
        while begin < end:
            begin = await broker._storage.put_back_batches(log_id, KeptRange(begin, end, change_id))
    return log_id


async def put_back(
    broker: Broker, log: PartitionLog, offset: int, kept: Sequence[KeptRange], start: int, end: int
) -> None:
    """Put what was kept in the place of all that a log holds from an offset on, as snapshots do."""
    log_id = await filled(broker, kept)
    topic = broker.topics.get(log.topic_partition.topic)
    assert topic is not None
    await replace_logs(broker.topics, topic, {log: LogContent(log_id, offset, start, end)})
