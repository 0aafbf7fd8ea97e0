"""Parties of a fixture set: the services that own, write and read its topics and subjects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any

from fakebus.fixture_files.model import FixtureReader, FixtureSet
from fakebus.fixture_files.plain_data import built
from fakebus.lineage.header_rules import IdentityRule
from fakebus.lineage.services import ServiceRule

_MAX_READER_LETTERS = 200_000
"""A longer schema does not fit into a note; its reader is kept as one whose schema is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicParties:
    """Services that have to do with a topic, as a set declares them."""

    name: str
    owner: str | None = None
    producers: tuple[str, ...] = ()
    """Further services that write it."""
    consumers: tuple[str, ...] = ()
    formats: tuple[str, str] = ("", "")
    """The format or the subject of keys and of values."""
    description: str = ""
    subjects: tuple[str, ...] = ()
    """What its keys and values are written with."""
    keeps_by_default: bool = False
    """Whether it keeps everything only because nothing is said of retention."""
    place: str = ""
    """File and line."""
    sets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The files that the sets which declare it have events for it in, by
    :attr:`FixtureSet.identity`. Older notes have none of them, nor what follows."""
    partitions: int = 0
    partitioner: str = ""

    def said_with(self, other: TopicParties) -> TopicParties:
        """Return what this set and another, which does not contradict it, say together."""
        return replace(
            other,
            owner=other.owner or self.owner,
            producers=_union(other.producers, self.producers),
            consumers=_union(other.consumers, self.consumers),
            description=other.description or self.description,
            subjects=_union(other.subjects, self.subjects),
            sets={**self.sets, **other.sets},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectParties:
    """Services that have to do with a subject, as a set declares them."""

    name: str
    owner: str | None = None
    consumers: tuple[str, ...] = ()
    readers: tuple[FixtureReader, ...] = ()
    place: str = ""
    """File and line of the newest version."""


@dataclass
class Parties:
    """Parties by topic and by subject."""

    topics: dict[str, TopicParties] = field(default_factory=dict)
    subjects: dict[str, SubjectParties] = field(default_factory=dict)
    rules: dict[str, ServiceRule] = field(default_factory=dict)
    """What the clients of services are known by."""
    identity_rules: dict[str, IdentityRule] = field(default_factory=dict)
    """Where records say what they are and what has caused them."""

    @property
    def services(self) -> dict[str, ServiceRule]:
        """All services, with the rules of those that have one before the others."""
        topics = [(each.owner, *each.producers, *each.consumers) for each in self.topics.values()]
        readers = [self.consumers(subject) for subject in self.subjects]
        owners = [each.owner for each in self.subjects.values()]
        names = dict.fromkeys(filter(None, [*chain(*topics, *readers), *owners]))
        return {**self.rules, **{name: ServiceRule(name) for name in names - self.rules.keys()}}

    def topics_of(self, subject: str) -> tuple[str, ...]:
        """Return the topics that are written with a subject."""
        return tuple(self._by_subject.get(subject, ()))

    @cached_property
    def _by_subject(self) -> Mapping[str, list[str]]:
        """The topics of each subject, once all are there."""
        found: dict[str, list[str]] = {}
        for one in self.topics.values():
            for subject in dict.fromkeys(one.subjects):
                found.setdefault(subject, []).append(one.name)
        return found

    def producers(self, subject: str) -> tuple[str, ...]:
        """Return the services that are said to write a subject."""
        own = self.subjects.get(subject, SubjectParties(name=subject)).owner
        found = [own]
        for name in self.topics_of(subject):
            found += [self.topics[name].owner, *self.topics[name].producers]
        return tuple(dict.fromkeys(filter(None, found)))

    def consumers(self, subject: str) -> tuple[str, ...]:
        """Return the services that are said to read a subject."""
        own = self.subjects.get(subject, SubjectParties(name=subject))
        found = [*own.consumers, *(reader.service for reader in own.readers)]
        for name in self.topics_of(subject):
            found += self.topics[name].consumers
        return tuple(dict.fromkeys(found))

    def notes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what is kept of each party, under a key."""
        for topic in self.topics.values():
            yield f"{_TOPIC}{topic.name}", asdict(topic)
        for subject in self.subjects.values():
            entry = asdict(subject)
            entry["readers"] = [
                {**one, "text": one["text"] if len(one["text"]) < _MAX_READER_LETTERS else ""}
                for one in entry["readers"]
            ]
            yield f"{_SUBJECT}{subject.name}", entry
        for rule in self.rules.values():
            yield f"{_SERVICE}{rule.service}", rule._asdict()
        for key, ids in self.identity_rules.items():
            yield f"{_IDS}{key}", ids._asdict()


_SERVICE = "fixtures.service:"
_IDS = "fixtures.ids:"
_TOPIC = "fixtures.topic:"
_SUBJECT = "fixtures.subject:"


def parties_of(fixture_set: FixtureSet) -> Parties:
    """Return what a set declares."""
    found = Parties(
        rules={rule.service: rule for rule in fixture_set.services},
        identity_rules={rule.key: rule for rule, _ in fixture_set.identity_rules},
    )
    sets = _declaring(fixture_set)
    for topic in fixture_set.topics:
        found.topics[topic.name] = TopicParties(
            name=topic.name,
            owner=topic.owner,
            producers=topic.producers,
            consumers=topic.consumers,
            formats=topic.formats,
            description=topic.description,
            subjects=topic.subjects,
            keeps_by_default=topic.keeps_by_default,
            place=topic.position.where,
            # A test's own topics are named after those of its sets.
            sets=sets.get(topic.name, {}),
            partitions=topic.partitions,
            partitioner=topic.partitioner,
        )
    for schema in fixture_set.schemas:
        before = found.subjects.get(schema.subject, SubjectParties(name=schema.subject))
        found.subjects[schema.subject] = SubjectParties(
            name=schema.subject,
            owner=schema.owner or before.owner,
            consumers=tuple(dict.fromkeys([*before.consumers, *schema.consumers])),
            readers=schema.readers,
            place=schema.position.where,
        )
    return found


def _declaring(fixture_set: FixtureSet) -> Mapping[str, Mapping[str, list[str]]]:
    """Return which sets declare a topic and where they have its events, by its name."""
    found: dict[str, dict[str, list[str]]] = {}
    for part in fixture_set.parts or (fixture_set,):
        for topic in part.topics:
            found.setdefault(topic.name, {})[part.identity] = []
        for stream in part.streams:
            found.get(stream.topic, {}).get(part.identity, []).append(stream.file)
    return found


def _union(first: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *other]))


def noted_parties(notes: Mapping[str, str]) -> Parties:
    """Return what was kept of parties; the reverse of :meth:`Parties.notes`.

    Args:
        notes: JSON texts by key; those of other things are left out.
    """
    found = Parties()
    for key, text in notes.items():
        if key.startswith(_TOPIC):
            entry = _texts(json.loads(text))
            found.topics[entry["name"]] = TopicParties(**entry)
        elif key.startswith(_SUBJECT):
            entry = _texts(json.loads(text))
            entry["readers"] = tuple(FixtureReader(**one) for one in entry["readers"])
            found.subjects[entry["name"]] = SubjectParties(**entry)
        elif key.startswith(_SERVICE):
            rule: ServiceRule = built(ServiceRule, json.loads(text))
            found.rules[rule.service] = rule
        elif key.startswith(_IDS):
            found.identity_rules[key.removeprefix(_IDS)] = built(IdentityRule, json.loads(text))
    return found


def _texts(entry: dict[str, Any]) -> dict[str, Any]:
    # There may be many, all on the event loop: nothing is looked at that the bus wrote itself.
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
    }
