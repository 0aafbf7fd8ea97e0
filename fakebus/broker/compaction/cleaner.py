"""Compaction: of every key the newest record stays (cleanup.policy=compact).

A round takes the log that needs it most. It notes the newest offset of each key in the
*dirty* part, which no round has seen yet, and then goes through the log from its start and
drops what has a newer record. Everything is done in small steps, so that the broker goes on
serving; each step is one transaction, and a round that is cut off is simply done again.

Records of aborted transactions go, those behind the last stable offset are not looked at, and
markers stay: from them it is known after a restart what was aborted.

Source: LogCleanerManager and Cleaner in Kafka.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakKeyDictionary

from fakebus.broker.chores import FailureLog
from fakebus.broker.compaction.record_retention import OffsetMap, RecordRetention
from fakebus.broker.compaction.segments import LogSegments, Segment
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.record_thread import takes_long
from fakebus.broker.tail import LogCursor
from fakebus.broker.topics import Topics
from fakebus.broker.turns import in_turns
from fakebus.clock import Clock
from fakebus.records.batch import parse_header
from fakebus.storage.interface import StoredBatch

logger = logging.getLogger("fakebus.broker")

STEP_BYTES = 1024 * 1024
"""How much of a log is replaced in one transaction."""

_BYTES_PER_KEY = 200
"""What a key costs in the map of offsets: two objects and their place in the table."""

_SUMMARIES = 2000
_INLINE_BYTES = 64 * 1024
"""A batch up to this size is looked through on the event loop, in a millisecond or less."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanableLog:
    """A log and the part of it that can be compacted."""

    log: PartitionLog
    first_dirty_offset: int
    first_uncleanable_offset: int
    dirty_ratio: float
    leader_epoch: int
    """A truncation begins a new one: what was known of the batches may not hold then."""

    @property
    def is_outdated(self) -> bool:
        """Whether the log must not be compacted any more, or not like this."""
        log = self.log
        return log.deleted or not log.config.compact or log.leader_epoch != self.leader_epoch


class LogCleaner:
    """Compacts the logs of compacted topics.

    Args:
        topics: whose logs are compacted.
        config: the broker's configs (log.cleaner.*).
        clock: gives the time that lags and delete horizons are measured by.
    """

    def __init__(self, topics: Topics, config: BrokerConfig, clock: Clock) -> None:
        self._topics = topics
        self._config = config
        self._clock = clock
        self._segments: WeakKeyDictionary[PartitionLog, tuple[int, LogSegments]] = (
            WeakKeyDictionary()
        )
        self._bytes_in_a_row = 0
        self._stopped = False

    def stop(self) -> None:
        """Let a round under way end after its step; the next start does it again."""
        self._stopped = True

    async def run(self, failures: FailureLog) -> None:
        """Compact logs until none is dirty enough; a log that fails is left for the next run."""
        if not self._config.get_bool("log.cleaner.enable"):
            return
        while not self._stopped:
            cleanable = await self._filthiest(failures)
            if cleanable is None:
                return
            with failures.catch(str(cleanable.log.topic_partition)):
                await self._clean(cleanable)

    async def _filthiest(self, failures: FailureLog) -> CleanableLog | None:
        found: list[CleanableLog] = []
        logs = (log for topic in self._topics if topic.config.compact for log in topic.partitions)
        async for log in in_turns(logs):
            name = str(log.topic_partition)
            if log.deleted or name in failures.failed:
                continue
            with failures.catch(name):
                cleanable = await self._cleanable(log)
                if cleanable is not None:
                    found.append(cleanable)
        return max(found, key=lambda cleanable: cleanable.dirty_ratio, default=None)

    async def _cleanable(self, log: PartitionLog) -> CleanableLog | None:
        """Return what can be compacted in a log, ``None`` when it is not worth it yet."""
        leader_epoch = log.leader_epoch
        segments = await self._catch_up(log)
        first_dirty = max(log.first_dirty_offset, log.log_start_offset)
        segments.forget_before(first_dirty)
        end = min(log.last_stable_offset, segments.active_base_offset)
        dirty = self._older_than_lag(log, segments.inactive())
        if len(dirty) < len(segments.inactive()):
            end = min(end, segments.inactive()[len(dirty)].base_offset)
        dirty_bytes = sum(segment.size_bytes for segment in dirty)
        if not dirty_bytes or end <= first_dirty:
            return None
        clean_bytes = await log.size_before(first_dirty)
        cleanable = CleanableLog(
            log=log,
            first_dirty_offset=first_dirty,
            first_uncleanable_offset=end,
            dirty_ratio=dirty_bytes / (clean_bytes + dirty_bytes),
            leader_epoch=leader_epoch,
        )
        worth_it = cleanable.dirty_ratio > log.config.min_cleanable_dirty_ratio
        if cleanable.is_outdated or not (worth_it or self._is_overdue(log, segments.inactive())):
            return None
        return cleanable

    async def _catch_up(self, log: PartitionLog) -> LogSegments:
        """Return the log's segments from its dirty part on, with all that was appended."""
        leader_epoch, segments = self._segments.get(log, (-1, None))
        if segments is None or leader_epoch != log.leader_epoch:
            segments = LogSegments(max(log.first_dirty_offset, log.log_start_offset))
            self._segments[log] = (log.leader_epoch, segments)
        while segments.next_offset < log.high_watermark:
            batches = await log.summaries(segments.next_offset, _SUMMARIES)
            if not batches:
                break
            for batch in batches:
                segments.add(batch, log.config)
        return segments

    def _older_than_lag(self, log: PartitionLog, segments: Sequence[Segment]) -> list[Segment]:
        """Return the segments before the first one that min.compaction.lag.ms protects."""
        lag_ms = log.config.min_compaction_lag_ms
        newest_ms = self._clock.now_ms() - lag_ms
        old: list[Segment] = []
        for segment in segments:
            if lag_ms > 0 and segment.largest_timestamp > newest_ms:
                break
            old.append(segment)
        return old

    def _is_overdue(self, log: PartitionLog, segments: Sequence[Segment]) -> bool:
        """Whether a record has waited for max.compaction.lag.ms."""
        oldest_ms = self._clock.now_ms() - log.config.max_compaction_lag_ms
        return any(0 < segment.first_timestamp < oldest_ms for segment in segments)

    async def _clean(self, cleanable: CleanableLog) -> None:
        log, now_ms = cleanable.log, self._clock.now_ms()
        offsets = await self._map_offsets(cleanable)
        retention = RecordRetention(
            offsets, log.config, log.producers, cleanable.first_uncleanable_offset, now_ms
        )
        cursor = LogCursor(log, end=offsets.end_offset)
        while (part := await cursor.read(STEP_BYTES)) is not None:
            batches = list(part.batches)
            kept: list[StoredBatch] = []
            for batch in batches:
                rest = await self._in_turn(batch, retention.retain)
                if rest is not None:
                    kept.append(rest)
            if self._stopped or cleanable.is_outdated:
                return
            if kept != batches:
                upto_offset = batches[-1].last_offset + 1
                await log.replace_batches(batches[0].base_offset, upto_offset, kept)
                self._topics.note(
                    "records deleted",
                    log.topic_partition,
                    (batches[0].base_offset, upto_offset - 1),
                    detail="compaction, of each key but the newest",
                )
        if not cleanable.is_outdated:
            await log.mark_compacted(offsets.end_offset)
            logger.debug("compacted %s up to %d", log.topic_partition, offsets.end_offset)

    async def _map_offsets(self, cleanable: CleanableLog) -> OffsetMap:
        """Return the newest offsets of the dirty part, or of as much as memory allows."""
        buffer_bytes = self._config.get_int("log.cleaner.dedupe.buffer.size")
        max_keys = buffer_bytes // _BYTES_PER_KEY
        offsets = OffsetMap(cleanable.log.producers)
        end = cleanable.first_uncleanable_offset
        cursor = LogCursor(cleanable.log, cleanable.first_dirty_offset, end=end)
        while (part := await cursor.read(STEP_BYTES)) is not None:
            for batch in part.batches:
                await self._in_turn(batch, offsets.add)
                if len(offsets) >= max_keys:
                    return offsets
        offsets.end_offset = end
        return offsets

    async def _in_turn(self, batch: StoredBatch, work: Callable[[StoredBatch], _T]) -> _T:
        """Do work on a batch without keeping the event loop for long."""
        size = len(batch.data)
        if size > _INLINE_BYTES or takes_long(batch.data, parse_header(batch.data)):
            return await asyncio.to_thread(work, batch)
        self._bytes_in_a_row += size
        if self._bytes_in_a_row > _INLINE_BYTES:
            self._bytes_in_a_row = 0
            await asyncio.sleep(0)
        return work(batch)
