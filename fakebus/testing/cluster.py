"""What a cluster has to do for the test handle: our own bus, or a Kafka somewhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fakebus.broker.activity import Activity
from fakebus.cluster.events import Event
from fakebus.cluster.interface import Schemas
from fakebus.fixture_files.model import FixtureSchema
from fakebus.records.record import NewRecord
from fakebus.testing.groups import GroupProgress
from fakebus.testing.naming import Namespace

if TYPE_CHECKING:
    from fakebus.lineage.flow import Flows


class EventCursor(Protocol):
    """Cursor over a topic's events since the test began."""

    async def ready(self) -> list[Event]:
        """Return some of the events that are there and were not returned before.

        An empty list says that these were all that were there when the first of them was
        asked for.
        """

    async def wait(self, timeout_s: float) -> None:
        """Return when there may be more events, after ``timeout_s`` at the latest."""


class ScopedCluster(Protocol):
    """Cluster from the beginning of a test on."""

    is_external: bool
    """Whether it is a Kafka that runs elsewhere, with neither faults nor snapshots."""

    @property
    def schemas(self) -> Schemas:
        """Its schema registry; NotOnThisCluster if none is known."""

    def now_ms(self) -> int:
        """Return the cluster's time in milliseconds since the epoch."""

    async def produce(self, topic: str, partition: int | None, record: NewRecord) -> Event:
        """Write a record and return it as it was stored; creates the topic if need be."""

    async def topic_names(self) -> list[str]:
        """Return all topics of clients."""

    def follow(self, topic: str) -> AbstractContextManager[EventCursor]:
        """Follow a topic, whether it exists or not, from the beginning of the test on."""

    async def progress(self, group: str) -> GroupProgress | None:
        """Return how far a group is, ``None`` if there is no such group."""

    async def seed(self, sets: Sequence[Path], namespace: Namespace) -> None:
        """Load a directory of fixture files, its topics and groups under a test's names."""

    async def schema_ids(
        self, schemas: Sequence[FixtureSchema], namespace: Namespace
    ) -> Mapping[tuple[str, int], int]:
        """Return the ids of schemas by subject and version; what is not registered is now."""

    async def clear(self, topic: str) -> None:
        """Delete the records of a topic; one that does not exist has none."""

    async def take(self, topic: str, group: str, timeout_s: float) -> list[Event]:
        """Return what a group has not read yet, and commit it."""

    async def snapshot(self, name: str | None) -> None:
        """Remember everything under a name; an older snapshot of that name is forgotten."""

    async def rollback(self, name: str | None) -> None:
        """Go back to a snapshot; without one of no name, to where the test began."""

    def activities(self) -> Sequence[Activity]:
        """Return what clients have done since the test began, as far as it is known."""

    def flows(self) -> Flows:
        """Return what knows causes and effects; NotOnThisCluster on an external cluster."""
