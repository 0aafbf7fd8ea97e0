"""Coordinator of the consumer groups: ConsumerGroupHeartbeat (KIP-848).

The rules and their order are those of Kafka's ``GroupMetadataManager``. What is new for the group
is stored before the member hears of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from uuid import uuid4

from fakebus.broker.configs.group_config import group_config
from fakebus.broker.groups.consumer.admission import (
    JOINS,
    check_regex,
    check_request,
    find_member,
    static_member,
)
from fakebus.broker.groups.consumer.assignors import ASSIGNORS
from fakebus.broker.groups.consumer.group import ConsumerGroup
from fakebus.broker.groups.consumer.member import AWAY_EPOCH, ConsumerMember, MemberState
from fakebus.broker.groups.consumer.reconciliation import reconcile
from fakebus.broker.groups.consumer.snapshot import decode_group, encode_group
from fakebus.broker.groups.coordinated import CoordinatedType, unknown_member
from fakebus.broker.groups.history import LEFT
from fakebus.broker.groups.requests import ConsumerHeartbeat, HeartbeatResult
from fakebus.errors import BrokerError, ErrorCode
from fakebus.types import TopicIdPartition
from fakebus.wording import counted

logger = logging.getLogger("fakebus.broker.groups")


class ConsumerCoordinator(CoordinatedType[ConsumerGroup]):
    """Coordinator of the groups of the consumer type; its arguments are those of each."""

    take_back: Callable[[ConsumerGroup], bool] = staticmethod(lambda _group: False)
    """Makes a group a classic one when all that stay speak that protocol; tells if it has."""

    def check(self, request: ConsumerHeartbeat) -> None:
        """Accept what may be asked of any group.

        Raises:
            BrokerError: INVALID_REQUEST or UNSUPPORTED_ASSIGNOR.
        """
        check_request(request, self._assignors)

    @property
    def _assignors(self) -> list[str]:
        named = self._config.get_list("group.consumer.assignors")
        # Classes that Kafka would load are not there.
        return [name for name in named if name in ASSIGNORS] or list(ASSIGNORS)

    # -- members --

    def heartbeat(self, group: ConsumerGroup, request: ConsumerHeartbeat) -> HeartbeatResult:
        """Let a client become, stay or cease to be a member, and move it towards its share.

        Nothing has changed if it is refused.

        Raises:
            BrokerError: why it is refused.
        """
        if request.member_epoch < JOINS:
            return self._leave(group, request)
        is_known = request.member_id in group.members
        most = self._config.get_int("group.consumer.max.size")
        if len(group.members) >= most and not is_known:
            raise BrokerError(
                ErrorCode.GROUP_MAX_SIZE_REACHED,
                "The consumer group has reached its maximum capacity of "
                f"{counted(most, 'member')}.",
            )
        found = find_member(group, request)
        check_regex(group, request)
        before, group.sees = facts(group, found), request.sees
        member_id = request.member_id or str(uuid4())
        member = self.admit(group, member_id, request.instance_id, found)
        assigned, revoking = member.assigned, member.revoking
        changed = self._update(member, request)
        self.move_on(group, member, request.owned, subscription_changed=changed)
        if member.revoking != revoking:
            member.stop_timer()
        self._time_revocation(group, member)
        config = group_config(group.group_id, self._config)
        member.session_timeout_ms = config.get_int("consumer.session.timeout.ms")
        member.session.extend(member.session_timeout_ms)
        if facts(group, member) != before:
            self.save(group)
        says = request.topics is not None or request.regex is not None
        tells = request.member_epoch == JOINS or request.is_full or member.assigned != assigned
        return HeartbeatResult(
            member_id=member.member_id,
            member_epoch=member.epoch,
            heartbeat_interval_ms=config.get_int("consumer.heartbeat.interval.ms"),
            assignment=frozenset(member.assigned) if tells else None,
            topics=group.names_read_by(member) if says else None,
        )

    def move_on(
        self,
        group: ConsumerGroup,
        member: ConsumerMember,
        owned: Collection[TopicIdPartition] | None,
        *,
        subscription_changed: bool,
    ) -> None:
        """Bring epoch and target assignment up to date, and a member a step nearer to its share.

        Args:
            group: the group.
            member: the member that was heard of.
            owned: what it says that it owns; ``None`` if it says nothing of it.
            subscription_changed: whether it reads other topics than before.
        """
        if subscription_changed or group.topics_changed:
            reads = f"member {member.member_id} reads other topics"
            self.look_at_topics(group, group.digest_topics(), reads if subscription_changed else "")
        self._assign_if_due(group)
        reconcile(group, member, owned, subscription_changed=subscription_changed)

    def admit(
        self,
        group: ConsumerGroup,
        member_id: str,
        instance_id: str | None,
        found: ConsumerMember | None,
    ) -> ConsumerMember:
        """Return the member of an id: a new one, or the one whose place it takes.

        Args:
            group: the group.
            member_id: the id.
            instance_id: its group.instance.id.
            found: the member that has the id, or the static member that is replaced.
        """
        if found is None:
            member = ConsumerMember(member_id=member_id, session=self.session(group, member_id))
            member.instance_id = instance_id
            group.add(member)
            logger.info("group %s: member %s joins", group.group_id, member_id)
            return member
        if found.member_id != member_id:
            logger.info(
                "group %s: %s takes the place of %s (group.instance.id %s)",
                group.group_id,
                member_id,
                found.member_id,
                found.instance_id,
            )
            self._rename(group, found, member_id)
        elif instance_id not in (None, found.instance_id):
            group.make_static(found, instance_id)
        return found

    def _rename(self, group: ConsumerGroup, member: ConsumerMember, member_id: str) -> None:
        """Give a static member that comes back its new id; it has to take up its share anew."""
        target, assigned = group.targets.get(member.member_id), member.assigned
        group.remove(member.member_id)
        member.member_id, member.session = member_id, self.session(group, member_id)
        member.epoch = member.previous_epoch = 0
        group.add(member)
        group.hold(member, assigned, {})
        if target is not None:
            group.targets[member_id] = target

    @staticmethod
    def _update(member: ConsumerMember, request: ConsumerHeartbeat) -> bool:
        """Take over what a client says of itself; return whether it reads other topics now."""
        read = member.topics, member.regex
        if request.topics is not None:
            member.topics = request.topics
        if request.regex is not None:
            member.regex = request.regex
        if request.rack_id is not None:
            member.rack_id = request.rack_id
        if request.assignor is not None:
            member.assignor = request.assignor
        if request.rebalance_timeout_ms != -1:
            member.rebalance_timeout_ms = request.rebalance_timeout_ms
        member.client_id, member.client_host = request.client_id, request.client_host
        member.classic = None
        member.connection = request.connection
        return (member.topics, member.regex) != read

    def _leave(self, group: ConsumerGroup, request: ConsumerHeartbeat) -> HeartbeatResult:
        member_id = request.member_id
        if request.instance_id is not None:
            member = static_member(group, request)
            if request.member_epoch == AWAY_EPOCH:
                self._send_away(group, member)
                return HeartbeatResult(member_id=member_id, member_epoch=AWAY_EPOCH)
        elif member_id not in group.members:
            raise unknown_member(group.group_id, member_id)
        self.remove(group, (member_id,), LEFT)
        return HeartbeatResult(member_id=member_id, member_epoch=request.member_epoch)

    def _send_away(self, group: ConsumerGroup, member: ConsumerMember) -> None:
        """Keep a static member's share until its session ends, for who comes in its name."""
        member.epoch = AWAY_EPOCH
        member.stop_timer()
        group.hold(member, dict.fromkeys(member.assigned, 0), {})
        self.save(group)

    # -- epochs --

    def _assign_if_due(self, group: ConsumerGroup) -> None:
        if group.assignment_epoch >= group.epoch:
            return
        config, now_ms = group_config(group.group_id, self._config), self._clock.now_ms()
        interval_ms = config.get_int("consumer.assignment.interval.ms")
        if not group.assigned_at_ms or now_ms >= group.assigned_at_ms + interval_ms:
            group.assign(now_ms)

    # -- time --

    def _time_revocation(self, group: ConsumerGroup, member: ConsumerMember) -> None:
        if member.state is not MemberState.UNREVOKED:
            member.stop_timer()
        else:
            self.expect(group, member, "it has not given up partitions in time")

    # -- what every type does --

    def new_group(self, group_id: str) -> ConsumerGroup:
        """Return a group without members."""
        now_ms = self._clock.now_ms()
        return ConsumerGroup(group_id, self._topics, self._assignors[0], now_ms)

    def load(self, group_id: str, snapshot: bytes | None) -> ConsumerGroup:
        """Return a stored group, whose members have their session timeout to call.

        Raises:
            StorageError: the snapshot cannot be read.
        """
        group = decode_group(self.new_group(group_id), snapshot, self.session)
        for member in group.members.values():
            member.session.extend(member.session_timeout_ms)
            if member.classic is None:
                self._time_revocation(group, member)
        return group

    def save(self, group: ConsumerGroup) -> None:
        """Store a group as it is now."""
        self._journal.save(group.group_id, encode_group(group))

    def _goes_on(self, group: ConsumerGroup) -> bool:
        if self.take_back(group):
            return False
        group.topics_digest = group.digest_topics()
        return True


def facts(group: ConsumerGroup, member: ConsumerMember | None) -> tuple[object, ...]:
    """Return what is stored of a group and a member, so far as a heartbeat can change it."""
    own: tuple[object, ...] = ()
    if member is not None:
        own = (
            *(member.member_id, member.instance_id, member.rack_id, member.rebalance_timeout_ms),
            *(member.client_id, member.client_host, member.topics, member.regex, member.assignor),
            *(member.epoch, member.previous_epoch, member.state, member.assigned, member.revoking),
            member.classic,
        )
    return (group.epoch, group.assignment_epoch, *own)
