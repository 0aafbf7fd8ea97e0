"""The subjects of a set as drift checks need them: parsed, with the events that use them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from fakebus.fixture_files.drift.findings import DriftFinding, Hit, Severity
from fakebus.fixture_files.model import (
    FixtureEvent,
    FixtureSchema,
    FixtureSet,
    FixtureStream,
    WrittenData,
)
from fakebus.fixture_files.parties import parties_of
from fakebus.fixture_files.problems import Position
from fakebus.schemas.framing import HEADER_SIZE, framed_id
from fakebus.schemas.interface import ParsedSchema, ResolvedReference
from fakebus.schemas.languages import language
from fakebus.schemas.payloads import SchemaSource

DEFAULT_LEVEL = "BACKWARD"
"""What registries have if nobody says otherwise."""
_NOT_KEPT = WrittenData(None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectVersion:
    """One version of a subject in the set."""

    schema: FixtureSchema
    parsed: ParsedSchema
    references: tuple[ResolvedReference, ...]

    @property
    def schema_id(self) -> int:
        """The id that the set's events have."""
        return self.schema.schema_id


class SubjectUse(NamedTuple):
    """Use of a subject's schema by the key or the value of an event."""

    stream: FixtureStream
    event: FixtureEvent
    payload: bytes
    """What stands after the schema id."""
    version: SubjectVersion
    written: bytes | None
    """The data as the event has them, as JSON; ``None`` if they were not kept."""

    def data(self) -> object:
        """Return the data as the event has them, or else as they are read back."""
        if self.written is None:
            return self.version.parsed.decode(self.payload)
        return json.loads(self.written)


@dataclass(slots=True, kw_only=True)
class SetSubject:
    """A subject of the set."""

    name: str
    hit: Hit
    topics: tuple[str, ...] = ()
    """Where its data are."""
    versions: list[SubjectVersion] = field(default_factory=list)
    """Oldest first."""
    events: list[SubjectUse] = field(default_factory=list)
    """Each use of a schema of the subject."""

    @property
    def latest(self) -> SubjectVersion:
        """The newest version."""
        return self.versions[-1]

    @property
    def file(self) -> str:
        """The schema file of the newest version."""
        return self.latest.schema.display_file

    @property
    def level(self) -> str:
        """The compatibility level that the set asks for."""
        return self.latest.schema.compatibility or DEFAULT_LEVEL

    def finding(
        self,
        severity: Severity,
        message: str,
        hint: str = "",
        *,
        at: Position | None = None,
        changes: Iterable[str] = (),
        reasons: Iterable[str] = (),
    ) -> DriftFinding:
        """Return a finding about the subject, at the schema file if no place is named."""
        place = at or Position(self.file)
        return DriftFinding(
            severity=severity,
            subject=self.name,
            file=place.file,
            line=place.line,
            message=message,
            changes=tuple(changes),
            reasons=tuple(reasons),
            hit=self.hit,
            hint=hint,
        )


def parsed_versions(
    schemas: Iterable[FixtureSchema],
) -> dict[tuple[str, int], SubjectVersion]:
    """Return the schemas of a set, by subject and version, in its order."""
    parsed: dict[tuple[str, int], SubjectVersion] = {}
    for schema in schemas:
        references: dict[str, ResolvedReference] = {}
        for name, subject, version in schema.references:
            target = parsed[subject, version]
            for inner in target.references:
                references.setdefault(inner.name, inner)
            text = target.parsed.canonical
            references.setdefault(name, ResolvedReference(name=name, text=text))
        resolved = tuple(references.values())
        parsed[schema.subject, schema.version] = SubjectVersion(
            schema=schema,
            parsed=language(schema.schema_type).parse(schema.text, resolved),
            references=resolved,
        )
    return parsed


def set_subjects(fixture_set: FixtureSet) -> dict[str, SetSubject]:
    """Return the subjects of a set by name, in its order."""
    parsed = parsed_versions(fixture_set.schemas)
    by_id: dict[int, list[SubjectVersion]] = {}
    for one in parsed.values():
        by_id.setdefault(one.schema_id, []).append(one)
    used = _Uses(fixture_set, by_id)
    parties = parties_of(fixture_set)
    using: dict[str, list[str]] = {}
    for subject, topics in used.topics.items():
        for topic in topics:
            using.setdefault(topic, []).append(subject)
    for topic, names in using.items():
        if topic in parties.topics:
            parties.topics[topic] = replace(parties.topics[topic], subjects=tuple(names))
    subjects: dict[str, SetSubject] = {}
    for (name, _), one in parsed.items():
        hit = Hit(producers=parties.producers(name), consumers=parties.consumers(name))
        found = subjects.setdefault(name, SetSubject(name=name, hit=hit))
        found.topics = tuple(used.topics.get(name, ()))
        found.versions.append(one)
    for name, events in used.events.items():
        subjects[name].events = events
    return subjects


def set_source(subjects: Iterable[SetSubject]) -> SchemaSource[SubjectVersion]:
    """Return the source of a set's schemas, for the payloads of its events."""
    by_id = {version.schema_id: version for one in subjects for version in one.versions}
    return lambda schema_id, topic, is_key: by_id.get(schema_id)


class _Uses:
    def __init__(
        self, fixture_set: FixtureSet, by_id: Mapping[int, Sequence[SubjectVersion]]
    ) -> None:
        self.topics: dict[str, dict[str, None]] = {}
        self.events: dict[str, list[SubjectUse]] = {}
        self._by_id = by_id
        for topic in fixture_set.topics:
            for subject in topic.subjects:
                self.topics.setdefault(subject, {})[topic.name] = None
        for stream in fixture_set.streams:
            for event in stream.events:
                written = event.written or _NOT_KEPT
                self._add(stream, event, event.record.key, written.key)
                self._add(stream, event, event.record.value, written.value)

    def _add(
        self,
        stream: FixtureStream,
        event: FixtureEvent,
        data: bytes | None,
        written: bytes | None,
    ) -> None:
        schema_id = framed_id(data)
        candidates = [] if schema_id is None else self._by_id.get(schema_id, ())
        if data is None or not candidates:
            return
        # Subjects may share a schema and with it an id; the one of this topic is meant.
        chosen = min(
            candidates,
            key=lambda one: (
                stream.topic not in self.topics.get(one.schema.subject, ()),
                not one.schema.subject.startswith(stream.topic),
            ),
        )
        subject = chosen.schema.subject
        self.topics.setdefault(subject, {})[stream.topic] = None
        use = SubjectUse(stream, event, data[HEADER_SIZE:], chosen, written)
        self.events.setdefault(subject, []).append(use)
