"""Seeding a fixture set through a real client: fakebus, Apache Kafka or any other cluster.

What was seeded is kept in a compacted topic of the cluster itself, so seeding again writes
only what is new, whoever does it. A seed that is interrupted may write its last events twice,
because a client cannot write records and that note in one step as a bus can.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from fakebus.cli.client import ClientError, Connection, text_of
from fakebus.cli.cluster_reader import read_topics
from fakebus.fixture_files.ledger import Ledger
from fakebus.fixture_files.model import (
    FixtureEvent,
    FixtureGroup,
    FixtureSet,
    FixtureStream,
    FixtureTopic,
)
from fakebus.fixture_files.problems import FixtureError, FixtureProblem
from fakebus.fixture_files.schema_set import SchemaIds
from fakebus.registry_client import RegistryClient
from fakebus.storage.interface import MetaStore

STATE_TOPIC = "_fakebus_seeded"
_FLUSH_S = 60.0
_TOPIC_READY_S = 10.0
_PART = 10_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedSummary:
    """What seeding did."""

    topics_created: int
    records: int
    skipped: int
    schemas: int
    """Versions that the set has; those that were registered already count too."""


class _StateTopic:
    """What was seeded, as keys and values of a compacted topic."""

    def __init__(self, connection: Connection) -> None:
        self._producer = connection.producer({"enable.idempotence": True})
        self._values: dict[str, str] = {}
        for record in read_topics(connection, [STATE_TOPIC])[0].records:
            key = (record.key or b"").decode()
            if record.value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = record.value.decode()

    def get_meta(self, key: str) -> str | None:
        return self._values.get(key)

    def set_meta(self, key: str, value: str | None) -> None:
        self._producer.produce(STATE_TOPIC, key=key, value=value)
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value

    def flush(self) -> None:
        if self._producer.flush(_FLUSH_S):
            raise ClientError(f"the cluster does not take what is written to {STATE_TOPIC}")


class SetSeeder:
    """Writes sets to one cluster.

    Args:
        connection: the cluster.
        registry: where schemas go; ``None`` if there is none.
    """

    def __init__(self, connection: Connection, registry: RegistryClient | None) -> None:
        self._connection = connection
        self._registry = registry
        self._ensure_state_topic()
        self._state = _StateTopic(connection)
        # The ledger only enqueues; nobody waits for what the state topic returns.
        self._ledger = Ledger(cast(MetaStore, self._state))

    def register(self, fixture_set: FixtureSet) -> SchemaIds:
        """Register the set's schemas and return their ids.

        Raises:
            FixtureError: the registry refuses one.
            ClientError: the set has schemas, and there is no registry.
        """
        if self._registry is None:
            if not fixture_set.schemas:
                return {}
            raise ClientError(
                "the set has schemas: say where the registry is, with --registry http://HOST:8081"
            )
        return {
            (schema.subject, schema.version): self._registry.register(schema)
            for schema in fixture_set.schemas
        }

    def seed(
        self, fixture_set: FixtureSet, *, progress: Progress | None = None, reset: bool = False
    ) -> SeedSummary:
        """Write what of a set is not there yet.

        Args:
            fixture_set: encoded with the ids that :meth:`register` returned.
            progress: told how many events are written, of all.
            reset: delete the topics whose events have changed, and write them afresh.

        Raises:
            FixtureError: seeded events have changed, and ``reset`` is not set.
        """
        topic_ids = self._topic_ids()
        changed = self._changed(fixture_set, topic_ids)
        if changed and not reset:
            raise FixtureError(list(changed.values()))
        self._delete(sorted(set(changed)))
        topic_ids = {name: at for name, at in topic_ids.items() if name not in changed}
        created = self._change_topics(fixture_set.topics, topic_ids)
        topic_ids = self._topic_ids()
        skipped = written = 0
        total = fixture_set.record_count
        producer = self._connection.producer({"enable.idempotence": True, "linger.ms": 20})
        failures: list[str] = []
        for stream in fixture_set.streams:
            topic_id = topic_ids[stream.topic]
            count = self._ledger.seeded_count(stream, topic_id)
            skipped += count
            for part in _parts(stream.events[count:]):
                self._write(producer, stream, part, failures)
                count += len(part)
                written += len(part)
                self._ledger.record_stream(stream, topic_id, count)
                if progress is not None:
                    progress(skipped + written, total)
        self._state.flush()
        for group in fixture_set.groups:
            self._set_offsets(group, fixture_set.topics)
        return SeedSummary(
            topics_created=created,
            records=written,
            skipped=skipped,
            schemas=len(fixture_set.schemas),
        )

    def _write(
        self,
        producer: Any,
        stream: FixtureStream,
        events: Sequence[FixtureEvent],
        failures: list[str],
    ) -> None:
        def delivered(error: Any, _: Any) -> None:
            if error is not None and len(failures) < 1:
                failures.append(error.str())

        for event in events:
            while True:
                try:
                    producer.produce(
                        stream.topic,
                        value=event.record.value,
                        key=event.record.key,
                        partition=event.partition,
                        on_delivery=delivered,
                        timestamp=event.record.timestamp_ms,
                        headers=list(event.record.headers),
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        left = producer.flush(_FLUSH_S)
        if failures or left:
            reason = failures[0] if failures else "no answer"
            raise ClientError(f"the cluster does not take events of {stream.file}: {reason}")

    def _changed(
        self, fixture_set: FixtureSet, topic_ids: Mapping[str, UUID]
    ) -> dict[str, FixtureProblem]:
        found = {}
        for stream in fixture_set.streams:
            problem = self._ledger.changes(stream, topic_ids.get(stream.topic))
            if problem is not None:
                found[stream.topic] = problem
        return found

    def _topic_ids(self) -> dict[str, UUID]:
        from confluent_kafka import TopicCollection

        names = [
            name
            for name, topic in self._connection.admin.list_topics(timeout=10).topics.items()
            if topic.error is None
        ]
        if not names:
            return {}
        futures = self._connection.admin.describe_topics(TopicCollection(names))
        ids = {}
        for name, future in futures.items():
            found = self._connection.result(future, f"cannot describe {name}")
            bits = (
                found.topic_id.get_most_significant_bits() & _MASK,
                found.topic_id.get_least_significant_bits() & _MASK,
            )
            ids[name] = UUID(int=bits[0] << 64 | bits[1])
        return ids

    def _delete(self, names: Sequence[str]) -> None:
        if not names:
            return
        for name, future in self._connection.admin.delete_topics(list(names)).items():
            self._connection.result(future, f"cannot delete {name}")
        self._wait_until(lambda known: not known & set(names), "the topics are not deleted")

    def _change_topics(self, topics: Sequence[FixtureTopic], topic_ids: Mapping[str, UUID]) -> int:
        from confluent_kafka.admin import (  # type: ignore[attr-defined]
            NewPartitions,
            NewTopic,
        )

        admin = self._connection.admin
        missing = [topic for topic in topics if topic.name not in topic_ids]
        if missing:
            wanted = [
                NewTopic(topic.name, topic.partitions, 1, config=dict(topic.config))
                for topic in missing
            ]
            for name, future in admin.create_topics(wanted).items():
                self._connection.result(future, f"cannot create {name}")
            names = {topic.name for topic in missing}
            self._wait_until(lambda known: names <= known, "the new topics do not appear")
            for topic in missing:
                # The ids are new, so that what was noted of a deleted topic does not count.
                self._ledger.record_config(UUID(int=0), topic)
        known = admin.list_topics(timeout=10).topics
        for topic in topics:
            if len(known[topic.name].partitions) < topic.partitions:
                growth = admin.create_partitions([NewPartitions(topic.name, topic.partitions)])
                self._connection.result(growth[topic.name], f"cannot extend {topic.name}")
        return len(missing)

    def _ensure_state_topic(self) -> None:
        from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

        if STATE_TOPIC in self._connection.admin.list_topics(timeout=10).topics:
            return
        wanted = NewTopic(STATE_TOPIC, 1, 1, config={"cleanup.policy": "compact"})
        future = self._connection.admin.create_topics([wanted])[STATE_TOPIC]
        self._connection.result(future, f"cannot create {STATE_TOPIC}")
        self._wait_until(lambda known: STATE_TOPIC in known, f"{STATE_TOPIC} does not appear")
        # What was known of the cluster when the command began has no such topic.
        self._connection.__dict__.pop("metadata", None)

    def _wait_until(self, condition: Callable[[set[str]], bool], problem: str) -> None:
        deadline = time.monotonic() + _TOPIC_READY_S
        while not condition(set(self._connection.admin.list_topics(timeout=10).topics)):
            if time.monotonic() > deadline:
                raise ClientError(problem)
            time.sleep(0.05)

    def _set_offsets(self, group: FixtureGroup, topics: Sequence[FixtureTopic]) -> None:
        from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

        partitions = {topic.name: topic.partitions for topic in topics}
        wanted: dict[tuple[str, int], int | str] = {}
        for offset in sorted(group.offsets, key=lambda each: each.partition is not None):
            indexes = range(partitions[offset.topic])
            for index in indexes if offset.partition is None else (offset.partition,):
                wanted[offset.topic, index] = offset.start
        consumer = self._connection.consumer({"group.id": group.group})
        try:
            committed = consumer.committed(
                [TopicPartition(*each) for each in wanted], timeout=_TOPIC_READY_S
            )
            missing = []
            for each in committed:
                if each.offset >= 0:
                    continue
                low, high = consumer.get_watermark_offsets(each, timeout=_TOPIC_READY_S)
                start = wanted[each.topic, each.partition]
                at = {"earliest": low, "latest": high}.get(str(start), start)
                missing.append(TopicPartition(each.topic, each.partition, int(at)))
        except KafkaException as error:
            raise ClientError(f"the offsets of {group.group}: {text_of(error)}") from None
        finally:
            consumer.close()
        if missing:
            request = ConsumerGroupTopicPartitions(group.group, missing)
            future = self._connection.admin.alter_consumer_group_offsets([request])[group.group]
            self._connection.result(future, f"cannot set the offsets of {group.group}")


_MASK = (1 << 64) - 1


def _parts(events: Sequence[FixtureEvent]) -> Iterator[Sequence[FixtureEvent]]:
    for start in range(0, len(events), _PART):
        yield events[start : start + _PART]
