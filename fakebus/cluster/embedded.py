"""A bus of this process as a cluster: the broker and the registry, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

from fakebus.broker.activity import Origin
from fakebus.broker.config_requests import (
    ConfigChange,
    ConfigOperation,
    ConfigResourceType,
    ResourceChange,
)
from fakebus.broker.configs.describing import DescribedConfig
from fakebus.broker.fetching import IsolationLevel
from fakebus.broker.groups.group import SHARE, GroupDescription
from fakebus.broker.ownership import when_known
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.tail import LogCursor, Start, Tail, readable_end
from fakebus.broker.topic_requests import DEFAULT, NewPartitions, NewTopic, TopicToDelete
from fakebus.broker.topics import Topic
from fakebus.broker.turns import Pace, in_turns
from fakebus.client.connection import NotFoundError
from fakebus.client.groups import GroupDetails, GroupMember, GroupPartition, group_in_use
from fakebus.client.offsets import LogRange
from fakebus.cluster.embedded_schemas import EmbeddedSchemas
from fakebus.cluster.events import Event, event_of
from fakebus.cluster.interface import (
    BrokerNode,
    ClusterError,
    ConfigValue,
    Copy,
    GroupSummary,
    PartitionDetails,
    TopicDetails,
    TopicSummary,
    is_internal_topic,
    summary_of,
)
from fakebus.cluster.shared_works import works_of
from fakebus.errors import ErrorCode
from fakebus.fixture_files.encoding.batching import batches_of
from fakebus.lineage.seeded_lines import lines_detail
from fakebus.records.batch import NO_TIMESTAMP
from fakebus.records.builder import build_batch
from fakebus.records.partitioner import PartitionChooser
from fakebus.records.record import NewRecord, Record
from fakebus.registry.sources import RegistrySource
from fakebus.servers import Bus
from fakebus.types import TopicPartition
from fakebus.wording import nearest

_SILENCE_S = 0.5
_SLICE_RECORDS = 10
"""Records that are made events without giving way to others; a tenth of a millisecond."""
_STATES = {
    "PreparingRebalance": "preparing_rebalancing",
    "CompletingRebalance": "completing_rebalancing",
}
"""The states of groups that client libraries call something else."""


class EmbeddedCluster:
    """Cluster that is a bus of this process; to be used in its event loop.

    Args:
        bus: the bus.
        origin: what the bus notes as the origin of what is done here.
    """

    is_external = False
    name = "this bus"

    def __init__(self, bus: Bus, origin: Origin) -> None:
        self._bus = bus
        self._broker = bus.broker
        self._origin = origin
        self._chooser = PartitionChooser()
        self._source = RegistrySource(bus.registry)
        self.schemas = EmbeddedSchemas(bus.registry, origin)

    def now_ms(self) -> int:
        """Return the bus's time in milliseconds since the epoch."""
        return self._broker.clock.now_ms()

    def bus(self, what: str) -> Bus:
        """Return the bus."""
        return self._bus

    async def close(self) -> None:
        """Leave the bus as it is."""

    async def topics(self) -> list[TopicSummary]:
        """Return all topics by name, internal ones too."""
        return list(await works_of(self._bus).outcome("topics", self._topics))

    async def _topics(self) -> list[TopicSummary]:
        topics = sorted(self._broker.topics, key=lambda topic: topic.name)
        return [
            TopicSummary(
                name=topic.name,
                partitions=len(topic.partitions),
                records=sum(_range(log).records for log in topic.partitions),
                size_bytes=sum([await log.size_bytes() for log in topic.partitions]),
                is_internal=is_internal_topic(topic.name),
            )
            async for topic in in_turns(topics)
        ]

    def _topic(self, name: str) -> Topic:
        topic = self._broker.topics.get(name)
        if topic is None:
            known = (each.name for each in self._broker.topics)
            raise NotFoundError(f"there is no topic {name!r}; {nearest(name, known)}")
        return topic

    async def topic(self, name: str) -> TopicDetails:
        """Return one topic; NotFoundError names the nearest ones if it is not there."""
        topic, node = self._topic(name), self._broker.nodes[0].node_id
        return TopicDetails(
            name=name,
            is_internal=is_internal_topic(name),
            partitions=tuple(
                [
                    PartitionDetails(
                        partition=log.topic_partition.partition,
                        log=_range(log),
                        size_bytes=await log.size_bytes(),
                        leader=node,
                        replicas=(node,),
                    )
                    async for log in in_turns(topic.partitions)
                ]
            ),
            configs=tuple(self._configs(ConfigResourceType.TOPIC, name)),
        )

    def _configs(self, kind: ConfigResourceType, name: str) -> list[ConfigValue]:
        admin, node = self._broker.config_admin, self._broker.nodes[0].node_id
        found = admin.describe(kind.value, name, node_id=node)
        return [_config(each) for each in sorted(found, key=lambda each: each.name)]

    async def create_topic(
        self, name: str, partitions: int | None = None, configs: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic; with the bus's default number of partitions when left out."""
        wanted = NewTopic(
            name=name,
            partitions=DEFAULT if partitions is None else partitions,
            configs=tuple((configs or {}).items()),
        )
        (done,) = await self._broker.topic_admin.create_topics([wanted])
        _demand(done.error_code, done.error_message)

    async def add_partitions(self, name: str, count: int) -> None:
        """Let a topic have ``count`` partitions in all."""
        wanted = NewPartitions(name=self._topic(name).name, count=count)
        (done,) = await self._broker.topic_admin.create_partitions([wanted])
        _demand(done.error_code, done.error_message)

    async def set_topic_configs(
        self, name: str, configs: Mapping[str, str], removed: Iterable[str] = ()
    ) -> None:
        """Set configs of a topic and take others back to their defaults; the rest stays."""
        changes = [ConfigChange(name=key, value=text) for key, text in configs.items()]
        changes += [
            ConfigChange(name=key, value=None, operation=ConfigOperation.DELETE.value)
            for key in removed
        ]
        change = ResourceChange(
            resource_type=ConfigResourceType.TOPIC.value,
            resource_name=self._topic(name).name,
            changes=changes,
        )
        admin, node = self._broker.config_admin, self._broker.nodes[0].node_id
        (done,) = await admin.alter([change], node_id=node)
        _demand(done.error_code, done.error_message)

    async def empty_topic(self, name: str) -> None:
        """Delete all records of a topic; it and its offsets go on."""
        for log in self._topic(name).partitions:
            await self._broker.topic_admin.delete_records(log.topic_partition, -1)

    async def delete_topic(self, name: str) -> None:
        """Delete a topic."""
        wanted = TopicToDelete(name=self._topic(name).name)
        (done,) = await self._broker.topic_admin.delete_topics([wanted])
        _demand(done.error_code, done.error_message)

    async def ranges(self, topics: Iterable[str]) -> dict[TopicPartition, LogRange]:
        """Return where the logs of topics begin and end; NotFoundError if one is not there."""
        return {
            log.topic_partition: _range(log)
            async for name in in_turns(topics)
            for log in self._topic(name).partitions
        }

    async def offsets_at(self, moments: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return the first offsets with a timestamp of at least some milliseconds, or -1."""
        found = {}
        for place, moment in moments.items():
            log = self._log(place)
            at = await self._broker.find_offset(log, moment, IsolationLevel.READ_UNCOMMITTED)
            found[place] = at.offset
        return found

    def _log(self, place: TopicPartition) -> PartitionLog:
        log = self._topic(place.topic).partition(place.partition)
        if log is None:
            raise NotFoundError(f"there is no partition {place}")
        return log

    async def slices(
        self,
        wanted: Mapping[TopicPartition, LogRange],
        having: Sequence[bytes] = (),
        pace: Pace | None = None,
    ) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the records of ranges, in slices of one partition each, bounded in size."""
        pace = pace or Pace(rest_s=0)
        for place, log in wanted.items():
            cursor = LogCursor(self._log(place), log.start, end=log.end, having=having, pace=pace)
            while cursor.has_more():
                if records := await cursor.records(_SLICE_RECORDS):
                    yield await self.events(place, records)
                await pace.keep()

    async def events(self, place: TopicPartition, records: Iterable[Record]) -> list[Event]:
        """Return records of a partition as events that can be decoded."""
        found = []
        for record in records:
            await self._source.prepare(record.key, record.value)
            framings = await self._source.framings(record.headers)
            found.append(
                event_of(place, record.offset, record.timestamp, record, self._source, framings)
            )
        return found

    @contextmanager
    def tail(self, topics: Iterable[str], start: Start | None = None) -> Iterator[EventTail]:
        """Follow topics, whether they exist or not, from given places on."""
        with Tail(self._broker.topics, topics, start) as tail:
            yield EventTail(self, tail)

    async def follow(
        self, topics: Iterable[str], positions: Mapping[TopicPartition, int] | None = None
    ) -> AsyncGenerator[Sequence[Event], None]:
        """Yield what is written to topics as it arrives, also to those created later."""
        begin = {
            log.topic_partition: readable_end(log) for log in self._broker.topics.logs.values()
        }
        begin |= positions or {}
        with self.tail(topics, lambda log: begin.get(log.topic_partition, 0)) as tail:
            while True:
                while events := await tail.ready():
                    yield events
                yield ()
                await tail.wait(_SILENCE_S)

    async def produce(self, topic: str, partition: int | None, record: NewRecord) -> Event:
        """Write a record and return it as it was stored; see :class:`Cluster`."""
        known = self._topic(topic)
        if partition is None:
            partition = self._chooser.choose(record.key, len(known.partitions))
        if record.timestamp_ms == NO_TIMESTAMP:
            record = record._replace(timestamp_ms=self.now_ms())
        place = TopicPartition(topic, partition)
        await self._source.prepare(record.key, record.value)
        write = partial(self._broker.produce, place, build_batch([record]), origin=self._origin)
        stored = await when_known(write)
        timestamp_ms = stored.log_append_time_ms
        if timestamp_ms < 0:
            timestamp_ms = record.timestamp_ms
        return event_of(place, stored.base_offset, timestamp_ms, record, self._source)

    async def replay(
        self, topic: str, copies: Sequence[Copy]
    ) -> AsyncGenerator[tuple[Copy, int], None]:
        """Write copies of records, and yield each with its offset when it is stored."""
        config = self._topic(topic).config
        for source, found in groupby(copies, lambda copy: copy.source):
            for partition, batch, written in batches_of(found, config.max_message_bytes):
                detail = lines_detail(source, (copy.offset for copy in written))
                origin = replace(self._origin, verb="replayed", source=detail, closed=True)
                place = TopicPartition(topic, partition)
                write = partial(self._broker.produce, place, batch, origin=origin)
                stored = await when_known(write)
                for index, copy in enumerate(written):
                    yield copy, stored.base_offset + index

    async def groups(self) -> list[GroupSummary]:
        """Return all consumer groups by name."""
        return list(await works_of(self._bus).outcome("groups", self._groups))

    async def _groups(self) -> list[GroupSummary]:
        listed = self._broker.group_coordinator.list_groups()
        found = [summary_of(await self._details(each)) async for each in in_turns(listed)]
        return sorted(found, key=lambda group: group.name)

    async def group(self, name: str) -> GroupDetails:
        """Return one group; NotFoundError names the nearest ones if it is not there."""
        details = await self.find_group(name)
        if details is None:
            known = (each.group_id for each in self._broker.group_coordinator.list_groups())
            raise NotFoundError(f"there is no group {name!r}; {nearest(name, known)}")
        return details

    async def find_group(self, name: str) -> GroupDetails | None:
        """Return one group; ``None`` if it is not there."""
        description = self._broker.group_coordinator.describe(name)
        return None if description is None else await self._details(description)

    async def why(self, group: str) -> dict[str, Any] | None:
        """Return why a group is stuck; ``None`` if nobody has ever named it."""
        from fakebus.lineage.why.broker_view import explain_group  # rarely needed

        return await explain_group(self._broker, self._bus.lineage, group)

    async def _details(self, description: GroupDescription) -> GroupDetails:
        committed = self._broker.group_coordinator.offsets(description.group_id)
        members = tuple(
            GroupMember(
                member_id=member.member_id,
                client_id=member.client_id,
                host=member.client_host,
                partitions=member.partitions,
            )
            for member in description.members
        )
        owners = {place: member for member in members for place in member.partitions}
        logs, is_shared = self._broker.topics.logs, description.group_type == SHARE
        shared = self._broker.shares.in_flight(description.group_id) if is_shared else {}
        return GroupDetails(
            name=description.group_id,
            state=_STATES.get(description.state, description.state.lower()),
            kind=description.group_type,
            assignor=description.protocol_name,
            members=members,
            partitions=tuple(
                [
                    GroupPartition(
                        topic_partition=place,
                        committed=committed[place].offset if place in committed else None,
                        log=_range(logs[place]) if place in logs else None,
                        member=owners.get(place),
                        finished=shared[place].finished if place in shared else 0,
                    )
                    async for place in in_turns(sorted({*owners, *committed}))
                ]
            ),
        )

    async def set_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets for a group without members; creates the group if there is none."""
        description = self._broker.group_coordinator.describe(group)
        if description is not None and description.members:
            raise group_in_use(group, "its offsets can be moved")
        for place in offsets:
            self._log(place)
        coordinator, origin = self._broker.group_coordinator, self._origin
        self._broker.activity.note_offsets_set(
            origin, group, offsets, coordinator.committed_offset, f"the {origin.front_end}"
        )
        await coordinator.set_offsets(group, offsets)

    async def delete_group(self, name: str) -> None:
        """Delete a group without members, and what it has committed."""
        await self.group(name)
        error = await self._broker.group_coordinator.delete_group(name)
        if error is ErrorCode.NON_EMPTY_GROUP:
            raise group_in_use(name, "it can be deleted")
        _demand(error, None)

    async def brokers(self) -> list[BrokerNode]:
        """Return all brokers by id."""
        told, nodes = self._broker.config.static.get("advertised.listeners", ""), self._broker.nodes
        return [
            BrokerNode(
                node_id=node.node_id,
                address=told if nodes.single else nodes.addresses.get(node.node_id, told),
                is_controller=node.node_id == nodes.controller,
            )
            for node in nodes
            if nodes.is_running(node.node_id)
        ]

    async def broker_configs(self, node_id: int) -> list[ConfigValue]:
        """Return all configs of a broker by name; NotFoundError if there is none of that id."""
        if node_id not in [node.node_id for node in self._broker.nodes]:
            raise NotFoundError(f"there is no broker {node_id}")
        return self._configs(ConfigResourceType.BROKER, str(node_id))


class EventTail:
    """Cursor over the events behind a tail.

    Args:
        cluster: where it is.
        tail: what is read; its positions tell how far.
    """

    def __init__(self, cluster: EmbeddedCluster, tail: Tail) -> None:
        self._cluster = cluster
        self._tail = tail
        self.wait = tail.wait

    @property
    def positions(self) -> dict[TopicPartition, int]:
        """The next offset of each partition."""
        return self._tail.positions

    async def ready(self) -> list[Event]:
        """Return some of the events that are there; none ends the pass."""
        # What is made of the events keeps the loop, so others get their turn before.
        await asyncio.sleep(0)
        read = await self._tail.read()
        if read is None:
            return []
        return await self._cluster.events(read.log.topic_partition, read.records)


def _range(log: PartitionLog) -> LogRange:
    return LogRange(start=log.log_start_offset, end=log.high_watermark)


def _config(found: DescribedConfig) -> ConfigValue:
    return ConfigValue(
        name=found.name,
        value=found.value,
        source=found.source.name.lower(),
        is_read_only=found.read_only,
        is_sensitive=found.sensitive,
    )


def _demand(code: ErrorCode, message: str | None) -> None:
    if code is not ErrorCode.NONE:
        raise ClusterError(message or code.text)
