"""Streams: a topic read as one sequence of entries over all its partitions."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from fakebus.broker.activity import LIBRARY, Origin
from fakebus.broker.appending import AppendResult, LogAppendInfo
from fakebus.broker.broker import Broker
from fakebus.broker.ownership import UnknownPeerError, when_known
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.tail import SLICE_RECORDS, LogCursor, Tail
from fakebus.broker.topics import Topic
from fakebus.errors import BrokerError, StorageError
from fakebus.records.builder import build_batch
from fakebus.records.record import Record
from fakebus.redis.entries import (
    HIGHEST_ID,
    LOWEST_ID,
    EntryId,
    Fields,
    IdRange,
    to_fields,
    to_record,
)
from fakebus.redis.long_answers import wait_for_turn
from fakebus.redis.protocol import RedisError
from fakebus.redis.trimming import Trimming
from fakebus.registry.registry import Registry
from fakebus.types import TopicPartition

Positions = dict[int, int]
"""The next offset to read, by partition."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Of entries in one answer; commands that read on return what is left with the next."""
_PORTION = 1000
"""How many entries are read at a time."""
_CREATING_ID = EntryId(0, 1)
_TRIM_SLACK = 1.1
"""How far beyond an approximate MAXLEN a stream may grow, as Redis drops whole nodes only."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream."""

    id: EntryId
    record: Record


class Streams:
    """The topics of a broker as streams.

    Args:
        broker: holds them.
        registry: frames and unframes the data of events.
    """

    def __init__(self, broker: Broker, registry: Registry) -> None:
        self._broker = broker
        self._registry = registry

    def topic(self, name: str) -> Topic | None:
        """Return the topic of a stream."""
        return self._broker.topics.get(name)

    async def create(self, name: str) -> Topic:
        """Return the topic of a stream, created if there is none.

        Raises:
            BrokerError: the broker does not create it.
        """
        return self.topic(name) or await self._broker.topic_admin.auto_create(name, allowed=True)

    async def add(
        self,
        name: str,
        entry_id: EntryId | None,
        fields: Fields,
        origin: Origin = LIBRARY,
    ) -> tuple[EntryId, Topic]:
        """Append an entry and return its id.

        ``0-1`` creates the stream and adds nothing: that is how clients make an empty one,
        who delete the entry at once.

        Raises:
            BrokerError: the broker refuses it.
            RedisError: another id was asked for.
        """
        if entry_id not in (None, _CREATING_ID):
            raise RedisError("ERR fakebus gives the ids of entries itself: use * (offsets are ids)")
        if entry_id is not None:
            topic = await self.create(name)
            if any(log.log_end_offset for log in topic.partitions):
                raise RedisError(
                    "ERR The ID specified in XADD is equal or smaller than the target stream top "
                    "item"
                )
            return entry_id, topic
        now_ms = self._broker.clock.now_ms()
        record = to_record(fields, name, now_ms, self._registry)
        place, batch = TopicPartition(name, 0), build_batch([record])
        write = partial(self._broker.produce, place, batch, origin=origin)
        found = self.topic(name)
        topic, stored = await self._begin(name, write) if found is None else (found, None)
        if stored is None:
            stored = await when_known(write)
        return EntryId.of(0, stored.base_offset, now_ms), topic

    async def _begin(
        self, name: str, write: Callable[[], AppendResult]
    ) -> tuple[Topic, LogAppendInfo | None]:
        """Create a stream with its first entry, or neither; without one if it is to wait."""
        try:
            with self._broker.atomic():
                topic, created = self._broker.topic_admin.begin_auto_create(name, allowed=True)
                written = write()
        except UnknownPeerError:
            return await self.create(name), None
        except BrokerError:
            await self.remove_empty(name)
            raise
        await created
        try:
            return topic, await written
        except BrokerError:
            await self.remove_empty(name)
            raise

    async def remove_empty(self, name: str) -> None:
        """Take back the creation of a stream that nothing could be put into."""
        topic = self.topic(name)
        if topic is not None and not any(log.log_end_offset for log in topic.partitions):
            with suppress(StorageError):
                await self._broker.topics.delete(topic)

    async def trim(self, topic: Topic, trimming: Trimming) -> int:
        """Remove the oldest entries and return how many."""
        removed = 0
        for log in topic.partitions:
            begin = log.log_start_offset
            keep_from = await self._keep_from(topic, log, trimming)
            if trimming.limit:
                keep_from = min(keep_from, begin + trimming.limit - removed)
            if keep_from > begin:
                await log.delete_records(keep_from)
                removed += keep_from - begin
        return removed

    async def _keep_from(self, topic: Topic, log: PartitionLog, trimming: Trimming) -> int:
        """Return the first offset of a log that stays."""
        if trimming.min_id is not None:
            return await self._position_at(log, trimming.min_id, exact=not trimming.approximate)
        # Entries of Redis are written to the first partition.
        if trimming.max_length is None or _index(log) != 0:
            return log.log_start_offset
        length, most = self.length(topic), trimming.max_length
        if length <= (most * _TRIM_SLACK if trimming.approximate else most):
            return log.log_start_offset
        return min(log.log_start_offset + length - most, log.high_watermark)

    @staticmethod
    def length(topic: Topic) -> int:
        """Return how many entries a stream has."""
        return sum(log.high_watermark - log.log_start_offset for log in topic.partitions)

    @staticmethod
    def entries_added(topic: Topic) -> int:
        """Return how many entries a stream has ever had."""
        return sum(log.high_watermark for log in topic.partitions)

    @staticmethod
    def count_after(topic: Topic, positions: Mapping[int, int]) -> int:
        """Return how many entries lie at positions and behind them."""
        return sum(
            log.high_watermark - max(positions.get(_index(log), 0), log.log_start_offset)
            for log in topic.partitions
        )

    @staticmethod
    def end(topic: Topic) -> Positions:
        """Return the positions behind the last entry."""
        return {_index(log): log.high_watermark for log in topic.partitions}

    @staticmethod
    def start(topic: Topic) -> Positions:
        """Return the positions of the first entries."""
        return {_index(log): log.log_start_offset for log in topic.partitions}

    async def positions_from(self, topic: Topic, entry_id: EntryId) -> Positions:
        """Return the positions of an entry and of what is later than it."""
        if entry_id == LOWEST_ID:
            return self.start(topic)
        entry = await self.get(topic, entry_id)
        return {
            _index(log): entry_id.offset
            # A log's order decides, even if the clocks of its producers did not agree.
            if entry is not None and _index(log) == entry_id.partition
            else await self._position_at(log, entry_id)
            for log in topic.partitions
        }

    async def positions_after(self, topic: Topic, entry_id: EntryId) -> Positions:
        """Return the positions of what is later than an entry."""
        positions = await self.positions_from(topic, entry_id)
        if await self.get(topic, entry_id) is not None:
            positions[entry_id.partition] += 1
        return positions

    async def _position_at(
        self, log: PartitionLog, entry_id: EntryId, *, exact: bool = True
    ) -> int:
        """Return the offset of the first entry that is not before an id, or of its batch."""
        offset = max(await log.position_at(entry_id.timestamp_ms), log.log_start_offset)
        while exact and (entries := await self._read_log(log, offset, _PORTION)):
            for entry in entries:
                if entry.id >= entry_id:
                    return entry.id.offset
            offset = entries[-1].id.offset + 1
        return offset

    async def between(self, topic: Topic, ids: IdRange, count: int) -> list[Entry]:
        """Return the first entries of a range; at most ``count``.

        Raises:
            RedisError: they are too large for one answer.
        """
        positions = await self.positions_from(topic, ids.first)
        found, size = list[Entry](), 0
        while len(found) < count:
            entries = await self.read(topic, positions, min(count, _PORTION))
            if not entries:
                break
            for entry in entries:
                positions[entry.id.partition] = entry.id.offset + 1
            kept = [entry for entry in entries if entry.id in ids]
            found, size = found + kept, await _checked_size(size, kept)
        return found[:count]

    async def last_between(self, topic: Topic, ids: IdRange, count: int) -> list[Entry]:
        """Return the last entries of a range, the newest first; at most ``count``.

        Raises:
            RedisError: they are too large for one answer.
        """
        found, size = list[Entry](), 0
        for log in topic.partitions:
            last = await self._last_of_log(log, ids, count)
            found, size = found + last, await _checked_size(size, last)
        if len(topic.partitions) > 1:
            found.sort(key=_time, reverse=True)
        return found[:count]

    async def _last_of_log(self, log: PartitionLog, ids: IdRange, count: int) -> list[Entry]:
        found, size = list[Entry](), 0
        high, width = log.last_stable_offset, min(count, _PORTION)
        while high > log.log_start_offset and len(found) < count:
            low = max(high - width, log.log_start_offset)
            entries = await self._read_log(log, low, high - low)
            if high - low > 1 and _size_of(entries) >= MAX_ANSWER_BYTES:
                # They are not all that there are.
                width = (high - low) // 2
                continue
            kept = [e for e in reversed(entries) if e.id.offset < high and e.id in ids]
            found, size = found + kept, await _checked_size(size, kept)
            high, width = low, _PORTION
        return found[:count]

    async def read(self, topic: Topic, positions: Mapping[int, int], count: int) -> list[Entry]:
        """Return the next entries, in the order of time; at most ``count``, and of one answer."""
        most_bytes = MAX_ANSWER_BYTES // len(topic.partitions)
        logs: list[list[Entry]] = []
        left: dict[int, int] = {}
        """Of the logs that have more, how much of what was read of them."""
        for log in topic.partitions:
            begin = positions.get(_index(log), 0)
            logs.append(await self._read_log(log, begin, count, most_bytes))
            if len(logs[-1]) < count and _size_of(logs[-1]) >= most_bytes:
                left[_index(log)] = len(logs[-1])
        found: list[Entry] = []
        # Each log stays in its own order, whatever the times in it are: readers go on by offsets.
        for entry in heapq.merge(*logs, key=_time):
            found.append(entry)
            if (partition := entry.id.partition) in left:
                left[partition] -= 1
            if len(found) == count or left.get(partition) == 0:
                break
        return found

    async def _read_log(
        self, log: PartitionLog, offset: int, count: int, most_bytes: int = MAX_ANSWER_BYTES
    ) -> list[Entry]:
        cursor, size = LogCursor(log, offset, committed=True), 0
        found: list[Entry] = []
        while size < most_bytes and (
            records := await cursor.records(min(count - len(found), SLICE_RECORDS))
        ):
            if found:
                # A long answer is put together in portions, between which others are served.
                await asyncio.sleep(0)
            for record in records:
                entry_id = EntryId.of(_index(log), record.offset, record.timestamp)
                found.append(Entry(entry_id, record))
            size += sum(map(_size, records))
            await wait_for_turn(size)
        return found

    async def get(self, topic: Topic, entry_id: EntryId) -> Entry | None:
        """Return the entry that has an id; another one at its offset is none."""
        if entry_id.partition >= len(topic.partitions):
            return None
        log = topic.partitions[entry_id.partition]
        if not log.log_start_offset <= entry_id.offset < log.last_stable_offset:
            return None
        found = await self._read_log(log, entry_id.offset, 1)
        return found[0] if found and found[0].id == entry_id else None

    async def first(self, topic: Topic) -> Entry | None:
        """Return the oldest entry."""
        return next(iter(await self.read(topic, {}, 1)), None)

    async def last(self, topic: Topic) -> Entry | None:
        """Return the newest entry."""
        return next(iter(await self.last_between(topic, IdRange(LOWEST_ID, HIGHEST_ID), 1)), None)

    def follow(self, names: Iterable[str]) -> Tail:
        """Return what tells of new entries of some streams, whether they exist or not."""
        return Tail(self._broker.topics, names)

    def fields(self, entry: Entry) -> list[bytes]:
        """Return an entry's fields, names and values in turn."""
        return to_fields(entry.record, self._registry)


def _index(log: PartitionLog) -> int:
    return log.topic_partition.partition


def _size(record: Record) -> int:
    return len(record.value or b"") + sum(len(value or b"") for _, value in record.headers)


def _size_of(entries: Sequence[Entry]) -> int:
    return sum(_size(entry.record) for entry in entries)


async def _checked_size(size: int, more: Sequence[Entry]) -> int:
    size += _size_of(more)
    await wait_for_turn(size)
    if size > MAX_ANSWER_BYTES:
        raise RedisError(
            f"ERR the entries have more than {MAX_ANSWER_BYTES} bytes: ask for less with COUNT"
        )
    return size


def _time(entry: Entry) -> tuple[int, int]:
    return entry.record.timestamp, entry.id.position
