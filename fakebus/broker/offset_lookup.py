"""ListOffsets: which offset stands for "earliest", "latest", or a time.

Source: Kafka's UnifiedLog.fetchOffsetByTimestamp; KIP-734 (max timestamp), KIP-405 (local
and tiered), KIP-1023 (earliest pending upload).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar

from fakebus.broker.fetching import IsolationLevel
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.record_thread import RecordThread, takes_long
from fakebus.records.batch import HEADER_SIZE, parse_header
from fakebus.records.errors import RecordError
from fakebus.records.reader import find_offset_for_timestamp, max_timestamp_record
from fakebus.storage.interface import LogSearch, StoredBatch

LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3
EARLIEST_LOCAL = -4
LATEST_TIERED = -5
EARLIEST_PENDING_UPLOAD = -6

P = ParamSpec("P")
R = TypeVar("R")


class TimestampOffset(NamedTuple):
    """An offset, and the timestamp of the record there (-1 where it says nothing)."""

    offset: int
    timestamp: int


NOT_FOUND = TimestampOffset(-1, -1)


async def find_offset(
    log: PartitionLog,
    storage: LogSearch,
    timestamp: int,
    isolation: IsolationLevel,
    record_thread: RecordThread,
) -> TimestampOffset:
    """Return the offset that ``timestamp`` stands for, :data:`NOT_FOUND` if there is none.

    Args:
        log: the partition's log.
        storage: where its batches are.
        timestamp: milliseconds since the epoch, or one of the negative constants above.
        isolation: with READ_COMMITTED "latest" is the last stable offset.
        record_thread: looks at the records of large batches.
    """
    end = log.high_watermark
    if isolation is IsolationLevel.READ_COMMITTED:
        end = log.last_stable_offset
    if timestamp == LATEST:
        return TimestampOffset(end, -1)
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        return TimestampOffset(log.log_start_offset, -1)
    if timestamp == MAX_TIMESTAMP:
        return await _max_timestamp(log, storage, end, record_thread)
    if timestamp < 0:
        return NOT_FOUND
    return await _first_at_or_after(log, storage, timestamp, end, record_thread)


async def _first_at_or_after(
    log: PartitionLog, storage: LogSearch, timestamp: int, end: int, thread: RecordThread
) -> TimestampOffset:
    start = log.log_start_offset
    while start < end:
        position = await storage.first_batch_at_or_after(log.log_id, timestamp, start, end)
        if position is None:
            return NOT_FOUND
        batch = await _read_one(log, position.base_offset, end)
        if batch is not None:
            found = await _ask(thread, batch, _search, batch, timestamp, log.log_start_offset)
            if found is not None:
                return found
        start = position.last_offset + 1
    return NOT_FOUND


async def _max_timestamp(
    log: PartitionLog, storage: LogSearch, end: int, thread: RecordThread
) -> TimestampOffset:
    position = await storage.batch_with_max_timestamp(log.log_id, log.log_start_offset, end)
    if position is None or position.max_timestamp < 0:
        return NOT_FOUND
    batch = await _read_one(log, position.base_offset, end)
    if batch is None or parse_header(batch.data).record_count == 0:
        # Compaction has emptied the batch; Kafka does not look for another one either.
        return NOT_FOUND
    try:
        return TimestampOffset(*await _ask(thread, batch, max_timestamp_record, batch.data))
    except RecordError:
        return TimestampOffset(position.last_offset, position.max_timestamp)


async def _ask(
    thread: RecordThread,
    batch: StoredBatch,
    look: Callable[P, R],
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """Return what ``look`` finds in a batch, in the thread if that takes long."""
    if takes_long(batch.data, parse_header(batch.data)):
        return await thread.run(look, *args, **kwargs)
    return look(*args, **kwargs)


async def _read_one(log: PartitionLog, offset: int, end: int) -> StoredBatch | None:
    batches = await log.read(offset, end, HEADER_SIZE)
    return batches[0] if batches else None


def _search(batch: StoredBatch, timestamp: int, log_start_offset: int) -> TimestampOffset | None:
    try:
        # The log may start inside the batch: records before that are gone.
        found = find_offset_for_timestamp(batch.data, timestamp, min_offset=log_start_offset)
    except RecordError:
        # Records that a producer compressed badly are stored as they came; the header
        # still says that the time is in there somewhere.
        header = parse_header(batch.data)
        return TimestampOffset(max(batch.base_offset, log_start_offset), header.base_timestamp)
    return None if found is None else TimestampOffset(*found)
