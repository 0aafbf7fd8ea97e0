"""What the broker notes by itself, beside the requests of clients."""

from __future__ import annotations

from fakebus.broker.activity import LIBRARY, NOWHERE, Activities
from fakebus.types import TopicPartition


class BrokerNotes:
    """Notes of what becomes of topics and groups, and of faults that are met.

    Args:
        activity: where they go.
    """

    def __init__(self, activity: Activities) -> None:
        self._activity = activity

    def of_topic(
        self,
        verb: str,
        /,
        place: TopicPartition = NOWHERE,
        offsets: tuple[int, int] = (-1, -1),
        *,
        detail: str = "",
    ) -> None:
        """Note what becomes of a topic, or of a range of its records."""
        self._activity.note(verb, LIBRARY, place, offsets, detail=detail)

    def of_fault(self, client: str, fault: object) -> None:
        """Note that a client has met a fault."""
        self.of_topic("fault fired", detail=f"{client or 'a client without an id'}: {fault}")

    def of_group(self, verb: str, group: str, client_id: str, member_id: str, reason: str) -> None:
        """Note what becomes of a group or a member."""
        who = f"{client_id}: " if client_id else ""
        self._activity.note(verb, LIBRARY, group=group, detail=who + reason, member=member_id)
