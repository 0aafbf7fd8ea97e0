"""The overview: is everything well?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fakebus.cluster.interface import Cluster, NotOnThisCluster, TopicSummary
from fakebus.types import TopicPartition
from fakebus.web.console.call import Call, Page
from fakebus.web.console.health import health_of

_MAX_ROWS = 10
_MAX_FINDINGS = 30
_RATE_MS = 60_000
_MAX_PARTITIONS = 500
"""Partitions whose last minute is looked up for a page."""
_MAX_TOPICS = 200
"""Topics whose newest records are decoded."""


async def show(call: Call) -> Page:
    """Show what is not well, what there is, how much comes, and who is there."""
    cluster = call.cluster
    topics = [topic for topic in await cluster.topics() if not topic.is_internal]
    groups = await cluster.groups()
    minute = await records_since(cluster, topics, cluster.now_ms() - _RATE_MS)
    busiest = sorted(topics, key=lambda t: (-minute.get(t.name, 0), -t.records, t.name))
    filled = [topic for topic in busiest if topic.records]
    health = await health_of(cluster, filled[:_MAX_TOPICS], groups)
    services = services_of(health.clients)
    return Page(
        template="start.html",
        values={
            "health": health,
            "findings": health.findings[:_MAX_FINDINGS],
            "services": dict(list(services.items())[:_MAX_ROWS]),
            "service_count": len(services),
            "topics": busiest[:_MAX_ROWS],
            "topic_count": len(topics),
            "record_count": sum(topic.records for topic in topics),
            "minute": minute,
            "minute_count": sum(minute.values()),
            "group_count": len(groups),
            "behind": sum(bool(group.lag) for group in groups),
            "lag": sum(group.lag or 0 for group in groups),
            "subjects": await _subject_count(cluster),
            "brokers": await cluster.brokers(),
        },
    )


def services_of(clients: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """Return what each service is and does, by its name, from its clients."""
    found: dict[str, dict[str, list[str]]] = {}
    for client in clients:
        name = client["service"] or client["client_id"]
        service = found.setdefault(name, {"software": [], "produces": [], "consumes": []})
        for what, known in service.items():
            told = [client[what]] if isinstance(client[what], str) else client[what]
            known += [each for each in told if each and each not in known]
    return found


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
