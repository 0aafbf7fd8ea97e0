"""A pack among sets that are loaded together."""

from __future__ import annotations

from fakebus.fixture_files.events.event_lines import EventFile, EventLine
from fakebus.fixture_files.headers import Headers
from fakebus.fixture_files.model import FixtureSchema, FixtureSet, FixtureTopic
from fakebus.fixture_files.packs import load_pack
from fakebus.fixture_files.problems import FixtureError
from fakebus.fixture_files.set_parts import LoadSettings, Part
from fakebus.fixture_files.structure.declarations import Origin
from fakebus.fixture_files.structure.event_models import Format, KeyFormat
from fakebus.fixture_files.structure.kinds import SchemaFile
from fakebus.fixture_files.structure.models import RootFile, Topic
from fakebus.fixture_files.structure.subject_models import Reference, Subject
from fakebus.fixture_files.times import to_datetime


class PackLoader:
    """Loader of a pack, whose events are encoded already."""

    def __init__(self, part: Part, settings: LoadSettings) -> None:
        self.part = part
        self._settings = settings
        self._packed: FixtureSet | None = None

    def read(self) -> None:
        """Read the pack."""
        part = self.part
        try:
            packed = load_pack(part.source.root, profile=part.profile, now_ms=self._settings.now_ms)
        except FixtureError as error:
            for one in error.problems:
                part.problems.append(one)
            return
        self._packed = packed
        spec = part.spec
        spec.anchor_ms = packed.anchor_ms
        spec.root = RootFile(name=packed.name, release=packed.version)
        spec.subjects = [_subject(schema) for schema in packed.schemas]
        spec.topics = [_topic(topic) for topic in packed.topics]
        part.topics = {topic.name: topic for topic in spec.topics}

    def read_events(self) -> None:
        """Let other sets know the times of events that have ids."""
        if self._packed is None:
            return
        for stream in self._packed.streams:
            file = EventFile(stream.file, stream.display_file, "", stream.topic)
            for event in stream.events:
                if event.event_id is not None:
                    at = to_datetime(event.record.timestamp_ms).isoformat(timespec="milliseconds")
                    fields = {"id": event.event_id, "at": at}
                    line = EventLine(file=file, line=event.line, text="", fields=fields)
                    self.part.timeline.add(line)

    def encode(self) -> None:
        """Let the records name the schemas by the ids that hold here."""
        if self._packed is None:
            return
        ids = {(one.spec.subject, one.version): one.schema_id for one in self.part.schemas}
        packed = {(one.subject, one.version): one.schema_id for one in self._packed.schemas}
        if ids != packed:
            root, now_ms = self.part.source.root, self._settings.now_ms
            self._packed = load_pack(root, now_ms=now_ms, schema_ids=ids)
        self.part.results.append(self._packed)

    def check(self) -> None:
        """Find nothing: a pack was checked when it was made."""


def _subject(schema: FixtureSchema) -> Subject:
    origin = Origin(schema.position, {}, schema.display_file)
    return Subject(
        origin=origin,
        subject=schema.subject,
        schema=SchemaFile(schema.display_file, schema.display_file, schema.text),
        written_type=schema.schema_type,
        references=tuple(
            Reference(origin=origin, name=name, subject=subject, version=version)
            for name, subject, version in schema.references
        ),
        compatibility=schema.compatibility,
        pinned_id=schema.pinned_id,
        owner=schema.owner,
        consumers=schema.consumers,
        readers={
            each.service: SchemaFile(each.display_file, each.display_file, each.text)
            for each in schema.readers
        },
    )


def _topic(topic: FixtureTopic) -> Topic:
    key, value = (
        (None, name) if name in topic.subjects else (name or None, None) for name in topic.formats
    )
    return Topic(
        origin=Origin(topic.position, {}, topic.position.file),
        name=topic.name,
        partitions=topic.partitions,
        config=topic.config,
        key=KeyFormat(name=key[0], subject=key[1], field=topic.key_field),
        value=Format(name=value[0], subject=value[1]),
        headers=Headers(pairs=topic.headers),
        owner=topic.owner,
        producers=topic.producers,
        consumers=topic.consumers,
        description=topic.description,
        partitioner=topic.partitioner,
    )
