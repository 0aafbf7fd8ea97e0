"""Flows of what a text names, for routes and pages alike."""

from __future__ import annotations

from typing import Any

from fakebus.broker.activity import Origin
from fakebus.cluster.browsing import ReadRequest, search
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.cluster.events import Event
from fakebus.lineage.flow import MOST_FOUND
from fakebus.lineage.place import Place
from fakebus.real_time import monotonic
from fakebus.servers import Bus

LONGEST_TEXT = 1000
_SEARCH_S = 0.5
"""How long records are searched for a text."""


async def flow_of_text(bus: Bus, text: str, depth: int | None = None) -> dict[str, Any]:
    """Return the flows of the records that a text names, is the key of, or stands in."""
    flows, text = bus.flows, text[:LONGEST_TEXT]
    places = dict.fromkeys(await flows.with_id(text))
    found, left = await _search(bus, text)
    places.update(dict.fromkeys(found))
    flow = await flows.of_records(text, list(places)[:MOST_FOUND], depth)
    if len(places) > MOST_FOUND:
        flow["left_out"].append(f"the flows of {len(places) - MOST_FOUND} more records found")
    if left:
        flow["left_out"].append(f"{left} older records were not searched for the text")
    return flow


async def _search(bus: Bus, text: str) -> tuple[list[Place], int]:
    """Return records that have a text as their key or say it, newest first."""
    cluster = EmbeddedCluster(bus, Origin(front_end="http"))
    needle = text.encode("utf-8", "surrogatepass")

    def says(event: Event) -> bool:
        return any(
            part is not None and needle in part
            for part in (event.key, event.value, *(value for _, value in event.headers))
        )

    topics = tuple(
        topic.name for topic in await cluster.topics() if not topic.name.startswith("__")
    )
    request = ReadRequest(
        topics=topics,
        newest_first=True,
        contains=text,
        matches=says,
        limit=MOST_FOUND,
        max_seconds=_SEARCH_S / 10,
    )
    found: list[Place] = []
    until = monotonic() + _SEARCH_S
    left = 0
    async for page in search(cluster, request):
        found += [Place(each.topic, each.partition, each.offset) for each in page.events]
        left = page.left
        if len(found) >= MOST_FOUND or monotonic() > until:
            break
    return found, left
