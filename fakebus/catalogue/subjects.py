"""Subjects with all that is known of them: versions, who writes and reads them, events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from fakebus.fixture_files.drift.set_subjects import SetSubject, set_subjects
from fakebus.fixture_files.model import FixtureReader, FixtureSet
from fakebus.fixture_files.parties import Parties
from fakebus.schemas.interface import ParsedSchema, ResolvedReference


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Version of a subject."""

    number: int
    parsed: ParsedSchema
    text: str
    references: tuple[tuple[str, str, int], ...] = ()
    """Name, subject and version of each."""
    resolved: tuple[ResolvedReference, ...] = ()
    """The schemas that it builds on."""


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
    """Where the newest version is written: file and line, or the registry."""

    @property
    def latest(self) -> Version:
        """The newest version."""
        return self.versions[-1]


class FixtureUse(NamedTuple):
    """Event of a fixture set that is written with a subject."""

    who: str
    """The set, and the event if it has a name."""
    where: str
    """File and line."""
    data: Callable[[], object]
    """Reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConsumer:
    """Consumer group that has read a topic."""

    group: str
    topic: str
    where: str
    """The record that it reads next."""
    committed_at_ms: int
    services: tuple[str, ...] = ()
    """What its members are called: services, and client ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landscape:
    """All that a change can meet."""

    subjects: Mapping[str, Subject]
    uses: Mapping[str, Iterable[FixtureUse]] = field(default_factory=dict)
    """The events of fixture sets by subject."""
    live: Sequence[LiveConsumer] = ()


def of_set(fixture_set: FixtureSet) -> Landscape:
    """Return what a fixture set says."""
    found = set_subjects(fixture_set)
    who = fixture_set.name or fixture_set.root.resolve().name
    return Landscape(
        subjects={name: _subject(one) for name, one in found.items()},
        uses={name: list(_uses(one, who)) for name, one in found.items()},
    )


def _subject(found: SetSubject) -> Subject:
    schema = found.latest.schema
    return Subject(
        name=found.name,
        versions=[
            Version(
                number=one.schema.version,
                parsed=one.parsed,
                text=one.schema.text,
                references=one.schema.references,
                resolved=one.references,
            )
            for one in found.versions
        ],
        level=found.level,
        topics=found.topics,
        producers=found.hit.producers,
        consumers=found.hit.consumers,
        readers=schema.readers,
        place=f"{schema.position.file}:{schema.position.line}",
    )


def _uses(found: SetSubject, who: str) -> Iterable[FixtureUse]:
    for stream, event, payload, version in found.events:
        name = f"{who} {event.event_id}" if event.event_id else who
        where = f"{stream.display_file}:{event.line}"
        yield FixtureUse(name, where, partial(version.parsed.decode, payload))


def declared(name: str, parties: Parties, topics: Iterable[str]) -> dict[str, Any]:
    """Return the arguments of a :class:`Subject` that follow from what is declared.

    Args:
        name: the subject.
        parties: what is declared.
        topics: those that there are; one may be known by the subject's name only.
    """
    named = [
        each
        for each in topics
        if name in (f"{each}-key", f"{each}-value") or name.startswith(f"{each}-")
    ]
    found = list(parties.topics_of(name))
    # TopicRecordNameStrategy puts the record behind the topic, which may have dashes itself.
    found += [max(named, key=len)] if named and not found else []
    own = parties.subjects.get(name)
    return {
        "topics": tuple(found),
        "producers": parties.producers(name),
        "consumers": parties.consumers(name),
        "readers": () if own is None else own.readers,
        "place": "" if own is None else own.place,
    }


def overlaid(landscape: Landscape, said: Landscape) -> Landscape:
    """Return a landscape of a registry with what fixture sets say of its subjects.

    What only the sets have is kept too; of what both have, versions and level are the registry's.
    """
    subjects = dict(said.subjects)
    for name, subject in landscape.subjects.items():
        declared = subjects.get(name, subject)
        subjects[name] = Subject(
            name=name,
            versions=subject.versions,
            level=subject.level,
            topics=tuple(dict.fromkeys([*subject.topics, *declared.topics])),
            producers=declared.producers,
            consumers=declared.consumers,
            readers=declared.readers,
            place=declared.place or subject.place,
        )
    return Landscape(
        subjects=subjects,
        uses={**landscape.uses, **said.uses},
        live=[*landscape.live, *said.live],
    )
