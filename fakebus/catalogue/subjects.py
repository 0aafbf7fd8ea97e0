"""Subjects and topics with all that is known of them: schemas, events, writers and readers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from fakebus.broker.topic_names import MAX_NAME_LENGTH
from fakebus.fixture_files.contracts.shared import content_of
from fakebus.fixture_files.drift.set_subjects import SetSubject, set_source, set_subjects
from fakebus.fixture_files.encoding.batching import size_of
from fakebus.fixture_files.model import FixtureReader, FixtureSet
from fakebus.fixture_files.parties import Parties, TopicParties, parties_of
from fakebus.schemas.framing import HEADER_SIZE, framed_id
from fakebus.schemas.interface import STORED, ParsedSchema, ResolvedReference, SchemaError
from fakebus.schemas.languages import language
from fakebus.schemas.payloads import Payload, SchemaSource, decode
from fakebus.schemas.unusable import UnusableSchema

_EXAMPLES = 3
_STAMPS = 1000
"""Of a topic, how many are looked at."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """Version of a subject."""

    number: int
    schema_id: int | None
    """``None`` where no registry has given one."""
    schema_type: str
    text: str
    references: tuple[tuple[str, str, int], ...] = ()
    """Name, subject and version of each."""
    resolved: tuple[ResolvedReference, ...] = ()
    """The schemas that it builds on."""

    @cached_property
    def parsed(self) -> ParsedSchema:
        """The schema; one that cannot be used if what others have stored is none."""
        try:
            return language(self.schema_type).parse(self.text, self.resolved, STORED)
        except SchemaError as error:
            return UnusableSchema(self.schema_type, self.text, self.text, str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Subject with its versions, and with who writes and reads it as far as that is declared."""

    name: str
    versions: Sequence[Version]
    """Oldest first, at least one."""
    level: str
    """The compatibility level that holds."""
    topics: tuple[str, ...] = ()
    producers: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()
    """The services that are said to read it, those of the readers among them."""
    readers: tuple[FixtureReader, ...] = ()
    """The schemas that services read it with."""
    place: str = ""
    """Where the newest version is written: file and line, or the subject's version."""

    @property
    def latest(self) -> Version:
        """The newest version."""
        return self.versions[-1]

    def read_by(self) -> dict[str, ParsedSchema]:
        """Return the schemas that services are known to read with, by service."""
        kind, resolved = self.latest.schema_type, self.latest.resolved
        return {
            one.service: language(kind).parse(one.text, resolved, STORED)
            for one in self.readers
            # One that was too long to be noted is unknown.
            if one.text
        }


class Sample(NamedTuple):
    """Sample of the records of a topic."""

    records: int = 0
    without_key: int = 0
    most_of_a_key: int = 0
    """How many records the commonest key has."""
    p95_bytes: int = 0
    """The size that all but one of twenty records are below."""


_NO_SAMPLE = Sample()


def sampled(records: Iterable[tuple[bytes | None, int]]) -> Sample:
    """Return what records show by their keys and sizes in bytes."""
    looked_at = list(records)
    if not looked_at:
        return _NO_SAMPLE
    keys = Counter(key for key, _ in looked_at if key is not None)
    sizes = sorted(size for _, size in looked_at)
    return Sample(
        records=len(looked_at),
        without_key=len(looked_at) - keys.total(),
        most_of_a_key=max(keys.values(), default=0),
        p95_bytes=sizes[len(sizes) * 95 // 100],
    )


class Stamp(NamedTuple):
    """Stamp of an event: what it has in common with the same event in another version."""

    topic: str
    type: str
    """Empty if nothing tells it."""
    key: bytes | None
    """Without the id of a schema."""
    time: str
    """What the event says of when it happened; empty if it says nothing."""
    timestamp_ms: int
    place: str
    """The record, or file and line."""


def stamp_of(
    topic: str, record: Any, place: str, timestamp_ms: int, schemas: SchemaSource[Any] | None
) -> Stamp:
    """Return the stamp of a record, which has a key, a value and headers."""
    content = content_of(topic, record.key, record.value, record.headers, schemas)
    data = content.value.data
    said = content.headers.get("ce_time") or (data.get("time") if isinstance(data, dict) else None)
    key = record.key if framed_id(record.key) is None else record.key[HEADER_SIZE:]
    time = said if isinstance(said, str) else ""
    return Stamp(topic, content.type(), key, time, timestamp_ms, place)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFacts:
    """Topic with what is declared and seen of it."""

    name: str
    parties: TopicParties
    config: Mapping[str, str] = field(default_factory=dict)
    """The configs that are not the cluster's defaults."""
    partitions: int = 1
    records: int = 0
    seen_producers: tuple[str, ...] = ()
    """The services that were seen to write it."""
    examples: Sequence[object] = ()
    """Values of events."""
    sample: Sample = _NO_SAMPLE
    stamps: Callable[[], Sequence[Stamp]] = tuple
    """Tells those of the newest events, which takes decoding."""
    links: tuple[str, ...] = ()
    """Where the code lives, as the package of the set tells."""


class FixtureUse(NamedTuple):
    """Event of a fixture set that is written with a subject."""

    who: str
    """The set, and the event if it has a name."""
    where: str
    """File and line."""
    data: Callable[[], object]
    """Reads it."""
    is_written: bool = False
    """Whether that is what the event has, without defaults that nobody has written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConsumer:
    """Consumer group that has read a topic."""

    group: str
    topic: str
    where: str
    """The record that it reads next."""
    committed_at_ms: int = -1
    """-1 where the cluster does not tell."""
    lag: int | None = None
    """How many records it is behind in the topic; ``None`` if it is not known."""
    services: tuple[str, ...] = ()
    """The services that its members belong to, where a bus knows them."""
    client_ids: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What declarations may call it."""
        return (self.group, *self.services, *self.client_ids)

    def as_service(self, known: Collection[str]) -> str:
        """Return the service that reads: a known one, or else what the bus says, or the group."""
        found = (name for name in self.names if name in known)
        return next(found, next(iter(self.services), self.group))


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """Landscape that a change can meet: all that is declared, and all that is there."""

    subjects: Mapping[str, Subject]
    topics: Mapping[str, TopicFacts] = field(default_factory=dict)
    uses: Mapping[str, Iterable[FixtureUse]] = field(default_factory=dict)
    """The events of fixture sets by subject."""
    live: Sequence[LiveConsumer] = ()
    roots: Sequence[Path] = ()
    """The directories of the fixture sets."""

    def live_of(self, topic: str) -> Sequence[LiveConsumer]:
        """Return the groups that have read a topic."""
        return self._live_by_topic.get(topic, ())

    @cached_property
    def _live_by_topic(self) -> Mapping[str, Sequence[LiveConsumer]]:
        found: dict[str, list[LiveConsumer]] = {}
        for each in self.live:
            found.setdefault(each.topic, []).append(each)
        return found


def of_set(fixture_set: FixtureSet) -> Landscape:
    """Return what a fixture set says."""
    found = set_subjects(fixture_set)
    schemas = set_source(found.values())
    who = fixture_set.name or fixture_set.root.resolve().name
    parties = parties_of(fixture_set)
    for name, one in found.items():
        # A topic may have events of a subject that its head does not name.
        for topic in one.topics:
            before = parties.topics[topic]
            if name not in before.subjects:
                parties.topics[topic] = replace(before, subjects=(*before.subjects, name))
    return Landscape(
        subjects={name: _subject(one, parties) for name, one in found.items()},
        topics={
            topic.name: TopicFacts(
                name=topic.name,
                parties=parties.topics[topic.name],
                config=topic.config,
                partitions=topic.partitions,
                records=sum(
                    len(one.events) for one in fixture_set.streams if one.topic == topic.name
                ),
                examples=_plain_examples(fixture_set, topic.name),
                sample=sampled(_keys_and_sizes(fixture_set, topic.name)),
                links=_links(fixture_set, topic.name),
                stamps=partial(_set_stamps, fixture_set, topic.name, schemas),
            )
            for topic in fixture_set.topics
        },
        uses={name: list(_uses(one, who)) for name, one in found.items()},
        roots=[part.root for part in fixture_set.parts] or [fixture_set.root],
    )


def _subject(found: SetSubject, parties: Parties) -> Subject:
    return Subject(
        name=found.name,
        versions=[
            Version(
                number=one.schema.version,
                schema_id=one.schema.pinned_id,
                schema_type=one.schema.schema_type,
                text=one.schema.text,
                references=one.schema.references,
                resolved=one.references,
            )
            for one in found.versions
        ],
        level=found.level,
        **declared(found.name, parties, ()),
    )


def _uses(found: SetSubject, who: str) -> Iterable[FixtureUse]:
    for use in found.events:
        name = f"{who} {use.event.event_id}" if use.event.event_id else who
        where = f"{use.stream.display_file}:{use.event.line}"
        yield FixtureUse(name, where, use.data, use.written is not None)


def _keys_and_sizes(fixture_set: FixtureSet, topic: str) -> Iterator[tuple[bytes | None, int]]:
    for stream in fixture_set.streams:
        for event in stream.events if stream.topic == topic else ():
            yield event.record.key, size_of(event.record)


def _links(fixture_set: FixtureSet, topic: str) -> tuple[str, ...]:
    sets = fixture_set.parts or (fixture_set,)
    told = (one.links for one in sets if any(each.name == topic for each in one.topics))
    return tuple(dict.fromkeys(link for links in told for link in links))


def _set_stamps(fixture_set: FixtureSet, topic: str, schemas: SchemaSource[Any]) -> Sequence[Stamp]:
    newest = deque[Stamp](maxlen=_STAMPS)
    for stream in fixture_set.streams:
        for each in stream.events[-_STAMPS:] if stream.topic == topic else ():
            place = f"{stream.display_file}:{each.line}"
            record = each.record
            newest.append(stamp_of(topic, record, place, record.timestamp_ms, schemas))
    return newest


def _plain_examples(fixture_set: FixtureSet, topic: str) -> list[object]:
    """Return the first values of a topic that need no schema."""
    found: list[object] = []
    for stream in fixture_set.streams:
        if stream.topic == topic:
            for event in stream.events[:20]:
                value = event.record.value
                payload: Payload[Any] = decode(value, topic=topic)
                if payload.format in ("json", "string") and framed_id(value) is None:
                    found.append(payload.data)
    return found[:_EXAMPLES]


def declared(name: str, parties: Parties, topics: Collection[str]) -> dict[str, Any]:
    """Return the arguments of a :class:`Subject` that follow from what is declared.

    Args:
        name: the subject.
        parties: what is declared.
        topics: those that there are; one may be known by the subject's name only.
    """
    found = parties.topics_of(name)
    if not found:
        # TopicRecordNameStrategy puts the record behind the topic, which may have dashes itself.
        last = min(len(name) - 1, MAX_NAME_LENGTH)
        begins = (name[:at] for at in range(last, 0, -1) if name[at] == "-")
        found = tuple(each for each in begins if each in topics)[:1]
    own = parties.subjects.get(name)
    return {
        "topics": found,
        "producers": parties.producers(name),
        "consumers": parties.consumers(name),
        "readers": () if own is None else own.readers,
        "place": "" if own is None else own.place,
    }


def overlaid(landscape: Landscape, said: Landscape) -> Landscape:
    """Return a landscape of a cluster with what fixture sets say of it.

    What only the sets have is kept too. Versions, levels and configs of what both have are those of
    the cluster.
    """
    subjects = dict(said.subjects)
    for name, subject in landscape.subjects.items():
        if (other := subjects.get(name)) is not None:
            subject = replace(
                subject,
                topics=tuple(dict.fromkeys([*subject.topics, *other.topics])),
                producers=other.producers,
                consumers=other.consumers,
                readers=other.readers,
                place=other.place,
            )
        subjects[name] = subject
    topics = dict(said.topics)
    for name, facts in landscape.topics.items():
        if (known := topics.get(name)) is not None:
            facts = replace(
                facts,
                parties=known.parties,
                examples=known.examples or facts.examples,
                sample=facts.sample if facts.sample.records else known.sample,
                links=facts.links or known.links,
                stamps=facts.stamps if facts.sample.records else known.stamps,
            )
        topics[name] = facts
    return Landscape(
        subjects=subjects,
        topics=topics,
        uses={**landscape.uses, **said.uses},
        live=[*landscape.live, *said.live],
        roots=[*landscape.roots, *said.roots],
    )
