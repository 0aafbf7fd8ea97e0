"""Seeding a fixture set through a real client: fakebus, Apache Kafka or any other cluster.

What was seeded is noted in a topic of the cluster itself (see
:mod:`fakebus.fixture_files.seeding.ledger`), so that seeding again writes only what is new, by
whatever door it came first. A seed that is interrupted may write its last events twice, because
a client cannot write records and that note in one step as a bus can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from fakebus.client.connection import ClientError, Connection
from fakebus.client.groups import committed_offsets, set_offsets
from fakebus.client.offsets import log_ranges
from fakebus.client.publishing import Publisher
from fakebus.client.registry import RegistryClient
from fakebus.client.topic_contents import read_topics
from fakebus.client.topics import (
    WantedTopic,
    add_partitions,
    create_topics,
    delete_topics,
    topic_ids,
)
from fakebus.fixture_files.model import FixtureEvent, FixtureGroup, FixtureSet, FixtureTopic
from fakebus.fixture_files.problems import FixtureError, FixtureProblem
from fakebus.fixture_files.seeding.ledger import LEDGER_CONFIG, LEDGER_TOPIC, Ledger
from fakebus.fixture_files.structure.schema_set import SchemaIds
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition

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


class SeedLog:
    """Ledger of a cluster, which is one of its topics.

    Args:
        connection: the cluster; it gets the topic if it has none.
    """

    def __init__(self, connection: Connection) -> None:
        if LEDGER_TOPIC not in connection.refresh().topics:
            create_topics(connection, [WantedTopic(LEDGER_TOPIC, 1, LEDGER_CONFIG)])
        self._connection = connection
        self._publisher = Publisher(connection, timeout_s=_FLUSH_S)

    def read(self) -> Ledger:
        """Return what it says now."""
        (topic,) = read_topics(self._connection, [LEDGER_TOPIC])
        return Ledger((record.key, record.value) for record in topic.records)

    def write(self, note: NewRecord) -> None:
        """Append a note; ClientError if the cluster does not take it."""
        self._publisher.send(LEDGER_TOPIC, note)
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
        ledger: where it is noted: the cluster's, or one of topics that only the caller knows.
    """

    def __init__(self, connection: Connection, ledger: SeedLog | Ledger) -> None:
        self._connection = connection
        self._log = ledger if isinstance(ledger, SeedLog) else None
        self._own = Ledger() if isinstance(ledger, SeedLog) else ledger

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
        ledger = self._own if self._log is None else self._log.read()
        changed = _changed(ledger, fixture_set, topic_ids(self._connection, names))
        if changed and not reset:
            raise FixtureError(list(changed.values()))
        delete_topics(self._connection, sorted(changed))
        created = self._change_topics(fixture_set.topics)
        ids = topic_ids(self._connection, names)
        skipped = written = 0
        publisher = Publisher(self._connection, {"linger.ms": 20}, timeout_s=_FLUSH_S)
        for stream in fixture_set.streams:
            count = ledger.seeded_count(stream, ids[stream.topic])
            skipped += count
            for part in _parts(stream.events[count:]):
                for event in part:
                    publisher.send(stream.topic, event.record, event.partition)
                publisher.flush()
                count += len(part)
                written += len(part)
                note = ledger.note_stream(stream, ids[stream.topic], count)
                if self._log is not None:
                    self._log.write(note)
                if progress is not None:
                    progress(skipped + written, fixture_set.record_count)
        for group in fixture_set.groups:
            self._set_offsets(group, fixture_set.topics)
        return SeedSummary(
            topics_created=created,
            records=written,
            skipped=skipped,
            schemas=len(fixture_set.schemas),
        )

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


def _changed(
    ledger: Ledger, fixture_set: FixtureSet, ids: Mapping[str, UUID]
) -> dict[str, FixtureProblem]:
    """Return the topics whose seeded events have changed, and what has."""
    found = {}
    for stream in fixture_set.streams:
        problem = ledger.changes(stream, ids.get(stream.topic))
        if problem is not None:
            found[stream.topic] = problem
    return found


def _parts(events: Sequence[FixtureEvent]) -> Iterator[Sequence[FixtureEvent]]:
    for start in range(0, len(events), _PART):
        yield events[start : start + _PART]
