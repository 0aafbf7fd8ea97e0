"""ConsumerGroupHeartbeat: finds the group, or founds it."""

from __future__ import annotations

from fakebus.broker.groups.classic.group import ClassicGroup
from fakebus.broker.groups.consumer.coordinator import ConsumerCoordinator
from fakebus.broker.groups.consumer.group import ConsumerGroup
from fakebus.broker.groups.consumer.migration import Migration
from fakebus.broker.groups.group import CONSUMER
from fakebus.broker.groups.registry import GroupRegistry
from fakebus.broker.groups.requests import ConsumerHeartbeat, HeartbeatResult
from fakebus.errors import BrokerError, ErrorCode


def consumer_heartbeat(
    coordinator: ConsumerCoordinator,
    migration: Migration,
    groups: GroupRegistry,
    request: ConsumerHeartbeat,
) -> HeartbeatResult:
    """Let a client become, stay or cease to be a member of a group, which need not exist.

    Args:
        coordinator: the coordinator of consumer groups.
        migration: makes consumer groups of classic ones.
        groups: all groups.
        request: the heartbeat.

    Raises:
        BrokerError: why it is refused.
    """
    coordinator.check(request)
    joins = request.member_epoch == 0
    if joins:
        groups.make_way(request.group_id, CONSUMER)
    group = groups.get(request.group_id)
    classic = group if isinstance(group, ClassicGroup) and joins else None
    if group is None and joins:
        group = coordinator.new_group(request.group_id)
    elif classic is not None:
        group = migration.upgrade(classic)
    if not isinstance(group, ConsumerGroup):
        problem = "not found" if group is None else "is not a consumer group"
        raise BrokerError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {request.group_id} {problem}.")
    result = coordinator.heartbeat(group, request)
    # A group that nobody was let into never was.
    if groups.get(request.group_id) in (None, classic):
        groups.replace(group)
    if classic is not None:
        migration.finish_upgrade(classic, group)
    return result
