"""Streams: a topic read as one sequence of entries over all its partitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fakebus.broker.broker import Broker
from fakebus.broker.fetching import FetchTarget
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.topics import Topic
from fakebus.errors import BrokerError
from fakebus.records.batch import parse_header
from fakebus.records.builder import build_batch
from fakebus.records.reader import read_records
from fakebus.records.record import Record
from fakebus.redis.entries import EntryId, Fields, to_fields, to_record
from fakebus.redis.protocol import RedisError
from fakebus.registry.registry import Registry
from fakebus.types import TopicPartition

Positions = dict[int, int]
"""The next offset to read, by partition."""

_READ_BYTES = 1 << 20
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
            RedisError: the broker does not create it.
        """
        found = self.topic(name)
        if found is not None:
            return found
        try:
            return await self._broker.auto_create(name, allowed=True)
        except BrokerError as error:
            raise RedisError(f"ERR {error}") from error

    async def add(
        self, name: str, entry_id: EntryId | None, fields: Fields
    ) -> tuple[EntryId, Topic]:
        """Append an entry and return its id.

        ``0-1`` creates the stream and adds nothing: that is how clients make an empty one,
        who delete the entry at once.

        Raises:
            RedisError: the broker refuses it, or another id was asked for.
        """
        topic = await self.create(name)
        if entry_id == _CREATING_ID:
            return entry_id, topic
        if entry_id is not None:
            raise RedisError("ERR fakebus gives the ids of entries itself: use * (offsets are ids)")
        now_ms = self._broker.clock.now_ms()
        record = to_record(fields, name, now_ms, self._registry)
        try:
            stored = await self._broker.produce(TopicPartition(name, 0), build_batch([record]))
        except BrokerError as error:
            raise RedisError(f"ERR {error}") from error
        return EntryId.of(0, stored.base_offset, now_ms), topic

    async def trim(self, topic: Topic, max_length: int, *, approximate: bool) -> int:
        """Keep the newest entries only and return how many were removed."""
        length = self.length(topic)
        if length <= (max_length * _TRIM_SLACK if approximate else max_length):
            return 0
        log = topic.partitions[0]
        surplus = min(length - max_length, log.high_watermark - log.log_start_offset)
        await log.delete_records(log.log_start_offset + surplus)
        return surplus

    @staticmethod
    def length(topic: Topic) -> int:
        """Return how many entries a stream has."""
        return sum(log.high_watermark - log.log_start_offset for log in topic.partitions)

    @staticmethod
    def end(topic: Topic) -> Positions:
        """Return the positions behind the last entry."""
        return {_index(log): log.high_watermark for log in topic.partitions}

    @staticmethod
    def start(topic: Topic) -> Positions:
        """Return the positions of the first entries."""
        return {_index(log): log.log_start_offset for log in topic.partitions}

    async def positions_after(self, topic: Topic, entry_id: EntryId) -> Positions:
        """Return the positions behind an entry.

        Partitions that the entry is not in begin with what is later than it.
        """
        if entry_id == EntryId(0, 0):
            return self.start(topic)
        positions: Positions = {}
        entry = await self.get(topic, entry_id)
        is_entry = entry is not None and entry.id == entry_id
        for log in topic.partitions:
            index = _index(log)
            if index == entry_id.partition and (entry_id.position or is_entry):
                positions[index] = entry_id.offset + 1
            else:
                found = await self._broker.storage.first_batch_at_or_after(
                    log.log_id, entry_id.timestamp_ms, log.log_start_offset, log.high_watermark
                )
                positions[index] = log.high_watermark if found is None else found.base_offset
        return positions

    async def read(self, topic: Topic, positions: Mapping[int, int], count: int) -> list[Entry]:
        """Return the next entries, in the order of time; at most ``count``."""
        found: list[Entry] = []
        for log in topic.partitions:
            found += await self._read_log(log, positions.get(_index(log), 0), count)
        found.sort(key=lambda entry: (entry.record.timestamp, entry.id.position))
        return _in_log_order(found[:count]) if len(topic.partitions) == 1 else found[:count]

    async def _read_log(self, log: PartitionLog, offset: int, count: int) -> list[Entry]:
        offset = max(offset, log.log_start_offset)
        found: list[Entry] = []
        while offset < log.high_watermark and len(found) < count:
            batches = await log.read(offset, log.high_watermark, _READ_BYTES)
            if not batches:
                break
            for batch in batches:
                if not parse_header(batch.data).is_control:
                    found += _entries(batch.data, _index(log), offset)
            offset = batches[-1].last_offset + 1
        return found[:count]

    async def get(self, topic: Topic, entry_id: EntryId) -> Entry | None:
        """Return one entry."""
        if entry_id.partition >= len(topic.partitions):
            return None
        log = topic.partitions[entry_id.partition]
        if not log.log_start_offset <= entry_id.offset < log.high_watermark:
            return None
        found = await self._read_log(log, entry_id.offset, 1)
        return found[0] if found and found[0].id.offset == entry_id.offset else None

    async def last(self, topic: Topic) -> Entry | None:
        """Return the newest entry."""
        found: list[Entry] = []
        for log in topic.partitions:
            offset = log.high_watermark - 1
            if offset >= log.log_start_offset:
                found += await self._read_log(log, offset, 1)
        return max(found, key=lambda entry: entry.id, default=None)

    async def wait(self, wanted: Iterable[tuple[Topic, Positions]], max_wait_ms: int) -> None:
        """Return when one of the streams has something at the positions, or after a time."""
        targets = [
            FetchTarget(log, max(positions.get(_index(log), 0), log.log_start_offset), 1)
            for topic, positions in wanted
            for log in topic.partitions
        ]
        if targets:
            await self._broker.fetch(targets, max_wait_ms=max_wait_ms, min_bytes=1, max_bytes=1)

    def fields(self, entry: Entry) -> list[bytes]:
        """Return an entry's fields, names and values in turn."""
        return to_fields(entry.record, self._registry)


def _index(log: PartitionLog) -> int:
    return log.topic_partition.partition


def _entries(data: bytes | bytearray | memoryview, index: int, offset: int) -> Iterator[Entry]:
    for record in read_records(data):
        if record.offset >= offset:
            yield Entry(EntryId.of(index, record.offset, record.timestamp), record)


def _in_log_order(entries: list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.id.offset)
