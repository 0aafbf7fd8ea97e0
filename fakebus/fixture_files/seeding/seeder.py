"""Bring a broker to what a fixture set says: topics, then events, then groups.

Seeding is idempotent. What was seeded is kept in a ledger beside the records (see
:mod:`fakebus.fixture_files.seeding.ledger`):

* a set that has not changed writes nothing;
* events that were added at the end of a file are appended;
* any other change of seeded events is refused, with the line, before anything is written;
* so is what contradicts other sets that were seeded, or the registry;
* partitions are added, never taken away; a config is set when the file's config changes;
* a group's starting offset is set where the group has committed none.

Small sets are written in one transaction. Larger ones are written in parts of bounded
size, each with its ledger entry in the same transaction; a seed that was interrupted
between two parts goes on where it stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from fakebus.broker.activity import Origin
from fakebus.broker.appending import check_batch, check_records, check_shape
from fakebus.broker.broker import Broker
from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.broker.tail import LogCursor
from fakebus.broker.topic_names import metric_name
from fakebus.broker.topics import Topic
from fakebus.errors import BrokerError
from fakebus.fixture_files import LEDGER_TOPIC
from fakebus.fixture_files.encoding.batching import (
    PART_BYTES,
    PART_EVENTS,
    batches_of,
    parts_of,
    size_of,
)
from fakebus.fixture_files.model import (
    FixtureEvent,
    FixtureGroup,
    FixtureSet,
    FixtureStream,
    FixtureTopic,
)
from fakebus.fixture_files.parties import parties_of
from fakebus.fixture_files.problems import FixtureError, FixtureProblem
from fakebus.fixture_files.seeding.contradictions import SchemaTypeOf, contradictions
from fakebus.fixture_files.seeding.ledger import LEDGER_CONFIG, Ledger
from fakebus.lineage.seeded_lines import lines_detail
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition

Progress = Callable[[int, int], None]
"""Called with the number of events that are in the log, and of all events in the set."""


_DELETED = ("somebody deleted the topic while it was being seeded", "seed again")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedReport:
    """Report of a seeding."""

    topics: int
    """Topics of the set."""
    topics_created: int
    partitions_added: int
    configs_changed: int
    """Topics that got new configs."""
    records: int
    """Events that were written now."""
    skipped: int
    """Events that were there already."""
    offsets: int
    """Starting offsets of groups that were set now."""


async def seed(
    broker: Broker,
    fixture_set: FixtureSet,
    *,
    progress: Progress | None = None,
    ledger: Ledger | None = None,
    schema_type_of: SchemaTypeOf | None = None,
) -> SeedReport:
    """Write a fixture set to a broker.

    Args:
        broker: a started broker.
        fixture_set: from :func:`fakebus.fixture_files.loader.load_fixtures`.
        progress: told after each transaction.
        ledger: of topics that only the caller knows; the bus's own is left alone then.
        schema_type_of: asks the registry what there is for the topics.

    Raises:
        FixtureError: the set does not fit what is there already, or the broker's own
            configs refuse an event.
        StorageError: storage failed; what is reported as seeded so far stays.
    """
    return await _Seeding(broker, fixture_set, progress, ledger, schema_type_of).run()


async def delete_topics(broker: Broker, fixture_set: FixtureSet) -> None:
    """Delete the topics of a set, with all that anybody wrote to them."""
    for fixture_topic in fixture_set.topics:
        if (topic := broker.topics.get(fixture_topic.name)) is not None:
            await broker.topics.delete(topic)


@dataclass(slots=True, kw_only=True)
class _Part:
    """Part of a set that goes into one transaction."""

    streams: list[tuple[FixtureStream, int, Sequence[FixtureEvent]]] = field(default_factory=list)
    """Stream, number of its events after this part, events."""
    events: int = 0
    size_bytes: int = 0

    def has_room_for(self, events: Sequence[FixtureEvent]) -> bool:
        """Whether the part stays within bounds with these events; an empty one always does."""
        if not self.streams:
            return True
        size = self.size_bytes + sum(size_of(event.record) for event in events)
        return self.events + len(events) <= PART_EVENTS and size <= PART_BYTES

    def add(self, stream: FixtureStream, count: int, events: Sequence[FixtureEvent]) -> None:
        """Take events that bring a stream to ``count``."""
        self.streams.append((stream, count, events))
        self.events += len(events)
        self.size_bytes += sum(size_of(event.record) for event in events)


class _Seeding:
    def __init__(
        self,
        broker: Broker,
        fixture_set: FixtureSet,
        progress: Progress | None,
        ledger: Ledger | None,
        schema_type_of: SchemaTypeOf | None,
    ) -> None:
        self._broker = broker
        self._set = fixture_set
        self._progress = progress
        self._schema_type_of = schema_type_of
        self._is_shared = ledger is None
        self._ledger = Ledger() if ledger is None else ledger
        self._topics = {topic.name: topic for topic in fixture_set.topics}
        self._offsets = 0
        self._partitions_added = 0
        self._configs_changed = 0

    async def run(self) -> SeedReport:
        if self._is_shared:
            self._ledger = await read_ledger(self._broker)
        self._check()
        noted = any(parties_of(self._set).notes())
        if self._is_shared and noted and self._broker.topics.get(LEDGER_TOPIC) is None:
            await self._broker.topics.create(LEDGER_TOPIC, 1, LEDGER_CONFIG)
        begun = [await self._begun(stream) for stream in self._set.streams]
        skipped = sum(count - len(rest or ()) for count, rest in begun)
        missing = [topic for topic in self._set.topics if self._live(topic.name) is None]
        await self._change_topics()
        done = skipped
        parts = list(self._parts(begun))
        for number, part in enumerate(parts):
            await self._write(part, missing if number == 0 else [], number == len(parts) - 1)
            done += part.events
            if self._progress is not None:
                self._progress(done, self._set.record_count)
        return SeedReport(
            topics=len(self._set.topics),
            topics_created=len(missing),
            partitions_added=self._partitions_added,
            configs_changed=self._configs_changed,
            records=done - skipped,
            skipped=skipped,
            offsets=self._offsets,
        )

    def _live(self, name: str) -> Topic | None:
        return self._broker.topics.get(name)

    def _seeded_count(self, stream: FixtureStream) -> int:
        topic = self._live(stream.topic)
        return self._ledger.seeded_count(stream, None if topic is None else topic.topic_id)

    def _check(self) -> None:
        topic_ids = {topic.name: topic.topic_id for topic in self._broker.topics}
        problems = [problem for _, problem in self._ledger.changes(self._set, topic_ids)]
        problems += contradictions(self._ledger, self._set, topic_ids, self._schema_type_of)
        others = {
            metric_name(topic.name): topic.name
            for topic in self._broker.topics
            if topic.name not in self._topics
        }
        for fixture_topic in self._set.topics:
            other = others.get(metric_name(fixture_topic.name))
            if other is not None:
                problems.append(
                    FixtureProblem.at(
                        fixture_topic.position,
                        f"the topic {fixture_topic.name} collides with the existing {other}",
                        "rename it, or delete the other topic",
                    )
                )
        if problems:
            raise FixtureError(problems)

    async def _change_topics(self) -> None:
        topics = self._broker.topics
        for fixture_topic in self._set.topics:
            topic = self._live(fixture_topic.name)
            if topic is None:
                continue
            missing = fixture_topic.partitions - len(topic.partitions)
            if missing > 0:
                await topics.add_partitions(topic, fixture_topic.partitions)
                self._partitions_added += missing
            applied = self._ledger.applied_config(topic.name, topic.topic_id)
            if applied == fixture_topic.config:
                continue
            # Only what the file says changes; what clients altered besides stays.
            kept = {
                name: text
                for name, text in topic.config.overrides.items()
                if name not in (applied or {})
            }
            configs = kept | dict(fixture_topic.config)
            if configs != dict(topic.config.overrides):
                await topics.set_configs(topic, configs)
                self._configs_changed += 1
            await _all_written(self._noted(self._ledger.note_config(topic.topic_id, fixture_topic)))

    async def _begun(self, stream: FixtureStream) -> tuple[int, list[FixtureEvent] | None]:
        """Return how far seeding came, and what is missing of a part that was begun."""
        topic = self._live(stream.topic)
        begun = None if topic is None else self._ledger.begun(stream, topic.topic_id)
        if topic is None or begun is None:
            return self._seeded_count(stream), None
        there = []
        for partition, end in begun.items():
            cursor = LogCursor(topic.partitions[partition], end)
            while records := await cursor.records():
                there += [(partition, each.key, each.value) for each in records]
        return self._ledger.unwritten(stream, topic.topic_id, there)

    def _parts(self, begun: Sequence[tuple[int, list[FixtureEvent] | None]]) -> Iterator[_Part]:
        """Yield the transactions; at least one, for topics and groups."""
        part = _Part()
        for stream, (count, rest) in zip(self._set.streams, begun, strict=True):
            if rest is not None:
                # What a client has begun and not finished.
                part.add(stream, count, rest)
            for events in parts_of(stream.events[count:]):
                count += len(events)
                if not part.has_room_for(events):
                    yield part
                    part = _Part()
                part.add(stream, count, events)
        yield part

    async def _write(self, part: _Part, new_topics: Sequence[FixtureTopic], is_last: bool) -> None:
        batches = list(self._checked_batches(part, {topic.name for topic in new_topics}))
        written: list[Awaitable[object]] = []
        with self._broker.atomic():
            topic_ids = {topic.name: topic.topic_id for topic in self._broker.topics}
            for fixture_topic in new_topics:
                topic, stored = self._broker.topics.begin_create(
                    fixture_topic.name, fixture_topic.partitions, fixture_topic.config
                )
                topic_ids[topic.name] = topic.topic_id
                note = self._ledger.note_config(topic.topic_id, fixture_topic)
                written += [stored, *self._noted(note)]
            written += [
                self._broker.produce(
                    place,
                    batch,
                    origin=Origin(front_end="fixtures", verb="seeded", source=lines),
                )
                for place, batch, lines in batches
            ]
            for stream, count, _ in part.streams:
                topic_id = topic_ids[stream.topic]
                note = self._ledger.note_stream(stream, topic_id, count, self._set.now_ms)
                written += self._noted(note)
            if is_last:
                for note in self._ledger.note_parties(self._set, topic_ids):
                    written += self._noted(note)
                for group in self._set.groups:
                    written += self._set_offsets(group)
        await _all_written(written)

    def _noted(self, note: NewRecord) -> list[Awaitable[object]]:
        return [_written(self._broker, note)] if self._is_shared else []

    def _checked_batches(
        self, part: _Part, new_names: set[str]
    ) -> Iterator[tuple[TopicPartition, bytearray, str]]:
        # The broker's rules are asked before the transaction begins, since inside it
        # there is no way back.
        now_ms = self._broker.clock.now_ms()
        for stream, _, events in part.streams:
            fixture_topic = self._topics[stream.topic]
            topic = self._live(stream.topic)
            if topic is not None:
                config = topic.config
            elif stream.topic in new_names:
                config = TopicConfig(fixture_topic.config, self._broker.config)
            else:
                raise FixtureError([FixtureProblem.at(fixture_topic.position, *_DELETED)])
            for partition, batch, written in batches_of(events, config.max_message_bytes):
                try:
                    header = check_shape(batch)
                    check_batch(batch, header, config, now_ms)
                    place = TopicPartition(stream.topic, partition)
                    check_records(batch, header, config, now_ms, place)
                except BrokerError as error:
                    problem = FixtureProblem.at(
                        fixture_topic.position,
                        f"the broker refuses events of {stream.file}: {error}",
                        "mend the events or the topic's config",
                    )
                    raise FixtureError([problem]) from error
                detail = lines_detail(f"{stream.display_file}:", (each.line for each in written))
                yield TopicPartition(stream.topic, partition), batch, detail

    def _set_offsets(self, group: FixtureGroup) -> list[Awaitable[object]]:
        coordinator = self._broker.group_coordinator
        topics = {topic.name: topic for topic in self._broker.topics}
        missing: dict[TopicPartition, int] = {}
        starts = group.starts({name: len(topic.partitions) for name, topic in topics.items()})
        for each, start in starts.items():
            if coordinator.committed_offset(group.group, each) is None:
                log = topics[each.topic].partitions[each.partition]
                ends = {"earliest": log.log_start_offset, "latest": log.log_end_offset}
                missing[each] = ends[start] if isinstance(start, str) else start
        if not missing:
            return []
        self._offsets += len(missing)
        self._broker.activity.note_offsets_set(
            Origin(front_end="fixtures"),
            group.group,
            missing,
            coordinator.committed_offset,
            f"{group.position.where}",
        )
        return [coordinator.set_offsets(group.group, missing)]


async def note_new_ids(broker: Broker, ids: Mapping[UUID, UUID]) -> None:
    """Let the ledger know topics that were made anew with what they held.

    Args:
        broker: the bus.
        ids: their new ids by the old ones.
    """
    if ids:
        ledger = await read_ledger(broker)
        await _all_written([_written(broker, note) for note in ledger.note_new_ids(ids)])


def _written(broker: Broker, note: NewRecord) -> Awaitable[object]:
    record = note._replace(timestamp_ms=broker.clock.now_ms())
    return broker.produce(TopicPartition(LEDGER_TOPIC, 0), build_batch([record]))


async def read_ledger(broker: Broker) -> Ledger:
    """Return what was seeded to a broker."""
    topic = broker.topics.get(LEDGER_TOPIC)
    notes = []
    if topic is not None:
        cursor = LogCursor(topic.partitions[0])
        while records := await cursor.records():
            notes += [(record.key, record.value) for record in records]
    return Ledger(notes)


async def _all_written(written: Sequence[Awaitable[object]]) -> None:
    # All are awaited before the first failure is raised, so that none is left unseen.
    results = await asyncio.gather(*written, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
