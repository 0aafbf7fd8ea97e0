"""Share sessions: which partitions a member fetches, told once (KIP-932).

Source: Kafka's ShareSessionCache and SharePartitionManager.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from fakebus.errors import BrokerError, ErrorCode
from fakebus.types import TopicIdPartition

INITIAL_EPOCH, FINAL_EPOCH = 0, -1
_MAX_EPOCH = 2**31 - 1


class Fetch(Protocol):
    """Fetch under way."""

    def cancel(self) -> None:
        """Answer it now, with nothing."""


@dataclass(slots=True, eq=False)
class ShareSession:
    """Session of a member: its partitions, the next to be served first."""

    group_id: str
    member_id: str
    connection: object
    partitions: dict[TopicIdPartition, None] = field(default_factory=dict)
    epoch: int = 1
    fetch: Fetch | None = None
    """The fetch that waits for records."""
    asked_ms: int = 0
    """When the member has last waited for records."""

    def rotate(self) -> list[TopicIdPartition]:
        """Return the partitions; next time another one is first, so that none starves."""
        order = list(self.partitions)
        if order:
            self.partitions[order[0]] = self.partitions.pop(order[0])
        return order


class ShareSessions:
    """All share sessions, by group and member."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], ShareSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, group_id: str, member_id: str, connection: object, most: int) -> ShareSession:
        """Begin a session, in the place of the one that the member may have had.

        Args:
            group_id: the group.
            member_id: the member.
            connection: what stands for its connection.
            most: how many sessions there may be.

        Raises:
            BrokerError: SHARE_SESSION_LIMIT_REACHED.
        """
        self._sessions.pop((group_id, member_id), None)
        if len(self._sessions) >= most:
            raise BrokerError(ErrorCode.SHARE_SESSION_LIMIT_REACHED)
        session = ShareSession(group_id, member_id, connection)
        self._sessions[group_id, member_id] = session
        return session

    def go_on(self, group_id: str, member_id: str, epoch: int) -> ShareSession:
        """Return the session of a request, whose epoch moves with it.

        Raises:
            BrokerError: SHARE_SESSION_NOT_FOUND or INVALID_SHARE_SESSION_EPOCH.
        """
        session = self._sessions.get((group_id, member_id))
        if session is None:
            raise BrokerError(
                ErrorCode.SHARE_SESSION_NOT_FOUND, "the member has no share session here"
            )
        if epoch == FINAL_EPOCH:
            return session
        if epoch != session.epoch:
            raise BrokerError(
                ErrorCode.INVALID_SHARE_SESSION_EPOCH,
                f"the share session expects epoch {session.epoch}, not {epoch}",
            )
        session.epoch = 1 if epoch == _MAX_EPOCH else epoch + 1
        return session

    def close(self, session: ShareSession) -> None:
        """End a session."""
        key = session.group_id, session.member_id
        if self._sessions.get(key) is session:
            del self._sessions[key]

    def of_connection(self, connection: object) -> list[ShareSession]:
        """Return the sessions that were begun through a connection."""
        return [each for each in self._sessions.values() if each.connection is connection]

    def get(self, group_id: str, member_id: str) -> ShareSession | None:
        """Return a member's session, if it has one."""
        return self._sessions.get((group_id, member_id))
