"""Map of services and event types: who writes and who reads what, laid out from left to right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fakebus.catalogue.event_types import EventType, Party

MOST_NODES = 120
"""Services and event types in a drawing."""
_GAP = 48
"""Between two columns."""
_ROW = 42
_NARROWEST, _WIDEST = 72, 220
"""Boxes of a column, which are as wide as its longest name."""
_LETTER, _PADDING = 7, 24
_HEIGHT = 30
_MARGIN = 12
_SWEEPS = 4
"""How often the rows are put in the order of their neighbours' rows."""


class Node(NamedTuple):
    """Service or event type."""

    kind: str
    """``service`` or ``event``."""
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Link of a service and an event type."""

    service: str
    event: str
    is_writer: bool
    declared: bool
    seen: bool

    @property
    def state(self) -> str:
        """How far what is declared and what was seen are the same."""
        if self.declared and self.seen:
            return "declared and seen"
        return "seen, not declared" if self.seen else "declared, not seen"

    @property
    def ends(self) -> tuple[Node, Node]:
        """The nodes, in the direction in which events go."""
        service, event = Node("service", self.service), Node("event", self.event)
        return (service, event) if self.is_writer else (event, service)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Node at its place."""

    node: Node
    x: float
    y: float
    width: int
    height: int = _HEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Link at its place."""

    link: Link
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMap:
    """Drawing of services and event types."""

    width: float
    height: float
    boxes: Sequence[Box]
    lines: Sequence[Line]
    left_out: int
    """Nodes that there was no room for."""


def links_of(event_types: Iterable[EventType]) -> list[Link]:
    """Return who writes and who reads which event type."""

    def link(event: EventType, party: Party, *, is_writer: bool) -> Link:
        return Link(
            service=party.service,
            event=event.name,
            is_writer=is_writer,
            declared=party.declared,
            seen=party.seen,
        )

    return [
        link(event, party, is_writer=is_writer)
        for event in event_types
        for parties, is_writer in ((event.producers, True), (event.consumers, False))
        for party in parties
    ]


def service_map(links: Sequence[Link]) -> ServiceMap | None:
    """Return the drawing of some links, ``None`` if there are none.

    A node stands right of all that leads to it; links that would go round in a circle do not
    count for that, and go back.
    """
    nodes: dict[Node, None] = {}
    for link in links:
        if len(nodes) + sum(end not in nodes for end in link.ends) <= MOST_NODES:
            nodes |= dict.fromkeys(link.ends)
    if not nodes:
        return None
    shown = [link for link in links if all(end in nodes for end in link.ends)]
    columns = _ordered(_columns(nodes, shown), shown)
    tallest = max(map(len, columns))
    widths = [_box_width(column) for column in columns]
    begins = [_MARGIN + sum(widths[:at]) + at * _GAP for at in range(len(columns))]
    places = {
        node: Box(
            node=node,
            x=begins[number],
            width=widths[number],
            y=_MARGIN + (row + (tallest - len(column)) / 2) * _ROW,
        )
        for number, column in enumerate(columns)
        for row, node in enumerate(column)
    }
    everything = {end for link in links for end in link.ends}
    return ServiceMap(
        width=begins[-1] + widths[-1] + _MARGIN,
        height=tallest * _ROW + 2 * _MARGIN,
        boxes=list(places.values()),
        lines=[Line(link=each, path=_path(*(places[end] for end in each.ends))) for each in shown],
        left_out=len(everything) - len(nodes),
    )


def _box_width(column: Iterable[Node]) -> int:
    longest = max(len(node.name) for node in column)
    return min(max(longest * _LETTER + _PADDING, _NARROWEST), _WIDEST)


def _columns(nodes: Iterable[Node], links: Iterable[Link]) -> list[list[Node]]:
    """Return the nodes by the length of the longest path that leads to each."""
    after: dict[Node, list[Node]] = defaultdict(list)
    for link in links:
        after[link.ends[0]].append(link.ends[1])
    finished, back = _finished(nodes, after)
    depths = dict.fromkeys(finished, 0)
    for node in reversed(finished):
        for found in after[node]:
            if (node, found) not in back:
                depths[found] = max(depths[found], depths[node] + 1)
    columns: list[list[Node]] = [[] for _ in range(max(depths.values()) + 1)]
    for node in sorted(depths):
        columns[depths[node]].append(node)
    return columns


def _finished(
    nodes: Iterable[Node], after: Mapping[Node, Sequence[Node]]
) -> tuple[dict[Node, None], set[tuple[Node, Node]]]:
    """Return the nodes, each behind all that it leads to, and the links that close circles."""
    finished: dict[Node, None] = {}
    entered: set[Node] = set()
    back: set[tuple[Node, Node]] = set()
    # Services that read nothing come first, so that they are where circles are entered.
    targets = {node for found in after.values() for node in found}
    for root in sorted(nodes, key=lambda node: (node in targets, node.kind == "event", node.name)):
        waiting = [(root, iter(after.get(root, ())))] if root not in entered else []
        entered.add(root)
        while waiting:
            node, rest = waiting[-1]
            found = next(rest, None)
            if found is None:
                finished[node] = None
                waiting.pop()
            elif found not in entered:
                entered.add(found)
                waiting.append((found, iter(after.get(found, ()))))
            elif found not in finished:
                back.add((node, found))
    return finished, back


def _ordered(columns: list[list[Node]], links: Iterable[Link]) -> list[list[Node]]:
    """Return columns in which nodes stand near to those that they are linked with."""
    near: dict[Node, list[Node]] = defaultdict(list)
    for link in links:
        begin, end = link.ends
        near[begin].append(end)
        near[end].append(begin)
    for _ in range(_SWEEPS):
        rows: Mapping[Node, float] = {
            node: row - len(column) / 2 for column in columns for row, node in enumerate(column)
        }
        columns = [
            sorted(
                column, key=lambda node: sum(rows[each] for each in near[node]) / len(near[node])
            )
            for column in columns
        ]
    return columns


def _path(begin: Box, end: Box) -> str:
    """Return a curve from the right side of one box to the left side of another."""
    x1, y1 = begin.x + begin.width, begin.y + begin.height / 2
    x2, y2 = end.x, end.y + end.height / 2
    bend = 40 if x2 > x1 else 90
    return f"M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"
