"""JoinGroup: who may come in, and what that means for the group."""

from __future__ import annotations

import asyncio
import logging

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.answers import settle
from fakebus.broker.groups.classic.group import ClassicGroup, GroupState
from fakebus.broker.groups.classic.member import GroupMember
from fakebus.broker.groups.classic.rebalance import NEW_MEMBER_JOIN_TIMEOUT_MS, Rebalancer
from fakebus.broker.groups.classic.snapshot import encode_group
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.requests import (
    UNKNOWN_MEMBER_ID,
    JoinRequest,
    JoinResult,
    SyncResult,
)
from fakebus.errors import ErrorCode

logger = logging.getLogger("fakebus.broker.groups")

JoinFuture = asyncio.Future[JoinResult]


class GroupJoiner:
    """Handles JoinGroup requests to a group that exists.

    Args:
        config: the broker's configs.
        rebalancer: drives the group.
        journal: stores static members' new ids.
    """

    def __init__(
        self,
        config: BrokerConfig,
        rebalancer: Rebalancer,
        journal: GroupJournal,
    ) -> None:
        self._config = config
        self._rebalancer = rebalancer
        self._journal = journal

    def join(self, group: ClassicGroup, request: JoinRequest, future: JoinFuture) -> None:
        """Take the request in; ``future`` gets the answer, perhaps much later."""
        if not self._has_room(group, request.member_id):
            self._rebalancer.remove(group, (request.member_id,), "the group is full")
            settle(future, JoinResult(error=ErrorCode.GROUP_MAX_SIZE_REACHED))
        elif not group.has_room_for(request):
            error = ErrorCode.UNKNOWN_SERVER_ERROR
            settle(future, JoinResult(error=error, member_id=request.member_id))
        elif not group.supports_protocols(request.protocol_type, request.protocols):
            error = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
            settle(future, JoinResult(error=error, member_id=request.member_id))
        elif request.member_id == UNKNOWN_MEMBER_ID:
            self._join_unknown(group, request, future)
        elif request.member_id in group.pending_members:
            self._join_pending(group, request, future)
        else:
            self._join_known(group, request, future)

    def _has_room(self, group: ClassicGroup, member_id: str) -> bool:
        limit = self._config.get_int("group.max.size")
        member = group.members.get(member_id)
        if group.is_empty:
            return True
        if group.state is GroupState.PREPARING_REBALANCE:
            # Those who wait are counted: if the limit was lowered, the last to rejoin go.
            waiting = sum(m.awaiting_join is not None for m in group.members.values())
            return waiting < limit or (member is not None and member.awaiting_join is not None)
        return member is not None or len(group.members) < limit

    # -- clients without a member id --

    def _join_unknown(self, group: ClassicGroup, request: JoinRequest, future: JoinFuture) -> None:
        member_id = group.new_member_id(request.client_id, request.group_instance_id)
        if request.group_instance_id is not None:
            known = group.static_members.get(request.group_instance_id)
            if known is None:
                self._add(group, request, member_id, future)
            else:
                self._replace(group, request, group.members[known], member_id, future)
        elif request.requires_known_member_id:
            # KIP-394: a client that gives up waiting must not leave a member behind with
            # every attempt.
            self._rebalancer.add_pending(
                group, member_id, request.session_timeout_ms, request.connection
            )
            settle(future, JoinResult(error=ErrorCode.MEMBER_ID_REQUIRED, member_id=member_id))
        else:
            self._add(group, request, member_id, future)

    def _join_pending(self, group: ClassicGroup, request: JoinRequest, future: JoinFuture) -> None:
        if request.group_instance_id is not None:
            # Ids that are given out for later are never a static member's.
            error = ErrorCode.UNKNOWN_SERVER_ERROR
            settle(future, JoinResult(error=error, member_id=request.member_id))
        else:
            self._add(group, request, request.member_id, future)

    def _new_member(
        self, group: ClassicGroup, request: JoinRequest, member_id: str, future: JoinFuture
    ) -> GroupMember:
        return GroupMember(
            member_id=member_id,
            group_instance_id=request.group_instance_id,
            client_id=request.client_id,
            client_host=request.client_host,
            session_timeout_ms=request.session_timeout_ms,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            protocols=request.protocols,
            session=self._rebalancer.new_session(group, member_id),
            connection=request.connection,
            awaiting_join=future,
        )

    def _add(
        self, group: ClassicGroup, request: JoinRequest, member_id: str, future: JoinFuture
    ) -> None:
        member = self._new_member(group, request, member_id, future)
        member.is_new = True
        member.was_pending = member_id in group.pending_members
        if (
            group.state is GroupState.PREPARING_REBALANCE
            and group.previous_state is GroupState.EMPTY
        ):
            group.new_member_added = True
        group.add(member, request.protocol_type)
        member.session.extend(NEW_MEMBER_JOIN_TIMEOUT_MS)
        self._rebalancer.rebalance(
            group, f"member {member_id} joins; the client's reason: {request.reason or 'none'}"
        )

    # -- static members that come back (KIP-345) --

    def _replace(
        self,
        group: ClassicGroup,
        request: JoinRequest,
        old: GroupMember,
        member_id: str,
        future: JoinFuture,
    ) -> None:
        logger.info(
            "group %s: %s takes the place of %s (group.instance.id %s)",
            group.group_id,
            member_id,
            old.member_id,
            request.group_instance_id,
        )
        old_leader = group.leader_id or ""
        member = self._new_member(group, request, member_id, future)
        # Kafka goes on showing the address of the member's first incarnation.
        member.client_id, member.client_host = old.client_id, old.client_host
        member.assignment = old.assignment
        group.replace_static(old, member)
        # If both run at the same time, the older one has to stop.
        error = ErrorCode.FENCED_INSTANCE_ID
        old.answer_join(JoinResult(error=error, member_id=old.member_id))
        old.answer_sync(SyncResult(error=error))
        member.touch()
        if group.state is GroupState.STABLE and group.select_protocol() == group.protocol_name:
            self._keep_assignment(group, request, member, old_leader)
        else:
            # In the sync phase the leader may be assigning to the old member id right now.
            self._rebalancer.rebalance(group, f"static member {member_id} came back")

    def _keep_assignment(
        self, group: ClassicGroup, request: JoinRequest, member: GroupMember, old_leader: str
    ) -> None:
        self._journal.save(group.group_id, encode_group(group))
        result = group.join_result(member)
        if not request.supports_skip_assignment:
            # An older client that is told that it leads would assign anew.
            result = result._replace(leader=old_leader, members=())
        elif group.is_leader(member.member_id):
            result = result._replace(skip_assignment=True)
        self._rebalancer.answer_join(group, member, result)

    # -- members --

    def _join_known(self, group: ClassicGroup, request: JoinRequest, future: JoinFuture) -> None:
        error = group.check_member(request.member_id, request.group_instance_id)
        if error is not ErrorCode.NONE:
            settle(future, JoinResult(error=error, member_id=request.member_id))
            return
        member = group.members[request.member_id]
        if member.awaiting_join is not None:
            # The client has repeated its request; nobody reads the first answer.
            member.answer_join(
                JoinResult(error=ErrorCode.REBALANCE_IN_PROGRESS, member_id=member.member_id)
            )
        member.awaiting_join = future
        member.connection = request.connection
        if self._changes_group(group, member, request):
            member.protocols = request.protocols
            member.rebalance_timeout_ms = request.rebalance_timeout_ms
            member.session_timeout_ms = request.session_timeout_ms
            self._rebalancer.rebalance(
                group,
                f"member {member.member_id} joins again; the client's reason: "
                f"{request.reason or 'none'}",
            )
        else:
            member.touch()
            self._rebalancer.answer_join(group, member, group.join_result(member))

    @staticmethod
    def _changes_group(group: ClassicGroup, member: GroupMember, request: JoinRequest) -> bool:
        if group.state is GroupState.PREPARING_REBALANCE or member.protocols != request.protocols:
            return True
        # A leader that joins a stable group wants to assign anew: its metadata have changed.
        return group.state is GroupState.STABLE and group.is_leader(member.member_id)
