"""Flows on any Kafka: as far as the headers of records tell, among those around the one asked for.

Who has been sent a record, and what they did with it, only the bus itself could know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fakebus.client.positions import Position, PositionKind, parse_moment
from fakebus.cluster.browsing import ReadRequest, noted_parties_of, record_at, search
from fakebus.cluster.events import Event
from fakebus.cluster.interface import Cluster
from fakebus.lineage.flow import MOST_FOUND
from fakebus.lineage.header_flow import HeaderFlows
from fakebus.lineage.header_rules import IdentityReader, IdentityRule
from fakebus.lineage.place import FlowError, Place, asked_place
from fakebus.real_time import monotonic
from fakebus.records.record import Record
from fakebus.types import TopicPartition

_MOST_READ = 10_000
_READ_S = 3.0
_PAGE = 500
_AFTER_MS = 600_000
"""How much later than a record its effects are looked for."""
_NOT_HERE = "what only the bus itself could know: which clients were sent a record and handled it"


def flows_among(events: Iterable[Event], rules: Sequence[IdentityRule] = ()) -> HeaderFlows:
    """Return the flows of some events, as their headers tell them.

    Args:
        events: the events.
        rules: where else they may have ids.
    """
    flows = HeaderFlows(IdentityReader(rules))
    for event in sorted(events, key=lambda event: (event.timestamp_ms, event.offset)):
        record = Record(event.offset, event.timestamp_ms, event.key, event.value, event.headers)
        flows.add(event.place, record)
    return flows


async def flow_by_headers(
    cluster: Cluster,
    *,
    record: str = "",
    text: str = "",
    depth: int | None = None,
    as_of: str = "",
    most_edges: int | None = None,
) -> dict[str, Any]:
    """Return the flow of a record, or of those that a text is an id or the key of, or stands in.

    Args:
        cluster: where they are.
        record: ``topic[partition]@offset``.
        text: what they are found by instead, among the newest.
        depth: how many steps away from them; all when left out.
        as_of: a time, or how long ago; only what is in front of the first record with that
            timestamp or a later one is told.
        most_edges: how many edges are told, the nearest first.

    Raises:
        FlowError: it is no name of a record, or it was not there at that time.
        ConfigError: the time is none.
        NotFoundError: there is no such record.
    """
    found: dict[Place, Event] = {}
    start, until = None, parse_moment(as_of, cluster.now_ms()) if as_of else None
    if record:
        place = asked_place(record)
        event, _ = await record_at(cluster, TopicPartition(*place[:2]), place.offset)
        if until is not None and event.timestamp_ms >= until.number:
            raise FlowError(f"{place} was not there yet at that time")
        found[place] = event
        start = Position(kind=PositionKind.TIME, number=event.timestamp_ms + _AFTER_MS)
    starts = list(found)
    topics = tuple(topic.name for topic in await cluster.topics() if not topic.is_internal)
    request = ReadRequest(topics=topics, newest_first=True, start=start, until=until, limit=_PAGE)
    end_s, left = monotonic() + _READ_S, 0
    async for page in search(cluster, request):
        found |= {event.place: event for event in page.events}
        left = page.left
        if len(found) >= _MOST_READ or monotonic() > end_s:
            break
    rules = (await noted_parties_of(cluster)).identity_rules
    flows = flows_among(found.values(), tuple(rules.values()))
    needle = text.encode("utf-8", "surrogatepass")
    says = [place for place, event in found.items() if _says(event, needle)] if text else []
    places = starts or list(dict.fromkeys([*flows.with_id(text), *says]))
    flow = await flows.of(record or text, places[:MOST_FOUND], depth, most_edges)
    if until is not None:
        flow["as_of_ms"] = until.number
    flow["left_out"].append(_NOT_HERE)
    if left:
        flow["left_out"].append(f"{left} older records, which were not looked at")
    if len(places) > MOST_FOUND:
        flow["left_out"].append(f"the flows of {len(places) - MOST_FOUND} more records found")
    return flow


def _says(event: Event, needle: bytes) -> bool:
    parts = (event.key, event.value, *(value for _, value in event.headers))
    return any(part is not None and needle in part for part in parts)
