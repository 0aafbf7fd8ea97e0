"""What a set says of topics that are there already, otherwise than those who made them.

Sets that are named together are compared when they are read (:mod:`fakebus.fixture_files.merging`).
One that comes later is held to the same rules against what the ledger knows of the sets before it,
and against what the registry says of the topics: nothing is overridden, whoever comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from uuid import UUID

from fakebus.fixture_files.merging import topic_conflicts
from fakebus.fixture_files.model import FixtureEvent, FixtureSet, FixtureStream, FixtureTopic
from fakebus.fixture_files.problems import FixtureProblem, Position, quoted
from fakebus.fixture_files.seeding.ledger import Ledger, OtherSets
from fakebus.schemas.framing import GUID_HEADERS, framed_id

SchemaTypeOf = Callable[[str], str | None]
"""Returns the type of the newest schema of a subject; ``None`` if there is no such subject."""
_AMBIGUOUS = "JSON"
"""Of JSON values a schema may be registered though they are written without its id."""


def contradictions(
    ledger: Ledger,
    fixture_set: FixtureSet,
    topic_ids: Mapping[str, UUID],
    schema_type_of: SchemaTypeOf | None,
) -> list[FixtureProblem]:
    """Return what contradicts what is there, at the places of the set.

    Args:
        ledger: what was seeded.
        fixture_set: the set.
        topic_ids: the ids of those of its topics that are there.
        schema_type_of: asks the registry, if there is one.
    """
    found = [
        problem
        for others in ledger.others(fixture_set, topic_ids)
        for problem in topic_conflicts(others.topic, _as_declared(others))
    ]
    if schema_type_of is not None:
        found += _unframed(ledger, fixture_set, topic_ids, schema_type_of)
    return found


def _as_declared(others: OtherSets) -> FixtureTopic:
    said = others.said
    file, _, line = said.place.rpartition(":")
    return FixtureTopic(
        name=said.name,
        position=Position(file, int(line)),
        partitions=said.partitions,
        config=others.config,
        partitioner=said.partitioner,
        owner=said.owner,
        consumers=said.consumers,
        formats=said.formats,
    )


def _unframed(
    ledger: Ledger,
    fixture_set: FixtureSet,
    topic_ids: Mapping[str, UUID],
    schema_type_of: SchemaTypeOf,
) -> Iterator[FixtureProblem]:
    """Yield where keys and values without a schema come among those that have one."""
    own = {schema.subject for schema in fixture_set.schemas}
    seeded = {
        stream.topic
        for stream in fixture_set.streams
        if ledger.seeded_count(stream, topic_ids.get(stream.topic))
    }
    for (topic, part), (stream, event) in _first_unframed(fixture_set, seeded).items():
        subject = f"{topic}-{part}"
        schema_type = None if subject in own else schema_type_of(subject)
        if schema_type not in (None, _AMBIGUOUS):
            yield FixtureProblem.at(
                Position(stream.display_file, event.line),
                f"this {part} for {quoted(topic)} is written without a schema, and the registry "
                f"has the subject {quoted(subject)} ({schema_type}) for it, which those who read "
                "the topic will expect",
                f"give the topic  {part}: {{subject: {subject}}}  and the schema to the set's "
                "subjects, or delete that subject",
            )


def _first_unframed(
    fixture_set: FixtureSet, but: Collection[str]
) -> dict[tuple[str, str], tuple[FixtureStream, FixtureEvent]]:
    """Return the first event without a schema by topic and part, but for some topics."""
    found: dict[tuple[str, str], tuple[FixtureStream, FixtureEvent]] = {}
    for stream in fixture_set.streams:
        if stream.topic in but:
            continue
        wanted = {part for part in ("key", "value") if (stream.topic, part) not in found}
        for event in stream.events:
            if not wanted:
                break
            for part in wanted & _unframed_parts(event):
                found[stream.topic, part] = stream, event
                wanted.discard(part)
    return found


def _unframed_parts(event: FixtureEvent) -> set[str]:
    record = event.record
    if any(name in GUID_HEADERS for name, _ in record.headers):
        return set()
    parts = (("key", record.key), ("value", record.value))
    return {part for part, data in parts if data is not None and framed_id(data) is None}
