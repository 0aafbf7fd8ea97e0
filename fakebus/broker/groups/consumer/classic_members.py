"""Members of a consumer group that speak the classic protocol, while a group changes over.

To them a heartbeat says when to join again; JoinGroup is where they tell what they own, and take
the step that others take with a heartbeat; SyncGroup gives them what they have then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import uuid4

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.answers import settle
from fakebus.broker.groups.consumer.coordinator import ConsumerCoordinator, facts
from fakebus.broker.groups.consumer.group import ConsumerGroup
from fakebus.broker.groups.consumer.member import ClassicSide, ConsumerMember, MemberState
from fakebus.broker.groups.history import LEFT
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.requests import (
    JoinRequest,
    JoinResult,
    LeavingMember,
    SyncRequest,
    SyncResult,
)
from fakebus.broker.topics import Topics
from fakebus.errors import ErrorCode
from fakebus.protocol.consumer_protocol import (
    CONSUMER_PROTOCOL_TYPE,
    decode_subscription,
    encode_assignment,
    version_of,
)
from fakebus.protocol.errors import DecodeError
from fakebus.types import TopicIdPartition

_NO_JOIN = "it has not joined again in time"


class ClassicMembers:
    """Handles JoinGroup, SyncGroup, Heartbeat and LeaveGroup for groups of the consumer type.

    Args:
        config: the broker's configs.
        topics: the topics that there are.
        journal: stores groups.
        coordinator: the coordinator of consumer groups.
    """

    def __init__(
        self,
        config: BrokerConfig,
        topics: Topics,
        journal: GroupJournal,
        coordinator: ConsumerCoordinator,
    ) -> None:
        self._config = config
        self._topics = topics
        self._journal = journal
        self._coordinator = coordinator
        self.take_over: Callable[[ConsumerGroup, JoinRequest, asyncio.Future[JoinResult]], bool]
        self.take_over = lambda *_: False
        """Makes the group a classic one and lets it answer, if a member that joins is the last that
        has spoken the other protocol; returns whether it has."""

    # -- JoinGroup --

    def join(
        self, group: ConsumerGroup, request: JoinRequest, future: asyncio.Future[JoinResult]
    ) -> None:
        """Take the request in; ``future`` gets the answer when what it says is stored."""
        error = self._check(group, request)
        member_id = request.member_id or str(uuid4())
        needs_id = request.requires_known_member_id and request.group_instance_id is None
        if error is ErrorCode.NONE and not request.member_id and needs_id:
            error = ErrorCode.MEMBER_ID_REQUIRED
        if error is not ErrorCode.NONE:
            told = member_id if error is ErrorCode.MEMBER_ID_REQUIRED else request.member_id
            settle(future, JoinResult(error=error, member_id=told))
        elif not self.take_over(group, request, future):
            self._join(group, request, member_id, future)

    def _check(self, group: ConsumerGroup, request: JoinRequest) -> ErrorCode:
        if self._config.get_str("group.consumer.migration.policy").upper() == "DISABLED":
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        known = group.static_members.get(request.group_instance_id or "", request.member_id)
        is_full = len(group.members) >= self._config.get_int("group.consumer.max.size")
        if is_full and known not in group.members:
            return ErrorCode.GROUP_MAX_SIZE_REACHED
        if request.protocol_type != CONSUMER_PROTOCOL_TYPE or not self._share(group, request):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        try:
            decode_subscription(request.protocols[0].metadata)
        except DecodeError:
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if request.group_instance_id is not None and request.member_id:
            return _check_member(group, request.member_id, request.group_instance_id)
        return ErrorCode.NONE

    @staticmethod
    def _share(group: ConsumerGroup, request: JoinRequest) -> bool:
        """Return whether all who speak the classic protocol have an assignor in common."""
        common = {protocol.name for protocol in request.protocols}
        for member in group.classic_members:
            if member.classic is not None and member.member_id != request.member_id:
                common &= {protocol.name for protocol in member.classic.protocols}
        return bool(common)

    def _join(
        self,
        group: ConsumerGroup,
        request: JoinRequest,
        member_id: str,
        future: asyncio.Future[JoinResult],
    ) -> None:
        found = group.members.get(
            group.static_members.get(request.group_instance_id or "", member_id)
        )
        before = facts(group, found)
        member = self._coordinator.admit(group, member_id, request.group_instance_id, found)
        subscription = decode_subscription(request.protocols[0].metadata)
        reads = member.topics, member.regex
        member.topics, member.regex = frozenset(subscription.topics), ""
        member.rack_id = subscription.rack_id or member.rack_id
        member.rebalance_timeout_ms = request.rebalance_timeout_ms
        member.client_id, member.client_host = request.client_id, request.client_host
        member.connection, member.assignor = request.connection, None
        member.classic = ClassicSide(request.session_timeout_ms, request.protocols)
        owned = frozenset(
            TopicIdPartition(topic.topic_id, partition)
            for row in subscription.owned_partitions
            if (topic := self._topics.get(row.topic)) is not None
            for partition in row.partitions
        )
        changed = (member.topics, member.regex) != reads
        self._coordinator.move_on(group, member, owned, subscription_changed=changed)
        if facts(group, member) != before:
            self._coordinator.save(group)
        member.session_timeout_ms = request.session_timeout_ms
        member.session.extend(member.session_timeout_ms)
        member.stop_timer()
        self._coordinator.expect(group, member, "it has not sent SyncGroup in time")
        result = JoinResult(
            member_id=member.member_id,
            generation_id=member.epoch,
            protocol_type=CONSUMER_PROTOCOL_TYPE,
            protocol_name=request.protocols[0].name,
        )
        failure = JoinResult(error=ErrorCode.NOT_COORDINATOR, member_id=member.member_id)
        self._journal.when_stored(
            group.group_id,
            lambda error: settle(future, result if error is ErrorCode.NONE else failure),
        )

    # -- the others --

    def sync(
        self, group: ConsumerGroup, request: SyncRequest, future: asyncio.Future[SyncResult]
    ) -> None:
        """Tell a member what it has; ``future`` gets the answer."""
        error = self._check_sync(group, request)
        if error is not ErrorCode.NONE:
            settle(future, SyncResult(error=error))
            return
        member = group.members[request.member_id]
        member.stop_timer()
        member.session.extend(member.session_timeout_ms)
        result = SyncResult(
            protocol_type=request.protocol_type,
            protocol_name=request.protocol_name,
            assignment=assignment_of(member, self._topics),
        )
        self._journal.when_stored(
            group.group_id,
            lambda error: settle(
                future, result if error is ErrorCode.NONE else SyncResult(error=error)
            ),
        )

    def _check_sync(self, group: ConsumerGroup, request: SyncRequest) -> ErrorCode:
        error = _check_member(group, request.member_id, request.group_instance_id)
        if error is not ErrorCode.NONE:
            return error
        member = group.members[request.member_id]
        if member.classic is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if request.generation_id != member.epoch:
            return ErrorCode.ILLEGAL_GENERATION
        name = member.classic.protocols[0].name
        if request.protocol_type not in (None, CONSUMER_PROTOCOL_TYPE) or (
            request.protocol_name not in (None, name)
        ):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if group.assignment_epoch > member.epoch and member.state is not MemberState.UNREVOKED:
            self._coordinator.expect(group, member, _NO_JOIN)
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def heartbeat(
        self,
        group: ConsumerGroup,
        member_id: str,
        generation_id: int,
        group_instance_id: str | None,
    ) -> ErrorCode:
        """Keep a member's session; REBALANCE_IN_PROGRESS tells it to join again."""
        error = _check_member(group, member_id, group_instance_id)
        if error is not ErrorCode.NONE:
            return error
        member = group.members[member_id]
        if member.classic is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if generation_id != member.epoch:
            return ErrorCode.ILLEGAL_GENERATION
        member.session.extend(member.session_timeout_ms)
        is_behind = member.epoch < group.assignment_epoch
        may_get_more = member.state is MemberState.UNRELEASED and group.has_free_for(member)
        if is_behind or member.state is MemberState.UNREVOKED or may_get_more:
            self._coordinator.expect(group, member, _NO_JOIN)
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def leave(self, group: ConsumerGroup, leaving: Sequence[LeavingMember]) -> list[ErrorCode]:
        """Remove members that leave by themselves or are sent away; return each one's error."""
        gone, errors = [], []
        for each in leaving:
            member_id = each.member_id
            if each.group_instance_id is not None and not member_id:
                member_id = group.static_members.get(each.group_instance_id, "")
            error = _check_member(group, member_id, each.group_instance_id)
            if error is ErrorCode.NONE:
                gone.append(member_id)
            errors.append(error)
        self._coordinator.remove(group, dict.fromkeys(gone), LEFT)
        return errors


def _check_member(group: ConsumerGroup, member_id: str, instance_id: str | None) -> ErrorCode:
    if instance_id is not None:
        known = group.static_members.get(instance_id)
        if known is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if known != member_id:
            return ErrorCode.FENCED_INSTANCE_ID
    return ErrorCode.NONE if member_id in group.members else ErrorCode.UNKNOWN_MEMBER_ID


def assignment_of(member: ConsumerMember, topics: Topics) -> bytes:
    """Return what a member has, as it is told in the classic protocol."""
    version = 0
    if member.classic is not None:
        with suppress(IndexError):
            version = version_of(member.classic.protocols[0].metadata)
    return encode_assignment(topics.named(member.assigned), version)
