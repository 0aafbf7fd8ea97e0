"""Coordinator of the classic groups: JoinGroup, SyncGroup, Heartbeat and LeaveGroup."""

from __future__ import annotations

from collections.abc import Container, Sequence

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.classic.group import ClassicGroup, GroupState
from fakebus.broker.groups.classic.joining import GroupJoiner
from fakebus.broker.groups.classic.rebalance import Rebalancer
from fakebus.broker.groups.classic.snapshot import decode_group, encode_group
from fakebus.broker.groups.classic.syncing import GroupSyncer
from fakebus.broker.groups.history import LEFT, GroupHistory
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.requests import UNKNOWN_MEMBER_ID, LeavingMember
from fakebus.clock import Clock
from fakebus.errors import ErrorCode


class ClassicCoordinator:
    """Coordinator of the groups of the classic type.

    Args:
        config: the broker's configs.
        clock: where time and timers come from.
        journal: stores groups.
        history: is told what becomes of members and groups.
    """

    def __init__(
        self, config: BrokerConfig, clock: Clock, journal: GroupJournal, history: GroupHistory
    ) -> None:
        self._config = config
        self._clock = clock
        self._rebalancer = Rebalancer(config, clock, journal, history)
        self.join = GroupJoiner(config, self._rebalancer, journal).join
        self.sync = GroupSyncer(clock, self._rebalancer, journal).sync
        self._journal = journal
        self.session = self._rebalancer.new_session
        self.rebalance = self._rebalancer.rebalance
        self.remove = self._rebalancer.remove
        self.abandon = self._rebalancer.abandon

    def unload(self, group: ClassicGroup, successor: object) -> None:
        """Stop what runs in a group in whose place the stored one has come, or none.

        Clients that were given a member id before they join can still come back with it.
        """
        if isinstance(successor, ClassicGroup):
            self._rebalancer.expect_again(group, successor)
        self.abandon(group, ErrorCode.NOT_COORDINATOR)

    def save(self, group: ClassicGroup) -> None:
        """Store a group as it is now."""
        self._journal.save(group.group_id, encode_group(group))

    # -- members --

    def heartbeat(
        self,
        group: ClassicGroup,
        member_id: str,
        generation_id: int,
        group_instance_id: str | None,
    ) -> ErrorCode:
        """Keep a member's session; REBALANCE_IN_PROGRESS tells it to join again."""
        error = group.check_member(member_id, group_instance_id)
        if error is not ErrorCode.NONE:
            return error
        if generation_id != group.generation_id:
            return ErrorCode.ILLEGAL_GENERATION
        group.touch(member_id)
        if group.state is GroupState.PREPARING_REBALANCE:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def leave(self, group: ClassicGroup, leaving: Sequence[LeavingMember]) -> list[ErrorCode]:
        """Remove members that leave by themselves or are sent away; return each one's error."""
        gone: dict[str, None] = {}
        errors = []
        reasons: list[str] = []
        for member in leaving:
            member_id = member.member_id
            if member_id == UNKNOWN_MEMBER_ID:
                # An administrator knows the instance id only (KIP-345).
                member_id = group.static_members.get(member.group_instance_id or "", "")
            error = _leave_error(group, member_id, member.group_instance_id, gone)
            if error is ErrorCode.NONE:
                gone[member_id] = None
            errors.append(error)
            reasons += filter(None, (member.reason,))
        self.remove(group, gone, ": ".join((LEFT, *reasons[:1])))
        return errors

    # -- what every type does --

    def new_group(self, group_id: str) -> ClassicGroup:
        """Return a group without members."""
        return ClassicGroup(group_id, self._clock.now_ms())

    def load(self, group_id: str, snapshot: bytes | None) -> ClassicGroup:
        """Return a stored group, whose members have their session timeout to call.

        Raises:
            StorageError: the snapshot cannot be read.
        """
        group = decode_group(group_id, snapshot, self._clock.now_ms(), self._rebalancer.new_session)
        for member in group.members.values():
            member.touch()
        if group.state is GroupState.COMPLETING_REBALANCE:
            group.pending_sync.update(group.members)
            self._rebalancer.start_sync_timer(group)
        if len(group.members) > self._config.get_int("group.max.size"):
            # The limit was lowered: the last ones to rejoin are turned away.
            self._rebalancer.prepare_rebalance(group, "it is larger than group.max.size")
        return group

    def remove_all(self, group: ClassicGroup, reason: str) -> None:
        """Take all members out of the group, so that it is empty."""
        self.remove(group, (*group.pending_members, *group.members), reason)
        if group.state is GroupState.PREPARING_REBALANCE:
            self._rebalancer.complete_join(group)

    def remove_connected(self, group: ClassicGroup, connection: object) -> None:
        """Take out the members that joined last through a connection, now closed.

        Static members stay: to be away for a while is what they are for (KIP-345).
        """
        gone = [
            member_id
            for member_id, member in group.members.items()
            if member.connection is connection and not member.is_static
        ]
        gone += [
            member_id
            for member_id, pending in group.pending_members.items()
            if pending.connection is connection
        ]
        if gone:
            self.remove(group, gone, "its connection was closed")


def _leave_error(
    group: ClassicGroup, member_id: str, group_instance_id: str | None, gone: Container[str]
) -> ErrorCode:
    """Return why a member does not leave: as if those before it in the request had left."""
    if member_id in group.pending_members and member_id not in gone:
        return ErrorCode.NONE
    if group.static_members.get(group_instance_id or "") in gone:
        return ErrorCode.UNKNOWN_MEMBER_ID
    error = group.check_member(member_id, group_instance_id)
    return ErrorCode.UNKNOWN_MEMBER_ID if not error.code and member_id in gone else error
