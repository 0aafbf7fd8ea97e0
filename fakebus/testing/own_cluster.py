"""A bus of our own, as the test handle uses it: inside the bus's event loop, without sockets."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakebus.broker.broker import Broker
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.topics import Topic
from fakebus.kafka.traffic import Deed, Traffic
from fakebus.protocol.consumer_protocol import decode_assignment
from fakebus.protocol.errors import DecodeError
from fakebus.records.builder import build_batch
from fakebus.records.partitioner import consistent
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord
from fakebus.registry.registry import Registry
from fakebus.registry.schema_log import TOPIC as SCHEMAS_TOPIC
from fakebus.testing.cluster import GroupProgress, PartitionProgress
from fakebus.testing.decoding import SchemaDecoder
from fakebus.testing.events import Event
from fakebus.testing.marks import Mark
from fakebus.testing.naming import Namespace, renamed
from fakebus.testing.typed import Schema, check_compatible, framed
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.fixture_files.model import FixtureSet
    from fakebus.fixture_files.schema_set import SchemaIds

_READ_BYTES = 4 * 1024 * 1024
_CONTROL_BATCH = 0x20


class _Bell:
    """Rings when a log has grown or changed."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def log_appended(self, size_bytes: int) -> None:
        self._rung.set()

    def log_changed(self) -> None:
        self._rung.set()

    def topic_changed(self, topic: Topic) -> None:
        self._rung.set()

    async def changed(self, timeout_s: float) -> None:
        try:
            await asyncio.wait_for(self._rung.wait(), timeout_s)
        except TimeoutError:
            return
        self._rung.clear()


class OwnCluster:
    """One bus, from a mark on.

    Args:
        broker: the bus.
        mark: where the test began.
        traffic: knows what clients do.
        registry: the bus's schema registry.
    """

    is_foreign = False

    def __init__(
        self,
        broker: Broker,
        mark: Mark,
        traffic: Traffic,
        registry: Registry,
    ) -> None:
        self.broker = broker
        self._traffic = traffic
        self._registry = registry
        self.mark = mark
        self._decoder = SchemaDecoder(registry)
        self._round_robin = 0

    def now_ms(self) -> int:
        """Return the bus's time, as the test has set it."""
        return self.broker.clock.now_ms()

    async def produce(self, topic: str, partition: int | None, record: NewRecord) -> Event:
        """Write a record past the wire and return it as it was stored."""
        known = self.broker.topics.get(topic)
        if known is None:
            known = await self.broker.auto_create(topic, allowed=True)
        if partition is None:
            partition = self._choose_partition(record.key, len(known.partitions))
        await self._decoder.prepare(record.key)
        await self._decoder.prepare(record.value)
        stored = await self.broker.produce(TopicPartition(topic, partition), build_batch([record]))
        return Event(
            topic=topic,
            partition=partition,
            offset=stored.base_offset,
            timestamp_ms=(
                record.timestamp_ms if stored.log_append_time_ms < 0 else stored.log_append_time_ms
            ),
            key=record.key,
            value=record.value,
            headers=tuple(record.headers),
            decoder=self._decoder,
        )

    def _choose_partition(self, key: bytes | None, partitions: int) -> int:
        if key is not None:
            return consistent(key, partitions)
        self._round_robin += 1
        return (self._round_robin - 1) % partitions

    async def topic_names(self) -> list[str]:
        """Return all topics but those of Kafka and of the schema registry."""
        return [
            topic.name
            for topic in self.broker.topics
            if not topic.is_internal and topic.name != SCHEMAS_TOPIC
        ]

    async def read(self, topic: str) -> list[Event]:
        """Return the records since the mark, partition by partition."""
        known = self.broker.topics.get(topic)
        found: list[Event] = []
        for log in known.partitions if known is not None else ():
            found += [event async for event in self._read_log(known, log)]
        return found

    async def _read_log(
        self, topic: Topic | None, log: PartitionLog, start: int | None = None
    ) -> AsyncIterator[Event]:
        offset = log.log_start_offset
        if start is not None:
            offset = max(offset, start)
        elif topic is not None:
            offset = max(offset, self.mark.end_of(topic, log))
        while offset < log.high_watermark:
            batches = await log.read(offset, log.high_watermark, _READ_BYTES)
            if not batches:
                break
            for batch in batches:
                if batch.attributes & _CONTROL_BATCH:
                    continue
                for record in read_records(batch.data):
                    if record.offset >= offset:
                        await self._decoder.prepare(record.key)
                        await self._decoder.prepare(record.value)
                        yield Event(
                            topic=log.topic_partition.topic,
                            partition=log.topic_partition.partition,
                            offset=record.offset,
                            timestamp_ms=record.timestamp,
                            key=record.key,
                            value=record.value,
                            headers=tuple(record.headers),
                            decoder=self._decoder,
                        )
            offset = batches[-1].last_offset + 1

    @asynccontextmanager
    async def watch(self, topic: str) -> AsyncIterator[_Bell]:
        """Watch a topic, whether it exists or not."""
        bell = _Bell()
        known = self.broker.topics.get(topic)
        logs = list(known.partitions) if known is not None else []

        def more(changed: Topic) -> None:
            if changed.name == topic:
                for log in changed.partitions:
                    if log not in logs:
                        log.add_waiter(bell)
                        logs.append(log)
                bell.topic_changed(changed)

        self.broker.topics.on_changed.append(more)
        for log in logs:
            log.add_waiter(bell)
        try:
            yield bell
        finally:
            self.broker.topics.on_changed.remove(more)
            for log in logs:
                log.remove_waiter(bell)

    async def progress(self, group: str) -> GroupProgress | None:
        """Return how far a group is, ``None`` if there is no such group."""
        coordinator = self.broker.group_coordinator
        description = coordinator.describe(group)
        if description is None:
            return None
        offsets = coordinator.offsets(group)
        partitions: dict[TopicPartition, PartitionProgress] = {}
        assigned = [p for m in description.members for p in _assigned(m.assignment)]
        for topic_partition in sorted({*offsets, *assigned}):
            topic = self.broker.topics.get(topic_partition.topic)
            log = topic.partition(topic_partition.partition) if topic is not None else None
            if log is not None:
                row = offsets.get(topic_partition)
                partitions[topic_partition] = PartitionProgress(
                    committed=None if row is None else row.offset,
                    start=log.log_start_offset,
                    end=log.high_watermark,
                )
        clients = tuple(member.client_id for member in description.members)
        return GroupProgress(state=description.state, members=clients, partitions=partitions)

    async def framed(
        self, subject: str, data: Any, schema: Schema | None, schema_type: str
    ) -> bytes:
        """Return data coded with a subject's schema."""
        return await framed(self._registry, subject, data, schema, schema_type)

    async def take(self, topic: str, group: str, timeout_s: float) -> list[Event]:
        """Return what a group has not read yet, and commit it."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            async with self.watch(topic) as watch:
                found = await self._unread(topic, group)
                left = deadline - asyncio.get_running_loop().time()
                if found or left <= 0:
                    return found
                await watch.changed(left)

    async def _unread(self, topic: str, group: str) -> list[Event]:
        coordinator, known = self.broker.group_coordinator, self.broker.topics.get(topic)
        found: list[list[Event]] = []
        for log in () if known is None else known.partitions:
            start = coordinator.committed_offset(group, log.topic_partition)
            found.append([event async for event in self._read_log(known, log, start)])
            await coordinator.set_offsets(group, {log.topic_partition: log.high_watermark})
        # By time, but never against the order in a partition.
        return list(heapq.merge(*found, key=lambda event: event.timestamp_ms))

    async def check_compatible(self, subject: str, schema: Schema, schema_type: str) -> None:
        """Fail if a schema could not be a subject's next version."""
        await check_compatible(self._registry, subject, schema, schema_type)

    def deeds(self) -> Sequence[Deed]:
        """Return what clients have done since the test began."""
        return tuple(self._traffic.deeds)

    async def seed(self, directory: Path, namespace: Namespace) -> None:
        """Load a directory of fixture files."""
        from fakebus.fixture_files.loader import load_fixtures
        from fakebus.fixture_files.seeding import seed
        from fakebus.fixture_files.subject_seeding import register_schemas

        now_ms, config = self.now_ms(), self.broker.config

        def load(schema_ids: SchemaIds | None = None) -> FixtureSet:
            return load_fixtures(directory, now_ms=now_ms, config=config, schema_ids=schema_ids)

        loaded = load()
        named = renamed(loaded, namespace)
        own_keys = {
            (theirs.subject, theirs.version): (mine.subject, mine.version)
            for mine, theirs in zip(loaded.schemas, named.schemas, strict=True)
        }
        registered = await register_schemas(
            self._registry, named, lambda ids: load({own_keys[key]: ids[key] for key in own_keys})
        )
        await seed(self.broker, renamed(registered, namespace))


def _assigned(assignment: bytes) -> Iterator[TopicPartition]:
    try:
        decoded = decode_assignment(assignment)
    except DecodeError:
        # Nothing was assigned yet, or the members speak a protocol of their own.
        return
    for topic in decoded.assigned_partitions:
        for partition in topic.partitions:
            yield TopicPartition(topic.topic, partition)
