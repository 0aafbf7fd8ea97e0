"""When committed offsets are too old to be kept (offsets.retention.minutes)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fakebus.broker.groups.group import Group
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicPartition


class ExpiredOffsets(NamedTuple):
    """Offsets of a group that are to be forgotten."""

    partitions: list[TopicPartition]
    all_expired: bool
    """Whether no offset is left then."""


def expired_offsets(
    group: Group,
    offsets: Mapping[TopicPartition, OffsetRow],
    now_ms: int,
    retention_ms: int,
) -> ExpiredOffsets:
    """Return which of a group's offsets have expired.

    An offset that was committed with a retention time of its own (OffsetCommit 2 to 4) expires
    at the end of that time, once the group lets it age.
    """
    expired = []
    for partition, row in offsets.items():
        since_ms = group.offset_ages_from(row)
        if since_ms is None:
            continue
        own_ms = row.expire_timestamp_ms
        if now_ms >= (since_ms + retention_ms if own_ms is None else own_ms):
            expired.append(partition)
    return ExpiredOffsets(expired, len(expired) == len(offsets))
