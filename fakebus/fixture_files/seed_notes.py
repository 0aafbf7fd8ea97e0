"""Notes of what was seeded: a part of snapshots, and what sets say of services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from fakebus.fixture_files import LEDGER_TOPIC

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker
    from fakebus.fixture_files.parties import Parties


class SeedNotes:
    """Notes of what was seeded, which name topics by their ids.

    What was never seeded need not know how, so that the reader of the notes is imported late.

    Args:
        broker: the bus.
    """

    name = "seed notes"

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._parties: Parties | None = None
        self._seen: tuple[object, ...] | None = None

    async def parties(self) -> Parties | None:
        """Return what the sets declare that the bus was seeded from; ``None`` if there are none."""
        topic = self._broker.topics.get(LEDGER_TOPIC)
        if topic is None:
            self._parties = self._seen = None
            return None
        log = topic.partitions[0]
        seen = (topic.topic_id, log.leader_epoch, log.high_watermark)
        if seen != self._seen:
            from fakebus.fixture_files.seeding.seeder import read_ledger

            self._parties, self._seen = (await read_ledger(self._broker)).parties, seen
        return self._parties

    def mark(self) -> None:
        """Return nothing: the notes lie in a topic."""

    async def roll_back(self, mark: None, new_ids: Mapping[UUID, UUID]) -> None:
        """Let the notes name the topics that had to be created anew."""
        if new_ids:
            from fakebus.fixture_files.seeding.seeder import note_new_ids

            await note_new_ids(self._broker, new_ids)
