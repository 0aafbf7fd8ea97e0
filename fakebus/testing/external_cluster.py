"""A Kafka that runs already, as the test handle uses it: as a client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fakebus.broker.activity import Activity
from fakebus.client.connection import ClientError, Connection
from fakebus.client.groups import delete_group, group_details, list_groups
from fakebus.client.offsets import log_ranges, offsets_at, partitions_of
from fakebus.client.publishing import Publisher
from fakebus.client.reading import FetchedRecord, Reader
from fakebus.client.seeding import SeedLog, SetSeeder
from fakebus.client.topics import WantedTopic, create_topics, delete_topics
from fakebus.cluster.events import Event, event_of
from fakebus.cluster.interface import NotOnThisCluster
from fakebus.errors import BrokerError, ErrorCode
from fakebus.fixture_files.model import FixtureSchema
from fakebus.fixture_files.seeding.ledger import Ledger
from fakebus.real_time import keep_real_time, now_ms
from fakebus.records.partitioner import PartitionChooser
from fakebus.records.record import NewRecord
from fakebus.registry.schema_log import TOPIC as SCHEMAS_TOPIC
from fakebus.testing.external_registry import ExternalRegistry
from fakebus.testing.groups import GroupProgress, PartitionProgress
from fakebus.testing.naming import Namespace, OwnNames, renamed
from fakebus.testing.typed import Schema
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.lineage.flow import Flows

_LOOK_AGAIN_S = 0.05


class Kafka:
    """Clients of one external cluster; they block, and one thread reads at a time.

    Args:
        connection: the cluster.
        partitions: how many partitions new topics get; its default when left out.

    Raises:
        ClientError: the cluster is not reached.
    """

    def __init__(self, connection: Connection, partitions: int | None) -> None:
        connection.check_advertised()
        self.connection = connection
        self._partitions = partitions
        self._lock = threading.Lock()
        self._reader = Reader(connection)
        self._places: list[int] = []
        self._publisher = Publisher(
            connection,
            {"linger.ms": 0, "enable.idempotence": False},
            on_stored=lambda _topic, _partition, offset: self._places.append(offset),
        )

    async def __aenter__(self) -> Self:
        """Begin to be used in the running event loop."""
        keep_real_time(asyncio.get_running_loop())
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Disconnect."""
        self._reader.close()

    def topics(self) -> list[str]:
        """Return all topics but those of Kafka, of the schema registry and of seeding."""
        names = self.connection.refresh().topics
        return [name for name in names if not name.startswith("__") and name != SCHEMAS_TOPIC]

    def seed_log(self) -> SeedLog:
        """Return the cluster's own notes of what was seeded."""
        return SeedLog(self.connection)

    def partition_count(self, topic: str) -> int:
        """Return how many partitions a topic has, which is created if it is not there."""
        with self._lock:
            if topic not in self.connection.metadata.topics and topic not in self.topics():
                try:
                    create_topics(self.connection, [WantedTopic(topic, self._partitions)])
                except ClientError as error:
                    if error.code != ErrorCode.TOPIC_ALREADY_EXISTS.code:
                        raise
                    self.connection.refresh()
            return self.connection.partition_count(topic)

    def produce(self, topic: str, partition: int, record: NewRecord) -> int:
        """Write a record and return its offset; ClientError if the cluster refuses it."""
        with self._lock:
            self._places.clear()
            self._publisher.send(topic, record, partition)
            self._publisher.flush()
            return self._places[-1]

    def ends(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """Return where the logs of topics end."""
        ranges = log_ranges(self.connection, partitions_of(self.connection, topics))
        return {partition: log.end for partition, log in ranges.items()}

    def ends_at(self, topic: str, moment_ms: int) -> dict[TopicPartition, int]:
        """Return where a topic's logs ended at a moment; nothing if it is not there."""
        if topic not in self.topics():
            return {}
        ends = self.ends([topic])
        later = offsets_at(self.connection, dict.fromkeys(ends, moment_ms))
        return {place: end if later[place] < 0 else later[place] for place, end in ends.items()}

    def read(self, topic: str, positions: Mapping[TopicPartition, int]) -> list[FetchedRecord]:
        """Return the records from positions to the ends of a topic's logs.

        Args:
            topic: none comes if it is not there.
            positions: where to begin; at the beginning where there is none.
        """
        with self._lock:
            if topic not in self.topics():
                return []
            there = partitions_of(self.connection, [topic])
            starts = {partition: positions.get(partition, 0) for partition in there}
            return [record for records in self._reader.read(starts) for record in records]

    def clear(self, topic: str) -> None:
        """Delete the records of a topic; ClientError if the cluster refuses it."""
        from confluent_kafka import TopicPartition as Place

        ends = self.ends([topic] if topic in self.topics() else [])
        places = [Place(each.topic, each.partition, end) for each, end in ends.items() if end]
        if places:
            for future in self.connection.admin.delete_records(places).values():
                self.connection.result(future, f"delete the records of {topic}")

    def groups(self) -> list[str]:
        """Return all groups."""
        return [str(group.group_id) for group in list_groups(self.connection)]

    def delete(self, own: OwnNames) -> None:
        """Delete a test's topics and groups; groups that have members stay."""
        for group in filter(own.group, self.groups()):
            with suppress(ClientError):
                delete_group(self.connection, group)
        delete_topics(self.connection, list(filter(own.topic, self.topics())))


class _ExternalCursor:
    """Cursor over the events of a topic of an external cluster."""

    def __init__(
        self,
        kafka: Kafka,
        registry: ExternalRegistry,
        topic: str,
        since: Mapping[TopicPartition, int] | int,
    ) -> None:
        self._kafka = kafka
        self._registry = registry
        self._topic = topic
        self._since = since
        self._positions: dict[TopicPartition, int] | None = None
        self._is_done = False

    async def ready(self) -> list[Event]:
        found = [] if self._is_done else await asyncio.to_thread(self._read)
        # Everything comes at once, so the next list ends the pass.
        self._is_done = bool(found)
        return found

    def _read(self) -> list[Event]:
        if self._positions is None:
            at = self._since
            self._positions = (
                self._kafka.ends_at(self._topic, at) if isinstance(at, int) else dict(at)
            )
        records = self._kafka.read(self._topic, self._positions)
        self._registry.prepare(self._topic, [(record.key, record.value) for record in records])
        for record in records:
            self._positions[TopicPartition(record.topic, record.partition)] = record.offset + 1
        return [self._event(record) for record in records]

    def _event(self, record: FetchedRecord) -> Event:
        timestamp_ms = -1 if record.timestamp_ms is None else record.timestamp_ms
        place = TopicPartition(record.topic, record.partition)
        return event_of(place, record.offset, timestamp_ms, record, self._registry.schema)

    async def wait(self, timeout_s: float) -> None:
        await asyncio.sleep(min(_LOOK_AGAIN_S, timeout_s))


class ExternalCluster:
    """External cluster during one test.

    Args:
        kafka: its clients.
        registry: its schema registry.
        ledger: where seeding is noted; what is the test's own needs no notes.
    """

    is_external = True

    def __init__(
        self, kafka: Kafka, registry: ExternalRegistry, ledger: SeedLog | None = None
    ) -> None:
        self._kafka = kafka
        self._registry = registry
        self._since: dict[TopicPartition, int] = {}
        self._namespace = Namespace()
        self._began_ms = now_ms()
        self._chooser = PartitionChooser()
        self._ledger = ledger or Ledger()

    def now_ms(self) -> int:
        """Return the machine's time; the cluster's own is not known."""
        return now_ms()

    async def begin(self, namespace: Namespace) -> None:
        """Remember where the test's topics end: what was seeded was there before."""
        self._namespace = namespace
        names = [name for name in await self.topic_names() if namespace.holds(name)]
        self._since = await asyncio.to_thread(self._kafka.ends, names)

    async def names_there(self) -> OwnNames:
        """Return what tells a test's own topics, groups and subjects from those there are now."""
        return OwnNames(
            namespace=Namespace(),
            topics=frozenset(await self.topic_names()),
            groups=frozenset(await asyncio.to_thread(self._kafka.groups)),
            subjects=frozenset(await asyncio.to_thread(self._registry.subjects, "")),
        )

    async def produce(self, topic: str, partition: int | None, record: NewRecord) -> Event:
        """Write a record and return it as it was stored; creates the topic if need be."""
        try:
            count = await asyncio.to_thread(self._kafka.partition_count, topic)
            if partition is None:
                partition = self._chooser.choose(record.key, count)
            offset = await asyncio.to_thread(self._kafka.produce, topic, partition, record)
        except ClientError as error:
            raise _refusal(error) from None
        place = TopicPartition(topic, partition)
        return event_of(place, offset, record.timestamp_ms, record, self._registry.schema)

    async def topic_names(self) -> list[str]:
        """Return all topics but those of Kafka, of the schema registry and of seeding."""
        return await asyncio.to_thread(self._kafka.topics)

    def follow(self, topic: str) -> AbstractContextManager[_ExternalCursor]:
        """Follow a topic by looking again after a short while.

        Where topics outside of the namespace ended is known by the time alone.
        """
        since = self._since if self._namespace.holds(topic) else self._began_ms
        return nullcontext(_ExternalCursor(self._kafka, self._registry, topic, since))

    async def progress(self, group: str) -> GroupProgress | None:
        """Return how far a group is, ``None`` if there is no such group."""
        return await asyncio.to_thread(self._progress, group)

    def _progress(self, group: str) -> GroupProgress | None:
        self._kafka.connection.refresh()
        found = group_details(self._kafka.connection, group)
        if found is None:
            return None
        return GroupProgress(
            state=found.state.title(),
            members=tuple(member.client_id for member in found.members),
            partitions={
                each.topic_partition: PartitionProgress(
                    committed=each.committed,
                    start=each.log.start,
                    end=each.log.end,
                    member=each.member.client_id if each.member is not None else "",
                )
                for each in found.partitions
                if each.log is not None
            },
        )

    async def schema_ids(
        self, schemas: Sequence[FixtureSchema], namespace: Namespace
    ) -> Mapping[tuple[str, int], int]:
        """Return the ids of schemas by subject and version; what is not registered is now."""
        return await asyncio.to_thread(self._registry.ids, schemas, namespace)

    async def clear(self, topic: str) -> None:
        """Delete the records of a topic; one that does not exist has none."""
        await asyncio.to_thread(self._kafka.clear, topic)

    async def framed(
        self, subject: str, data: Any, schema: Schema | None, schema_type: str
    ) -> bytes:
        """Return data coded with a subject's schema, which the registry has or is given."""
        return await asyncio.to_thread(self._registry.framed, subject, data, schema, schema_type)

    async def take(self, topic: str, group: str, timeout_s: float) -> list[Event]:
        """Raise NotOnThisCluster: groups there are for real consumers."""
        raise NotOnThisCluster("take works on a bus of our own; use a consumer")

    def flows(self) -> Flows:
        """Raise NotOnThisCluster: nobody has noted there what clients did."""
        raise NotOnThisCluster("what clients did is known by a bus of our own only")

    async def check_compatible(self, subject: str, schema: Schema, schema_type: str) -> None:
        """Ask the registry whether a schema could be a subject's next version."""
        await asyncio.to_thread(self._registry.check_compatible, subject, schema, schema_type)

    async def seed(self, sets: Sequence[Path], namespace: Namespace) -> None:
        """Load fixture sets as one, their topics and groups under a test's names."""
        await asyncio.to_thread(self._seed, sets, namespace)

    def _seed(self, sets: Sequence[Path], namespace: Namespace) -> None:
        from fakebus.fixture_files.loader import load_fixtures

        now_ms = self.now_ms()
        loaded = load_fixtures(sets, now_ms=now_ms)
        ids = self._registry.register(loaded, renamed(loaded, namespace))
        if ids:
            loaded = load_fixtures(sets, now_ms=now_ms, schema_ids=ids)
        SetSeeder(self._kafka.connection, self._ledger).seed(renamed(loaded, namespace))

    async def delete(self, own: OwnNames) -> None:
        """Delete a test's topics, groups and subjects."""
        await asyncio.to_thread(self._kafka.delete, own)
        await asyncio.to_thread(self._registry.delete, own)

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


def _refusal(error: ClientError) -> BrokerError:
    """Return what a bus of our own would raise for what a client is told."""
    from confluent_kafka import KafkaError

    if error.code == KafkaError._UNKNOWN_PARTITION:
        return BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, str(error))
    if error.code is None:
        return BrokerError(ErrorCode.REQUEST_TIMED_OUT, str(error))
    code = next((each for each in ErrorCode if each.code == error.code), None)
    return BrokerError(code or ErrorCode.UNKNOWN_SERVER_ERROR, str(error))
