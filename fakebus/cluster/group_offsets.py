"""How far groups are, and what a reset would make of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass

from fakebus.client.groups import GroupDetails
from fakebus.client.offsets import LogRange
from fakebus.client.positions import Position
from fakebus.cluster.browsing import resolved
from fakebus.cluster.interface import Cluster, NotFoundError
from fakebus.types import TopicPartition

_WINDOW = 16
"""Records that are read at once to find a first one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetMove:
    """Move of a group's committed offset, as a reset would make it."""

    topic_partition: TopicPartition
    before: int | None
    """``None`` if nothing was committed."""
    after: int
    log: LogRange


async def preview_reset(
    cluster: Cluster, group: str, wanted: Mapping[TopicPartition, Position]
) -> list[OffsetMove]:
    """Return what a reset of a group would commit; ``set_offsets`` with it makes the reset.

    Args:
        cluster: where the group is, or will be.
        group: its name; one that is not there has committed nothing.
        wanted: the position for each partition.

    Raises:
        NotFoundError: a topic or a partition is not there.
    """
    ranges = await cluster.ranges({place.topic for place in wanted})
    for place in wanted:
        if place not in ranges:
            raise NotFoundError(f"there is no partition {place}")
    try:
        committed = {
            p.topic_partition: p.committed for p in (await cluster.group(group)).partitions
        }
    except NotFoundError:
        committed = {}
    after = await resolved(cluster, wanted, ranges)
    return [
        OffsetMove(
            topic_partition=place,
            before=committed.get(place),
            after=offset,
            log=ranges[place],
        )
        for place, offset in sorted(after.items())
    ]


async def waiting_since(cluster: Cluster, group: GroupDetails) -> dict[TopicPartition, int]:
    """Return the timestamps of the first records that a group has still to read.

    ``cluster.now_ms()`` less these is the lag in time. Partitions without lag are left out.
    """
    found: dict[TopicPartition, int] = {}
    behind = {
        each.topic_partition: LogRange(
            start=max(each.committed or 0, each.log.start), end=each.log.end
        )
        for each in group.partitions
        if each.lag and each.log is not None
    }
    while behind:
        windows = {
            place: LogRange(start=log.start, end=min(log.start + _WINDOW, log.end))
            for place, log in behind.items()
        }
        async with aclosing(cluster.slices(windows)) as slices:
            async for events in slices:
                place = TopicPartition(events[0].topic, events[0].partition)
                found.setdefault(place, events[0].timestamp_ms)
        behind = {
            place: LogRange(start=windows[place].end, end=log.end)
            for place, log in behind.items()
            if place not in found and windows[place].end < log.end
        }
    return found
