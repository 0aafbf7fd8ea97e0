"""The overview: is everything well?"""

from __future__ import annotations

from fakebus.cluster.interface import Cluster, GroupSummary, NotOnThisCluster, TopicSummary
from fakebus.types import TopicPartition
from fakebus.web.console.call import Call, Page

_MAX_ROWS = 100
_RATE_MS = 60_000
_MAX_PARTITIONS = 500
"""Partitions whose last minute is looked up for a page."""
REBALANCING = ("preparing_rebalancing", "completing_rebalancing", "assigning", "reconciling")


async def show(call: Call) -> Page:
    """Show what there is, how much comes, and who is behind."""
    cluster = call.cluster
    topics = [topic for topic in await cluster.topics() if not topic.is_internal]
    groups = await cluster.groups()
    behind = sorted((g for g in groups if g.lag), key=lambda g: -(g.lag or 0))
    minute = await records_since(cluster, topics, cluster.now_ms() - _RATE_MS)
    busiest = sorted(topics, key=lambda t: (-minute.get(t.name, 0), -t.records, t.name))
    return Page(
        template="start.html",
        values={
            "topics": busiest[:_MAX_ROWS],
            "topic_count": len(topics),
            "record_count": sum(topic.records for topic in topics),
            "minute": minute,
            "minute_count": sum(minute.values()),
            "groups": groups,
            "behind": behind[:_MAX_ROWS],
            "stuck": [g for g in behind if is_stuck(g)],
            "subjects": await _subject_count(cluster),
            "brokers": await cluster.brokers(),
        },
    )


def is_stuck(group: GroupSummary) -> bool:
    """Return whether a group is behind and nobody is there to catch up."""
    return bool(group.lag) and (group.members == 0 or group.state in REBALANCING)


async def records_since(
    cluster: Cluster, topics: list[TopicSummary], moment_ms: int
) -> dict[str, int]:
    """Return how many records each topic has got since a moment; those beyond the bound none."""
    wanted: list[TopicPartition] = []
    for topic in topics:
        if len(wanted) + topic.partitions > _MAX_PARTITIONS:
            break
        wanted += [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    ends = await cluster.ranges(dict.fromkeys(place.topic for place in wanted))
    begins = await cluster.offsets_at(dict.fromkeys(ends, moment_ms))
    found = dict.fromkeys((place.topic for place in wanted), 0)
    for place, log in ends.items():
        if begins.get(place, -1) >= 0:
            found[place.topic] += max(log.end - begins[place], 0)
    return found


async def _subject_count(cluster: Cluster) -> int | None:
    try:
        return len(await cluster.schemas.subjects())
    except NotOnThisCluster:
        return None
