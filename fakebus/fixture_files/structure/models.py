"""Objects of ``fakebus.yaml``, each declared once.

Texts of declarations are Markdown: they stand in the reference and in the JSON Schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from fnmatch import fnmatchcase
from typing import Any, ClassVar, NamedTuple, Self, cast
from zoneinfo import ZoneInfo

from fakebus.broker.configs.keys import TOPIC_KEYS
from fakebus.fixture_files.headers import Headers
from fakebus.fixture_files.lint_rules import CONVENTIONS, RULES
from fakebus.fixture_files.model import StartOffset
from fakebus.fixture_files.problems import DataError, Position, did_you_mean, quoted
from fakebus.fixture_files.structure.contract_models import Contract
from fakebus.fixture_files.structure.declarations import Model, Reading, declared
from fakebus.fixture_files.structure.event_models import (
    GENERATES,
    HEADERS,
    KEY_FORMAT,
    LOADS,
    VALUE_FORMAT,
    Format,
    Generate,
    KeyFormat,
    Load,
)
from fakebus.fixture_files.structure.kinds import (
    BOOLEAN,
    by_name,
    choice,
    custom,
    integer,
    mapping,
    object_of,
    placed,
    several,
    text,
)
from fakebus.fixture_files.structure.lineage_models import NO_LINEAGE, LineageModel, Service
from fakebus.fixture_files.structure.subject_models import LEVEL, Subject
from fakebus.fixture_files.structure.topic_rules import config_problem, name_problem
from fakebus.fixture_files.structure.uses import USES, Use
from fakebus.fixture_files.structure.yaml_tree import (
    YamlMapping,
    YamlNode,
    YamlScalar,
    is_null,
)
from fakebus.fixture_files.times import parse_instant
from fakebus.records.partitioner import PARTITIONERS

DEFAULT_PARTITIONER = "consistent_random"
"""What librdkafka does, and with it confluent-kafka and so Open edX."""
# Events of last year are meant to be there, so nothing is retired unless asked for.
DEFAULT_TOPIC_CONFIG: Mapping[str, str] = {"retention.ms": "-1"}
MAX_PARTITIONS = 10_000
_OFFSET = re.compile(r"[0-9]{1,18}", re.ASCII)
_SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
PARTITIONER = choice(tuple(PARTITIONERS), "there is no partitioner {}")
PLACED_TEXTS = several(placed(text()), single=YamlScalar)
Place = tuple[str, Position]


def _read_config(node: YamlMapping, what: str, reading: Reading) -> Any:
    config = {}
    for key, entry in node.entries.items():
        if not isinstance(entry.value, YamlScalar) or is_null(entry.value):
            reading.wrong(
                entry.value.position,
                f"the config {quoted(key)} must be a text, a number or a boolean",
                "join several values with commas",
            )
            continue
        text = entry.value.text
        # YAML's booleans may be capitalised; Kafka's are not.
        config[key] = text.lower() if entry.value.kind == "bool" else text
        problem = config_problem(key, config[key])
        if problem is not None:
            wrong = entry.value if key in TOPIC_KEYS else entry.key
            reading.wrong(wrong.position, *problem)
    return config


def _topic_name(name: str) -> str:
    problem = name_problem(name)
    if problem is not None:
        raise DataError(*problem)
    return name


_STRING = KeyFormat(name="string")
_JSON = Format(name="json")
_NO_CONTRACT = Contract()


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic(Model):
    """A topic with its events."""

    WHAT: ClassVar[str] = "a topic"
    HINT: ClassVar[str] = "write  - name: my-topic"
    KEY: ClassVar[str] = "name"

    name: str = declared(
        text(
            parse=_topic_name,
            words={"type": "string", "maxLength": 249, "pattern": "^[a-zA-Z0-9._-]+$"},
        ),
        required=True,
    )
    # After a mistake here, the events' partitions are not complained about as well.
    partitions: int = declared(integer(1, MAX_PARTITIONS, instead=MAX_PARTITIONS), default=1)
    config: Mapping[str, str] = declared(
        mapping(
            _read_config,
            {
                "type": ["object", "null"],
                "additionalProperties": {"type": ["string", "number", "boolean"]},
            },
        ),
        default=dict,
    )
    key: KeyFormat = declared(KEY_FORMAT, default=_STRING, inner=KeyFormat)
    value: Format = declared(VALUE_FORMAT, default=_JSON, inner=Format)
    headers: Headers = declared(HEADERS, default=Headers())
    loads: tuple[Load, ...] = declared(LOADS, name="load", default=())
    generates: tuple[Generate, ...] = declared(GENERATES, name="generate", default=())
    owner: str | None = declared(text())
    producers: tuple[str, ...] = declared(several(text()), default=())
    only_owner: bool = declared(BOOLEAN, default=False)
    consumers: tuple[str, ...] = declared(several(text()), default=())
    description: str = declared(text(), default="")
    partitioner: str | None = declared(PARTITIONER)
    contract: Contract = declared(object_of(Contract), default=_NO_CONTRACT, inner=Contract)

    @property
    def writers(self) -> tuple[str, ...]:
        """The services that are declared to write the topic, its owner first."""
        return tuple(filter(None, (self.owner, *self.producers)))

    def finished(self, reading: Reading) -> Self:
        """Return the topic; that only an unknown owner may write it is told."""
        if self.only_owner and not self.owner:
            reading.wrong(
                self.at("only_owner"),
                f"the topic {quoted(self.name)} is for its owner only, and has none",
                "name the service that writes it with  owner:",
            )
        return self

    @property
    def key_format(self) -> Format:
        """How keys are written."""
        return self.key if self.key.is_named else _STRING

    @property
    def value_format(self) -> Format:
        """How values are written."""
        return self.value if self.value.is_named else _JSON

    @property
    def key_field(self) -> str | None:
        """The field of the value that is the key of events without one."""
        return self.key.field


class Offset(NamedTuple):
    """Entry of a group's offsets."""

    topic: str
    topic_position: Position
    partition: int | None
    partition_position: Position
    start: StartOffset
    start_position: Position


def _read_offsets(node: YamlMapping, what: str, reading: Reading) -> Any:
    found = []
    for topic, entry in node.entries.items():
        if not isinstance(entry.value, YamlMapping):
            message = f"the offsets of {quoted(topic)} must be given by partition"
            reading.wrong(entry.value.position, message, 'write  my-topic: {"*": earliest}')
            continue
        for partition, (key, value) in entry.value.entries.items():
            if partition != "*" and not _OFFSET.fullmatch(partition):
                message = f"{quoted(partition)} is not a partition"
                hint = 'write a number, or "*" for all partitions'
                reading.wrong(key.position, message, hint)
                continue
            start = _start(value)
            if start is None:
                shown = quoted(value.text) if isinstance(value, YamlScalar) else "this"
                hint = 'write "earliest", "latest" or a number from 0'
                reading.wrong(value.position, f"{shown} is not an offset", hint)
                continue
            number = None if partition == "*" else int(partition)
            found.append(
                Offset(topic, entry.key.position, number, key.position, start, value.position)
            )
    return tuple(found)


def _start(node: YamlNode) -> StartOffset | None:
    text = node.text if isinstance(node, YamlScalar) else ""
    if text in ("earliest", "latest"):
        return cast(StartOffset, text)
    return int(text) if _OFFSET.fullmatch(text) else None


_STARTS = {"oneOf": [{"type": "integer", "minimum": 0}, {"enum": ["earliest", "latest"]}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Model):
    """A consumer group and where it begins to read."""

    WHAT: ClassVar[str] = "a group"
    HINT: ClassVar[str] = "write  - group: my-group"
    KEY: ClassVar[str] = "group"

    group: str = declared(text(), required=True)
    offsets: tuple[Offset, ...] = declared(
        mapping(
            _read_offsets,
            {
                "type": ["object", "null"],
                "additionalProperties": {"type": "object", "additionalProperties": _STARTS},
            },
        ),
        required=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Model):
    """A part of a set, such as a demo or a small one for tests."""

    name: str = ""
    tags: tuple[Place, ...] = declared(PLACED_TEXTS, default=())
    untagged: bool = declared(BOOLEAN, default=True)
    topics: tuple[Place, ...] = declared(PLACED_TEXTS, default=())
    include: tuple[Place, ...] = declared(PLACED_TEXTS, default=())

    def keeps_topic(self, topic: str) -> bool:
        """Whether a topic belongs to the profile."""
        return not self.topics or any(fnmatchcase(topic, text) for text, _ in self.topics)

    def keeps_event(self, tags: Iterable[str]) -> bool:
        """Whether an event with these tags belongs to the profile, if its topic does."""
        if not self.tags:
            return True
        own = set(tags)
        return any(text in own for text, _ in self.tags) if own else self.untagged

    def groups(self, groups: Iterable[Group]) -> list[Group]:
        """Return the groups with their offsets in the topics of the profile."""
        found = []
        for group in groups:
            offsets = tuple(one for one in group.offsets if self.keeps_topic(one.topic))
            if offsets or not group.offsets:
                found.append(replace(group, offsets=offsets))
        return found


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise DataError(
            f"there is no time zone {quoted(name)}",
            'write a name such as "UTC" or "Europe/Berlin"',
        ) from None


def _rule(text: str) -> str:
    rule = text.partition("/")[0]
    if rule not in RULES:
        raise DataError(f"there is no rule {quoted(rule)}", did_you_mean(rule, RULES))
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockModel(Model):
    """Time in a set."""

    WHAT: ClassVar[str] = "clock"

    anchor: str = declared(text(also=("timestamp",)), default="now")
    zone: tzinfo = declared(text(_zone), name="tz", default=UTC)

    def finished(self, reading: Reading) -> Self:
        """Return the clock; an anchor that is no point in time is told."""
        if self.anchor != "now":
            try:
                parse_instant(self.anchor, self.zone)
            except DataError:
                reading.wrong(
                    self.at("anchor"),
                    f"the anchor {quoted(self.anchor)} is not a point in time",
                    'write "now" or an instant such as "2024-05-01T09:00:00Z"',
                )
                return replace(self, anchor="now")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class LintModel(Model):
    """Rules that ``fakebus fixtures check`` applies."""

    WHAT: ClassVar[str] = "lint"

    ignore: tuple[str, ...] = declared(several(text(_rule), single=YamlScalar), default=())
    conventions: tuple[str, ...] = declared(
        several(choice(CONVENTIONS, "there are no conventions {}"), single=YamlScalar), default=()
    )


def _read_version(node: YamlNode, what: str, reading: Reading) -> Any:
    if isinstance(node, YamlScalar) and node.text == "1":
        return 1
    shown = quoted(node.text) if isinstance(node, YamlScalar) else "not a number"
    message = f"the version of the fixture format is {shown}; this fakebus reads version 1"
    hint = "write  version: 1; the version of a set itself is its  release:"
    reading.wrong(node.position, message, hint)
    return 1


def _set_name(name: str) -> str:
    if not _SET_NAME.fullmatch(name):
        raise DataError(
            f"{quoted(name)} is not a name for a set",
            "write letters, digits, dots, dashes and underscores, such as parcel-events",
        )
    return name


_NOW = ClockModel()
_ALL_RULES = LintModel()


@dataclass(frozen=True, slots=True, kw_only=True)
class IncludedFile(Model):
    """A YAML file that another one includes."""

    WHAT: ClassVar[str] = "an included file"

    version: int = declared(
        custom(_read_version, {"const": 1}),
        default=1,
        missing=("the file has no version", "begin with  version: 1"),
    )
    subjects: tuple[Subject, ...] = declared(several(object_of(Subject, "subject")), default=())
    topics: tuple[Topic, ...] = declared(several(object_of(Topic, "topic")), default=())
    groups: tuple[Group, ...] = declared(several(object_of(Group, "group")), default=())
    services: Mapping[str, Service] = declared(
        by_name(object_of(Service, "service"), what='the service "{}"', is_model=True), default=dict
    )
    lineage: LineageModel = declared(
        object_of(LineageModel), default=NO_LINEAGE, inner=LineageModel
    )
    include: tuple[Place, ...] = declared(PLACED_TEXTS, default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFile(IncludedFile):
    """``fakebus.yaml``."""

    WHAT: ClassVar[str] = "fakebus.yaml"

    name: str | None = declared(
        text(_set_name, words={"type": "string", "pattern": f"^{_SET_NAME.pattern}$"})
    )
    release: str | None = declared(
        text(also=("int", "float"), words={"type": ["string", "number"]})
    )
    clock: ClockModel = declared(object_of(ClockModel), default=_NOW, inner=ClockModel)
    seed: int = declared(integer(), default=0)
    partitioner: str = declared(PARTITIONER, default=DEFAULT_PARTITIONER)
    compatibility: str | None = declared(LEVEL)
    lint: LintModel = declared(object_of(LintModel), default=_ALL_RULES, inner=LintModel)
    uses: tuple[Use, ...] = declared(USES, default=())
    profiles: Mapping[str, Profile] = declared(
        by_name(object_of(Profile, "profile"), what='the profile "{}"', is_model=True), default=dict
    )
    scenarios: tuple[Place, ...] = declared(PLACED_TEXTS, default=())
