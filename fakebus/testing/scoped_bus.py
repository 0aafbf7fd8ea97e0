"""A bus of our own, as the test handle uses it: inside the bus's event loop, without sockets."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fakebus.broker.activity import Activity, Origin
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.snapshots import Snapshot
from fakebus.cluster.embedded import EmbeddedCluster, EventTail
from fakebus.cluster.events import Event
from fakebus.cluster.interface import is_internal_topic
from fakebus.fixture_files.seeding.ledger import Ledger
from fakebus.records.record import NewRecord
from fakebus.servers import Bus
from fakebus.testing.groups import GroupProgress, progress_of
from fakebus.testing.naming import Namespace, renamed
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.fixture_files.model import FixtureSchema, FixtureSet
    from fakebus.fixture_files.structure.schema_set import SchemaIds
    from fakebus.lineage.flow import Flows


class ScopedBus:
    """Bus of our own from a snapshot on.

    Args:
        bus: the bus.
        begin: where the test began.
    """

    is_external = False

    def __init__(self, bus: Bus, begin: Snapshot) -> None:
        self._bus = bus
        self._broker = bus.broker
        self._begin = begin
        self._snapshots: dict[str | None, Snapshot] = {}
        self._cluster = EmbeddedCluster(bus, _ORIGIN)
        self.now_ms = self._cluster.now_ms
        self.schemas = self._cluster.schemas
        self._ledger = Ledger()
        self.seeded: list[Path] = []
        """The fixture sets that are on the bus, under the names of the test."""

    async def produce(self, topic: str, partition: int | None, record: NewRecord) -> Event:
        """Write a record past the wire and return it as it was stored."""
        if self._broker.topics.get(topic) is None:
            await self._broker.topic_admin.auto_create(topic, allowed=True)
        return await self._cluster.produce(topic, partition, record)

    async def begin_anew(self) -> None:
        """Let the test begin now: what was seeded was there before."""
        self._begin = await self._broker.snapshots.take()

    async def snapshot(self, name: str | None) -> None:
        """Remember everything under a name; an older snapshot of that name is forgotten."""
        old = self._snapshots.get(name)
        self._snapshots[name] = await self._broker.snapshots.take()
        if old is not None:
            self._broker.snapshots.forget(old)

    async def rollback(self, name: str | None) -> None:
        """Go back to a snapshot; without one of no name, to where the test began.

        Raises:
            LookupError: there is none of that name.
        """
        if name is not None and name not in self._snapshots:
            known = ", ".join(repr(known) for known in self._snapshots if known is not None)
            raise LookupError(f"there is no snapshot {name!r}; there are: {known or 'none'}")
        await self._broker.snapshots.roll_back(self._snapshots.get(name, self._begin))

    def forget(self, but: Snapshot) -> None:
        """Let go of all snapshots except one: the test is over."""
        own = (each for each in (self._begin, *self._snapshots.values()) if each is not but)
        self._broker.snapshots.forget(*own)

    async def topic_names(self) -> list[str]:
        """Return all topics but those of Kafka, of the schema registry and of seeding."""
        return [
            topic.name
            for topic in self._broker.topics
            if not topic.is_internal and not is_internal_topic(topic.name)
        ]

    def follow(self, topic: str) -> AbstractContextManager[EventTail]:
        """Follow a topic, whether it exists or not, from the beginning of the test on."""
        return self._cluster.tail([topic], self._begin.end_of)

    async def progress(self, group: str) -> GroupProgress | None:
        """Return how far a group is, ``None`` if there is no such group."""
        details = await self._cluster.find_group(group)
        return None if details is None else progress_of(details, self._fetched)

    def _fetched(self, client_id: str, place: TopicPartition) -> int:
        position = self._broker.activity.positions.position(client_id, place)
        return -1 if position is None else position

    async def schema_ids(
        self, schemas: Sequence[FixtureSchema], namespace: Namespace
    ) -> Mapping[tuple[str, int], int]:
        """Return the ids of schemas by subject and version; what is not registered is now."""
        from fakebus.fixture_files.seeding.subject_seeding import register_schema

        return {
            (each.subject, each.version): await register_schema(self._bus.registry, each)
            for each in schemas
        }

    async def clear(self, topic: str) -> None:
        """Delete the records of a topic; one that does not exist has none."""
        if self._broker.topics.get(topic) is not None:
            await self._cluster.empty_topic(topic)

    async def take(self, topic: str, group: str, timeout_s: float) -> list[Event]:
        """Return what a group has not read yet, and commit it."""
        coordinator, loop = self._broker.group_coordinator, asyncio.get_running_loop()
        deadline = loop.time() + timeout_s

        def start(log: PartitionLog) -> int:
            committed = coordinator.committed_offset(group, log.topic_partition)
            return self._begin.end_of(log) if committed is None else committed

        found: dict[int, list[Event]] = {}
        with self._cluster.tail([topic], start) as tail:
            while True:
                while events := await tail.ready():
                    found.setdefault(events[0].partition, []).extend(events)
                if found or loop.time() >= deadline:
                    break
                await tail.wait(deadline - loop.time())
            await coordinator.set_offsets(group, tail.positions)
        # By time, but never against the order in a partition.
        return list(heapq.merge(*found.values(), key=lambda event: event.timestamp_ms))

    def flows(self) -> Flows:
        """Return what knows causes and effects."""
        return self._bus.flows

    def activities(self) -> Sequence[Activity]:
        """Return what clients have done since the test began."""
        return self._broker.activity.newest

    async def seed(self, sets: Sequence[Path], namespace: Namespace) -> None:
        """Load fixture sets as one; they may add to what is seeded already."""
        from fakebus.fixture_files.loader import load_onto
        from fakebus.fixture_files.seeding.seeder import seed
        from fakebus.fixture_files.seeding.subject_seeding import register_schemas, schema_type_of

        now_ms, config = self.now_ms(), self._broker.config

        def load(schema_ids: SchemaIds | None = None) -> FixtureSet:
            return load_onto(self.seeded, sets, now_ms=now_ms, config=config, schema_ids=schema_ids)

        loaded = load()
        named = renamed(loaded, namespace)
        own_keys = {
            (theirs.subject, theirs.version): (mine.subject, mine.version)
            for mine, theirs in zip(loaded.schemas, named.schemas, strict=True)
        }
        registered = await register_schemas(
            self._bus.registry,
            named,
            lambda ids: load({own_keys[key]: ids[key] for key in own_keys}),
        )
        # Nobody else seeds topics with the names of one test, and they go when it ends.
        ledger = self._ledger if namespace.prefix else None
        await seed(
            self._broker,
            renamed(registered, namespace),
            ledger=ledger,
            schema_type_of=partial(schema_type_of, self._bus.registry),
        )
        self.seeded += [each for each in sets if each not in self.seeded]


_ORIGIN = Origin(front_end="test", client_id="the test")
