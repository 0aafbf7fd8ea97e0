"""How far groups were at a time, and how many records topics had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fakebus.client.groups import GroupDetails
from fakebus.cluster.interface import Cluster
from fakebus.lineage.group_past import PastCommit, PastMember, group_past
from fakebus.types import TopicPartition


class PastPartition(NamedTuple):
    """Progress of a group in a partition at a time."""

    place: TopicPartition
    committed: PastCommit | None
    end: int | None
    """One past the records with an earlier timestamp; ``None`` if the topic is gone."""
    now: int | None
    """What is committed now."""

    @property
    def lag(self) -> int | None:
        """How many records were still to be read; ``None`` if nothing was committed."""
        if self.committed is None or self.end is None:
            return None
        return max(self.end - self.committed.offset, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastProgress:
    """Group as it was at a time."""

    members: Sequence[PastMember]
    partitions: Sequence[PastPartition]

    @property
    def lag(self) -> int | None:
        """How many records were still to be read; ``None`` if nothing was committed."""
        lags = [each.lag for each in self.partitions if each.lag is not None]
        return sum(lags) if lags else None


async def past_progress(cluster: Cluster, group: GroupDetails, at_ms: int) -> PastProgress:
    """Return a group as it was.

    Args:
        cluster: a bus.
        group: as it is now; only of its partitions is told how far it was in them.
        at_ms: when, in milliseconds since the epoch.

    Raises:
        NotOnThisCluster: it is an external cluster, which keeps no history of groups.
    """
    lineage = cluster.bus("how groups were at a time").lineage
    logs = {each.topic_partition: each.log for each in group.partitions}
    past = await group_past(lineage, group.name, logs, at_ms)
    ends = {place: log.end for place, log in logs.items() if log is not None}
    later = await cluster.offsets_at(dict.fromkeys(ends, at_ms))
    ends |= {place: offset for place, offset in later.items() if offset >= 0}
    return PastProgress(
        members=past.members,
        partitions=[
            PastPartition(place, past.committed.get(place), ends.get(place), each.committed)
            for each in group.partitions
            for place in (each.topic_partition,)
        ],
    )
