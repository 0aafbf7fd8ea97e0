"""A Kafka that somebody else runs, as the test handle uses it: through a client library."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from fakebus.errors import BrokerError, ConfigError, ErrorCode, MissingExtraError
from fakebus.kafka.traffic import Deed
from fakebus.records.partitioner import consistent
from fakebus.records.record import NewRecord
from fakebus.testing.cluster import GroupProgress, NotOnThisCluster, PartitionProgress
from fakebus.testing.events import Event
from fakebus.testing.foreign_registry import ForeignRegistry
from fakebus.testing.naming import Namespace, renamed
from fakebus.testing.typed import Schema
from fakebus.types import TopicPartition

_TIMEOUT_S = 15.0
_POLL_S = 0.05
_GROUP_ID = "fakebus-tests"


class Kafka:
    """The clients of one foreign cluster; they block, and one thread uses them at a time.

    Args:
        bootstrap_servers: where the cluster is.
        partitions: how many partitions new topics get; its default when left out.

    Raises:
        MissingExtraError: confluent-kafka is not installed.
        ConfigError: the cluster is not reached.
    """

    def __init__(self, bootstrap_servers: str, partitions: int | None) -> None:
        try:
            import confluent_kafka
            from confluent_kafka import admin
        except ImportError:
            raise MissingExtraError("--fakebus-bootstrap", "client") from None
        # Its types leave out half of what it has.
        self._library: Any = confluent_kafka
        self._partitions = partitions
        self._lock = threading.Lock()
        common: dict[str, Any] = {
            "bootstrap.servers": bootstrap_servers,
            "client.id": "fakebus-tests",
        }
        self._admin: Any = admin.AdminClient(common)
        self._producer: Any = confluent_kafka.Producer({**common, "linger.ms": 0})
        self._consumer: Any = confluent_kafka.Consumer(
            {
                **common,
                "group.id": _GROUP_ID,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "auto.offset.reset": "earliest",
            }
        )
        try:
            self._admin.list_topics(timeout=_TIMEOUT_S)
        except confluent_kafka.KafkaException as error:
            raise ConfigError(f"no Kafka answers at {bootstrap_servers}: {error}") from None

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
        self._producer.flush(_TIMEOUT_S)

    def topics(self) -> dict[str, int]:
        """Return the numbers of partitions of all topics but the internal ones."""
        found = self._admin.list_topics(timeout=_TIMEOUT_S).topics
        return {n: len(t.partitions) for n, t in found.items() if not n.startswith("__")}

    def create(self, topic: str, partitions: int | None, config: dict[str, str]) -> None:
        """Create a topic and wait until it is there; one that exists stays as it is.

        Raises:
            BrokerError: the cluster refuses it.
        """
        new = self._library.admin.NewTopic(
            topic, num_partitions=partitions or self._partitions or -1, config=config
        )
        future = self._admin.create_topics([new])[topic]
        try:
            future.result(_TIMEOUT_S)
        except self._library.KafkaException as error:
            if error.args[0].code() != self._library.KafkaError.TOPIC_ALREADY_EXISTS:
                raise self._refusal(f"{topic} is not created", error.args[0]) from None
        deadline = time.monotonic() + _TIMEOUT_S
        while topic not in self.topics() and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def produce(self, topic: str, partition: int, record: NewRecord) -> int:
        """Write a record and return its offset.

        Raises:
            BrokerError: the cluster refuses it.
        """
        outcome: list[Any] = []
        refused = f"{topic} does not take the record"
        try:
            self._producer.produce(
                topic,
                record.value,
                record.key,
                partition,
                timestamp=record.timestamp_ms,
                headers=list(record.headers),
                on_delivery=lambda error, message: outcome.append((error, message)),
            )
        except self._library.KafkaException as error:
            raise self._refusal(refused, error.args[0]) from None
        self._producer.flush(_TIMEOUT_S)
        if not outcome:
            late = f"{refused}: it was not acknowledged in time"
            raise BrokerError(ErrorCode.REQUEST_TIMED_OUT, late)
        (problem, message), *_ = outcome
        if problem is not None:
            raise self._refusal(refused, problem)
        offset: int = message.offset()
        return offset

    def _refusal(self, what: str, problem: Any) -> BrokerError:
        """Return what a bus of our own would raise for a client library's error."""
        if problem.code() == self._library.KafkaError._UNKNOWN_PARTITION:
            code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        else:
            found = (each for each in ErrorCode if each.code == problem.code())
            code = next(found, ErrorCode.UNKNOWN_SERVER_ERROR)
        return BrokerError(code, f"{what}: {problem.str()}")

    def ends(self, topic: str, partitions: int) -> dict[int, tuple[int, int]]:
        """Return where each partition's log starts and ends."""
        found = {}
        for index in range(partitions):
            wanted = self._library.TopicPartition(topic, index)
            found[index] = self._consumer.get_watermark_offsets(wanted, timeout=_TIMEOUT_S)
        return found

    def read(self, topic: str, since: dict[int, int]) -> list[Any]:
        """Return the messages from given offsets to the ends of the logs."""
        with self._lock:
            ends = self.ends(topic, len(since))
            open_partitions = {
                index: max(since[index], start)
                for index, (start, end) in ends.items()
                if max(since[index], start) < end
            }
            if not open_partitions:
                return []
            self._consumer.assign(
                [self._library.TopicPartition(topic, i, o) for i, o in open_partitions.items()]
            )
            found = []
            deadline = time.monotonic() + _TIMEOUT_S
            while open_partitions and time.monotonic() < deadline:
                message = self._consumer.poll(_POLL_S)
                if message is None:
                    continue
                if message.error() is None:
                    found.append(message)
                elif message.error().code() == self._library.KafkaError._PARTITION_EOF:
                    open_partitions.pop(message.partition(), None)
            self._consumer.unassign()
            return found

    def progress(self, group: str) -> GroupProgress | None:
        """Return how far a group is, ``None`` if there is no such group."""
        library = self._library
        described = self._describe(group)
        # Kafka 4 has an error for it; older ones call it dead.
        if described is None or described.state.name == "DEAD":
            return None
        wanted = [library.ConsumerGroupTopicPartitions(group)]
        offsets = self._admin.list_consumer_group_offsets(wanted)[group].result(_TIMEOUT_S)
        committed = {(o.topic, o.partition): o.offset for o in offsets.topic_partitions}
        assigned = {
            (each.topic, each.partition)
            for member in described.members
            for each in member.assignment.topic_partitions
        }
        partitions = {}
        for topic, index in sorted({*committed, *assigned}):
            start, end = self._consumer.get_watermark_offsets(
                library.TopicPartition(topic, index), timeout=_TIMEOUT_S
            )
            offset = committed.get((topic, index), -1)
            partitions[TopicPartition(topic, index)] = PartitionProgress(
                committed=offset if offset >= 0 else None, start=start, end=end
            )
        clients = tuple(member.client_id for member in described.members)
        return GroupProgress(
            state=described.state.name.title(), members=clients, partitions=partitions
        )

    def _describe(self, group: str) -> Any:
        errors = self._library.KafkaError
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            future = self._admin.describe_consumer_groups([group])[group]
            try:
                return future.result(_TIMEOUT_S)
            except self._library.KafkaException as error:
                code = error.args[0].code()
                if code == errors.GROUP_ID_NOT_FOUND:
                    return None
                # A cluster that has had no groups before needs a moment.
                starting = (errors.COORDINATOR_LOAD_IN_PROGRESS, errors.NOT_COORDINATOR)
                if code not in starting or time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_S)

    def set_offsets(self, group: str, offsets: dict[TopicPartition, int]) -> None:
        """Commit offsets for a group without members."""
        library = self._library
        wanted = [library.TopicPartition(*p, offset) for p, offset in offsets.items()]
        request = [library.ConsumerGroupTopicPartitions(group, wanted)]
        self._admin.alter_consumer_group_offsets(request)[group].result(_TIMEOUT_S)

    def delete(self, namespace: Namespace) -> None:
        """Delete a test's topics and groups; what somebody still uses stays."""
        groups = self._admin.list_consumer_groups().result(_TIMEOUT_S).valid
        names = [g.group_id for g in groups if namespace.holds(g.group_id)]
        topics = [topic for topic in self.topics() if namespace.holds(topic)]
        futures = [
            *(self._admin.delete_consumer_groups(names).values() if names else ()),
            *(self._admin.delete_topics(topics).values() if topics else ()),
        ]
        for future in futures:
            # A group with members cannot be deleted; it is named so that nobody meets it.
            future.exception(_TIMEOUT_S)


class _ForeignCursor:
    """Cursor over the events of a topic of a foreign cluster."""

    def __init__(
        self, kafka: Kafka, registry: ForeignRegistry, topic: str, since: Mapping[int, int]
    ) -> None:
        self._kafka = kafka
        self._registry = registry
        self._topic = topic
        self._positions = dict(since)
        self._is_done = False

    async def ready(self) -> list[Event]:
        found = [] if self._is_done else await asyncio.to_thread(self._read)
        # Everything comes at once, so the next list ends the pass.
        self._is_done = bool(found)
        return found

    def _read(self) -> list[Event]:
        partitions = self._kafka.topics().get(self._topic)
        if partitions is None:
            return []
        since = {index: self._positions.get(index, 0) for index in range(partitions)}
        messages = self._kafka.read(self._topic, since)
        self._registry.prepare(self._topic, [(m.key(), m.value()) for m in messages])
        for message in messages:
            self._positions[message.partition()] = message.offset() + 1
        return [self._event(message) for message in messages]

    def _event(self, message: Any) -> Event:
        return Event(
            topic=message.topic(),
            partition=message.partition(),
            offset=message.offset(),
            timestamp_ms=message.timestamp()[1],
            key=message.key(),
            value=message.value(),
            headers=tuple(message.headers() or ()),
            decoder=self._registry,
        )

    async def wait(self, timeout_s: float) -> None:
        await asyncio.sleep(min(_POLL_S, timeout_s))


class ForeignCluster:
    """A foreign cluster during one test.

    Args:
        kafka: its clients.
        registry: its schema registry.
    """

    is_foreign = True

    def __init__(self, kafka: Kafka, registry: ForeignRegistry) -> None:
        self._kafka = kafka
        self._registry = registry
        self._since: dict[str, dict[int, int]] = {}
        self._round_robin = 0

    def now_ms(self) -> int:
        """Return the machine's time; the cluster's own is not known."""
        return time.time_ns() // 1_000_000

    async def begin(self, namespace: Namespace) -> None:
        """Remember where the test's topics end: what was seeded was there before."""
        for topic, partitions in (await asyncio.to_thread(self._kafka.topics)).items():
            if namespace.holds(topic):
                ends = await asyncio.to_thread(self._kafka.ends, topic, partitions)
                self._since[topic] = {index: end for index, (_, end) in ends.items()}

    async def produce(self, topic: str, partition: int | None, record: NewRecord) -> Event:
        """Write a record and return it as it was stored; creates the topic if need be."""
        topics = await asyncio.to_thread(self._kafka.topics)
        if topic not in topics:
            await asyncio.to_thread(self._kafka.create, topic, None, {})
            topics = await asyncio.to_thread(self._kafka.topics)
        if partition is None:
            partition = self._choose_partition(record.key, topics[topic])
        offset = await asyncio.to_thread(self._kafka.produce, topic, partition, record)
        return Event(
            topic=topic,
            partition=partition,
            offset=offset,
            timestamp_ms=record.timestamp_ms,
            key=record.key,
            value=record.value,
            headers=tuple(record.headers),
            decoder=self._registry,
        )

    def _choose_partition(self, key: bytes | None, partitions: int) -> int:
        if key is not None:
            return consistent(key, partitions)
        self._round_robin += 1
        return (self._round_robin - 1) % partitions

    async def topic_names(self) -> list[str]:
        """Return all topics but the internal ones."""
        return list(await asyncio.to_thread(self._kafka.topics))

    def follow(self, topic: str) -> AbstractContextManager[_ForeignCursor]:
        """Follow a topic by looking again after a short while."""
        since = self._since.get(topic, {})
        return nullcontext(_ForeignCursor(self._kafka, self._registry, topic, since))

    async def progress(self, group: str) -> GroupProgress | None:
        """Return how far a group is, ``None`` if there is no such group."""
        return await asyncio.to_thread(self._kafka.progress, group)

    async def framed(
        self, subject: str, data: Any, schema: Schema | None, schema_type: str
    ) -> bytes:
        """Return data coded with a subject's schema, which the registry has or is given."""
        return await asyncio.to_thread(self._registry.framed, subject, data, schema, schema_type)

    async def take(self, topic: str, group: str, timeout_s: float) -> list[Event]:
        """Raise NotOnThisCluster: groups there are for real consumers."""
        raise NotOnThisCluster("take works on a bus of our own; use a consumer")

    async def check_compatible(self, subject: str, schema: Schema, schema_type: str) -> None:
        """Ask the registry whether a schema could be a subject's next version."""
        await asyncio.to_thread(self._registry.check_compatible, subject, schema, schema_type)

    async def seed(self, directory: Path, namespace: Namespace) -> None:
        """Load a directory of fixture files, its topics and groups under a test's names."""
        await asyncio.to_thread(self._seed, directory, namespace)

    def _seed(self, directory: Path, namespace: Namespace) -> None:
        from fakebus.fixture_files.loader import load_fixtures

        kafka = self._kafka
        now_ms = self.now_ms()
        loaded = load_fixtures(directory, now_ms=now_ms)
        ids = self._registry.register(loaded, renamed(loaded, namespace))
        if ids:
            loaded = load_fixtures(directory, now_ms=now_ms, schema_ids=ids)
        fixtures = renamed(loaded, namespace)
        counts = {topic.name: topic.partitions for topic in fixtures.topics}
        for topic in fixtures.topics:
            kafka.create(topic.name, topic.partitions, dict(topic.config))
        for stream in fixtures.streams:
            for event in stream.events:
                kafka.produce(stream.topic, event.partition, event.record)
        for group in fixtures.groups:
            offsets = {}
            for wanted in sorted(group.offsets, key=lambda offset: offset.partition is not None):
                ends = kafka.ends(wanted.topic, counts[wanted.topic])
                for index in ends if wanted.partition is None else (wanted.partition,):
                    start, end = ends[index]
                    offset = {"earliest": start, "latest": end}.get(str(wanted.start))
                    chosen = int(wanted.start) if offset is None else offset
                    offsets[TopicPartition(wanted.topic, index)] = chosen
            kafka.set_offsets(group.group, offsets)

    async def delete(self, namespace: Namespace) -> None:
        """Delete a test's topics, groups and subjects."""
        await asyncio.to_thread(self._kafka.delete, namespace)
        await asyncio.to_thread(self._registry.delete, namespace)

    def deeds(self) -> Sequence[Deed]:
        """Return nothing: what other clients do is not known."""
        return ()
