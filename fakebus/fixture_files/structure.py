"""From ``fakebus.yaml`` and what it includes to typed specs; events are not read here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from fakebus.fixture_files.format_names import format_named
from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.formats.json import JSON
from fakebus.fixture_files.formats.string import STRING
from fakebus.fixture_files.group_specs import GroupSpec, read_group
from fakebus.fixture_files.headers import Headers, parse_headers
from fakebus.fixture_files.problems import (
    DataError,
    Position,
    ProblemList,
    did_you_mean,
    quoted,
)
from fakebus.fixture_files.sources import MAX_YAML_BYTES, FixtureDirectory
from fakebus.fixture_files.times import parse_instant
from fakebus.fixture_files.topic_rules import check_topic_config, topic_name_problem
from fakebus.fixture_files.yaml_fields import FieldReader
from fakebus.fixture_files.yaml_tree import YamlMapping, YamlNode, YamlScalar, parse_yaml, plain
from fakebus.records.partitioner import PARTITIONERS

ROOT_FILE = "fakebus.yaml"
DEFAULT_PARTITIONER = "consistent_random"
"""What librdkafka does, and with it confluent-kafka and so Open edX."""

MAX_PARTITIONS = 10_000
_MAX_YAML_FILES = 1000
_SHARED_FIELDS = ("version", "topics", "groups", "include")
_ROOT_FIELDS = (*_SHARED_FIELDS, "clock", "seed", "partitioner")
_TOPIC_FIELDS = (
    "name",
    "partitions",
    "config",
    "key",
    "value",
    "headers",
    "load",
    "owner",
    "consumers",
    "partitioner",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSpec:
    """An events file that is named somewhere."""

    file: str
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic as written, with defaults filled in."""

    name: str
    position: Position
    partitions: int
    config: dict[str, str]
    key_format: Format
    value_format: Format
    headers: Headers
    loads: tuple[LoadSpec, ...]
    owner: str | None
    consumers: tuple[str, ...]
    partitioner: str | None


@dataclass(slots=True, kw_only=True)
class SetSpec:
    """All YAML files of a set together."""

    anchor_ms: int
    clock_text: str = "now"
    zone: tzinfo = UTC
    seed: int = 0
    partitioner: str = DEFAULT_PARTITIONER
    topics: list[TopicSpec] = field(default_factory=list)
    groups: list[GroupSpec] = field(default_factory=list)
    loads: list[LoadSpec] = field(default_factory=list)
    """Events files that are included directly; their lines name their topics."""


def read_structure(directory: FixtureDirectory, problems: ProblemList, *, now_ms: int) -> SetSpec:
    """Read ``fakebus.yaml`` and every YAML file that it includes.

    Args:
        directory: the set.
        problems: where mistakes go; what is wrong is left out of the result.
        now_ms: the present, for ``anchor: now``.
    """
    spec = SetSpec(anchor_ms=now_ms)
    reader = _StructureReader(directory, problems, spec)
    root_position = Position(directory.display(ROOT_FILE), 1, 1)
    reader.read_file(LoadSpec(file=ROOT_FILE, position=root_position))
    return spec


class _StructureReader:
    def __init__(self, directory: FixtureDirectory, problems: ProblemList, spec: SetSpec) -> None:
        self._directory = directory
        self._problems = problems
        self._spec = spec
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
        for item in fields.items("topics"):
            self._read_topic(item, relative)
        for item in fields.items("groups"):
            group = read_group(item, self._problems)
            if group is not None:
                self._spec.groups.append(group)
        return self._read_includes(fields, relative)

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
        self._spec.partitioner = self._partitioner(fields) or DEFAULT_PARTITIONER
        clock = fields.mapping("clock")
        if clock is not None:
            self._read_clock(FieldReader(clock, "clock", ("anchor", "tz"), self._problems))

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

    def _partitioner(self, fields: FieldReader) -> str | None:
        name = fields.text("partitioner")
        if name is not None and name not in PARTITIONERS:
            self._problems.add(
                fields.position("partitioner"),
                f"there is no partitioner {quoted(name)}",
                did_you_mean(name, PARTITIONERS),
            )
            return None
        return name

    def _read_includes(self, fields: FieldReader, relative: str) -> list[LoadSpec]:
        documents = []
        for path, position in fields.texts("include", or_one=True):
            file = self._directory.resolve(relative, path, position)
            if file is None:
                continue
            load = LoadSpec(file=file, position=position)
            if file.endswith((".yaml", ".yml")):
                documents.append(load)
            elif file.endswith((".ndjson", ".jsonl")):
                self._spec.loads.append(load)
            else:
                self._problems.add(
                    position,
                    f"{quoted(path)} cannot be included",
                    "include .yaml files, or .ndjson files with events",
                )
        return documents

    def _read_topic(self, node: YamlNode, relative: str) -> None:
        if not isinstance(node, YamlMapping):
            self._problems.add(
                node.position, "a topic must be an object", "write  - name: my-topic"
            )
            return
        fields = FieldReader(node, "a topic", _TOPIC_FIELDS, self._problems)
        name = self._topic_name(fields)
        config = self._topic_config(fields)
        topic = TopicSpec(
            name=name or "",
            position=fields.position("name"),
            partitions=self._partitions(fields),
            config=config,
            key_format=self._format(fields, "key", STRING),
            value_format=self._format(fields, "value", JSON),
            headers=self._headers(fields),
            loads=self._loads(fields, relative),
            owner=fields.text("owner"),
            consumers=tuple(text for text, _ in fields.texts("consumers")),
            partitioner=self._partitioner(fields),
        )
        if name is not None:
            self._spec.topics.append(topic)

    def _partitions(self, fields: FieldReader) -> int:
        if fields.node("partitions") is None:
            return 1
        # After a mistake here, the events' partitions are not complained about as well.
        count = fields.integer("partitions", lowest=1, highest=MAX_PARTITIONS)
        return MAX_PARTITIONS if count is None else count

    def _topic_name(self, fields: FieldReader) -> str | None:
        name = fields.text("name", required=True)
        problem = None if name is None else topic_name_problem(name)
        if problem is None:
            return name
        self._problems.add(fields.position("name"), *problem)
        return None

    def _topic_config(self, fields: FieldReader) -> dict[str, str]:
        mapping = fields.mapping("config")
        if mapping is None:
            return {}
        config = {}
        for key, entry in mapping.entries.items():
            if not isinstance(entry.value, YamlScalar) or entry.value.is_null:
                self._problems.add(
                    entry.value.position,
                    f"the config {quoted(key)} must be a text, a number or a boolean",
                    "join several values with commas",
                )
                continue
            text = entry.value.text
            # YAML's booleans may be capitalised; Kafka's are not.
            config[key] = text.lower() if entry.value.kind == "bool" else text
            check_topic_config(key, config[key], entry, self._problems)
        return config

    def _format(self, fields: FieldReader, name: str, default: Format) -> Format:
        mapping = fields.mapping(name)
        if mapping is None:
            return default
        inner = FieldReader(mapping, f'"{name}"', ("format",), self._problems)
        format_name = inner.text("format")
        if format_name is None:
            return default
        try:
            return format_named(format_name)
        except DataError as error:
            self._problems.add(inner.position("format"), str(error), error.hint)
            return default

    def _headers(self, fields: FieldReader) -> Headers:
        node = fields.node("headers")
        if node is None:
            return Headers()
        try:
            return parse_headers(plain(node))
        except DataError as error:
            self._problems.add(node.position, str(error), error.hint)
            return Headers()

    def _loads(self, fields: FieldReader, relative: str) -> tuple[LoadSpec, ...]:
        loads = []
        for path, position in fields.texts("load", or_one=True):
            file = self._directory.resolve(relative, path, position)
            if file is not None:
                loads.append(LoadSpec(file=file, position=position))
        return tuple(loads)
