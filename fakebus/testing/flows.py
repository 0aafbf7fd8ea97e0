"""Flows of events in tests: what caused them, what they caused, and who has not handled them."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fakebus.cluster.events import Event
from fakebus.cluster.interface import NotOnThisCluster
from fakebus.escaping import printable_lines
from fakebus.lineage.flow_text import FlowTree
from fakebus.lineage.links import HINTED
from fakebus.lineage.place import Place
from fakebus.testing.cluster import ScopedCluster
from fakebus.testing.naming import Namespace

if TYPE_CHECKING:
    from fakebus.lineage.header_flow import HeaderFlows

_DONE = ("handled", "not_subscribed")
LOOK_AGAIN_S = 0.05
_AT_ONCE = 100
_SHOWN = 10
_MOST_DRAWN = 20


class View(Protocol):
    """View of a cluster that one test has."""

    cluster: ScopedCluster
    namespace: Namespace
    published: set[tuple[str, int, int]]
    """The topics, partitions and offsets of what the test has written itself."""

    async def emitted(self) -> list[Event]:
        """Return the records of all topics since the test began, by timestamp."""


async def flow(test: View, event: Event | str, *, depth: int | None = None) -> dict[str, Any]:
    """Return what caused an event, what it caused, and what became of it in each group.

    On an external cluster that is what the headers of events since the test began tell.

    Args:
        event: an event, or ``topic[partition]@offset``.
        depth: how many steps away from it; all when left out.

    Returns:
        What ``fakebus flow --json`` prints: ``records``, ``edges``, ``asked``, ``behind``.

    Raises:
        FlowError: there never was such a record.
    """
    name = event if isinstance(event, str) else event.name
    if not test.cluster.is_external:
        found: dict[str, Any] = await test.cluster.flows().of_record(name, depth)
        return found
    flows, place = await _by_headers(test, name)
    return await flows.of(name, [place], depth)


async def _by_headers(test: View, name: str) -> tuple[HeaderFlows, Place]:
    """Return what headers of events since the test began tell, and the place of one of them."""
    # Who runs on a bus of our own does not need it.
    from fakebus.cluster.header_flows import flows_among
    from fakebus.lineage.place import FlowError

    flows = flows_among(await test.emitted())
    place = next((place for place in flows.places() if str(place) == name), None)
    if place is None:
        raise FlowError(f"there is no record {name!r} since the test began")
    return flows, place


async def assert_no_unhandled(
    test: View,
    *topics: str,
    groups: Sequence[str] = (),
    timeout: float = 5.0,
) -> None:
    """Make sure that every event since the test began was handled by every group that reads it.

    A group reads a topic that a member of it has subscribed to. What it was sent and has not
    committed is not handled, and neither is what it has skipped.

    Args:
        topics: only events on these.
        groups: only these groups.
        timeout: how long to wait for commits, in seconds.

    Raises:
        AssertionError: one was not handled; the message says where it stands, and why.
        NotOnThisCluster: the cluster is an external one.
    """
    if test.cluster.is_external:
        raise NotOnThisCluster(
            "only a bus of our own knows what was handled; see wait_for_group, or mark the test "
            '@pytest.mark.fakebus(needs="flows") to skip it here'
        )
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    wanted_topics = {test.namespace.real(topic) for topic in topics}
    wanted_groups = {test.namespace.real(group) for group in groups}
    while True:
        events = [
            each
            for each in await test.emitted()
            if not wanted_topics or each.topic in wanted_topics
        ]
        left = [line async for line in _unhandled(test, events, wanted_groups)]
        if not left:
            return
        if loop.time() >= deadline:
            more = [f"… and {len(left) - _SHOWN} more"] if len(left) > _SHOWN else []
            lines = ["events were not handled:", *left[:_SHOWN], *more]
            raise AssertionError(printable_lines(lines))
        await asyncio.sleep(LOOK_AGAIN_S)


async def _unhandled(test: View, events: Sequence[Event], groups: set[str]) -> AsyncIterator[str]:
    flows = test.cluster.flows()
    for at in range(0, len(events), _AT_ONCE):
        places = [event.place for event in events[at : at + _AT_ONCE]]
        for record in (await flows.of_records("", places, 0))["records"]:
            for state in record["groups"]:
                group = state["group"]
                if groups and group not in groups:
                    continue
                if state["state"] not in _DONE and (group in groups or flows.has_members(group)):
                    what = f"{group}: {state['state']}, {state['reason']}"
                    yield f"  {record['record']}  {what}"


class Effects:
    """Effects of an event among others.

    Args:
        test: the test.
        cause: the event. Of an effect with several possible causes it has to be one.
    """

    def __init__(self, test: View, cause: Event | str) -> None:
        self._test = test
        self._cause = cause if isinstance(cause, str) else cause.name
        self._others: list[str] = []

    async def among(self, events: Iterable[Event]) -> list[Event]:
        """Return the events that it has caused, those that it is the likeliest cause of first."""
        sure, possible = [], []
        self._others.clear()
        for event in events:
            edges = (await flow(self._test, event))["edges"]
            if self._cause in _ancestors(edges, event.name, most_rank=1):
                sure.append(event)
            elif self._cause in _ancestors(edges, event.name):
                possible.append(event)
            else:
                known = [edge for edge in edges if edge["to"] == event.name][:_SHOWN]
                told = ", ".join(f"{edge['from']} ({edge['evidence']})" for edge in known)
                told = told or "nothing that is known"
                self._others.append(f"  {event.name} was caused by {told}")
        return [*sure, *possible]

    async def check(self) -> None:
        """Make sure that an effect could have been told.

        Raises:
            NotOnThisCluster: the cluster is an external one, and the event says no id of itself.
        """
        if not self._test.cluster.is_external:
            return
        flows, place = await _by_headers(self._test, self._cause)
        if not await flows.identities_of(*place):
            raise NotOnThisCluster(
                f"{self._cause} says no id of itself in its headers, such as ce_id or traceparent, "
                "by which effects could be told here; only a bus of our own sees what caused them"
            )

    def report(self) -> str:
        """Return lines that say what has caused the events that it has not."""
        if not self._others:
            return ""
        lines = [f"wanted is what {self._cause} has caused:", *self._others[:_SHOWN]]
        return "\n" + printable_lines(lines)


def _ancestors(edges: Sequence[Mapping[str, Any]], name: str, most_rank: int = 1 << 30) -> set[str]:
    causes = defaultdict(list)
    for edge in edges:
        if edge["rank"] <= most_rank and edge["evidence"] != HINTED:
            causes[edge["to"]].append(edge["from"])
    found: set[str] = set()
    waiting = deque([name])
    while waiting:
        for cause in causes[waiting.popleft()]:
            if cause not in found:
                found.add(cause)
                waiting.append(cause)
    return found


async def drawn_flows(test: View) -> str:
    """Return lines that show what came of the events that a test has published itself."""
    places = sorted(Place(*place) for place in test.published)
    if test.cluster.is_external or not places:
        return ""
    found = await test.cluster.flows().of_records("", places[:_MOST_DRAWN])
    telling = {edge[end] for edge in found["edges"] for end in ("from", "to")}
    found["records"] = [
        each for each in found["records"] if each["groups"] or each["record"] in telling
    ]
    if not found["records"]:
        return ""
    lines = printable_lines(FlowTree(found).lines())
    return f"\n\nwhat came of what the test has published:\n{lines}"
