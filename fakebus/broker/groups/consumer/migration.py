"""Groups that change their type while they have members (KIP-848).

A classic group becomes a consumer group when the first client joins that speaks the new protocol,
and a classic one again when the last of these has gone. Its members and their partitions stay.
"""

from __future__ import annotations

import asyncio
import logging

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.classic.coordinator import ClassicCoordinator
from fakebus.broker.groups.classic.group import ClassicGroup, GroupState
from fakebus.broker.groups.classic.member import GroupMember
from fakebus.broker.groups.consumer.classic_members import ClassicMembers, assignment_of
from fakebus.broker.groups.consumer.coordinator import ConsumerCoordinator
from fakebus.broker.groups.consumer.group import ConsumerGroup
from fakebus.broker.groups.consumer.member import ClassicSide, ConsumerMember
from fakebus.broker.groups.registry import GroupRegistry
from fakebus.broker.groups.requests import JoinRequest, JoinResult, SyncResult
from fakebus.broker.topics import Topics
from fakebus.errors import BrokerError, ErrorCode
from fakebus.protocol.consumer_protocol import decode_assignment, decode_subscription
from fakebus.protocol.errors import DecodeError
from fakebus.types import TopicIdPartition

logger = logging.getLogger("fakebus.broker.groups")


class Migration:
    """Changes of groups from one type to the other.

    Args:
        config: the broker's configs.
        topics: the topics that there are.
        groups: all groups.
        classic: the coordinator of classic groups.
        consumer: the coordinator of consumer groups.
        classic_members: answers members that speak the classic protocol in a consumer group.
    """

    def __init__(
        self,
        config: BrokerConfig,
        topics: Topics,
        groups: GroupRegistry,
        classic: ClassicCoordinator,
        consumer: ConsumerCoordinator,
        classic_members: ClassicMembers,
    ) -> None:
        self._config = config
        self._topics = topics
        self._groups = groups
        self._classic = classic
        self._consumer = consumer
        consumer.take_back = self._take_back
        classic_members.take_over = self._take_over

    def _allows(self, direction: str) -> bool:
        policy = self._config.get_str("group.consumer.migration.policy").upper()
        return policy in ("BIDIRECTIONAL", direction)

    # -- from classic to consumer --

    def upgrade(self, group: ClassicGroup) -> ConsumerGroup:
        """Return the consumer group that a classic group with members becomes; change nothing yet.

        Raises:
            BrokerError: GROUP_ID_NOT_FOUND, when it cannot become one.
        """
        problem = ""
        if not self._allows("UPGRADE"):
            problem = "online upgrade is disabled"
        elif not group.uses_consumer_protocol:
            problem = "the group does not use the consumer embedded protocol"
        elif len(group.members) > self._config.get_int("group.consumer.max.size"):
            problem = "the group size exceeds the consumer group maximum size"
        try:
            if not problem:
                return self._upgraded(group)
        except DecodeError:
            problem = "the embedded consumer protocol is malformed"
        except ValueError:
            problem = "an unsupported custom assignor is in use"
        raise BrokerError(
            ErrorCode.GROUP_ID_NOT_FOUND,
            f"Cannot upgrade classic group {group.group_id} to consumer group because {problem}.",
        )

    def _upgraded(self, group: ClassicGroup) -> ConsumerGroup:
        consumer = self._consumer.new_group(group.group_id)
        consumer.epoch = consumer.assignment_epoch = group.generation_id
        for old in group.members.values():
            name = group.protocol_name or group.select_protocol()
            subscription = decode_subscription(old.metadata(name))
            member = ConsumerMember(
                member_id=old.member_id,
                session=self._consumer.session(consumer, old.member_id),
                instance_id=old.group_instance_id,
                rack_id=subscription.rack_id,
                client_id=old.client_id,
                client_host=old.client_host,
                session_timeout_ms=old.session_timeout_ms,
                rebalance_timeout_ms=old.rebalance_timeout_ms,
                topics=frozenset(subscription.topics),
                epoch=group.generation_id,
                previous_epoch=group.generation_id,
                connection=old.connection,
                classic=ClassicSide(old.session_timeout_ms, old.protocols),
            )
            consumer.add(member)
            share = self._share_of(old)
            consumer.targets[member.member_id] = share
            consumer.hold(member, dict.fromkeys(share, group.generation_id), {})
        consumer.topics_digest = consumer.digest_topics()
        return consumer

    def _share_of(self, member: GroupMember) -> frozenset[TopicIdPartition]:
        if not member.assignment:
            return frozenset()
        assignment = decode_assignment(member.assignment)
        if assignment.user_data:
            raise ValueError("what an assignor of the client's own keeps would be lost")
        return frozenset(
            TopicIdPartition(topic.topic_id, partition)
            for row in assignment.assigned_partitions
            if (topic := self._topics.get(row.topic)) is not None
            for partition in row.partitions
        )

    def finish_upgrade(self, old: ClassicGroup, group: ConsumerGroup) -> None:
        """Let go of a classic group whose members are now those of a consumer group."""
        logger.info("group %s becomes a consumer group", group.group_id)
        error = ErrorCode.REBALANCE_IN_PROGRESS
        for member in old.members.values():
            member.answer_join(JoinResult(error=error, member_id=member.member_id))
            member.answer_sync(SyncResult(error=error))
        self._classic.abandon(old, error)
        for each in group.classic_members:
            each.session.extend(each.session_timeout_ms)

    # -- from consumer to classic --

    def _take_back(self, group: ConsumerGroup) -> bool:
        speak = len(group.classic_members)
        return bool(speak) and speak == len(group.members) and self._downgrade(group) is not None

    def _take_over(
        self, group: ConsumerGroup, request: JoinRequest, future: asyncio.Future[JoinResult]
    ) -> bool:
        replaced = group.members.get(group.static_members.get(request.group_instance_id or "", ""))
        others = [member for member in group.members.values() if member is not replaced]
        if replaced is None or replaced.classic is not None or not all(o.classic for o in others):
            return False
        classic = ClassicSide(request.session_timeout_ms, request.protocols)
        before, replaced.classic = replaced.classic, classic
        found = self._downgrade(group)
        if found is None:
            replaced.classic = before
            return False
        self._classic.join(found, request, future)
        return True

    def _downgrade(self, group: ConsumerGroup) -> ClassicGroup | None:
        """Make a group a classic one whose members all speak that protocol, if it may be one."""
        if not self._allows("DOWNGRADE") or (
            len(group.members) > self._config.get_int("group.max.size")
        ):
            return None
        logger.info("group %s becomes a classic group", group.group_id)
        classic = self._classic.new_group(group.group_id)
        for member in group.members.values():
            if member.classic is not None:
                classic.add(self._classic_member(classic, member, member.classic), "consumer")
        classic.generation_id = group.epoch
        classic.protocol_name = classic.select_protocol()
        classic.state = GroupState.STABLE
        classic.update_subscribed_topics()
        self._consumer.abandon(group, ErrorCode.REBALANCE_IN_PROGRESS)
        self._groups.replace(classic)
        for each in classic.members.values():
            each.touch()
        self._classic.save(classic)
        self._classic.rebalance(classic, "it has become a classic group")
        return classic

    def _classic_member(
        self, group: ClassicGroup, member: ConsumerMember, classic: ClassicSide
    ) -> GroupMember:
        return GroupMember(
            member_id=member.member_id,
            group_instance_id=member.instance_id,
            client_id=member.client_id,
            client_host=member.client_host,
            session_timeout_ms=classic.session_timeout_ms,
            rebalance_timeout_ms=member.rebalance_timeout_ms,
            protocols=classic.protocols,
            session=self._classic.session(group, member.member_id),
            assignment=assignment_of(member, self._topics),
            connection=member.connection,
        )
