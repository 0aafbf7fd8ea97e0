"""Coordinator of the share groups: ShareGroupHeartbeat (KIP-932).

The rules and their order are those of Kafka's ``GroupMetadataManager``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.configs.group_config import group_config
from fakebus.broker.groups.group import SHARE
from fakebus.broker.groups.history import LEFT, GroupHistory
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.registry import GroupRegistry
from fakebus.broker.groups.requests import ConsumerHeartbeat, HeartbeatResult
from fakebus.broker.groups.sessions import Session
from fakebus.broker.groups.share.group import ShareGroup, ShareMember
from fakebus.broker.topics import Topics
from fakebus.clock import Clock
from fakebus.errors import BrokerError, ErrorCode
from fakebus.wording import counted

logger = logging.getLogger("fakebus.broker.groups")

_JOINS, _LEAVES = 0, -1


def _keep_all(group_id: str, member_id: str) -> None:
    """Release nothing, as long as nothing was delivered."""


class ShareCoordinator:
    """Coordinator of the groups of the share type.

    Args:
        config: the broker's configs.
        clock: where time and timers come from.
        topics: the topics that there are.
        journal: stores groups.
        history: is told what becomes of members and groups.
    """

    def __init__(
        self,
        config: BrokerConfig,
        clock: Clock,
        topics: Topics,
        journal: GroupJournal,
        history: GroupHistory,
    ) -> None:
        self._config = config
        self._clock = clock
        self._topics = topics
        self._journal = journal
        self._history = history
        self.release: Callable[[str, str], None] = _keep_all
        """Lets others have what was delivered to a member, by group and member id."""
        self.forget: Callable[[str], object] = lambda _: None
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
                raise _unknown_member(group, request.member_id)
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
            raise _unknown_member(group, request.member_id)
        if member is None:
            member = ShareMember(
                member_id=request.member_id, session=self._session(group, request.member_id)
            )
            logger.info("group %s: member %s joins", group.group_id, member.member_id)
        elif request.member_epoch not in (_JOINS, member.epoch, member.previous_epoch):
            relation = "greater" if request.member_epoch > member.epoch else "smaller"
            raise BrokerError(
                ErrorCode.FENCED_MEMBER_EPOCH,
                f"The share group member has a {relation} member epoch ({request.member_epoch}) "
                f"than the one known by the group coordinator ({member.epoch}). The member must "
                "abandon all its partitions and rejoin.",
            )
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
            self._look_at_topics(group, reason)
        interval_ms, now_ms = config.get_int("share.assignment.interval.ms"), self._clock.now_ms()
        is_due = not group.assigned_at_ms or now_ms >= group.assigned_at_ms + interval_ms
        if group.assignment_epoch < group.epoch and is_due:
            group.assign(now_ms)
        if member.epoch != group.assignment_epoch:
            member.previous_epoch, member.epoch = member.epoch, group.assignment_epoch
            member.assigned = group.targets.get(member.member_id, frozenset())
        member.session_timeout_ms = config.get_int("share.session.timeout.ms")
        member.session.extend(member.session_timeout_ms)
        if self._facts(group, member) != before:
            self.save(group)
        tells = request.member_epoch == _JOINS or member.assigned != assigned
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

    def _look_at_topics(self, group: ShareGroup, reason: str) -> None:
        digest = group.digest_topics()
        group.topics_changed = False
        if digest != group.topics_digest and not reason:
            reason = "its topics have changed"
        group.topics_digest = digest
        if reason:
            self._next_epoch(group, reason)

    def _next_epoch(self, group: ShareGroup, reason: str) -> None:
        group.epoch += 1
        logger.info("group %s goes to epoch %d: %s", group.group_id, group.epoch, reason)
        self._history.note("rebalancing", group.group_id, "", "", reason)

    def _session(self, group: ShareGroup, member_id: str) -> Session:
        return Session(
            self._clock, partial(self.remove, group, (member_id,), "its session timed out")
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
        group.decode(snapshot, partial(self._session, group))
        for member in group.members.values():
            member.session.extend(member.session_timeout_ms)
        return group

    def save(self, group: ShareGroup) -> None:
        """Store a group as it is now."""
        self._journal.save(group.group_id, group.encode())

    def rebalance(self, group: ShareGroup, reason: str) -> None:
        """Let the partitions be given out anew."""
        self._next_epoch(group, reason)
        self.save(group)

    def remove(self, group: ShareGroup, member_ids: Iterable[str], reason: str) -> None:
        """Take members out of the group; what was delivered to them others may have."""
        gone = [each for each in map(group.remove, tuple(member_ids)) if each is not None]
        for member in gone:
            who = group.group_id, member.client_id, member.member_id
            logger.info("group %s: member %s is removed: %s", who[0], who[2], reason)
            self._history.note("left" if reason == LEFT else "expelled", *who, reason)
            self.release(group.group_id, member.member_id)
        if gone:
            group.topics_digest = group.digest_topics()
            names = ", ".join(member.member_id for member in gone)
            self._next_epoch(group, f"{names} was removed: {reason}")
            self.save(group)

    def remove_all(self, group: ShareGroup, reason: str) -> None:
        """Take all members out of the group, so that it is empty.

        What they have not acknowledged was not delivered: nothing is stored of it, for offsets may
        be about to be restored.
        """
        self.forget(group.group_id)
        self.remove(group, group.members, reason)

    def remove_connected(self, group: ShareGroup, connection: object) -> None:
        """Take out the members whose last heartbeat came through a connection, now closed."""
        members = group.members.values()
        gone = [each.member_id for each in members if each.connection is connection]
        self.remove(group, gone, "its connection was closed")

    def abandon(self, group: ShareGroup, error: ErrorCode) -> None:
        """Stop everything about a group that is deleted or unloaded."""
        for member in group.members.values():
            member.session.cancel()
        self.forget(group.group_id)


def _check(request: ConsumerHeartbeat) -> None:
    """Accept what may be asked of any group.

    Raises:
        BrokerError: INVALID_REQUEST.
    """
    problem = ""
    if not request.member_id.strip():
        problem = "MemberId can't be empty."
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


def _unknown_member(group: ShareGroup, member_id: str) -> BrokerError:
    return BrokerError(
        ErrorCode.UNKNOWN_MEMBER_ID,
        f"Member {member_id} is not a member of group {group.group_id}.",
    )
