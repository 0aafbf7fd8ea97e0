"""Sets while they are loaded together: each by its own rules, seeing of others what it may see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.fixture_files.events.event_lines import EventLine
from fakebus.fixture_files.events.timeline import Timeline
from fakebus.fixture_files.model import FixtureSet, set_label
from fakebus.fixture_files.problems import Position, ProblemList
from fakebus.fixture_files.set_sources import SetSource
from fakebus.fixture_files.structure.models import Topic
from fakebus.fixture_files.structure.schema_set import SchemaIdTable, SchemaSet, SetSchema
from fakebus.fixture_files.structure.set_reader import SetSpec


class LoadSettings(NamedTuple):
    """Settings that all sets share which are loaded together."""

    now_ms: int
    config: BrokerConfig
    ids: SchemaIdTable
    verify: bool = False
    """Whether records are decoded again and compared, and the rules of lint are applied."""
    keep_calls: bool = False
    """Whether events keep the data whose calls give something else at another time."""
    keep_written: bool = False
    """Whether events keep their data with a schema as they are written."""


@dataclass(slots=True, kw_only=True, eq=False)
class Part:
    """Set among those that are loaded together."""

    source: SetSource
    position: Position
    """Where it is named first."""
    profile: str | None
    problems: ProblemList
    notes: ProblemList = field(default_factory=ProblemList)
    """What is no mistake of the set, and may surprise those who use it."""
    spec: SetSpec
    schemas: SchemaSet
    timeline: Timeline
    profile_at: Position | None = None
    """Where the profile is asked for, if it is another set that does."""
    generate: tuple[str, int | None] | None = None
    """A topic to generate events for, whatever the set says, and how many."""
    uses: list[Part] = field(default_factory=list)
    """The sets that it uses itself."""
    beside: list[Part] = field(default_factory=list)
    """Sets that are loaded beside it, which it sees as well."""
    topics: Mapping[str, Topic] = field(default_factory=dict)
    """Its own, as others see them: with its partitioner, and without events."""
    lines: list[EventLine] = field(default_factory=list)
    results: list[FixtureSet] = field(default_factory=list)
    """What it has of its own, once it is encoded."""

    @property
    def name(self) -> str | None:
        """What the set is called."""
        return self.spec.root.name or self.source.name

    @property
    def version(self) -> str | None:
        """The set's own version."""
        return self.spec.root.release or self.source.version

    @property
    def label(self) -> str:
        """The name of the set, or where it lies, with its version if it has one."""
        return set_label(self.name, self.version, self.source.root)

    def used(self) -> list[Part]:
        """Return the sets that it uses, and those that they use, the deepest first."""
        return list(deepest_first(self.uses, {}))

    def seen(self) -> list[Part]:
        """Return all sets but itself whose subjects, topics and events it sees."""
        return [part for part in deepest_first([*self.uses, *self.beside], {}) if part is not self]

    def visible_schemas(self) -> Iterator[SetSchema]:
        """Yield the schemas of the sets that it sees."""
        for part in self.seen():
            yield from part.schemas

    def visible_topics(self) -> dict[str, Topic]:
        """Return all topics that it sees by name; its own win."""
        found: dict[str, Topic] = {}
        for part in reversed(self.seen()):
            found |= part.topics
        return found | {topic.name: topic for topic in self.spec.topics}


def deepest_first(parts: Iterable[Part], found: dict[Part, None]) -> dict[Part, None]:
    """Return sets with all that they use, added to those that are found already."""
    for part in parts:
        if part not in found:
            deepest_first(part.uses, found)
            found[part] = None
    return found


class PartLoader(Protocol):
    """Loader of one part, whose steps are taken for all parts in turn."""

    part: Part

    def read(self) -> None:
        """Read what the set consists of."""

    def read_events(self) -> None:
        """Read the events, when the schemas of all sets are known."""

    def encode(self) -> None:
        """Add what the set has of its own to the part's results."""

    def check(self) -> None:
        """Look at what concerns other sets too, when all are encoded."""
