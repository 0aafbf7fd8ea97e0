"""From ``fakebus.yaml`` and what it includes to typed specs; events are not read here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from fakebus.fixture_files.group_specs import GroupSpec, read_group
from fakebus.fixture_files.input_names import is_events_file
from fakebus.fixture_files.lint import CONVENTIONS, RULES
from fakebus.fixture_files.load_specs import LoadSpec
from fakebus.fixture_files.problems import (
    DataError,
    Position,
    ProblemList,
    did_you_mean,
    quoted,
)
from fakebus.fixture_files.profiles import ProfileSpec, chosen_profile, read_profiles
from fakebus.fixture_files.sources import MAX_YAML_BYTES, ROOT_FILE, FixtureDirectory
from fakebus.fixture_files.subject_specs import SubjectReader, SubjectSpec, read_level
from fakebus.fixture_files.times import parse_instant
from fakebus.fixture_files.topic_specs import TopicReader, TopicSpec, read_partitioner
from fakebus.fixture_files.yaml_fields import FieldReader
from fakebus.fixture_files.yaml_tree import YamlMapping, YamlScalar, parse_yaml

DEFAULT_PARTITIONER = "consistent_random"
"""What librdkafka does, and with it confluent-kafka and so Open edX."""

_MAX_YAML_FILES = 1000
_SHARED_FIELDS = ("version", "subjects", "topics", "groups", "include")
_ROOT_FIELDS = (
    *_SHARED_FIELDS,
    "clock",
    "seed",
    "partitioner",
    "compatibility",
    "lint",
    "profiles",
    "scenarios",
)


@dataclass(slots=True, kw_only=True)
class SetSpec:
    """All YAML files of a set together."""

    anchor_ms: int
    clock_text: str = "now"
    zone: tzinfo = UTC
    seed: int = 0
    partitioner: str = DEFAULT_PARTITIONER
    ignored_rules: frozenset[str] = frozenset()
    conventions: frozenset[str] = frozenset()
    compatibility: str | None = None
    """The level of subjects that name none; ``None`` leaves it to the registry."""
    subjects: list[SubjectSpec] = field(default_factory=list)
    topics: list[TopicSpec] = field(default_factory=list)
    groups: list[GroupSpec] = field(default_factory=list)
    loads: list[LoadSpec] = field(default_factory=list)
    """Events files that are included directly; their lines name their topics."""
    scenarios: list[LoadSpec] = field(default_factory=list)
    """Files with scenarios."""
    profiles: dict[str, ProfileSpec] = field(default_factory=dict)
    profile: ProfileSpec | None = None
    """The profile that was asked for."""


def read_structure(
    directory: FixtureDirectory,
    problems: ProblemList,
    *,
    now_ms: int,
    profile: str | None = None,
) -> SetSpec:
    """Read ``fakebus.yaml`` and every YAML file that it includes.

    Args:
        directory: the set.
        problems: where mistakes go; what is wrong is left out of the result.
        now_ms: the present, for ``anchor: now``.
        profile: which of the set's profiles to read; the whole set when left out.
    """
    spec = SetSpec(anchor_ms=now_ms)
    reader = _StructureReader(directory, problems, spec, profile)
    root_position = Position(directory.display(ROOT_FILE), 1, 1)
    reader.read_file(LoadSpec(file=ROOT_FILE, position=root_position))
    return spec


class _StructureReader:
    def __init__(
        self,
        directory: FixtureDirectory,
        problems: ProblemList,
        spec: SetSpec,
        profile: str | None,
    ) -> None:
        self._profile = profile
        self._directory = directory
        self._problems = problems
        self._spec = spec
        self._topics = TopicReader(directory, problems)
        self._subjects = SubjectReader(directory, problems)
        self._seen: set[str] = set()

    def read_file(self, first: LoadSpec) -> None:
        queue = [first]
        while queue:
            load = queue.pop(0)
            if load.file in self._seen:
                self._problems.add(
                    load.position,
                    f"the file {quoted(load.file)} is included twice",
                    "include it once",
                )
                continue
            if len(self._seen) >= _MAX_YAML_FILES:
                self._problems.add(load.position, f"more than {_MAX_YAML_FILES} files are included")
                return
            self._seen.add(load.file)
            text = self._directory.read_text(load.file, load.position, MAX_YAML_BYTES)
            if text is not None:
                queue += self._read_document(text, load.file)

    def _read_document(self, text: str, relative: str) -> list[LoadSpec]:
        file = self._directory.display(relative)
        node = parse_yaml(text, file, self._problems)
        if node is None:
            return []
        if not isinstance(node, YamlMapping):
            self._problems.add(
                node.position, "the file must be an object", "begin with the line  version: 1"
            )
            return []
        is_root = relative == ROOT_FILE
        what = "fakebus.yaml" if is_root else "an included file"
        known = _ROOT_FIELDS if is_root else _SHARED_FIELDS
        fields = FieldReader(node, what, known, self._problems)
        self._check_version(fields)
        if is_root:
            self._read_settings(fields)
        self._read_items(fields, relative)
        included = self._read_includes(fields.texts("include", or_one=True), relative)
        if is_root:
            self._read_scenarios(fields)
            included += self._read_profiles(fields)
        return included

    def _read_items(self, fields: FieldReader, relative: str) -> None:
        for item in fields.items("subjects"):
            subject = self._subjects.read(item, relative)
            if subject is not None:
                self._spec.subjects.append(subject)
        for item in fields.items("topics"):
            topic = self._topics.read(item, relative)
            if topic is not None:
                self._spec.topics.append(topic)
        for item in fields.items("groups"):
            group = read_group(item, self._problems)
            if group is not None:
                self._spec.groups.append(group)

    def _read_scenarios(self, fields: FieldReader) -> None:
        for pattern, position in fields.texts("scenarios", or_one=True):
            paths = self._directory.matching(ROOT_FILE, pattern)
            if not paths:
                self._problems.add(
                    position, f"no file is called {quoted(pattern)}", "mend the pattern"
                )
            for path in paths:
                file = self._directory.resolve(ROOT_FILE, path, position)
                if file is not None:
                    self._spec.scenarios.append(LoadSpec(file=file, position=position))

    def _read_profiles(self, fields: FieldReader) -> list[LoadSpec]:
        self._spec.profiles = read_profiles(fields, self._problems)
        chosen = chosen_profile(
            self._spec.profiles, self._profile, fields.position("profiles"), self._problems
        )
        self._spec.profile = chosen
        return [] if chosen is None else self._read_includes(chosen.include, ROOT_FILE)

    def _check_version(self, fields: FieldReader) -> None:
        node = fields.node("version")
        if node is None:
            self._problems.add(
                fields.position("version"), "the file has no version", "begin with  version: 1"
            )
        elif not (isinstance(node, YamlScalar) and node.text == "1"):
            shown = quoted(node.text) if isinstance(node, YamlScalar) else "not a number"
            self._problems.add(
                node.position,
                f"the version of the fixture format is {shown}; this fakebus reads version 1",
                "write  version: 1",
            )

    def _read_settings(self, fields: FieldReader) -> None:
        seed = fields.integer("seed", lowest=-(2**63), highest=2**63 - 1)
        if seed is not None:
            self._spec.seed = seed
        self._spec.partitioner = read_partitioner(fields, self._problems) or DEFAULT_PARTITIONER
        self._spec.compatibility = read_level(fields, self._problems)
        lint = fields.mapping("lint")
        if lint is not None:
            inner = FieldReader(lint, "lint", ("ignore", "conventions"), self._problems)
            self._spec.ignored_rules = frozenset(self._rules(inner))
            self._spec.conventions = frozenset(self._conventions(inner))
        clock = fields.mapping("clock")
        if clock is not None:
            self._read_clock(FieldReader(clock, "clock", ("anchor", "tz"), self._problems))

    def _rules(self, fields: FieldReader) -> Iterator[str]:
        for text, position in fields.texts("ignore", or_one=True):
            rule = text.partition("/")[0]
            if rule in RULES:
                yield text
            else:
                self._problems.add(
                    position, f"there is no rule {quoted(rule)}", did_you_mean(rule, RULES)
                )

    def _conventions(self, fields: FieldReader) -> Iterator[str]:
        for text, position in fields.texts("conventions", or_one=True):
            if text in CONVENTIONS:
                yield text
            else:
                self._problems.add(
                    position,
                    f"there are no conventions {quoted(text)}",
                    did_you_mean(text, CONVENTIONS),
                )

    def _read_clock(self, fields: FieldReader) -> None:
        zone_name = fields.text("tz")
        if zone_name is not None:
            try:
                self._spec.zone = ZoneInfo(zone_name)
            except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
                self._problems.add(
                    fields.position("tz"),
                    f"there is no time zone {quoted(zone_name)}",
                    'write a name such as "UTC" or "Europe/Berlin"',
                )
        node = fields.node("anchor")
        if node is None:
            return
        text = node.text if isinstance(node, YamlScalar) else ""
        if text == "now":
            return
        try:
            self._spec.anchor_ms = parse_instant(text, self._spec.zone)
            self._spec.clock_text = text
        except DataError:
            self._problems.add(
                node.position,
                f"the anchor {quoted(text)} is not a point in time",
                'write "now" or an instant such as "2024-05-01T09:00:00Z"',
            )

    def _read_includes(
        self, paths: Iterable[tuple[str, Position]], relative: str
    ) -> list[LoadSpec]:
        documents = []
        for path, position in paths:
            file = self._directory.resolve(relative, path, position)
            if file is None:
                continue
            load = LoadSpec(file=file, position=position)
            if file.endswith((".yaml", ".yml")):
                documents.append(load)
            elif is_events_file(file):
                self._spec.loads.append(load)
            else:
                self._problems.add(
                    position,
                    f"{quoted(path)} cannot be included",
                    "include .yaml files, or .ndjson files with events",
                )
        return documents
