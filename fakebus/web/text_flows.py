"""Flows of what a text names, for routes and pages alike."""

from __future__ import annotations

from typing import Any

from fakebus.broker.activity import Origin
from fakebus.client.positions import Position, PositionKind, parse_moment
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


async def flow_asked(
    bus: Bus,
    record: str,
    text: str,
    depth: int | None = None,
    as_of: str = "",
    most_edges: int | None = None,
) -> dict[str, Any]:
    """Return the flow of a record, or those of the records that a text is found in.

    Args:
        bus: where they are.
        record: ``topic[partition]@offset``; empty if a text is given.
        text: an id or a key of records, or what stands in them.
        depth: how many steps away from them; all when left out.
        as_of: a time, or how long ago, of which the flow is told; empty for the present.
        most_edges: how many edges are told, the nearest first.

    Raises:
        FlowError: it is no name of a record, or there never was such a record by then.
        ConfigError: the time is none.
    """
    now_ms = bus.broker.clock.now_ms()
    as_of_ms = parse_moment(as_of, now_ms).number if as_of else None
    if record:
        return await bus.flows.of_record(record[:LONGEST_TEXT], depth, as_of_ms, most_edges)
    return await _flow_of_text(bus, text, depth, as_of_ms, most_edges)


async def _flow_of_text(
    bus: Bus, text: str, depth: int | None, as_of_ms: int | None, most_edges: int | None
) -> dict[str, Any]:
    flows, text = bus.flows, text[:LONGEST_TEXT]
    places = dict.fromkeys(await flows.with_id(text))
    found, left = await _search(bus, text, as_of_ms, is_id=bool(places))
    places.update(dict.fromkeys(found))
    some = list(places)[:MOST_FOUND]
    flow = await flows.of_records(text, some, depth, as_of_ms, most_edges)
    if len(places) > MOST_FOUND:
        flow["left_out"].append(f"the flows of {len(places) - MOST_FOUND} more records found")
    if left:
        flow["left_out"].append(f"{left} older records were not searched for the text")
    return flow


async def _search(
    bus: Bus, text: str, as_of_ms: int | None, *, is_id: bool
) -> tuple[list[Place], int]:
    """Return records that have a text as their key or say it, newest first."""
    cluster = EmbeddedCluster(bus, Origin(front_end="http"))
    needle = text.encode("utf-8", "surrogatepass")

    def says(event: Event) -> bool:
        return any(
            part is not None and needle in part
            for part in (event.key, event.value, *(value for _, value in event.headers))
        )

    # Of thousands most may be empty, and each that is looked at takes its time.
    topics = tuple(
        topic.name
        for topic in await cluster.topics()
        if topic.records and not topic.name.startswith("__")
    )
    until = None if as_of_ms is None else Position(kind=PositionKind.TIME, number=as_of_ms)
    request = ReadRequest(
        topics=topics,
        until=until,
        newest_first=True,
        contains=text,
        matches=says,
        limit=MOST_FOUND,
        max_seconds=None if is_id else _SEARCH_S / 10,
    )
    found: list[Place] = []
    end_s = monotonic() + _SEARCH_S
    left = 0
    async for page in search(cluster, request):
        found += [Place(each.topic, each.partition, each.offset) for each in page.events]
        left = page.left
        # Of what has an id little else is wanted: the newest page is enough.
        if is_id or len(found) >= MOST_FOUND or monotonic() > end_s:
            break
    return found, left
