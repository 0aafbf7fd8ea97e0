"""Fixture sets that a bus was seeded from: what is in them, and how they differ from the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fakebus.cluster.browsing import ReadRequest, read_page
from fakebus.cluster.events import Event
from fakebus.cluster.interface import Cluster, NotFoundError
from fakebus.cluster.recorded_sets import source_schema
from fakebus.cluster.snapshot_diff import source_record
from fakebus.errors import FakebusError
from fakebus.fixture_files.drift.findings import DriftFinding
from fakebus.fixture_files.drift.live import against_topics
from fakebus.fixture_files.drift.lock import lock_problems, read_lock
from fakebus.fixture_files.drift.registries import against_registry
from fakebus.fixture_files.drift.set_subjects import set_subjects
from fakebus.fixture_files.loader import load_fixtures
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.problems import FixtureProblem
from fakebus.fixture_files.recording.reading import SourceSchema, SourceTopic

MOST_COMPARED = 200
"""Newest records of each topic that are compared with a set."""


@dataclass(slots=True, kw_only=True)
class LoadedSet:
    """Fixture set of a bus, as its files are now."""

    place: str
    """Its directory, pack or name, as it was given."""
    problem: str = ""
    """Why it cannot be read any more."""
    found: FixtureSet | None = None
    has_lock: bool = False
    lock_problems: Sequence[FixtureProblem] = ()
    drift: Sequence[DriftFinding] = ()
    topics: Mapping[str, SourceTopic] = field(default_factory=dict)
    """Its topics that the bus has."""


class _KnownSchemas:
    """Registry that was asked already for some subjects; see :class:`registries.Registry`."""

    url = "the registry"

    def __init__(self) -> None:
        self.schemas: dict[str, dict[int, SourceSchema]] = {}
        self.levels: dict[str, str] = {}

    def versions(self, subject: str) -> list[int]:
        """Return the versions of a subject, oldest first."""
        return sorted(self.schemas[subject])

    def version(self, subject: str, version: int | str) -> SourceSchema | None:
        """Return one version."""
        return self.schemas[subject][int(version)]

    def level(self, subject: str) -> str:
        """Return the compatibility level that holds for a subject."""
        return self.levels[subject]


async def loaded_sets(cluster: Cluster) -> list[LoadedSet]:
    """Return the sets that a bus was seeded from, compared with it; nothing is written.

    Raises:
        NotOnThisCluster: the cluster is none of our own.
    """
    settings = cluster.bus("what it was seeded from").settings
    found = []
    for place in settings.fixtures:
        one = LoadedSet(place=str(place))
        found.append(one)
        try:
            read = partial(load_fixtures, place, now_ms=cluster.now_ms(), profile=settings.profile)
            one.found = await asyncio.to_thread(read)
            await _compare(cluster, place, one, one.found)
        except FakebusError as error:
            one.problem = str(error)
    return found


async def _compare(cluster: Cluster, place: Path, one: LoadedSet, found: FixtureSet) -> None:
    subjects = await asyncio.to_thread(set_subjects, found)
    known = await _schemas_of(cluster, list(subjects))
    there = {each.name for each in await cluster.topics()}
    events: list[Event] = []
    for topic in found.topics:
        if topic.name in there:
            newest = ReadRequest(topics=(topic.name,), newest_first=True, limit=MOST_COMPARED)
            page = (await read_page(cluster, newest)).events
            details = await cluster.topic(topic.name)
            own = {each.name: each.value or "" for each in details.configs if not each.is_default}
            records = [source_record(event) for event in reversed(page)]
            one.topics = {
                **one.topics,
                topic.name: SourceTopic(
                    name=topic.name,
                    partitions=len(details.partitions),
                    config=own,
                    records=records,
                ),
            }
            events += page[:1]
    source: Any = events[0].schemas if events else None

    def work() -> None:
        one.drift = [
            *against_registry(subjects, known),
            *against_topics(found, subjects, one.topics.values(), source, "this bus"),
        ]
        one.has_lock = place.is_dir() and read_lock(place) is not None
        one.lock_problems = lock_problems(place, found) if one.has_lock else ()

    await asyncio.to_thread(work)


async def _schemas_of(cluster: Cluster, subjects: Sequence[str]) -> _KnownSchemas:
    known = _KnownSchemas()
    there = set(await cluster.schemas.subjects())
    for subject in subjects:
        known.schemas[subject] = {}
        known.levels[subject] = await cluster.schemas.level(subject)
        # What is deleted after the subjects were listed is as if it had never been there.
        with suppress(NotFoundError):
            for number in await cluster.schemas.versions(subject) if subject in there else ():
                known.schemas[subject][number] = await source_schema(cluster, subject, number)
    return known
