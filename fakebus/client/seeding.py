"""Seeding a fixture set through a real client: fakebus, Apache Kafka or any other cluster.

What was seeded is noted in a topic of the cluster itself (see
:mod:`fakebus.fixture_files.seeding.ledger`), so that seeding again writes only what is new, by
whatever door it came first. A seed that is interrupted may write its last events twice, because
a client cannot write records and that note in one step as a bus can.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from fakebus.broker.ownership import SEEDER
from fakebus.client.connection import ClientError, Connection
from fakebus.client.groups import committed_offsets, set_offsets
from fakebus.client.offsets import log_ranges, partitions_of
from fakebus.client.publishing import Publisher
from fakebus.client.reading import Reader
from fakebus.client.registry import RegistryClient
from fakebus.client.seed_log import FLUSH_S, SeedLog
from fakebus.client.topics import (
    WantedTopic,
    add_partitions,
    all_configs,
    create_topics,
    delete_topics,
    own_configs,
    set_configs,
    topic_ids,
)
from fakebus.fixture_files.model import (
    FixtureEvent,
    FixtureGroup,
    FixtureSet,
    FixtureStream,
    FixtureTopic,
)
from fakebus.fixture_files.problems import FixtureError
from fakebus.fixture_files.seeding.contradictions import contradictions
from fakebus.fixture_files.seeding.ledger import Ledger
from fakebus.fixture_files.seeding.seeder import Progress
from fakebus.fixture_files.structure.schema_set import SchemaIds
from fakebus.real_time import now_ms
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition

_PART = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedSummary:
    """Counts of what seeding did."""

    topics_created: int
    records: int
    skipped: int
    schemas: int
    """Versions that the set has; those that were registered already count too."""


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


def seed_directory(
    seeder: SetSeeder,
    registry: RegistryClient | None,
    directory: Path,
    profile: str | None = None,
    *,
    reset: bool = False,
    progress: Progress | None = None,
) -> tuple[list[Path], SeedSummary]:
    """Load a fixture set, register its schemas, and write what of it is not there yet.

    Args:
        seeder: writes it.
        registry: the cluster's, if one is known.
        directory: the set.
        profile: a part of it; everything when left out.
        reset: as of :meth:`SetSeeder.seed`.
        progress: as of :meth:`SetSeeder.seed`.

    Returns:
        Where it lies and all that it uses, and what was done.

    Raises:
        FixtureError: the set has problems.
        ClientError: the cluster refuses something.
    """
    from fakebus.fixture_files.loader import load_fixtures

    moment = now_ms()
    loaded = load_fixtures(directory, now_ms=moment, profile=profile)
    ids = register_schemas(registry, loaded)
    if any(ids[each.subject, each.version] != each.schema_id for each in loaded.schemas):
        loaded = load_fixtures(directory, now_ms=moment, schema_ids=ids, profile=profile)
    done = seeder.seed(loaded, progress=progress, reset=reset)
    return [part.root for part in loaded.parts or (loaded,)], done


class SetSeeder:
    """Writer of sets to one cluster.

    Args:
        connection: the cluster.
        ledger: where it is noted: the cluster's, or one of topics that only the caller knows.
        registry: the cluster's, if one is known.
    """

    def __init__(
        self,
        connection: Connection,
        ledger: SeedLog | Ledger,
        registry: RegistryClient | None = None,
    ) -> None:
        self._connection = connection
        self._schema_type_of = None if registry is None else registry.schema_type_of
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
            FixtureError: seeded events have changed, and ``reset`` is not set; or the set
                contradicts other sets that were seeded, or the registry.
            ClientError: the cluster refuses something.
        """
        with nullcontext(self._own) if self._log is None else self._log.turn() as ledger:
            return self._seed(fixture_set, ledger, progress, reset)

    def _seed(
        self, fixture_set: FixtureSet, ledger: Ledger, progress: Progress | None, reset: bool
    ) -> SeedSummary:
        names = [topic.name for topic in fixture_set.topics]
        self._connection.refresh()
        fixture_set = self._understood(fixture_set)
        there = topic_ids(self._connection, names)
        changes = ledger.changes(fixture_set, there)
        problems = [] if reset else [problem for _, problem in changes]
        # What others have seeded is not deleted for the sake of one set.
        problems += contradictions(ledger, fixture_set, there, self._schema_type_of)
        if problems:
            raise FixtureError(problems)
        delete_topics(self._connection, sorted({topic for topic, _ in changes}))
        created = self._create_topics(fixture_set.topics)
        ids = topic_ids(self._connection, names)
        self._change_configs(fixture_set.topics, created, ledger, ids)
        self._note(ledger.note_parties(fixture_set, ids))
        topics_created, skipped, written = len(created), 0, 0
        for stream in fixture_set.streams:
            topic_id, now_ms = ids[stream.topic], fixture_set.now_ms
            count, rest = self._unfinished(ledger, stream, topic_id)
            skipped += count - len(rest or ())
            parts = _parts(stream.events[count:])
            # A fakebus tells by the client id where the records come from.
            config = {"client.id": SEEDER + stream.display_file, "linger.ms": 20}
            publisher = Publisher(self._connection, config, timeout_s=FLUSH_S)
            for part in itertools.chain([] if rest is None else [rest], parts):
                if part is not rest:
                    if self._log is not None:
                        ends = self._ends(stream.topic, is_new=stream.topic in created)
                        self._log.write(ledger.note_begun(stream, topic_id, part, now_ms, ends))
                    count += len(part)
                for event in part:
                    publisher.send(stream.topic, event.record, event.partition)
                publisher.flush()
                created.discard(stream.topic)
                written += len(part)
                self._note([ledger.note_stream(stream, topic_id, count, now_ms)])
                if progress is not None:
                    progress(skipped + written, fixture_set.record_count)
        for group in fixture_set.groups:
            self._set_offsets(group, fixture_set.topics)
        return SeedSummary(
            topics_created=topics_created,
            records=written,
            skipped=skipped,
            schemas=len(fixture_set.schemas),
        )

    def _understood(self, fixture_set: FixtureSet) -> FixtureSet:
        """Return a set without the configs that only a fakebus knows, for other clusters."""
        own = {name for topic in fixture_set.topics for name in topic.config if _is_own(name)}
        if not own:
            return fixture_set
        broker = str(min(self._connection.metadata.brokers, default=0))
        if any(map(_is_own, all_configs(self._connection, [broker], "BROKER")[broker])):
            return fixture_set
        topics = [
            replace(topic, config={k: v for k, v in topic.config.items() if k not in own})
            for topic in fixture_set.topics
        ]
        return replace(fixture_set, topics=tuple(topics))

    def _unfinished(
        self, ledger: Ledger, stream: FixtureStream, topic_id: UUID
    ) -> tuple[int, list[FixtureEvent] | None]:
        """Return how far seeding came, and what is missing of a part that was begun."""
        begun = ledger.begun(stream, topic_id)
        if begun is None:
            return ledger.seeded_count(stream, topic_id), None
        starts = {TopicPartition(stream.topic, each): end for each, end in begun.items()}
        with Reader(self._connection) as reader:
            there = [
                (partition, key, value)
                for fetched in reader.read(starts)
                for _, partition, _, _, key, value, _ in fetched
            ]
        return ledger.unwritten(stream, topic_id, there)

    def _ends(self, topic: str, *, is_new: bool) -> dict[int, int]:
        partitions = partitions_of(self._connection, [topic])
        if is_new:
            # Kafka may not yet know who leads them.
            return {each.partition: 0 for each in partitions}
        ranges = log_ranges(self._connection, partitions)
        return {each.partition: log.end for each, log in ranges.items()}

    def _create_topics(self, topics: Sequence[FixtureTopic]) -> set[str]:
        missing = [topic for topic in topics if topic.name not in self._connection.metadata.topics]
        create_topics(
            self._connection,
            [WantedTopic(topic.name, topic.partitions, topic.config) for topic in missing],
        )
        for topic in topics:
            if self._connection.partition_count(topic.name) < topic.partitions:
                add_partitions(self._connection, topic.name, topic.partitions)
        return {topic.name for topic in missing}

    def _change_configs(
        self,
        topics: Sequence[FixtureTopic],
        created: set[str],
        ledger: Ledger,
        ids: Mapping[str, UUID],
    ) -> None:
        applied = {each.name: ledger.applied_config(each.name, ids[each.name]) for each in topics}
        changed = [topic for topic in topics if applied[topic.name] != topic.config]
        older = [topic for topic in changed if topic.name not in created]
        there = own_configs(self._connection, [topic.name for topic in older])
        for topic in older:
            # Only what the file says changes; what clients altered besides stays.
            removed = (applied[topic.name] or {}).keys() - topic.config.keys()
            removed &= there[topic.name].keys()
            wanted = dict(topic.config.items() - there[topic.name].items())
            if wanted or removed:
                set_configs(self._connection, topic.name, wanted, removed)
        self._note([ledger.note_config(ids[topic.name], topic) for topic in changed])

    def _note(self, notes: Sequence[NewRecord]) -> None:
        if notes and self._log is not None:
            self._log.write(*notes)

    def _set_offsets(self, group: FixtureGroup, topics: Sequence[FixtureTopic]) -> None:
        wanted = group.starts({topic.name: topic.partitions for topic in topics})
        missing = wanted.keys() - committed_offsets(self._connection, group.group).keys()
        ranges = log_ranges(self._connection, missing)
        places = {
            each: {"earliest": log.start, "latest": log.end}.get(str(wanted[each]), wanted[each])
            for each, log in ranges.items()
        }
        offsets = {each: int(place) for each, place in places.items()}
        set_offsets(self._connection, group.group, offsets)


def _is_own(config: str) -> bool:
    return config.startswith("fakebus.")


def _parts(events: Sequence[FixtureEvent]) -> Iterator[Sequence[FixtureEvent]]:
    for start in range(0, len(events), _PART):
        yield events[start : start + _PART]
