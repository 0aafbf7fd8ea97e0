"""From a directory of fixture files to a checked :class:`FixtureSet`.

Nothing here talks to a broker. All files are read, all mistakes are collected, and only a
set without any mistake comes out.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.clock import SystemClock
from fakebus.fixture_files.encoding.encoder import EncodingSettings, TopicEncoder, topic_config
from fakebus.fixture_files.encoding.set_results import (
    fixture_group,
    fixture_schema,
    fixture_topic,
    settings_digest,
)
from fakebus.fixture_files.events.event_lines import EventFile, EventLine, topic_of
from fakebus.fixture_files.events.timeline import Timeline
from fakebus.fixture_files.inputs.input_names import input_of
from fakebus.fixture_files.model import FixtureEvent, FixtureSet, FixtureStream
from fakebus.fixture_files.problems import (
    INVALID,
    FixtureError,
    FixtureProblem,
    Position,
    ProblemList,
    quoted,
)
from fakebus.fixture_files.scenarios.playing import Scenario
from fakebus.fixture_files.sources import (
    MAX_EVENTS_BYTES,
    ROOT_FILE,
    FixtureDirectory,
    is_pack,
    not_a_directory,
)
from fakebus.fixture_files.structure.event_models import Load
from fakebus.fixture_files.structure.models import Topic
from fakebus.fixture_files.structure.schema_set import SchemaIds, SchemaSet
from fakebus.fixture_files.structure.set_checks import check_groups, check_profile, check_topics
from fakebus.fixture_files.structure.set_reader import SetSpec, read_structure

if TYPE_CHECKING:
    from fakebus.fixture_files.lint import Linter

MAX_EVENTS = 1_000_000


def load_fixtures(
    directory: Path,
    *,
    now_ms: int,
    config: BrokerConfig | None = None,
    schema_ids: SchemaIds | None = None,
    verify: bool = False,
    profile: str | None = None,
) -> FixtureSet:
    """Read a fixture directory, or a pack of one.

    Args:
        directory: holds ``fakebus.yaml``; or a file that :mod:`fakebus.fixture_files.packs`
            has written.
        now_ms: the present in milliseconds since the epoch, for ``anchor: now``.
        config: the broker's configs, which bound the size and age of events; Kafka's
            defaults when left out.
        schema_ids: the ids that a registry gave; counted from 1 when left out.
        verify: whether every record with a schema is decoded again and compared, and the
            rules of :mod:`fakebus.fixture_files.lint` are applied.
        profile: the profile to load; the whole set when left out.

    Raises:
        FixtureError: the set has problems, or no such profile; all of them are in the error.
    """
    problems = ProblemList()
    with _collector_paused():
        if is_pack(directory):
            from fakebus.fixture_files.packs import packed_set

            return packed_set(directory, profile, now_ms=now_ms, schema_ids=schema_ids)
        loader = _Loader(directory, now_ms, config or BrokerConfig(), problems, profile)
        fixture_set = loader.load(schema_ids, verify=verify)
    problems.raise_if_any()
    return fixture_set


def check_fixtures(
    directory: Path, *, now_ms: int | None = None, profile: str | None = None
) -> list[FixtureProblem]:
    """Return every problem of a fixture directory; an empty list if it can be seeded.

    Args:
        now_ms: the present; the machine's clock when left out.
        profile: the profile to check; when left out the whole set, and every profile that
            has files of its own.
    """
    now_ms = SystemClock().now_ms() if now_ms is None else now_ms
    if is_pack(directory):
        from fakebus.fixture_files.packs import packed_set

        try:
            packed_set(directory, profile, now_ms=now_ms)
        except FixtureError as error:
            return list(error.problems)
        return []
    found, loader = _check(directory, now_ms, profile)
    if profile is not None or loader.spec is None:
        return found
    named = set(loader.named)
    for other in loader.spec.root.profiles.values():
        if other.include:
            more, loaded = _check(directory, now_ms, other.name)
            found += [one for one in more if one not in found]
            named |= loaded.named
    if all(one.rule != INVALID for one in found):
        from fakebus.fixture_files.lint import unused_files

        found += unused_files(directory, named, loader.spec.root.lint.ignore).sorted()
    return found


def _check(
    directory: Path, now_ms: int, profile: str | None
) -> tuple[list[FixtureProblem], _Loader]:
    problems = ProblemList()
    loader = _Loader(directory, now_ms, BrokerConfig(), problems, profile)
    with _collector_paused():
        fixture_set = loader.load(None, verify=True)
    found = problems.sorted()
    if profile is None and all(one.rule != INVALID for one in found):
        from fakebus.fixture_files.drift.lock import lock_problems

        found += lock_problems(directory, fixture_set)
    return found, loader


def load_scenarios(
    directory: Path,
    *,
    now_ms: int,
    config: BrokerConfig | None = None,
    schema_ids: SchemaIds | None = None,
) -> dict[str, Scenario]:
    """Return the scenarios of a fixture directory by name; see :func:`load_fixtures`.

    Raises:
        FixtureError: the set has problems; all of them are in the error.
    """
    problems = ProblemList()
    loader = _Loader(directory, now_ms, config or BrokerConfig(), problems)
    loader.load(schema_ids, verify=False)
    problems.raise_if_any()
    return loader.scenarios


def generate_lines(
    directory: Path, topic: str, *, now_ms: int, count: int | None = None
) -> list[str]:
    """Return the events that a topic has generated, as lines for an events file.

    Args:
        count: how many events to make, instead of what ``generate`` says. A topic without
            ``generate`` has them made from its schema.

    Raises:
        FixtureError: the set has problems, or no such topic.
    """
    problems = ProblemList()
    loader = _Loader(directory, now_ms, BrokerConfig(), problems, generate=(topic, count))
    loader.load(None, verify=False)
    problems.raise_if_any()
    return loader.generated


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
        self,
        directory: Path,
        now_ms: int,
        config: BrokerConfig,
        problems: ProblemList,
        profile: str | None = None,
        generate: tuple[str, int | None] | None = None,
    ) -> None:
        self._profile = profile
        self._to_generate = generate
        self.spec: SetSpec | None = None
        self.scenarios: dict[str, Scenario] = {}
        self.generated: list[str] = []
        """The lines of the topic that events are generated for."""
        self._root = directory
        self._now_ms = now_ms
        self._config = config
        self._problems = problems
        self._directory = FixtureDirectory(directory, problems)
        self.named = self._directory.named
        self._loaded: dict[str, Position] = {}
        self._lines: list[EventLine] = []
        self._by_id: dict[str, EventLine] = {}

    def load(self, schema_ids: SchemaIds | None, *, verify: bool) -> FixtureSet:
        if not self._root.is_dir():
            self._problems.add(*not_a_directory(self._root))
            return self._result(
                SetSpec(anchor_ms=self._now_ms), SchemaSet((), None, self._problems), {}
            )
        spec = read_structure(
            self._directory, self._problems, now_ms=self._now_ms, profile=self._profile
        )
        self.spec = spec
        schemas = SchemaSet(spec.subjects, schema_ids, self._problems, spec.root.compatibility)
        check_topics(spec.topics, self._problems)
        topics = {topic.name: topic for topic in spec.topics}
        for topic in spec.topics:
            for load in topic.loads:
                self._read_events(load, topic.name)
        for load in spec.loads:
            self._read_events(load, None)
        self._generate(spec, schemas)
        self._check_profiles(spec)
        findings = ProblemList()
        linter = _linter(findings, spec) if verify else None
        settings = self._settings(spec, schemas, linter)
        streams = self._encode(spec, topics, settings)
        self._read_scenarios(spec, topics, settings, findings)
        if spec.profile is not None:
            spec.groups = spec.profile.groups(spec.groups)
        check_groups(spec.groups, topics, self._event_counts(streams), self._problems)
        if linter is not None:
            if spec.profile is None:
                linter.unused_schemas(schemas, frozenset(schemas.used))
            self._problems.extend(findings)
        if spec.profile is not None:
            spec.topics = [one for one in spec.topics if spec.profile.keeps_topic(one.name)]
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

    def _read_events(self, load: Load, topic: str | None) -> None:
        first = self._loaded.setdefault(load.file, load.position)
        if first is not load.position:
            self._problems.add(
                load.position,
                f"the file {quoted(load.file)} is loaded twice "
                f"(first in {first.file}:{first.line})",
                "load it once; with include its lines may name several topics",
            )
            return
        input_ = input_of(load.file, load.input_name)
        text = self._directory.read_text(
            load.file,
            load.position,
            MAX_EVENTS_BYTES,
            skip_mark=input_ is not None and input_.has_mark,
            keep_bytes=input_ is not None and input_.has_bytes,
        )
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
        if self._to_generate is not None:
            from fakebus.fixture_files.generation.asking import ask_for

            position = Position(self._directory.display(ROOT_FILE), 1, 1)
            ask_for(spec.topics, *self._to_generate, position, self._problems)
        if not any(topic.generates for topic in spec.topics):
            return
        from fakebus.fixture_files.generation.generator import GenerationSettings, Generator

        lines: dict[str, list[EventLine]] = {}
        for line in self._lines:
            lines.setdefault(line.file.topic or line.fields.get("topic", ""), []).append(line)
        settings = GenerationSettings(
            seed=spec.root.seed,
            anchor_ms=spec.anchor_ms,
            zone=spec.root.clock.zone,
            schemas=schemas,
        )
        made = list(Generator(spec.topics, settings, lines, self._problems).lines())
        self._take(made)
        if self._to_generate is not None:
            self.generated = [line.text for line in made if line.file.topic == self._to_generate[0]]

    def _check_profiles(self, spec: SetSpec) -> None:
        names = [topic.name for topic in spec.topics]
        tags = {tag for line in self._lines for tag in line.fields.get("tags") or ()}
        for profile in spec.root.profiles.values():
            # What the files of a profile hold is known only when it is loaded.
            if profile is spec.profile or not profile.include:
                check_profile(profile, names, tags, self._problems)

    def _read_scenarios(
        self,
        spec: SetSpec,
        topics: Mapping[str, Topic],
        settings: EncodingSettings,
        findings: ProblemList,
    ) -> None:
        if not spec.scenarios:
            return
        from fakebus.fixture_files.scenarios.scenario_loading import ScenarioLoader

        # What a scenario repeats is meant to be repeated.
        repeated = "duplicate-event", "ce-duplicate-id"
        linter = None if settings.linter is None else _linter(findings, spec, *repeated)
        loader = ScenarioLoader(self._directory, topics, self._problems)
        encoders = self._encoders(topics, replace(settings, linter=linter), loader.played)
        self.scenarios = loader.load(spec.scenarios, encoders, self._now_ms)

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

    def _settings(
        self, spec: SetSpec, schemas: SchemaSet, linter: Linter | None
    ) -> EncodingSettings:
        return EncodingSettings(
            seed=spec.root.seed,
            anchor_ms=spec.anchor_ms,
            now_ms=self._now_ms,
            zone=spec.root.clock.zone,
            partitioner=spec.root.partitioner,
            schemas=schemas,
            linter=linter,
        )

    def _encoders(
        self, topics: Mapping[str, Topic], settings: EncodingSettings, problems: ProblemList
    ) -> dict[str, TopicEncoder]:
        return {
            topic.name: TopicEncoder(
                topic, topic_config(topic, self._config, self._problems), settings, problems
            )
            for topic in topics.values()
        }

    def _encode(
        self, spec: SetSpec, topics: Mapping[str, Topic], settings: EncodingSettings
    ) -> _Streams:
        timeline = Timeline(
            anchor_ms=spec.anchor_ms,
            zone=spec.root.clock.zone,
            by_id=self._by_id,
            problems=self._problems,
        )
        encoders = self._encoders(topics, settings, self._problems)
        profile = spec.profile
        streams: _Streams = {}
        for line in self._lines:
            topic = topic_of(line, topics, self._problems)
            if topic is None:
                continue
            if profile is not None and not (
                profile.keeps_topic(topic.name)
                and profile.keeps_event(line.fields.get("tags") or ())
            ):
                continue
            event = encoders[topic.name].encode(line, timeline.timestamp_of(line))
            if event is not None:
                key = (topic.name, line.file.relative)
                streams.setdefault(key, (line.file, []))[1].append(event)
        return streams

    def _result(self, spec: SetSpec, schemas: SchemaSet, streams: _Streams) -> FixtureSet:
        topics = {topic.name: topic for topic in spec.topics}
        return FixtureSet(
            root=self._root,
            name=spec.root.name,
            version=spec.root.release,
            anchor_ms=spec.anchor_ms,
            now_ms=self._now_ms,
            schemas=tuple(fixture_schema(schema) for schema in schemas),
            topics=tuple(fixture_topic(spec, topic) for topic in spec.topics),
            streams=tuple(
                FixtureStream(
                    topic=topic,
                    file=relative,
                    display_file=file.display,
                    settings_digest=settings_digest(spec, topics[topic], file.load, schemas),
                    events=tuple(events),
                )
                for (topic, relative), (file, events) in streams.items()
            ),
            groups=tuple(fixture_group(group) for group in spec.groups),
        )


_Streams = dict[tuple[str, str], tuple[EventFile, list[FixtureEvent]]]


def _linter(findings: ProblemList, spec: SetSpec, *ignored: str) -> Linter:
    # A bus that starts is in a hurry, and lints nothing.
    from fakebus.fixture_files.lint import Linter

    return Linter(findings, {*spec.root.lint.ignore, *ignored}, spec.root.lint.conventions)
