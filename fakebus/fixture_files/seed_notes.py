"""Notes of what was seeded, as a part of snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker


class SeedNotes:
    """Notes of what was seeded, which name topics by their ids.

    Args:
        broker: the bus.
    """

    name = "seed notes"

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def mark(self) -> None:
        """Return nothing: the notes lie in a topic."""

    async def roll_back(self, mark: None, new_ids: Mapping[UUID, UUID]) -> None:
        """Let the notes name the topics that had to be created anew."""
        if new_ids:
            # What was never seeded need not know how.
            from fakebus.fixture_files.seeding.seeder import note_new_ids

            await note_new_ids(self._broker, new_ids)
