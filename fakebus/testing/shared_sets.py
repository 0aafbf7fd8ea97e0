"""Fixture sets that services share, with their events decoded, for contracts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from fakebus.clock import SystemClock
from fakebus.cluster.events import Event
from fakebus.fixture_files.contracts.cases import SharedCase, shared_cases
from fakebus.fixture_files.contracts.reports import Observation, Observations, note
from fakebus.fixture_files.contracts.shared import Content, SharedTopic, content_of, shared_topics
from fakebus.fixture_files.loader import load_whole
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.shapes import shape_of
from fakebus.schemas.payloads import KnownSchema


class SharedSets:
    """Sets of fixture files that several services share.

    Args:
        directories: where they are.

    Raises:
        FixtureError: a set has problems.
    """

    def __init__(self, directories: Sequence[Path]) -> None:
        now_ms = SystemClock().now_ms()
        self._sets = list(load_whole(directories, now_ms=now_ms))
        # Each knows its schemas by ids of its own.
        self._topics = [shared_topics(each) for each in self._sets]
        self.topics: dict[str, SharedTopic] = {}
        seen: set[tuple[str, int]] = set()
        for topics in self._topics:
            for name, topic in topics.items():
                for event_type, events in topic.events.items():
                    topic.events[event_type] = [one for one in events if one.place not in seen]
                    seen.update(one.place for one in events)
                known = self.topics.setdefault(name, replace(topic, events={}))
                for event_type, events in topic.events.items():
                    known.events.setdefault(event_type, []).extend(events)

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the sets by their names."""
        whole = self._sets[0]
        sets = whole.parts or (whole,)
        return {_name(one): one.version or "" for one in sets if one.root != Path()}

    def cases(self, topic: str) -> list[SharedCase]:
        """Return the events that a consumer of a topic has to take; none if it is not shared."""
        return [
            case
            for fixture_set, topics in zip(self._sets, self._topics, strict=True)
            if topic in topics
            for case in shared_cases(topics[topic], fixture_set.schemas)
        ]

    def problems(self, topic: str, event: Event) -> list[str]:
        """Return why an event is not as the sets say; see :class:`SharedTopic`."""
        return list(self.topics[topic].problems(_content(topic, event)))

    def type_of(self, topic: str, event: Event) -> str:
        """Return the type of an event on a shared topic."""
        return self.topics[topic].type_of(_content(topic, event))

    def note_produced(self, produced: Observations, topic: str, events: Iterable[Event]) -> None:
        """Add what was emitted onto a shared topic to what a service was seen to produce."""
        shared = self.topics[topic]
        for event in events:
            content = _content(topic, event)
            note(produced, topic, shared.type_of(content), self._observation(shared, content))

    def note_accepted(self, accepted: Observations, case: SharedCase) -> None:
        """Add a case that a consumer took to what its service was seen to accept."""
        shared = self.topics[case.topic]
        known = next(one for one in shared.events[case.event_type] if one.where == case.where)
        seen = self._observation(shared, known.content)
        seen.unknown_fields = case.has_unknown_field
        note(accepted, case.topic, case.event_type, seen)

    def _observation(self, shared: SharedTopic, content: Content) -> Observation:
        # A tombstone has no structure, and no schema.
        if content.value.format == "null":
            return Observation()
        schema: KnownSchema | None = content.value.schema
        names = set() if schema is None else {_schema_name(shared, schema)}
        return Observation(shape=shape_of([content.data]), schemas=names)


def _content(topic: str, event: Event) -> Content:
    return content_of(topic, event.key, event.value, event.headers, event.schemas)


def _name(one: FixtureSet) -> str:
    return one.name or one.root.name


def _schema_name(shared: SharedTopic, schema: KnownSchema) -> str:
    for subject in shared.subjects.values():
        for version in subject.versions:
            if version.parsed.identity == schema.parsed.identity:
                return f"{subject.name} version {version.schema.version}"
    return f"a schema of no shared subject ({schema.parsed.name or schema.parsed.schema_type})"


@lru_cache(maxsize=16)
def read_shared_sets(directories: tuple[Path, ...]) -> SharedSets:
    """Return the sets of some directories, which are read once in a process."""
    return SharedSets(directories)
