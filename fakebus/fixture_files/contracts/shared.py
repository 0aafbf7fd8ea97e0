"""What a shared set says of the events on its topics, and whether an event is as it says.

An event has a type, so that topics may carry several: the header ``ce_type``, the ``type`` of a
structured CloudEvent, the name of the value's schema, or what the topic's contract names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fakebus.fixture_files import matchers
from fakebus.fixture_files.drift.set_subjects import (
    SetSubject,
    SubjectVersion,
    set_source,
    set_subjects,
)
from fakebus.fixture_files.model import FixtureEvent, FixtureSet, FixtureStream, FixtureTopic
from fakebus.fixture_files.problems import did_you_mean
from fakebus.fixture_files.shapes import Shape, misfits, shape_of
from fakebus.schemas.payloads import KnownSchema, Payload, SchemaSource, decode

ANY_TYPE = "*"
"""Stands for every event type in the matchers of a contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Content of a record, decoded."""

    key: Payload[Any]
    value: Payload[Any]
    headers: Mapping[str, str | bytes | None]

    @property
    def data(self) -> Mapping[str, Any]:
        """Key, value and headers as one object of plain data."""
        return {"key": self.key.data, "value": self.value.data, "headers": self.headers}

    def type(self, place: str = "") -> str:
        """Return the event's type; empty if nothing tells it.

        Args:
            place: where it stands, such as ``headers.kind`` or ``value.event.name``.
        """
        if place:
            found: Any = self.data
            for name in place.split("."):
                found = found.get(name) if isinstance(found, Mapping) else None
            return found if isinstance(found, str) else ""
        header = self.headers.get("ce_type")
        if isinstance(header, str) and header:
            return header
        data = self.value.data
        if (
            isinstance(data, Mapping)
            and "specversion" in data
            and isinstance(data.get("type"), str)
        ):
            return str(data["type"])
        schema: KnownSchema | None = self.value.schema
        return (schema.parsed.name if schema is not None else None) or ""


def content_of(
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    schemas: SchemaSource[Any] | None,
) -> Content:
    """Return a record's content as far as it can be decoded."""
    return Content(
        key=decode(key, schemas, topic=topic, is_key=True),
        value=decode(value, schemas, topic=topic),
        headers={name: _text(data) for name, data in headers},
    )


def _text(data: bytes | None) -> str | bytes | None:
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedEvent:
    """Event of a set."""

    where: str
    """The set's name if it has one, the file from its root, and the line."""
    place: tuple[str, int]
    """The file as it is found from here, and the line."""
    event: FixtureEvent
    content: Content


@dataclass(slots=True, kw_only=True)
class SharedTopic:
    """Topic of a set with its events by their types."""

    topic: FixtureTopic
    subjects: Mapping[str, SetSubject]
    events: dict[str, list[SharedEvent]] = field(default_factory=dict)
    _shapes: dict[str, Shape] = field(default_factory=dict)

    def type_of(self, content: Content) -> str:
        """Return the type of an event on this topic."""
        return content.type(self.topic.contract.type)

    def shape(self, event_type: str) -> Shape:
        """Return the shape of all events of a type that have a value."""
        found = self._shapes.get(event_type)
        if found is None:
            found = self._shapes[event_type] = shape_of(
                each.content.data
                for each in self.events.get(event_type, ())
                if each.content.value.format != "null"
            )
        return found

    def problems(self, content: Content) -> Iterator[str]:
        """Yield why an event is not as the set says; nothing if it is."""
        event_type = self.type_of(content)
        known = self.events.get(event_type)
        if known is None and content.value.format == "null":
            known = [each for events in self.events.values() for each in events]
        if known is None:
            if self.events:
                yield _unknown_type(event_type, self.events)
                return
            known = []
        for part in ("key", "value"):
            yield from self._payload_problems(part, content, known)
        if content.value.format != "null":
            yield from self._shape_problems(content, event_type)
            for each in (ANY_TYPE, event_type):
                if each in self.topic.contract.match:
                    wanted = self.topic.contract.match[each]
                    yield from matchers.differences("value", wanted, content.value.data)

    def _shape_problems(self, content: Content, event_type: str) -> Iterator[str]:
        # What is coded with a schema has the fields and the types of the schema.
        coded = [part for part in ("key", "value") if getattr(content, part).schema is not None]
        for misfit in misfits(shape_of([content.data]), self.shape(event_type)):
            if misfit.path.split(".")[0] not in coded:
                yield f"{misfit}, unlike in the shared events"

    def _payload_problems(
        self, part: str, content: Content, known: Sequence[SharedEvent]
    ) -> Iterator[str]:
        found: Payload[Any] = getattr(content, part)
        if found.problem is not None:
            yield f"{part} does not fit its schema: {found.problem}"
            return
        formats = {getattr(each.content, part).format for each in known}
        if known and found.format not in formats and not _is_plain_text(found, formats):
            words = " or ".join(sorted(formats))
            yield f"{part} is {_format_words(found)}, in the shared events {words}"
            return
        if found.schema is not None:
            yield from self._schema_problems(part, found.schema, known)

    def _schema_problems(
        self, part: str, schema: KnownSchema, known: Sequence[SharedEvent]
    ) -> Iterator[str]:
        named = self.topic.formats[part == "value"]
        uses = {
            each.schema.schema.subject
            for one in known
            if isinstance((each := getattr(one.content, part)).schema, SubjectVersion)
        }
        subjects = [self.subjects[name] for name in sorted({named, *uses}) if name in self.subjects]
        versions = [version for subject in subjects for version in subject.versions]
        if not versions or any(
            schema.parsed.identity == version.parsed.identity for version in versions
        ):
            return
        names = " or ".join(subject.name for subject in subjects)
        for reason in subjects[0].latest.parsed.incompatibilities(schema.parsed):
            yield f"{part} has a schema that the newest of {names} cannot read: {reason.message}"


def _is_plain_text(found: Payload[Any], formats: set[str]) -> bool:
    # A text such as 17 or true is JSON as well.
    return found.format in ("json", "string") and bool(formats & {"json", "string"})


def _format_words(found: Payload[Any]) -> str:
    if found.schema_id is not None and found.schema is None:
        return f"framed with schema id {found.schema_id}, which the registry does not know"
    return found.format


def _unknown_type(event_type: str, known: Mapping[str, object]) -> str:
    if not event_type:
        names = ", ".join(sorted(known))
        return f"nothing tells the event's type; the shared events have {names}"
    return (
        f"there is no shared event of the type {event_type!r}; {did_you_mean(event_type, [*known])}"
    )


def _file(stream: FixtureStream) -> str:
    return f"{stream.set_name}/{stream.file}" if stream.set_name else stream.file


def shared_topics(fixture_set: FixtureSet) -> dict[str, SharedTopic]:
    """Return the topics of a set by name, with their events decoded."""
    subjects = set_subjects(fixture_set)
    source = set_source(subjects.values())
    found = {
        topic.name: SharedTopic(topic=topic, subjects=subjects) for topic in fixture_set.topics
    }
    for stream in fixture_set.streams:
        shared = found[stream.topic]
        for event in stream.events:
            record = event.record
            content = content_of(
                stream.topic, record.key, record.value, tuple(record.headers), source
            )
            shared.events.setdefault(shared.type_of(content), []).append(
                SharedEvent(
                    where=f"{_file(stream)}:{event.line}",
                    place=(stream.display_file, event.line),
                    event=event,
                    content=content,
                )
            )
    return found
