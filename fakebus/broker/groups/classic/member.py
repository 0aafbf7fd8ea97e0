"""A member of a classic group."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fakebus.broker.groups.answers import settle
from fakebus.broker.groups.group import MemberDescription
from fakebus.broker.groups.requests import GroupProtocol, JoinResult, SyncResult, size_of
from fakebus.broker.groups.sessions import Session


@dataclass(slots=True, eq=False, kw_only=True)
class GroupMember:
    """One consumer, as the group knows it."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocols: tuple[GroupProtocol, ...]
    session: Session
    """Passes when nothing was heard of the member for too long."""
    assignment: bytes = b""
    is_new: bool = False
    """Whether it has not seen the end of a join phase yet, and so knows no member id."""
    was_pending: bool = False
    """Whether it was given its member id before it joined (KIP-394)."""
    connection: object | None = None
    """The connection of its last JoinGroup."""
    awaiting_join: asyncio.Future[JoinResult] | None = None
    awaiting_sync: asyncio.Future[SyncResult] | None = None

    @property
    def is_static(self) -> bool:
        """Whether the member has a group.instance.id (KIP-345)."""
        return self.group_instance_id is not None

    @property
    def keeps_session_by_waiting(self) -> bool:
        """Whether a parked request stands for heartbeats.

        Not a new member's: it knows no member id, and if its client has gone, nobody
        would ever take it out of the group.
        """
        return not self.is_new and (
            self.awaiting_join is not None or self.awaiting_sync is not None
        )

    @property
    def size_bytes(self) -> int:
        """About how much of the group's record the member takes."""
        return size_of(self.protocols) + len(self.assignment)

    def touch(self) -> None:
        """Restart the session: something was heard of the member."""
        self.session.extend(self.session_timeout_ms)

    def metadata(self, protocol_name: str | None) -> bytes:
        """Return the member's data for a protocol, empty if it does not support it."""
        for protocol in self.protocols:
            if protocol.name == protocol_name:
                return protocol.metadata
        return b""

    def describe(self, protocol_name: str | None, *, is_missing: bool) -> MemberDescription:
        """Return the member as administrators see it.

        Args:
            protocol_name: the protocol that its metadata are shown for.
            is_missing: whether a rebalance under way waits for it.
        """
        return MemberDescription(
            member_id=self.member_id,
            group_instance_id=self.group_instance_id,
            client_id=self.client_id,
            client_host=self.client_host,
            metadata=self.metadata(protocol_name),
            assignment=self.assignment,
            is_missing=is_missing,
            silent_ms=self.session.silent_ms,
            session_timeout_ms=self.session_timeout_ms,
            rebalance_timeout_ms=self.rebalance_timeout_ms,
        )

    def answer_join(self, result: JoinResult) -> None:
        """Let a parked JoinGroup go; nothing happens if there is none."""
        future, self.awaiting_join = self.awaiting_join, None
        settle(future, result)

    def answer_sync(self, result: SyncResult) -> bool:
        """Let a parked SyncGroup go; return whether there was one."""
        future, self.awaiting_sync = self.awaiting_sync, None
        settle(future, result)
        return future is not None
