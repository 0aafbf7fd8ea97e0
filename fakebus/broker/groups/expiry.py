"""When committed offsets are too old to be kept (offsets.retention.minutes)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from fakebus.broker.groups.classic_group import ClassicGroup
from fakebus.broker.groups.states import GroupState
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicPartition


class ExpiredOffsets(NamedTuple):
    """What is to be forgotten of a group."""

    partitions: list[TopicPartition]
    all_expired: bool
    """Whether no offset is left then."""


def expired_offsets(
    group: ClassicGroup,
    offsets: Mapping[TopicPartition, OffsetRow],
    now_ms: int,
    retention_ms: int,
) -> ExpiredOffsets:
    """Return which of a group's offsets have expired.

    The rules of KIP-211 and KIP-496: the offsets of a group that had members count from
    the moment it became empty; those of a group that never had any from their commit; those
    of a stable group of consumers also from their commit, but only for topics that nobody
    in the group subscribes to any more. An offset that was committed with a retention time
    of its own (OffsetCommit 2 to 4) expires at the end of that time instead.
    """
    if not offsets:
        return ExpiredOffsets([], True)
    since_ms = _expiry_base(group)
    if since_ms is None:
        return ExpiredOffsets([], False)
    expired = [
        partition
        for partition, row in offsets.items()
        if not group.is_subscribed_to(row.topic)
        and now_ms >= _expiry_time(row, since_ms, retention_ms)
    ]
    return ExpiredOffsets(expired, len(expired) == len(offsets))


def _expiry_time(row: OffsetRow, since_ms: Callable[[OffsetRow], int], retention_ms: int) -> int:
    if row.expire_timestamp_ms is not None:
        return row.expire_timestamp_ms
    return since_ms(row) + retention_ms


def _expiry_base(group: ClassicGroup) -> Callable[[OffsetRow], int] | None:
    if group.protocol_type is None:
        return lambda row: row.commit_timestamp_ms
    if group.is_empty:
        return lambda row: group.state_timestamp_ms
    if (
        group.state is GroupState.STABLE
        and group.uses_consumer_protocol
        and group.subscribed_topics is not None
    ):
        return lambda row: row.commit_timestamp_ms
    return None
