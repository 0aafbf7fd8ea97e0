"""Groups of streams while nobody serves Redis: rows that snapshots take and put back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from fakebus.redis.keys import GROUPS, PENDING

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker


class GroupsAtRest:
    """Participant of snapshots for groups that no client uses now.

    Args:
        broker: its storage has them.
    """

    name = "redis"

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def mark(self) -> dict[str, str | None]:
        """Return what is stored of all groups."""
        return {
            kind + name: text
            for kind in (GROUPS, PENDING)
            for name, text in self._broker.values(kind).all().items()
        }

    async def roll_back(self, mark: Mapping[str, str | None], new_ids: Mapping[UUID, UUID]) -> None:
        """Go back to the groups of a mark, after the topics went back."""
        if not mark and not self.mark():
            return
        # A bus without streams need not know how they are read.
        from fakebus.redis.groups import StreamGroups

        groups = StreamGroups(self._broker)
        try:
            await groups.roll_back(mark, new_ids)
        finally:
            groups.close()
