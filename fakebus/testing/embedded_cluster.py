"""A bus of our own, as the test handle uses it: inside the bus's event loop, without sockets."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakebus.broker.activity import Activity, Origin
from fakebus.broker.broker import Broker
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.snapshots import Snapshot
from fakebus.broker.tail import Tail
from fakebus.cluster.events import Event, event_of
from fakebus.fixture_files.seeding.ledger import LEDGER_TOPIC, Ledger
from fakebus.protocol.consumer_protocol import assigned_partitions
from fakebus.records.builder import build_batch
from fakebus.records.partitioner import PartitionChooser
from fakebus.records.record import NewRecord, Record
from fakebus.registry.registry import Registry
from fakebus.registry.schema_log import TOPIC as SCHEMAS_TOPIC
from fakebus.registry.sources import RegistrySource
from fakebus.testing.groups import GroupProgress, PartitionProgress
from fakebus.testing.naming import Namespace, renamed
from fakebus.testing.typed import Schema, check_compatible, framed
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.fixture_files.model import FixtureSchema, FixtureSet
    from fakebus.fixture_files.structure.schema_set import SchemaIds
    from fakebus.lineage.flow import Flows


class _TailCursor:
    """Cursor over the events behind a tail."""

    def __init__(self, tail: Tail, schemas: RegistrySource) -> None:
        self._tail = tail
        self._schemas = schemas

    async def ready(self) -> list[Event]:
        # What is made of the events keeps the loop, so others get their turn before.
        await asyncio.sleep(0)
        read = await self._tail.read()
        return [] if read is None else [await self._event(read.log, r) for r in read.records]

    async def _event(self, log: PartitionLog, record: Record) -> Event:
        await self._schemas.prepare(record.key, record.value)
        place = log.topic_partition
        return event_of(place, record.offset, record.timestamp, record, self._schemas)

    async def wait(self, timeout_s: float) -> None:
        await self._tail.wait(timeout_s)


class EmbeddedCluster:
    """One bus, from a snapshot on.

    Args:
        broker: the bus.
        begin: where the test began.
        registry: the bus's schema registry.
        flows: returns what knows causes and effects.
    """

    is_external = False

    def __init__(
        self, broker: Broker, begin: Snapshot, registry: Registry, flows: Callable[[], Flows]
    ) -> None:
        self.broker = broker
        self.flows = flows
        self._registry = registry
        self._begin = begin
        self._snapshots: dict[str | None, Snapshot] = {}
        self._schemas = RegistrySource(registry)
        self._chooser = PartitionChooser()
        self._ledger = Ledger()
        self.seeded: list[Path] = []
        """The fixture sets that are on the bus, under the names of the test."""

    def now_ms(self) -> int:
        """Return the bus's time, as the test has set it."""
        return self.broker.clock.now_ms()

    async def produce(self, topic: str, partition: int | None, record: NewRecord) -> Event:
        """Write a record past the wire and return it as it was stored."""
        known = self.broker.topics.get(topic)
        if known is None:
            known = await self.broker.auto_create(topic, allowed=True)
        if partition is None:
            partition = self._chooser.choose(record.key, len(known.partitions))
        place = TopicPartition(topic, partition)
        await self._schemas.prepare(record.key, record.value)
        stored = await self.broker.produce(place, build_batch([record]), origin=_ORIGIN)
        timestamp_ms = stored.log_append_time_ms
        if timestamp_ms < 0:
            timestamp_ms = record.timestamp_ms
        return event_of(place, stored.base_offset, timestamp_ms, record, self._schemas)

    async def begin_anew(self) -> None:
        """Let the test begin now: what was seeded was there before."""
        self._begin = await self.broker.snapshots.take()

    async def snapshot(self, name: str | None) -> None:
        """Remember everything under a name; an older snapshot of that name is forgotten."""
        old = self._snapshots.get(name)
        self._snapshots[name] = await self.broker.snapshots.take()
        if old is not None:
            self.broker.snapshots.forget(old)

    async def rollback(self, name: str | None) -> None:
        """Go back to a snapshot; without one of no name, to where the test began.

        Raises:
            LookupError: there is none of that name.
        """
        if name is not None and name not in self._snapshots:
            known = ", ".join(repr(known) for known in self._snapshots if known is not None)
            raise LookupError(f"there is no snapshot {name!r}; there are: {known or 'none'}")
        await self.broker.snapshots.roll_back(self._snapshots.get(name, self._begin))

    def forget(self, but: Snapshot) -> None:
        """Let go of all snapshots except one: the test is over."""
        own = (each for each in (self._begin, *self._snapshots.values()) if each is not but)
        self.broker.snapshots.forget(*own)

    async def topic_names(self) -> list[str]:
        """Return all topics but those of Kafka, of the schema registry and of seeding."""
        return [
            topic.name
            for topic in self.broker.topics
            if not topic.is_internal and topic.name not in (SCHEMAS_TOPIC, LEDGER_TOPIC)
        ]

    @contextmanager
    def follow(self, topic: str) -> Iterator[_TailCursor]:
        """Follow a topic, whether it exists or not, from the beginning of the test on."""
        with Tail(self.broker.topics, [topic], self._begin.end_of) as tail:
            yield _TailCursor(tail, self._schemas)

    async def progress(self, group: str) -> GroupProgress | None:
        """Return how far a group is, ``None`` if there is no such group."""
        coordinator = self.broker.group_coordinator
        description = coordinator.describe(group)
        if description is None:
            return None
        offsets = coordinator.offsets(group)
        partitions: dict[TopicPartition, PartitionProgress] = {}
        owners = {
            p: m.client_id for m in description.members for p in assigned_partitions(m.assignment)
        }
        for place in sorted({*offsets, *owners}):
            log = self.broker.topics.logs.get(place)
            if log is not None:
                row, fetched = offsets.get(place), None
                if place in owners:
                    fetched = self.broker.activity.positions.position(owners[place], place)
                    fetched = -1 if fetched is None else fetched
                partitions[place] = PartitionProgress(
                    committed=None if row is None else row.offset,
                    start=log.log_start_offset,
                    end=log.high_watermark,
                    fetched=fetched,
                    member=owners.get(place, ""),
                )
        clients = tuple(member.client_id for member in description.members)
        return GroupProgress(state=description.state, members=clients, partitions=partitions)

    async def schema_ids(
        self, schemas: Sequence[FixtureSchema], namespace: Namespace
    ) -> Mapping[tuple[str, int], int]:
        """Return the ids of schemas by subject and version; what is not registered is now."""
        from fakebus.fixture_files.seeding.subject_seeding import register_schema

        return {
            (each.subject, each.version): await register_schema(self._registry, each)
            for each in schemas
        }

    async def clear(self, topic: str) -> None:
        """Delete the records of a topic; one that does not exist has none."""
        known = self.broker.topics.get(topic)
        for log in known.partitions if known is not None else ():
            await log.delete_records(-1)

    async def framed(
        self, subject: str, data: Any, schema: Schema | None, schema_type: str
    ) -> bytes:
        """Return data coded with a subject's schema."""
        return await framed(self._registry, subject, data, schema, schema_type)

    async def take(self, topic: str, group: str, timeout_s: float) -> list[Event]:
        """Return what a group has not read yet, and commit it."""
        coordinator, loop = self.broker.group_coordinator, asyncio.get_running_loop()
        deadline = loop.time() + timeout_s

        def start(log: PartitionLog) -> int:
            committed = coordinator.committed_offset(group, log.topic_partition)
            return self._begin.end_of(log) if committed is None else committed

        found: dict[int, list[Event]] = {}
        with Tail(self.broker.topics, [topic], start) as tail:
            cursor = _TailCursor(tail, self._schemas)
            while True:
                while events := await cursor.ready():
                    found.setdefault(events[0].partition, []).extend(events)
                if found or loop.time() >= deadline:
                    break
                await cursor.wait(deadline - loop.time())
            await coordinator.set_offsets(group, tail.positions)
        # By time, but never against the order in a partition.
        return list(heapq.merge(*found.values(), key=lambda event: event.timestamp_ms))

    async def check_compatible(self, subject: str, schema: Schema, schema_type: str) -> None:
        """Fail if a schema could not be a subject's next version."""
        await check_compatible(self._registry, subject, schema, schema_type)

    def activities(self) -> Sequence[Activity]:
        """Return what clients have done since the test began."""
        return self.broker.activity.newest

    async def seed(self, sets: Sequence[Path], namespace: Namespace) -> None:
        """Load fixture sets as one; they may add to what is seeded already."""
        from fakebus.fixture_files.loader import load_onto
        from fakebus.fixture_files.seeding.seeder import seed
        from fakebus.fixture_files.seeding.subject_seeding import register_schemas

        now_ms, config = self.now_ms(), self.broker.config

        def load(schema_ids: SchemaIds | None = None) -> FixtureSet:
            return load_onto(self.seeded, sets, now_ms=now_ms, config=config, schema_ids=schema_ids)

        loaded = load()
        named = renamed(loaded, namespace)
        own_keys = {
            (theirs.subject, theirs.version): (mine.subject, mine.version)
            for mine, theirs in zip(loaded.schemas, named.schemas, strict=True)
        }
        registered = await register_schemas(
            self._registry, named, lambda ids: load({own_keys[key]: ids[key] for key in own_keys})
        )
        # Nobody else seeds topics with the names of one test, and they go when it ends.
        ledger = self._ledger if namespace.prefix else None
        await seed(self.broker, renamed(registered, namespace), ledger=ledger)
        self.seeded += [each for each in sets if each not in self.seeded]


_ORIGIN = Origin(front_end="test", client_id="the test")
