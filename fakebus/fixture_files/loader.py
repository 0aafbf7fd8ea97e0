"""From a directory of fixture files to a checked :class:`FixtureSet`.

Nothing here talks to a broker. All files are read, all mistakes are collected, and only a
set without any mistake comes out.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.clock import SystemClock
from fakebus.errors import ConfigError
from fakebus.fixture_files.encoding import EncodingSettings, TopicEncoder
from fakebus.fixture_files.event_lines import EventFile, EventLine
from fakebus.fixture_files.group_specs import GroupSpec
from fakebus.fixture_files.lint import Linter
from fakebus.fixture_files.model import (
    FixtureEvent,
    FixtureGroup,
    FixtureOffset,
    FixtureSchema,
    FixtureSet,
    FixtureStream,
    FixtureTopic,
)
from fakebus.fixture_files.problems import (
    FixtureError,
    FixtureProblem,
    Position,
    ProblemList,
    did_you_mean,
    quoted,
)
from fakebus.fixture_files.schema_set import SchemaIds, SchemaSet, SetSchema
from fakebus.fixture_files.set_checks import check_groups, check_topics
from fakebus.fixture_files.sources import MAX_EVENTS_BYTES, FixtureDirectory
from fakebus.fixture_files.structure import ROOT_FILE, SetSpec, read_structure
from fakebus.fixture_files.timeline import Timeline
from fakebus.fixture_files.topic_rules import config_problem
from fakebus.fixture_files.topic_specs import FormatSpec, LoadSpec, TopicSpec

MAX_EVENTS = 1_000_000


def load_fixtures(
    directory: Path,
    *,
    now_ms: int,
    config: BrokerConfig | None = None,
    schema_ids: SchemaIds | None = None,
    verify: bool = False,
) -> FixtureSet:
    """Read a fixture directory.

    Args:
        directory: holds ``fakebus.yaml``.
        now_ms: the present in milliseconds since the epoch, for ``anchor: now``.
        config: the broker's configs, which bound the size and age of events; Kafka's
            defaults when left out.
        schema_ids: the ids that a registry gave; counted from 1 when left out.
        verify: whether every record with a schema is decoded again and compared, and the
            rules of :mod:`fakebus.fixture_files.lint` are applied.

    Raises:
        FixtureError: the set has problems; all of them are in the error.
    """
    problems = ProblemList()
    with _collector_paused():
        loader = _Loader(directory, now_ms, config or BrokerConfig(), problems)
        fixture_set = loader.load(schema_ids, verify=verify)
    problems.raise_if_any()
    return fixture_set


def check_fixtures(directory: Path, *, now_ms: int | None = None) -> list[FixtureProblem]:
    """Return every problem of a fixture directory; an empty list if it can be seeded.

    Args:
        directory: holds ``fakebus.yaml``.
        now_ms: the present; the machine's clock when left out.
    """
    try:
        load_fixtures(
            directory,
            now_ms=SystemClock().now_ms() if now_ms is None else now_ms,
            verify=True,
        )
    except FixtureError as error:
        return list(error.problems)
    return []


@contextmanager
def _collector_paused() -> Iterator[None]:
    # Loading makes millions of objects that all live on; looking for garbage among them
    # again and again takes a quarter of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Loader:
    def __init__(
        self, directory: Path, now_ms: int, config: BrokerConfig, problems: ProblemList
    ) -> None:
        self._root = directory
        self._now_ms = now_ms
        self._config = config
        self._problems = problems
        self._directory = FixtureDirectory(directory, problems)
        self._loaded: dict[str, Position] = {}
        self._lines: list[EventLine] = []
        self._by_id: dict[str, EventLine] = {}

    def load(self, schema_ids: SchemaIds | None, *, verify: bool) -> FixtureSet:
        if not self._root.is_dir():
            self._problems.add(
                Position(self._directory.display(ROOT_FILE), 1, 1),
                f"there is no directory {self._root}",
                "create it with a file fakebus.yaml",
            )
            return self._result(
                SetSpec(anchor_ms=self._now_ms), SchemaSet((), None, self._problems), {}
            )
        spec = read_structure(self._directory, self._problems, now_ms=self._now_ms)
        schemas = SchemaSet(spec.subjects, schema_ids, self._problems)
        check_topics(spec.topics, self._problems)
        topics = {topic.name: topic for topic in spec.topics}
        for topic in spec.topics:
            for load in topic.loads:
                self._read_events(load, topic.name)
        for load in spec.loads:
            self._read_events(load, None)
        self._generate(spec, schemas)
        findings = ProblemList()
        linter = Linter(findings, spec.ignored_rules) if verify else None
        streams = self._encode(spec, topics, schemas, linter)
        check_groups(spec.groups, topics, self._event_counts(streams), self._problems)
        if linter is not None:
            linter.unused_schemas(schemas, frozenset(schemas.used))
            self._problems.extend(findings)
        return self._result(spec, schemas, streams)

    def _event_counts(self, streams: _Streams) -> Counter[tuple[str, int]] | None:
        # With a broken event somewhere, nobody knows how long the logs will be.
        if len(self._problems):
            return None
        return Counter(
            (topic, event.partition)
            for (topic, _), (_, events) in streams.items()
            for event in events
        )

    def _read_events(self, load: LoadSpec, topic: str | None) -> None:
        first = self._loaded.setdefault(load.file, load.position)
        if first is not load.position:
            self._problems.add(
                load.position,
                f"the file {quoted(load.file)} is loaded twice "
                f"(first in {first.file}:{first.line})",
                "load it once; with include its lines may name several topics",
            )
            return
        text = self._directory.read_text(load.file, load.position, MAX_EVENTS_BYTES)
        if text is None:
            return
        file = EventFile(load.file, self._directory.display(load.file), text, topic, load)
        self._take(file.read(self._problems))

    def _take(self, events: Iterable[EventLine]) -> None:
        for event in events:
            if len(self._lines) >= MAX_EVENTS:
                self._problems.add(
                    event.position(),
                    f"the set has more than {MAX_EVENTS} events",
                    "split it into several directories",
                )
                return
            self._lines.append(event)
            self._register(event)

    def _generate(self, spec: SetSpec, schemas: SchemaSet) -> None:
        if all(topic.generate is None for topic in spec.topics):
            return
        from fakebus.fixture_files.generation import GenerationSettings, Generator

        lines: dict[str, list[EventLine]] = {}
        for line in self._lines:
            lines.setdefault(line.file.topic or line.fields.get("topic", ""), []).append(line)
        settings = GenerationSettings(
            seed=spec.seed, anchor_ms=spec.anchor_ms, zone=spec.zone, schemas=schemas
        )
        self._take(Generator(spec.topics, settings, lines, self._problems).lines())

    def _register(self, event: EventLine) -> None:
        event_id = event.fields.get("id")
        if event_id is None:
            return
        first = self._by_id.setdefault(event_id, event)
        if first is not event:
            self._problems.add(
                event.position("id"),
                f"the id {quoted(event_id)} is used twice "
                f"(first in {first.file.display}:{first.line})",
                "give each event its own id",
            )

    def _topic_of(self, event: EventLine, topics: Mapping[str, TopicSpec]) -> TopicSpec | None:
        named: str | None = event.fields.get("topic")
        loading = event.file.topic
        if loading is not None:
            if named is not None and named != loading:
                self._problems.add(
                    event.position("topic"),
                    f"the event names the topic {quoted(named)}, "
                    f"but its file is loaded by {quoted(loading)}",
                    'remove "topic", or load the file with include',
                )
                return None
            return topics[loading]
        if named is None:
            self._problems.add(
                event.position(),
                "the event names no topic, and no topic loads this file",
                'add "topic", or load the file from a topic',
            )
            return None
        if named not in topics:
            self._problems.add(
                event.position("topic"),
                f"there is no topic {quoted(named)}",
                did_you_mean(named, topics) if topics else "add it under topics",
            )
        return topics.get(named)

    def _encode(
        self,
        spec: SetSpec,
        topics: Mapping[str, TopicSpec],
        schemas: SchemaSet,
        linter: Linter | None,
    ) -> _Streams:
        timeline = Timeline(
            anchor_ms=spec.anchor_ms,
            zone=spec.zone,
            by_id=self._by_id,
            problems=self._problems,
        )
        settings = EncodingSettings(
            seed=spec.seed,
            anchor_ms=spec.anchor_ms,
            now_ms=self._now_ms,
            zone=spec.zone,
            partitioner=spec.partitioner,
            schemas=schemas,
            linter=linter,
        )
        encoders = {
            topic.name: TopicEncoder(topic, self._topic_config(topic), settings, self._problems)
            for topic in topics.values()
        }
        streams: _Streams = {}
        for line in self._lines:
            topic = self._topic_of(line, topics)
            if topic is None:
                continue
            event = encoders[topic.name].encode(line, timeline.timestamp_of(line))
            if event is not None:
                key = (topic.name, line.file.relative)
                streams.setdefault(key, (line.file, []))[1].append(event)
        return streams

    def _topic_config(self, topic: TopicSpec) -> TopicConfig:
        # Configs with mistakes are reported already; checks go on with the defaults.
        valid = {
            name: text for name, text in topic.config.items() if config_problem(name, text) is None
        }
        try:
            return TopicConfig(valid, self._config)
        except ConfigError as error:
            self._problems.add(
                topic.position, f"the configs of {topic.name} contradict each other: {error}"
            )
            return TopicConfig({}, self._config)

    def _result(self, spec: SetSpec, schemas: SchemaSet, streams: _Streams) -> FixtureSet:
        topics = {topic.name: topic for topic in spec.topics}
        return FixtureSet(
            root=self._root,
            anchor_ms=spec.anchor_ms,
            now_ms=self._now_ms,
            schemas=tuple(_fixture_schema(spec, schema) for schema in schemas),
            topics=tuple(_fixture_topic(spec, topic) for topic in spec.topics),
            streams=tuple(
                FixtureStream(
                    topic=topic,
                    file=relative,
                    display_file=file.display,
                    settings_digest=_settings_digest(spec, topics[topic], file.load, schemas),
                    events=tuple(events),
                )
                for (topic, relative), (file, events) in streams.items()
            ),
            groups=tuple(_fixture_group(group) for group in spec.groups),
        )


_Streams = dict[tuple[str, str], tuple[EventFile, list[FixtureEvent]]]


def _fixture_topic(spec: SetSpec, topic: TopicSpec) -> FixtureTopic:
    return FixtureTopic(
        name=topic.name,
        position=topic.position,
        partitions=topic.partitions,
        # Events of last year are meant to be there, so nothing is retired unless asked for.
        config={"retention.ms": "-1"} | topic.config,
        partitioner=topic.partitioner or spec.partitioner,
        owner=topic.owner,
        consumers=topic.consumers,
    )


def _fixture_group(group: GroupSpec) -> FixtureGroup:
    return FixtureGroup(
        group=group.group,
        position=group.position,
        offsets=tuple(
            FixtureOffset(topic=offset.topic, partition=offset.partition, start=offset.start)
            for offset in group.offsets
        ),
    )


def _fixture_schema(spec: SetSpec, schema: SetSchema) -> FixtureSchema:
    written = schema.spec
    return FixtureSchema(
        subject=written.subject,
        version=schema.version,
        schema_type=written.schema_type,
        text=written.text,
        references=tuple(
            (reference.name, reference.subject, version) for reference, version in schema.references
        ),
        compatibility=written.compatibility or spec.compatibility,
        pinned_id=written.pinned_id,
        schema_id=schema.schema_id,
        display_file=written.display_file,
    )


def _settings_digest(
    spec: SetSpec, topic: TopicSpec, load: LoadSpec | None, schemas: SchemaSet
) -> str:
    key_format = (load and load.key_format) or topic.key_format
    value_format = (load and load.value_format) or topic.value_format
    decisive = [
        spec.seed,
        spec.clock_text,
        str(spec.zone),
        topic.partitioner or spec.partitioner,
        *_decisive(key_format, schemas),
        *_decisive(value_format, schemas),
        topic.headers.pairs,
    ]
    if load is not None and load.headers.pairs:
        decisive.append(load.headers.pairs)
    key_field = (load and load.key_field) or topic.key_field
    if key_field is not None:
        decisive.append(f"key.field={key_field.path}")
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def _decisive(format_: FormatSpec, schemas: SchemaSet) -> list[object]:
    if format_.subject is None:
        return [format_.name]
    texts = [schema.schema.canonical for schema in schemas.versions(format_.subject)]
    return [format_.subject, format_.version, texts]
