"""From a directory of fixture files to what the set has of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from fakebus.fixture_files.encoding.encoder import EncodingSettings, TopicEncoder, topic_config
from fakebus.fixture_files.encoding.set_results import (
    fixture_group,
    fixture_schema,
    fixture_topic,
    settings_digest,
)
from fakebus.fixture_files.events.event_lines import EventFile, EventLine, topic_of
from fakebus.fixture_files.inputs.input_names import input_of
from fakebus.fixture_files.model import FixtureEvent, FixtureSet, FixtureStream, PlacedRule
from fakebus.fixture_files.problems import Position, ProblemList, quoted
from fakebus.fixture_files.scenarios.playing import Scenario
from fakebus.fixture_files.set_parts import LoadSettings, Part
from fakebus.fixture_files.sources import MAX_EVENTS_BYTES, ROOT_FILE, FixtureDirectory
from fakebus.fixture_files.structure.event_models import Load
from fakebus.fixture_files.structure.models import Topic
from fakebus.fixture_files.structure.set_checks import (
    check_groups,
    check_profile,
    check_services,
    check_topics,
)
from fakebus.fixture_files.structure.set_reader import read_structure

if TYPE_CHECKING:
    from fakebus.fixture_files.lint import Linter

MAX_EVENTS = 1_000_000

_Streams = dict[tuple[str, str], tuple[EventFile, list[FixtureEvent]]]


class _Encoders(dict[str, TopicEncoder]):
    """Encoders by topic, made for topics of other sets only when they are asked for."""

    def __init__(self, make: Callable[[str], TopicEncoder]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, topic: str) -> TopicEncoder:
        encoder = self[topic] = self._make(topic)
        return encoder


class DirectoryLoader:
    """Loader of a set in a directory."""

    def __init__(self, part: Part, settings: LoadSettings) -> None:
        self.part = part
        self.scenarios: dict[str, Scenario] = {}
        self.generated: list[str] = []
        """The lines of the topic that events are generated for."""
        self._settings = settings
        self._problems = part.problems
        self._directory = FixtureDirectory(part.source.root, part.problems)
        self.named = self._directory.named
        self._loaded: dict[str, Position] = {}
        self._findings = ProblemList()
        """What can be seeded, but surprises whoever reads it."""

    def read(self) -> None:
        """Read the YAML files."""
        part = self.part
        wanted = part.profile, part.profile_at
        read_structure(self._directory, self._problems, part.spec, *wanted)
        self._show_topics()

    def _show_topics(self) -> None:
        """Let other sets see the topics."""
        part = self.part
        check_topics(part.spec.topics, self._problems)
        profile = part.spec.profile
        part.topics = {
            topic.name: replace(
                topic,
                partitioner=topic.partitioner or part.spec.root.partitioner,
                loads=(),
                generates=(),
            )
            for topic in part.spec.topics
            if profile is None or profile.keeps_topic(topic.name)
        }

    def read_events(self) -> None:
        """Read the files of events, and generate those that are asked for."""
        spec = self.part.spec
        for topic in spec.topics:
            for load in topic.loads:
                self._read_events(load, topic.name)
        for load in spec.loads:
            self._read_events(load, None)
        self._generate()
        self._check_profiles()

    def encode(self) -> None:
        """Encode the events, and look at groups and scenarios."""
        spec, topics = self.part.spec, self.part.visible_topics()
        settings = self._encoding()
        streams = self._encode(topics, settings)
        self._read_scenarios(topics, settings)
        if spec.profile is not None:
            spec.groups = spec.profile.groups(spec.groups)
        elif settings.linter is not None:
            schemas = self.part.schemas
            settings.linter.unused_schemas(schemas, frozenset(schemas.used))
        self.part.results.append(self._result(streams, topics))

    def check(self) -> None:
        """Look at the groups, which may read from topics of other sets, and tell what was found."""
        topics = self.part.visible_topics()
        check_groups(self.part.spec.groups, topics, self._event_counts(), self._problems)
        named = {*chain.from_iterable((*one.writers, *one.consumers) for one in topics.values())}
        for subject in self.part.spec.subjects:
            named |= {*filter(None, [subject.owner]), *subject.consumers, *subject.readers}
        check_services(self.part.spec.services, named, self._problems)
        self._problems.extend(self._findings)

    def _event_counts(self) -> Counter[tuple[str, int]] | None:
        parts = [*self.part.seen(), self.part]
        # With a broken event somewhere, nobody knows how long the logs will be.
        if any(len(part.problems) for part in parts):
            return None
        streams = (stream for part in parts for each in part.results for stream in each.streams)
        return Counter(
            (stream.topic, event.partition) for stream in streams for event in stream.events
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
        lines = self.part.lines
        for event in events:
            if len(lines) >= MAX_EVENTS:
                self._problems.add(
                    event.position(),
                    f"the set has more than {MAX_EVENTS} events",
                    "split it into several directories",
                )
                return
            lines.append(event)
            self.part.timeline.add(event)

    def _generate(self) -> None:
        part, wanted = self.part, self.part.generate
        if wanted is not None:
            from fakebus.fixture_files.generation.asking import ask_for

            position = Position(self._directory.display(ROOT_FILE))
            ask_for(part.spec.topics, *wanted, position, self._problems)
        if not any(topic.generates for topic in part.spec.topics):
            return
        from fakebus.fixture_files.generation.generator import GenerationSettings, Generator

        lines: dict[str, list[EventLine]] = {}
        for line in (line for each in (*part.seen(), part) for line in each.lines):
            lines.setdefault(line.file.topic or line.fields.get("topic", ""), []).append(line)
        settings = GenerationSettings(
            seed=part.spec.root.seed,
            anchor_ms=part.spec.anchor_ms,
            zone=part.spec.root.clock.zone,
            schemas=part.schemas,
        )
        topics = list(part.visible_topics().values())
        made = list(Generator(topics, settings, lines, self._problems).lines())
        self._take(made)
        if wanted is not None:
            self.generated = [line.text for line in made if line.file.topic == wanted[0]]

    def _check_profiles(self) -> None:
        spec = self.part.spec
        names = list(self.part.visible_topics())
        tags = {tag for line in self.part.lines for tag in line.fields.get("tags") or ()}
        for profile in spec.root.profiles.values():
            # What the files of a profile hold is known only when it is loaded.
            if profile is spec.profile or not profile.include:
                check_profile(profile, names, tags, self._problems)

    def _read_scenarios(self, topics: dict[str, Topic], settings: EncodingSettings) -> None:
        scenarios = self.part.spec.scenarios
        if not scenarios:
            return
        from fakebus.fixture_files.scenarios.scenario_loading import ScenarioLoader

        # What a scenario repeats is meant to be repeated.
        repeated = "duplicate-event", "ce-duplicate-id"
        linter = self._linter(*repeated)
        loader = ScenarioLoader(self._directory, topics, self._problems)
        encoders = self._encoders(topics, replace(settings, linter=linter), loader.played)
        self.scenarios = loader.load(scenarios, encoders, self._settings.now_ms)

    def _linter(self, *ignored: str) -> Linter | None:
        # A bus that starts is in a hurry, and lints nothing.
        if not self._settings.verify:
            return None
        from fakebus.fixture_files.lint import Linter

        lint = self.part.spec.root.lint
        return Linter(self._findings, {*lint.ignore, *ignored}, lint.conventions)

    def _encoding(self) -> EncodingSettings:
        spec = self.part.spec
        return EncodingSettings(
            seed=spec.root.seed,
            anchor_ms=spec.anchor_ms,
            now_ms=self._settings.now_ms,
            zone=spec.root.clock.zone,
            partitioner=spec.root.partitioner,
            schemas=self.part.schemas,
            linter=self._linter(),
            keep_calls=self._settings.keep_calls,
            keep_written=self._settings.keep_written,
        )

    def _encoders(
        self, topics: dict[str, Topic], settings: EncodingSettings, problems: ProblemList
    ) -> _Encoders:
        def encoder(name: str) -> TopicEncoder:
            config = topic_config(topics[name], self._settings.config, self._problems)
            return TopicEncoder(topics[name], config, settings, problems)

        encoders = _Encoders(encoder)
        # What is wrong with a topic of its own is told even if it has no events.
        for topic in self.part.spec.topics:
            encoders[topic.name]
        return encoders

    def _encode(self, topics: dict[str, Topic], settings: EncodingSettings) -> _Streams:
        encoders = self._encoders(topics, settings, self._problems)
        profile, timeline = self.part.spec.profile, self.part.timeline
        streams: _Streams = {}
        for line in self.part.lines:
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

    def _result(self, streams: _Streams, topics: dict[str, Topic]) -> FixtureSet:
        part = self.part
        spec, own = part.spec, {topic.name for topic in part.spec.topics}
        profile = spec.profile
        return FixtureSet(
            root=part.source.root,
            name=part.name,
            version=part.version,
            links=part.source.links,
            anchor_ms=spec.anchor_ms,
            now_ms=self._settings.now_ms,
            schemas=tuple(fixture_schema(schema) for schema in part.schemas),
            topics=tuple(
                fixture_topic(spec, topic)
                for topic in spec.topics
                if profile is None or profile.keeps_topic(topic.name)
            ),
            streams=tuple(
                FixtureStream(
                    topic=topic,
                    file=relative,
                    set_name=part.name or (None if topic in own else ""),
                    display_file=file.display,
                    settings_digest=settings_digest(spec, topics[topic], file.load, part.schemas),
                    events=tuple(events),
                )
                for (topic, relative), (file, events) in streams.items()
            ),
            groups=tuple(fixture_group(group) for group in spec.groups),
            services=tuple(service.rule for service in spec.services),
            identity_rules=tuple(PlacedRule(each.rule, each.position) for each in spec.ids),
        )
