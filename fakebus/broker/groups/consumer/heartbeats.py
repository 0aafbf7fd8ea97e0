"""ConsumerGroupHeartbeat: finds the group, or founds it."""

from __future__ import annotations

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.classic.coordinator import ClassicCoordinator
from fakebus.broker.groups.classic.group import ClassicGroup
from fakebus.broker.groups.consumer.classic_members import ClassicMembers
from fakebus.broker.groups.consumer.coordinator import ConsumerCoordinator
from fakebus.broker.groups.consumer.group import ConsumerGroup
from fakebus.broker.groups.consumer.migration import Migration
from fakebus.broker.groups.group import CONSUMER
from fakebus.broker.groups.history import GroupHistory
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.registry import GroupRegistry
from fakebus.broker.groups.requests import ConsumerHeartbeat, HeartbeatResult
from fakebus.broker.topics import Topics
from fakebus.clock import Clock
from fakebus.errors import BrokerError, ErrorCode


class ConsumerGroups:
    """Consumer groups, for members of either protocol.

    Args:
        config: the broker's configs.
        clock: where time and timers come from.
        topics: the topics that there are.
        journal: stores groups.
        history: is told what becomes of them.
        groups: all groups.
        classic: the coordinator of classic groups, which may become consumer groups.
    """

    def __init__(
        self,
        config: BrokerConfig,
        clock: Clock,
        topics: Topics,
        journal: GroupJournal,
        history: GroupHistory,
        groups: GroupRegistry,
        classic: ClassicCoordinator,
    ) -> None:
        self.coordinator = ConsumerCoordinator(config, clock, topics, journal, history)
        self.classic_members = ClassicMembers(config, topics, journal, self.coordinator)
        """Answers members that speak the classic protocol."""
        self._groups = groups
        self._migration = Migration(
            config, topics, groups, classic, self.coordinator, self.classic_members
        )

    def heartbeat(self, request: ConsumerHeartbeat) -> HeartbeatResult:
        """Let a client become, stay or cease to be a member of a group, which need not exist.

        Raises:
            BrokerError: why it is refused.
        """
        self.coordinator.check(request)
        joins = request.member_epoch == 0
        if joins:
            self._groups.make_way(request.group_id, CONSUMER)
        group = self._groups.get(request.group_id)
        classic = group if isinstance(group, ClassicGroup) and joins else None
        if group is None and joins:
            group = self.coordinator.new_group(request.group_id)
        elif classic is not None:
            group = self._migration.upgrade(classic)
        if not isinstance(group, ConsumerGroup):
            problem = "not found" if group is None else "is not a consumer group"
            raise BrokerError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {request.group_id} {problem}.")
        result = self.coordinator.heartbeat(group, request)
        # A group that nobody was let into never was.
        if self._groups.get(request.group_id) in (None, classic):
            self._groups.replace(group)
        if classic is not None:
            self._migration.finish_upgrade(classic, group)
        return result
