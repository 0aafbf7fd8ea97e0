"""Coordinator of the share groups: ShareGroupHeartbeat (KIP-932).

The rules and their order are those of Kafka's ``GroupMetadataManager``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from fakebus.broker.configs.group_config import group_config
from fakebus.broker.groups.coordinated import (
    CoordinatedMember,
    CoordinatedType,
    fenced_member,
    unknown_member,
)
from fakebus.broker.groups.group import SHARE
from fakebus.broker.groups.history import LEFT
from fakebus.broker.groups.registry import GroupRegistry
from fakebus.broker.groups.requests import ConsumerHeartbeat, HeartbeatResult
from fakebus.broker.groups.share.group import LONGEST_MEMBER_ID, ShareGroup, ShareMember
from fakebus.errors import BrokerError, ErrorCode
from fakebus.wording import counted

logger = logging.getLogger("fakebus.broker.groups")

_JOINS, _LEAVES = 0, -1


class ShareCoordinator(CoordinatedType[ShareGroup]):
    """Coordinator of the groups of the share type; its arguments are those of each."""

    release: Callable[[str, str], object] = staticmethod(lambda _group_id, _member_id: None)
    """Lets others have what was delivered to a member, by group and member id."""
    forget: Callable[[str], object] = staticmethod(lambda _group_id: None)
    """Forgets what was delivered to a group."""

    # -- members --

    def heartbeat(self, groups: GroupRegistry, request: ConsumerHeartbeat) -> HeartbeatResult:
        """Let a client become, stay or cease to be a member of a group, which need not exist.

        Args:
            groups: all groups.
            request: the heartbeat.

        Raises:
            BrokerError: why it is refused; nothing has changed.
        """
        _check(request)
        joins = request.member_epoch == _JOINS
        if joins:
            groups.make_way(request.group_id, SHARE)
        group = groups.get(request.group_id)
        is_new = group is None
        if group is None and joins:
            group = self.new_group(request.group_id)
        if not isinstance(group, ShareGroup):
            name = request.group_id
            problem = f"Share group {name} not found."
            if group is not None:
                problem = f"Group {name} is not a share group."
            raise BrokerError(ErrorCode.GROUP_ID_NOT_FOUND, problem)
        if request.member_epoch == _LEAVES:
            if request.member_id not in group.members:
                raise unknown_member(group.group_id, request.member_id)
            self.remove(group, (request.member_id,), LEFT)
            return HeartbeatResult(member_id=request.member_id, member_epoch=_LEAVES)
        result = self._stay(group, self._admit(group, request), request)
        if is_new:
            groups.replace(group)
        return result

    def _admit(self, group: ShareGroup, request: ConsumerHeartbeat) -> ShareMember:
        member = group.members.get(request.member_id)
        most = self._config.get_int("group.share.max.size")
        if member is None and len(group.members) >= most:
            raise BrokerError(
                ErrorCode.GROUP_MAX_SIZE_REACHED,
                f"The share group has reached its maximum capacity of {counted(most, 'member')}.",
            )
        if member is None and request.member_epoch != _JOINS:
            raise unknown_member(group.group_id, request.member_id)
        if member is None:
            member = ShareMember(
                member_id=request.member_id, session=self.session(group, request.member_id)
            )
            logger.info("group %s: member %s joins", group.group_id, member.member_id)
        elif request.member_epoch not in (_JOINS, member.epoch, member.previous_epoch):
            raise fenced_member("share", request.member_epoch, member)
        return member

    def _stay(
        self, group: ShareGroup, member: ShareMember, request: ConsumerHeartbeat
    ) -> HeartbeatResult:
        config, before = group_config(group.group_id, self._config), self._facts(group, member)
        assigned = member.assigned
        topics = member.topics if request.topics is None else request.topics
        reason = ""
        if request.member_id not in group.members or topics != member.topics:
            reason = f"member {member.member_id} reads other topics"
        member.topics = topics
        member.rack_id = request.rack_id or member.rack_id
        member.client_id, member.client_host = request.client_id, request.client_host
        member.connection = request.connection
        group.members[member.member_id] = member
        if reason or group.topics_changed:
            self.look_at_topics(group, group.digest_topics(), reason)
        interval_ms, now_ms = config.get_int("share.assignment.interval.ms"), self._clock.now_ms()
        is_due = not group.assigned_at_ms or now_ms >= group.assigned_at_ms + interval_ms
        if group.assignment_epoch < group.epoch and is_due:
            group.assign(now_ms)
        if member.epoch != group.assignment_epoch:
            member.advance(group.assignment_epoch)
            member.assigned = group.targets.get(member.member_id, frozenset())
        member.session_timeout_ms = config.get_int("share.session.timeout.ms")
        member.session.extend(member.session_timeout_ms)
        if self._facts(group, member) != before:
            self.save(group)
        is_new = request.member_epoch == _JOINS or not member.is_told
        tells, member.is_told = is_new or member.assigned != assigned, True
        return HeartbeatResult(
            member_id=member.member_id,
            member_epoch=member.epoch,
            heartbeat_interval_ms=config.get_int("share.heartbeat.interval.ms"),
            assignment=member.assigned if tells else None,
            topics=None if request.topics is None else member.topics,
        )

    @staticmethod
    def _facts(group: ShareGroup, member: ShareMember) -> tuple[object, ...]:
        return (
            *(group.epoch, group.assignment_epoch, member.member_id in group.members),
            *(member.rack_id, member.client_id, member.client_host, member.topics),
            *(member.epoch, member.previous_epoch, member.session_timeout_ms),
        )

    # -- what every type does --

    def new_group(self, group_id: str) -> ShareGroup:
        """Return a group without members."""
        return ShareGroup(group_id, self._topics, self._clock.now_ms())

    def load(self, group_id: str, snapshot: bytes | None) -> ShareGroup:
        """Return a stored group, whose members have their session timeout to call.

        Raises:
            StorageError: the snapshot cannot be read.
        """
        group = self.new_group(group_id)
        group.decode(snapshot, partial(self.session, group))
        for member in group.members.values():
            member.session.extend(member.session_timeout_ms)
        return group

    def save(self, group: ShareGroup) -> None:
        """Store a group as it is now."""
        self._journal.save(group.group_id, group.encode())

    def _let_go(self, group: ShareGroup, member: CoordinatedMember) -> None:
        self.release(group.group_id, member.member_id)

    def _goes_on(self, group: ShareGroup) -> bool:
        group.topics_digest = group.digest_topics()
        return True

    def remove_all(self, group: ShareGroup, reason: str) -> None:
        """Take all members out of the group, so that it is empty.

        What they have not acknowledged was not delivered: nothing is stored of it, for offsets may
        be about to be restored.
        """
        self.forget(group.group_id)
        super().remove_all(group, reason)

    def abandon(self, group: ShareGroup, error: ErrorCode) -> None:
        """Stop everything about a group that is deleted or unloaded."""
        super().abandon(group, error)
        self.forget(group.group_id)


def _check(request: ConsumerHeartbeat) -> None:
    """Accept what may be asked of any group.

    Raises:
        BrokerError: INVALID_REQUEST.
    """
    problem = ""
    if not request.member_id.strip():
        problem = "MemberId can't be empty."
    elif len(request.member_id) > LONGEST_MEMBER_ID:
        problem = f"MemberId can't be longer than {LONGEST_MEMBER_ID} characters."
    elif not request.group_id.strip():
        problem = "GroupId can't be empty."
    elif request.rack_id is not None and not request.rack_id.strip():
        problem = "RackId can't be empty."
    elif request.member_epoch < _LEAVES:
        problem = "MemberEpoch is invalid."
    elif request.member_epoch == _JOINS and not request.topics:
        problem = "SubscribedTopicNames must be set in first request."
    if problem:
        raise BrokerError(ErrorCode.INVALID_REQUEST, problem)
