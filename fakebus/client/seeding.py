"""Seeding a fixture set through a real client: fakebus, Apache Kafka or any other cluster.

What was seeded is kept in a compacted topic of the cluster itself, so seeding again writes
only what is new, whoever does it. A seed that is interrupted may write its last events twice,
because a client cannot write records and that note in one step as a bus can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from fakebus.client.connection import ClientError, Connection
from fakebus.client.groups import committed_offsets, set_offsets
from fakebus.client.offsets import log_ranges
from fakebus.client.publishing import Publisher
from fakebus.client.reading import read_topics
from fakebus.client.registry import RegistryClient
from fakebus.client.topics import (
    WantedTopic,
    add_partitions,
    create_topics,
    delete_topics,
    topic_ids,
)
from fakebus.fixture_files.ledger import Ledger
from fakebus.fixture_files.model import FixtureEvent, FixtureGroup, FixtureSet, FixtureTopic
from fakebus.fixture_files.problems import FixtureError, FixtureProblem
from fakebus.fixture_files.schema_set import SchemaIds
from fakebus.records.record import NewRecord
from fakebus.storage.interface import MetaStore
from fakebus.types import TopicPartition

STATE_TOPIC = "_fakebus_seeded"
_FLUSH_S = 60.0
_PART = 10_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedSummary:
    """Counts of what seeding did."""

    topics_created: int
    records: int
    skipped: int
    schemas: int
    """Versions that the set has; those that were registered already count too."""


class NoState:
    """Notes of a seed that nobody will repeat."""

    def get_meta(self, key: str) -> str | None:
        """Return nothing."""

    def set_meta(self, key: str, value: str | None) -> None:
        """Forget it."""

    def flush(self) -> None:
        """Do nothing."""


class StateTopic:
    """What was seeded, as keys and values of a compacted topic.

    Args:
        connection: the cluster; it gets the topic if it has none.
    """

    def __init__(self, connection: Connection) -> None:
        if STATE_TOPIC not in connection.refresh().topics:
            create_topics(connection, [WantedTopic(STATE_TOPIC, 1, {"cleanup.policy": "compact"})])
        self._publisher = Publisher(connection, timeout_s=_FLUSH_S)
        self._values: dict[str, str] = {}
        for record in read_topics(connection, [STATE_TOPIC])[0].records:
            value = None if record.value is None else record.value.decode()
            self._keep((record.key or b"").decode(), value)

    def _keep(self, key: str, value: str | None) -> None:
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value

    def get_meta(self, key: str) -> str | None:
        """Return what was noted."""
        return self._values.get(key)

    def set_meta(self, key: str, value: str | None) -> None:
        """Note something; it is there after :meth:`flush`."""
        record = NewRecord(key.encode(), None if value is None else value.encode())
        self._publisher.send(STATE_TOPIC, record)
        self._keep(key, value)

    def flush(self) -> None:
        """Wait until all notes are there; ClientError if the cluster does not take one."""
        self._publisher.flush()


def register_schemas(registry: RegistryClient | None, fixture_set: FixtureSet) -> SchemaIds:
    """Register a set's schemas and return their ids.

    Raises:
        FixtureError: the registry refuses one.
        ClientError: the set has schemas, and there is no registry.
    """
    if not fixture_set.schemas:
        return {}
    if registry is None:
        raise ClientError(
            "the set has schemas: say where the registry is, with --registry http://HOST:8081"
        )
    return {
        (schema.subject, schema.version): registry.register(schema)
        for schema in fixture_set.schemas
    }


class SetSeeder:
    """Writer of sets to one cluster.

    Args:
        connection: the cluster.
        state: what was seeded before.
    """

    def __init__(self, connection: Connection, state: StateTopic | NoState) -> None:
        self._connection = connection
        self._state = state
        # The ledger only enqueues; nobody waits for what the state returns.
        self._ledger = Ledger(cast(MetaStore, state))

    def seed(
        self, fixture_set: FixtureSet, *, progress: Progress | None = None, reset: bool = False
    ) -> SeedSummary:
        """Write what of a set is not there yet.

        Args:
            fixture_set: encoded with the ids that :func:`register_schemas` returned.
            progress: told how many events are written, of all.
            reset: delete the topics whose events have changed, and write them afresh.

        Raises:
            FixtureError: seeded events have changed, and ``reset`` is not set.
            ClientError: the cluster refuses something.
        """
        names = [topic.name for topic in fixture_set.topics]
        self._connection.refresh()
        changed = self._changed(fixture_set, topic_ids(self._connection, names))
        if changed and not reset:
            raise FixtureError(list(changed.values()))
        delete_topics(self._connection, sorted(changed))
        created = self._change_topics(fixture_set.topics)
        ids = topic_ids(self._connection, names)
        skipped = written = 0
        publisher = Publisher(self._connection, {"linger.ms": 20}, timeout_s=_FLUSH_S)
        for stream in fixture_set.streams:
            count = self._ledger.seeded_count(stream, ids[stream.topic])
            skipped += count
            for part in _parts(stream.events[count:]):
                for event in part:
                    publisher.send(stream.topic, event.record, event.partition)
                publisher.flush()
                count += len(part)
                written += len(part)
                self._ledger.record_stream(stream, ids[stream.topic], count)
                if progress is not None:
                    progress(skipped + written, fixture_set.record_count)
        self._state.flush()
        for group in fixture_set.groups:
            self._set_offsets(group, fixture_set.topics)
        return SeedSummary(
            topics_created=created,
            records=written,
            skipped=skipped,
            schemas=len(fixture_set.schemas),
        )

    def _changed(
        self, fixture_set: FixtureSet, ids: Mapping[str, UUID]
    ) -> dict[str, FixtureProblem]:
        found = {}
        for stream in fixture_set.streams:
            problem = self._ledger.changes(stream, ids.get(stream.topic))
            if problem is not None:
                found[stream.topic] = problem
        return found

    def _change_topics(self, topics: Sequence[FixtureTopic]) -> int:
        there = self._connection.metadata.topics
        missing = [topic for topic in topics if topic.name not in there]
        create_topics(
            self._connection,
            [WantedTopic(topic.name, topic.partitions, topic.config) for topic in missing],
        )
        for topic in topics:
            add_partitions(self._connection, topic.name, topic.partitions)
        return len(missing)

    def _set_offsets(self, group: FixtureGroup, topics: Sequence[FixtureTopic]) -> None:
        partitions = {topic.name: topic.partitions for topic in topics}
        wanted: dict[TopicPartition, int | str] = {}
        # What names a partition comes last and wins over "*".
        for offset in sorted(group.offsets, key=lambda each: each.partition is not None):
            indexes = range(partitions[offset.topic])
            for index in indexes if offset.partition is None else (offset.partition,):
                wanted[TopicPartition(offset.topic, index)] = offset.start
        missing = wanted.keys() - committed_offsets(self._connection, group.group).keys()
        ranges = log_ranges(self._connection, missing)
        places = {
            each: {"earliest": log.start, "latest": log.end}.get(str(wanted[each]), wanted[each])
            for each, log in ranges.items()
        }
        offsets = {each: int(place) for each, place in places.items()}
        set_offsets(self._connection, group.group, offsets)


def _parts(events: Sequence[FixtureEvent]) -> Iterator[Sequence[FixtureEvent]]:
    for start in range(0, len(events), _PART):
        yield events[start : start + _PART]
