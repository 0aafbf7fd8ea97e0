"""SyncGroup: the leader brings the assignments, everybody takes its own."""

from __future__ import annotations

import asyncio
import logging

from fakebus.broker.groups.answers import settle
from fakebus.broker.groups.classic.group import ClassicGroup, GroupState
from fakebus.broker.groups.classic.member import GroupMember
from fakebus.broker.groups.classic.rebalance import Rebalancer
from fakebus.broker.groups.classic.snapshot import encode_group
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.requests import MAX_GROUP_BYTES, SyncRequest, SyncResult
from fakebus.clock import Clock
from fakebus.errors import ErrorCode
from fakebus.wording import counted

logger = logging.getLogger("fakebus.broker.groups")

SyncFuture = asyncio.Future[SyncResult]


class GroupSyncer:
    """Handles SyncGroup requests to a group that exists.

    Args:
        clock: where time comes from.
        rebalancer: drives the group.
        journal: stores assignments.
    """

    def __init__(self, clock: Clock, rebalancer: Rebalancer, journal: GroupJournal) -> None:
        self._clock = clock
        self._rebalancer = rebalancer
        self._journal = journal

    def sync(self, group: ClassicGroup, request: SyncRequest, future: SyncFuture) -> None:
        """Take the request in; ``future`` gets the answer when there is an assignment."""
        error = self._check(group, request)
        if error is not ErrorCode.NONE:
            settle(future, SyncResult(error=error))
            return
        member = group.members[request.member_id]
        member.touch()
        group.pending_sync.discard(member.member_id)
        if not group.pending_sync:
            self._rebalancer.stop_sync_timer(group)
        if group.state is GroupState.STABLE:
            settle(future, self._result(group, member))
            return
        # If the client has repeated its request, nobody reads the first answer.
        member.answer_sync(SyncResult(error=ErrorCode.REBALANCE_IN_PROGRESS))
        member.awaiting_sync = future
        if group.is_leader(member.member_id):
            self._store(group, dict(request.assignments))

    @staticmethod
    def _check(group: ClassicGroup, request: SyncRequest) -> ErrorCode:
        error = group.check_member(request.member_id, request.group_instance_id)
        if error is not ErrorCode.NONE:
            return error
        if request.generation_id != group.generation_id:
            return ErrorCode.ILLEGAL_GENERATION
        if request.protocol_type not in (None, group.protocol_type):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if group.protocol_name is not None and request.protocol_name not in (
            None,
            group.protocol_name,
        ):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if group.state is GroupState.PREPARING_REBALANCE:
            return ErrorCode.REBALANCE_IN_PROGRESS
        if sum(len(assignment) for _, assignment in request.assignments) > MAX_GROUP_BYTES:
            # What Kafka says when it cannot write the group's record.
            return ErrorCode.UNKNOWN_SERVER_ERROR
        return ErrorCode.NONE

    def _store(self, group: ClassicGroup, assignments: dict[str, bytes]) -> None:
        generation_id = group.generation_id
        # Kafka rebalances if that fails, and so does what follows.
        self._journal.save(group.group_id, encode_group(group, assignments), reverts=False)

        def stored(error: ErrorCode) -> None:
            # Meanwhile the next rebalance may have begun.
            if (
                group.state is not GroupState.COMPLETING_REBALANCE
                or group.generation_id != generation_id
            ):
                return
            if error is ErrorCode.NONE:
                self._hand_out(group, assignments)
            else:
                self._rebalancer.fail_sync(group, error)
                self._rebalancer.prepare_rebalance(group, "the assignments could not be stored")

        self._journal.when_stored(group.group_id, stored)

    def _hand_out(self, group: ClassicGroup, assignments: dict[str, bytes]) -> None:
        for member in group.members.values():
            member.assignment = assignments.get(member.member_id, b"")
            if member.answer_sync(self._result(group, member)):
                member.touch()
        group.transition_to(GroupState.STABLE, self._clock.now_ms())
        logger.info(
            "group %s is stable: generation %d, %s, protocol %s",
            group.group_id,
            group.generation_id,
            counted(len(group.members), "member"),
            group.protocol_name,
        )

    @staticmethod
    def _result(group: ClassicGroup, member: GroupMember) -> SyncResult:
        return SyncResult(
            protocol_type=group.protocol_type,
            protocol_name=group.protocol_name,
            assignment=member.assignment,
        )
