"""A Kafka that runs already, as the test handle uses it: as a client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fakebus.broker.activity import Activity
from fakebus.client.connection import ClientError
from fakebus.client.groups import delete_group, list_groups
from fakebus.client.offsets import LogRange
from fakebus.client.registry import RegistryClient
from fakebus.client.seed_log import SeedLog
from fakebus.client.seeding import SetSeeder
from fakebus.client.topics import delete_topics
from fakebus.cluster.events import Event
from fakebus.cluster.external import ExternalCluster
from fakebus.cluster.interface import NotOnThisCluster, Schemas, is_internal_topic
from fakebus.errors import BrokerError, ErrorCode
from fakebus.fixture_files.model import FixtureSchema
from fakebus.fixture_files.seeding.ledger import Ledger
from fakebus.real_time import now_ms
from fakebus.records.record import NewRecord
from fakebus.testing.groups import GroupProgress, progress_of
from fakebus.testing.naming import Namespace, OwnNames, renamed
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.lineage.flow import Flows

_LOOK_AGAIN_S = 0.05


def demand_registry(registry: RegistryClient | None, what: str) -> RegistryClient:
    """Return a registry; NotOnThisCluster, which names what needs it, if there is none."""
    if registry is None:
        raise NotOnThisCluster(
            f"{what} needs a registry: name it with --fakebus-registry URL, or skip the test "
            'without one by @pytest.mark.fakebus(needs="registry")'
        )
    return registry


class ScopedKafka:
    """External cluster from the beginning of a test on.

    Args:
        cluster: the cluster.
        registry: its schema registry.
        partitions: how many partitions new topics get; its default when left out.
        ledger: where seeding is noted; what is the test's own needs no notes.
    """

    is_external = True

    def __init__(
        self,
        cluster: ExternalCluster,
        registry: RegistryClient | None,
        partitions: int | None,
        ledger: SeedLog | None = None,
    ) -> None:
        self._cluster = cluster
        self._registry = registry
        self._partitions = partitions
        self._since: dict[TopicPartition, int] = {}
        self._namespace = Namespace()
        self._began_ms = now_ms()
        self._creating = asyncio.Lock()
        self._ledger = ledger or Ledger()
        self.now_ms = cluster.now_ms

    @property
    def schemas(self) -> Schemas:
        """Its schema registry; NotOnThisCluster if none was named."""
        demand_registry(self._registry, "what has to do with a schema")
        return self._cluster.schemas

    async def begin(self, namespace: Namespace) -> None:
        """Remember where the test's topics end: what was seeded was there before."""
        self._namespace = namespace
        self._since = await self._ends(filter(namespace.holds, await self.topic_names()))

    async def _ends(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        return {place: log.end for place, log in (await self._cluster.ranges(topics)).items()}

    async def _groups(self) -> list[str]:
        listed = await asyncio.to_thread(list_groups, self._cluster.connection)
        return [str(group.group_id) for group in listed]

    async def names_there(self) -> OwnNames:
        """Return what tells a test's own topics, groups and subjects from those there are now."""
        return OwnNames(
            namespace=Namespace(),
            topics=frozenset(await self.topic_names()),
            groups=frozenset(await self._groups()),
            subjects=frozenset(await asyncio.to_thread(self._subjects, "")),
        )

    def _subjects(self, prefix: str) -> list[str]:
        return [] if self._registry is None else self._registry.subjects(prefix)

    async def produce(self, topic: str, partition: int | None, record: NewRecord) -> Event:
        """Write a record and return it as it was stored; creates the topic if need be."""
        try:
            async with self._creating:
                await self._create(topic)
            return await self._cluster.produce(topic, partition, record)
        except ClientError as error:
            raise _refusal(error) from None

    async def _create(self, topic: str) -> None:
        connection = self._cluster.connection
        if topic in connection.metadata.topics or topic in await self.topic_names():
            return
        try:
            await self._cluster.create_topic(topic, self._partitions)
        except ClientError as error:
            if error.code != ErrorCode.TOPIC_ALREADY_EXISTS.code:
                raise
            await asyncio.to_thread(connection.refresh)

    async def topic_names(self) -> list[str]:
        """Return all topics but those of Kafka, of the schema registry and of seeding."""
        names = (await asyncio.to_thread(self._cluster.connection.refresh)).topics
        return [name for name in names if not is_internal_topic(name)]

    def follow(self, topic: str) -> AbstractContextManager[_Cursor]:
        """Follow a topic by looking again after a short while.

        Where topics outside of the namespace ended is known by the time alone.
        """
        since = self._since if self._namespace.holds(topic) else self._began_ms
        return nullcontext(_Cursor(self._cluster, topic, since))

    async def progress(self, group: str) -> GroupProgress | None:
        """Return how far a group is, ``None`` if there is no such group."""
        details = await self._cluster.find_group(group)
        return None if details is None else progress_of(details)

    async def schema_ids(
        self, schemas: Sequence[FixtureSchema], namespace: Namespace
    ) -> Mapping[tuple[str, int], int]:
        """Return the ids of schemas under a test's own subjects, where they are deleted with it.

        Raises:
            NotOnThisCluster: there are some, and no registry was named.
            FixtureError: the registry refuses one.
        """
        real = namespace.real
        own = [
            replace(
                each,
                subject=real(each.subject),
                references=tuple((n, real(of), at) for n, of, at in each.references),
            )
            for each in schemas
        ]
        return await asyncio.to_thread(
            self._registered, schemas, own, "a shared event with a schema"
        )

    def _registered(
        self, schemas: Sequence[FixtureSchema], named: Sequence[FixtureSchema], what: str
    ) -> dict[tuple[str, int], int]:
        """Register schemas as the test names them; return their ids as their files do."""
        if not schemas:
            return {}
        registry = demand_registry(self._registry, what)
        return {
            (mine.subject, mine.version): registry.register(theirs)
            for mine, theirs in zip(schemas, named, strict=True)
        }

    async def clear(self, topic: str) -> None:
        """Delete the records of a topic; one that does not exist has none."""
        if topic in await self.topic_names():
            await self._cluster.empty_topic(topic)

    async def take(self, topic: str, group: str, timeout_s: float) -> list[Event]:
        """Raise NotOnThisCluster: groups there are for real consumers."""
        raise NotOnThisCluster("take works on a bus of our own; use a consumer")

    def flows(self) -> Flows:
        """Raise NotOnThisCluster: nobody has noted there what clients did."""
        raise NotOnThisCluster("what clients did is known by a bus of our own only")

    async def seed(self, sets: Sequence[Path], namespace: Namespace) -> None:
        """Load fixture sets as one, their topics and groups under a test's names.

        Raises:
            NotOnThisCluster: they have schemas, and no registry was named.
            FixtureError: the sets have problems, or the registry refuses a schema.
        """
        await asyncio.to_thread(self._seed, sets, namespace)

    def _seed(self, sets: Sequence[Path], namespace: Namespace) -> None:
        from fakebus.fixture_files.loader import load_fixtures

        now_ms = self.now_ms()
        loaded = load_fixtures(sets, now_ms=now_ms)
        ids = self._registered(
            loaded.schemas,
            renamed(loaded, namespace).schemas,
            f"{loaded.root} has schemas, and seeding it",
        )
        if ids:
            loaded = load_fixtures(sets, now_ms=now_ms, schema_ids=ids)
        seeder = SetSeeder(self._cluster.connection, self._ledger, self._registry)
        seeder.seed(renamed(loaded, namespace))

    async def delete(self, own: OwnNames) -> None:
        """Delete a test's topics, groups and subjects; groups that have members stay."""
        for group in filter(own.group, await self._groups()):
            with suppress(ClientError):
                await asyncio.to_thread(delete_group, self._cluster.connection, group)
        topics = list(filter(own.topic, await self.topic_names()))
        await asyncio.to_thread(delete_topics, self._cluster.connection, topics)
        await asyncio.to_thread(self._delete_subjects, own)

    def _delete_subjects(self, own: OwnNames) -> None:
        if self._registry is not None:
            for subject in filter(own.subject, self._subjects(own.namespace.prefix)):
                self._registry.delete(subject)

    async def snapshot(self, name: str | None) -> None:
        """Raise NotOnThisCluster: a Kafka cannot go back."""
        raise NotOnThisCluster(
            "snapshots need a bus of our own; mark the test "
            '@pytest.mark.fakebus(needs="snapshot") to skip it here'
        )

    rollback = snapshot

    def activities(self) -> Sequence[Activity]:
        """Return nothing: what other clients do is not known."""
        return ()


class _Cursor:
    """Cursor over the events of a topic of an external cluster.

    Args:
        cluster: the cluster.
        topic: which topic.
        since: where its logs ended when the test began, or when that was.
    """

    def __init__(
        self, cluster: ExternalCluster, topic: str, since: Mapping[TopicPartition, int] | int
    ) -> None:
        self._cluster = cluster
        self._topic = topic
        self._since = since
        self._positions: dict[TopicPartition, int] | None = None
        self._is_done = False

    async def ready(self) -> list[Event]:
        # Everything comes at once, so the next list ends the pass.
        found = [] if self._is_done else await self._read()
        self._is_done = bool(found)
        return found

    async def _read(self) -> list[Event]:
        there = await asyncio.to_thread(self._cluster.partitions, [self._topic])
        if self._positions is None:
            since = self._since
            self._positions = (
                await self._ends_at(since, there) if isinstance(since, int) else dict(since)
            )
        starts = {place: self._positions.get(place, 0) for place in there}
        wanted = {place: LogRange(start=at, end=sys.maxsize) for place, at in starts.items()}
        found: list[Event] = []
        async with aclosing(self._cluster.slices(wanted)) as slices:
            async for events in slices:
                found += events
                for event in events:
                    place = TopicPartition(event.topic, event.partition)
                    self._positions[place] = event.offset + 1
        return found

    async def _ends_at(
        self, moment_ms: int, there: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Return where the logs ended at a moment."""
        ranges = await self._cluster.ranges([self._topic] if there else [])
        later = await self._cluster.offsets_at(dict.fromkeys(ranges, moment_ms))
        return {p: log.end if later[p] < 0 else later[p] for p, log in ranges.items()}

    async def wait(self, timeout_s: float) -> None:
        await asyncio.sleep(min(_LOOK_AGAIN_S, timeout_s))


def _refusal(error: ClientError) -> BrokerError:
    """Return what a bus of our own would raise for what a client is told."""
    from confluent_kafka import KafkaError

    if error.code == KafkaError._UNKNOWN_PARTITION:
        return BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, str(error))
    if error.code is None:
        return BrokerError(ErrorCode.REQUEST_TIMED_OUT, str(error))
    code = next((each for each in ErrorCode if each.code == error.code), None)
    return BrokerError(code or ErrorCode.UNKNOWN_SERVER_ERROR, str(error))
