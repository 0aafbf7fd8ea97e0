"""A Kafka that runs elsewhere as a cluster: through a client library, whose calls block.

Every call goes to a thread. What a client cannot be told is not guessed: sizes, and what only the
bus's own process knows.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from fakebus.broker.configs.broker_config import ConfigSource
from fakebus.broker.turns import Pace
from fakebus.client.connection import ClientError, Connection, NotFoundError
from fakebus.client.groups import (
    GroupDetails,
    delete_group,
    describe_members,
    group_details,
    group_in_use,
    list_groups,
    set_offsets,
    unknown_group,
)
from fakebus.client.offsets import LogRange, log_ranges, offsets_at, partition_of, partitions_of
from fakebus.client.publishing import Publisher
from fakebus.client.reading import FetchedRecord, Reader
from fakebus.client.registry import RegistryClient
from fakebus.client.topics import (
    WantedTopic,
    add_partitions,
    all_configs,
    create_topics,
    delete_topics,
    empty_topic,
    set_configs,
)
from fakebus.cluster.events import Event, event_of
from fakebus.cluster.external_schemas import ExternalSchemas
from fakebus.cluster.interface import (
    BrokerNode,
    ConfigValue,
    Copy,
    GroupSummary,
    NotOnThisCluster,
    PartitionDetails,
    TopicDetails,
    TopicSummary,
    is_internal_topic,
    summary_of,
)
from fakebus.cluster.patience import answer_of, answers_of
from fakebus.real_time import monotonic, now_ms
from fakebus.records.batch import NO_TIMESTAMP
from fakebus.records.partitioner import PartitionChooser
from fakebus.records.record import NewRecord
from fakebus.servers import Bus
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from confluent_kafka.admin import ConfigEntry  # type: ignore[attr-defined]

Given = TypeVarTuple("Given")
Result = TypeVar("Result")

_LOOK_S = 1.0
"""How often a tail looks for topics and partitions that were created."""


class ExternalCluster:
    """Cluster that is reached as a client.

    Args:
        connection: the cluster.
        registry: its schema registry; ``None`` if none is known.

    Raises:
        ClientError: the cluster is not reached.
    """

    is_external = True

    def __init__(self, connection: Connection, registry: RegistryClient | None) -> None:
        connection.check_advertised()
        self.name = connection.name
        self.connection = connection
        """The cluster as the client library sees it."""
        self._schemas = None if registry is None else ExternalSchemas(registry)
        self._chooser = PartitionChooser()
        self._readers: list[Reader] = []
        """Those that nobody reads with; each reads for one at a time."""
        self._producing = threading.Lock()
        config = {"linger.ms": 0, "enable.idempotence": False, "max.in.flight": 1}
        self._publisher = Publisher(connection, config)

    def now_ms(self) -> int:
        """Return the machine's time; the cluster's own is not known."""
        return now_ms()

    def bus(self, what: str) -> Bus:
        """Raise NotOnThisCluster."""
        raise NotOnThisCluster(
            f"{what} is not to be had from {self.name}: it is looked at as a client, and only a "
            "fakebus sees that, on its own console and by its own HTTP address"
        )

    @property
    def schemas(self) -> ExternalSchemas:
        """Its schema registry; NotOnThisCluster if none is known."""
        if self._schemas is None:
            raise NotOnThisCluster(
                f"schemas are not to be had from {self.name}: no schema registry was named; "
                "name it with --registry URL"
            )
        return self._schemas

    async def close(self) -> None:
        """Disconnect."""
        while self._readers:
            await answer_of(self._readers.pop().close)

    async def topics(self) -> list[TopicSummary]:
        """Return all topics by name, internal ones too."""
        names = sorted((await answer_of(self.connection.refresh)).topics)
        records: dict[str, list[int]] = {name: [] for name in names}
        for place, log in (await self.ranges(names)).items():
            records[place.topic].append(log.records)
        return [
            TopicSummary(
                name=name,
                partitions=len(found),
                records=sum(found),
                size_bytes=None,
                is_internal=is_internal_topic(name),
            )
            for name, found in records.items()
        ]

    async def topic(self, name: str) -> TopicDetails:
        """Return one topic; NotFoundError names the nearest ones if it is not there."""
        ranges = await self.ranges([name])
        told = self.connection.metadata.topics[name].partitions
        configs = await answer_of(all_configs, self.connection, [name])
        return TopicDetails(
            name=name,
            is_internal=is_internal_topic(name),
            partitions=tuple(
                PartitionDetails(
                    partition=place.partition,
                    log=log,
                    size_bytes=None,
                    leader=told[place.partition].leader,
                    replicas=tuple(told[place.partition].replicas),
                )
                for place, log in ranges.items()
            ),
            configs=tuple(_configs(configs[name])),
        )

    async def create_topic(
        self, name: str, partitions: int | None = None, configs: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic; with the cluster's default number of partitions when left out."""
        wanted = WantedTopic(name, partitions, configs or {})
        await asyncio.to_thread(create_topics, self.connection, [wanted])

    async def add_partitions(self, name: str, count: int) -> None:
        """Let a topic have ``count`` partitions in all."""
        await self._asked_of(name, add_partitions, self.connection, name, count)

    async def set_topic_configs(
        self, name: str, configs: Mapping[str, str], removed: Iterable[str] = ()
    ) -> None:
        """Set configs of a topic and take others back to their defaults; the rest stays."""
        await self._asked_of(name, set_configs, self.connection, name, configs, removed)

    async def empty_topic(self, name: str) -> None:
        """Delete all records of a topic; it and its offsets go on."""
        await self._asked_of(name, empty_topic, self.connection, name)

    async def delete_topic(self, name: str) -> None:
        """Delete a topic."""
        await self._asked_of(name, delete_topics, self.connection, [name])

    async def _asked_of(
        self,
        topic: str,
        call: Callable[[*Given], Result],
        *given: *Given,
    ) -> Result:
        """Return what a call gives that needs a topic; NotFoundError if it is not there."""

        def work() -> Result:
            self.connection.refresh()
            self.connection.partition_count(topic)
            return call(*given)

        return await asyncio.to_thread(work)

    async def ranges(self, topics: Iterable[str]) -> dict[TopicPartition, LogRange]:
        """Return where the logs of topics begin and end; NotFoundError if one is not there."""
        names = list(topics)

        def work() -> dict[TopicPartition, LogRange]:
            self.connection.refresh()
            return log_ranges(self.connection, partitions_of(self.connection, names))

        return await answer_of(work)

    async def offsets_at(self, moments: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return the first offsets with a timestamp of at least some milliseconds, or -1."""
        return await answer_of(offsets_at, self.connection, moments)

    def slices(
        self,
        wanted: Mapping[TopicPartition, LogRange],
        having: Sequence[bytes] = (),
        pace: Pace | None = None,
    ) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the records of ranges, in slices of one partition each, bounded in size."""
        starts = {place: log.start for place, log in wanted.items()}
        ends = {place: log.end for place, log in wanted.items()}
        return self._read(lambda reader: reader.read(starts, ends))

    def follow(
        self, topics: Iterable[str], positions: Mapping[TopicPartition, int] | None = None
    ) -> AsyncGenerator[Sequence[Event], None]:
        """Yield what is written to topics as it arrives, also to those created later."""
        names = list(topics)
        return self._read(lambda reader: self._followed(reader, names, positions or {}))

    def _followed(
        self, reader: Reader, names: Sequence[str], positions: Mapping[TopicPartition, int]
    ) -> Iterator[Sequence[FetchedRecord]]:
        ranges = log_ranges(self.connection, self.partitions(names))
        reader.assign({place: positions.get(place, log.end) for place, log in ranges.items()})
        read, looked = set(ranges), monotonic()
        for records in reader.slices():
            yield records
            if monotonic() - looked > _LOOK_S:
                looked, there = monotonic(), set(self.partitions(names))
                if there != read:
                    reader.change(read - there, there - read)
                    read = there

    def partitions(self, names: Sequence[str]) -> list[TopicPartition]:
        """Return the partitions of those of some topics that are there; it blocks."""
        known = self.connection.refresh().topics
        return partitions_of(self.connection, [name for name in names if name in known])

    async def _read(
        self, begin: Callable[[Reader], Iterator[Sequence[FetchedRecord]]]
    ) -> AsyncGenerator[Sequence[Event], None]:
        reading = _Reading(self._readers, self.connection, begin)
        try:
            while (records := await answer_of(reading.next)) is not None:
                for events in await asyncio.to_thread(self._events, records):
                    yield events
        finally:
            await answer_of(reading.close)

    def _events(self, records: Sequence[FetchedRecord]) -> list[list[Event]]:
        """Return records as events that can be decoded, those of one partition together."""
        schemas, framings = self._schemas, (b"", b"")
        source = None if schemas is None else schemas.known
        found: dict[TopicPartition, list[Event]] = {}
        for record in records:
            place = TopicPartition(record.topic, record.partition)
            timestamp_ms = -1 if record.timestamp_ms is None else record.timestamp_ms
            if schemas is not None:
                framings = schemas.prepare(record)
            event = event_of(place, record.offset, timestamp_ms, record, source, framings)
            found.setdefault(place, []).append(event)
        return list(found.values()) or [[]]

    async def produce(self, topic: str, partition: int | None, record: NewRecord) -> Event:
        """Write a record and return it as it was stored; see :class:`Cluster`."""
        return await asyncio.to_thread(self._produce, topic, partition, record)

    def _produce(self, topic: str, partition: int | None, record: NewRecord) -> Event:
        moment = now_ms() if record.timestamp_ms == NO_TIMESTAMP else record.timestamp_ms
        if topic not in self.connection.metadata.topics:
            self.connection.refresh()
        if partition is None:
            count = self.connection.partition_count(topic)
            partition = self._chooser.choose(record.key, count)
        record = record._replace(timestamp_ms=moment)
        offsets, failure = self._write(topic, [(partition, record)])
        if failure is not None:
            raise failure
        key, value, headers = record.key, record.value, tuple(record.headers)
        stored = FetchedRecord(topic, partition, offsets[0], moment, key, value, headers)
        return self._events([stored])[0][0]

    async def replay(
        self, topic: str, copies: Sequence[Copy]
    ) -> AsyncGenerator[tuple[Copy, int], None]:
        """Write copies of records, and yield each with its offset when it is stored."""
        wanted = [(copy.partition, copy.record) for copy in copies]
        offsets, failure = await asyncio.to_thread(self._write, topic, wanted)
        for index, offset in sorted(offsets.items()):
            yield copies[index], offset
        if failure is not None:
            raise failure

    def _write(
        self, topic: str, records: Sequence[tuple[int, NewRecord]]
    ) -> tuple[dict[int, int], ClientError | None]:
        """Return the offsets of those that were stored, and why the others were not."""
        offsets: dict[int, int] = {}

        def told(index: int, _topic: str, _partition: int, offset: int) -> None:
            offsets[index] = offset

        with self._producing:
            try:
                for index, (partition, record) in enumerate(records):
                    self._publisher.send(topic, record, partition, partial(told, index))
                self._publisher.flush()
            except ClientError as error:
                # What was handed over is on its way: it has to be told before others write.
                with suppress(ClientError):
                    self._publisher.flush()
                return offsets, error
        return offsets, None

    async def groups(self) -> list[GroupSummary]:
        """Return all consumer groups by name."""

        def names() -> list[str]:
            self.connection.refresh()
            return [str(group.group_id) for group in list_groups(self.connection)]

        found = await answers_of(partial(group_details, self.connection), await answer_of(names))
        return [summary_of(details) for details in found if details is not None]

    async def group(self, name: str) -> GroupDetails:
        """Return one group; NotFoundError names the nearest ones if it is not there."""
        details = await self.find_group(name)
        if details is None:
            raise await answer_of(unknown_group, self.connection, name)
        return details

    async def find_group(self, name: str) -> GroupDetails | None:
        """Return one group; ``None`` if it is not there."""
        await answer_of(self.connection.refresh)
        return await answer_of(group_details, self.connection, name)

    async def why(self, group: str) -> dict[str, Any] | None:
        """Return why a group is stuck, as far as the cluster tells; ``None`` for no group."""
        from fakebus.client.group_view import explain_from_outside  # rarely needed

        return await answer_of(explain_from_outside, self.connection, group)

    async def set_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets for a group without members; creates the group if there is none."""

        def work() -> None:
            description = describe_members(self.connection, group)
            if description is not None and description.members:
                # Kafka refuses this too, but with the error for a member it does not know.
                raise group_in_use(group, "its offsets can be moved")
            for place in offsets:
                partition_of(self.connection, *place)
            set_offsets(self.connection, group, offsets)

        await asyncio.to_thread(work)

    async def delete_group(self, name: str) -> None:
        """Delete a group without members, and what it has committed."""
        await asyncio.to_thread(delete_group, self.connection, name)

    async def brokers(self) -> list[BrokerNode]:
        """Return all brokers by id."""
        told = await answer_of(self.connection.refresh)
        return [
            BrokerNode(
                node_id=node_id,
                address=f"{broker.host}:{broker.port}",
                is_controller=node_id == told.controller_id,
            )
            for node_id, broker in sorted(told.brokers.items())
        ]

    async def broker_configs(self, node_id: int) -> list[ConfigValue]:
        """Return all configs of a broker by name; NotFoundError if there is none of that id."""
        if node_id not in [broker.node_id for broker in await self.brokers()]:
            raise NotFoundError(f"there is no broker {node_id}")
        name = str(node_id)
        found = await answer_of(all_configs, self.connection, [name], "BROKER")
        return _configs(found[name])


class _Reading:
    """Reading with one of the readers of a pool; each call may wait, in a thread.

    Args:
        idle: the readers that nobody reads with.
        connection: makes another one if there is none.
        begin: begins to read.
    """

    def __init__(
        self,
        idle: list[Reader],
        connection: Connection,
        begin: Callable[[Reader], Iterator[Sequence[FetchedRecord]]],
    ) -> None:
        self._idle = idle
        self._connection = connection
        self._begin = begin
        self._lock = threading.Lock()
        self._reader: Reader | None = None
        self._slices: Iterator[Sequence[FetchedRecord]] = iter(())

    def next(self) -> Sequence[FetchedRecord] | None:
        """Return the next records; ``None`` at the end."""
        with self._lock:
            if self._reader is None:
                try:
                    self._reader = self._idle.pop()
                except IndexError:
                    self._reader = Reader(self._connection)
                self._slices = self._begin(self._reader)
            return next(self._slices, None)

    def close(self) -> None:
        """Give the reader back, when a call that still waits has come back."""
        with self._lock:
            if self._reader is not None:
                self._reader.assign({})
                self._idle.append(self._reader)


def _configs(entries: Mapping[str, ConfigEntry]) -> list[ConfigValue]:
    return [
        ConfigValue(
            name=name,
            value=None if entry.is_sensitive else entry.value,
            source=ConfigSource(entry.source).name.lower(),
            is_read_only=entry.is_read_only,
            is_sensitive=entry.is_sensitive,
        )
        for name, entry in entries.items()
    ]
