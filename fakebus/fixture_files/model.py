"""A fixture set as it was read: checked, encoded, and with every record's partition known."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fakebus.fixture_files.problems import Position
from fakebus.lineage.header_rules import IdentityRule
from fakebus.lineage.services import ServiceRule
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition

NOWHERE = Position("")
StartOffset = int | Literal["earliest", "latest"]
"""Where a group begins to read: an offset, or an end of the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixtureReader:
    """The schema that a service reads a subject's data with."""

    service: str
    text: str
    display_file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FixtureSchema:
    """Version of a subject."""

    subject: str
    version: int
    """Counted from 1 in the order of the set."""
    schema_type: str
    text: str
    references: tuple[tuple[str, str, int], ...]
    """Name, subject and version of each."""
    compatibility: str | None
    pinned_id: int | None
    schema_id: int
    """What the set's records are framed with."""
    display_file: str
    """The schema file's path for messages."""
    position: Position = NOWHERE
    """Where the set names it."""
    owner: str | None = None
    """The service that writes such data, if the subject says so itself."""
    consumers: tuple[str, ...] = ()
    """The services that read such data, besides those of the topics."""
    readers: tuple[FixtureReader, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicContract:
    """Promise of a topic to those who read it, beyond what its events and schemas show."""

    type: str = ""
    """Where the type of an event stands, such as ``headers.kind``; found as usual when empty."""
    match: Mapping[str, Any] = field(default_factory=dict)
    """What values must be like, by the type of the event; see
    :mod:`fakebus.fixture_files.matchers`."""

    @property
    def is_said(self) -> bool:
        """Whether there is one."""
        return bool(self.type or self.match)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixtureTopic:
    """A topic of the set."""

    name: str
    position: Position
    partitions: int
    config: Mapping[str, str]
    """Kafka's topic configs, ``retention.ms`` among them even if the file has none."""
    partitioner: str
    owner: str | None
    """The service that the topic belongs to, and that produces to it."""
    consumers: tuple[str, ...]
    """The services that read it."""
    producers: tuple[str, ...] = ()
    """Further services that produce to it."""
    description: str = ""
    """What its events mean."""
    subjects: tuple[str, ...] = ()
    """The subjects that the topic, or a file that it loads, names for its keys and values."""
    formats: tuple[str, str] = ("", "")
    """The format or the subject of keys and of values; empty if it is not known."""
    keeps_by_default: bool = False
    """Whether it keeps everything only because the file says nothing of retention."""
    contract: TopicContract = TopicContract()
    key_field: str | None = None
    """The field of the value that is the key of events without one."""
    headers: tuple[tuple[str, object], ...] = ()
    """Headers of every event, as the set says them."""


class FormattedData(NamedTuple):
    """Data with calls, and the format that it is written in."""

    format: str | None
    """``None`` for that of the schema whose id stands in front of the bytes."""
    data: object


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCalls:
    """Data of an event with the calls in it that give something else at another time."""

    anchor_ms: int
    key: FormattedData | None
    """Nothing if there are none in it; so it is with the value and the headers."""
    value: FormattedData | None
    headers: tuple[tuple[str, object], ...] | None
    key_decides: bool
    """Whether the key decides on the partition."""


class WrittenData(NamedTuple):
    """Key and value as an event has them, its calls replaced by their results, as JSON.

    They are kept of data with a schema alone, and are ``None`` otherwise. What is read back from
    the bytes may look different: Protobuf's 64-bit numbers are texts then.
    """

    key: bytes | None
    value: bytes | None


class FixtureEvent(NamedTuple):
    """Record to be, with the line that it comes from."""

    line: int
    digest: bytes
    """Hash of the line as written; stays the same when relative times move."""
    partition: int
    record: NewRecord
    event_id: str | None
    tags: tuple[str, ...]
    calls: EventCalls | None = None
    """Kept for packs only."""
    written: WrittenData | None = None
    """Kept where it is asked whether another schema takes them; packs have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixtureStream:
    """The events that one file has for one topic, in the order of the lines."""

    topic: str
    file: str
    """The file's path relative to the set's root."""
    set_name: str | None = None
    """The name of the set that has them, which tells them from the events of files of the same name
    in other sets; ``None`` for sets without one. Empty for events that such a set has for a topic
    of another one."""
    display_file: str
    """The file's path for messages."""
    settings_digest: str
    """Hash of everything outside the lines that decides what the records hold."""
    events: tuple[FixtureEvent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixtureOffset:
    """Starting offset of a group in one partition, or in all that are not named otherwise."""

    topic: str
    partition: int | None
    """``None`` for ``"*"``."""
    start: StartOffset


@dataclass(frozen=True, slots=True, kw_only=True)
class FixtureGroup:
    """A consumer group with starting offsets."""

    group: str
    position: Position
    offsets: tuple[FixtureOffset, ...]

    def starts(self, partitions: Mapping[str, int]) -> dict[TopicPartition, StartOffset]:
        """Return where the group begins, by partition.

        Args:
            partitions: how many partitions topics have; others are left out.
        """
        found: dict[TopicPartition, StartOffset] = {}
        # What names a partition comes last and wins over "*".
        for offset in sorted(self.offsets, key=lambda each: each.partition is not None):
            for index in range(partitions.get(offset.topic, 0)):
                if offset.partition in (None, index):
                    found[TopicPartition(offset.topic, index)] = offset.start
        return found


class PlacedRule(NamedTuple):
    """Rule about where records have ids, and where it stands."""

    rule: IdentityRule
    position: Position


def set_label(name: str | None, version: str | None, root: Path) -> str:
    """Return the name of a set, or where it lies, with its version if it has one."""
    return f"{name or root} {version or ''}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class FixtureSet:
    """Fixture set: everything that one directory holds."""

    root: Path
    name: str | None = None
    """What the set is called where others use it."""
    version: str | None = None
    """The version of the set itself."""
    links: tuple[str, ...] = ()
    """Where the set's code lives."""
    anchor_ms: int
    """What relative times count from, in milliseconds since the epoch."""
    now_ms: int
    """When the set was read."""
    schemas: tuple[FixtureSchema, ...]
    """In the order in which they have to be registered."""
    topics: tuple[FixtureTopic, ...]
    streams: tuple[FixtureStream, ...]
    """In the order of loading; a topic's records lie in its log in this order."""
    groups: tuple[FixtureGroup, ...]
    services: tuple[ServiceRule, ...] = ()
    """What the clients of services are known by."""
    identity_rules: tuple[PlacedRule, ...] = ()
    """Where records say what they are and what has caused them, besides what is known anyway."""
    parts: tuple[FixtureSet, ...] = ()
    """What each of several sets has of its own: of those that were named, and of all that they use,
    each behind those that it builds on. Empty for a set that uses none."""

    @property
    def label(self) -> str:
        """The name of the set, or where it lies, with its version if it has one."""
        return set_label(self.name, self.version, self.root)

    @property
    def identity(self) -> str:
        """What the set is known by when it comes again: its name, or else where it lies."""
        return self.name or os.path.realpath(self.root)

    @property
    def own(self) -> FixtureSet:
        """What the set has of its own."""
        return next((part for part in self.parts if part.root == self.root), self)

    @property
    def uses(self) -> tuple[FixtureSet, ...]:
        """All sets that are in it but itself."""
        return tuple(part for part in self.parts if part.root != self.root)

    @property
    def record_count(self) -> int:
        """The number of events in all files."""
        return sum(len(stream.events) for stream in self.streams)
