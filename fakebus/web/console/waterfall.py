"""Waterfall of a flow: time runs to the right, each service has a lane, edges join the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fakebus.lineage.flow_text import written_ms

MOST_DRAWN = 80
"""Records in a drawing."""
WIDTH = 960
_LEFT = 170
_RIGHT = 24
_ROW = 24
_TOP = 30
_LETTER = 6.6
"""Width of a letter, about."""
_MOST_LETTERS = 34
_TICKS = 4
UNKNOWN = "unknown service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Record in the lane of who wrote it, or work on one in the lane of who did it."""

    label: str
    title: str
    record: str
    x: float
    """Where it begins; the label stands right of it, or left of it at the right edge."""
    width: float
    """From its beginning to its end; 0 for a record, which is written in a moment."""
    text_x: float
    text_anchor: str
    is_open: bool = False
    """Whether it has not come to its end: fetched and not committed."""
    y: float = 0


@dataclass(slots=True)
class Lane:
    """Lane of one service."""

    service: str
    y: float = 0
    height: float = 0
    items: list[Item] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """Edge between two records."""

    path: str
    evidence: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """Drawing of a flow."""

    width: int
    height: float
    lanes: Sequence[Lane]
    arrows: Sequence[Arrow]
    ticks: Sequence[tuple[float, float]]
    """Places, and the seconds since the beginning that they stand for."""
    left_out: int


def waterfall(flow: Mapping[str, Any]) -> Waterfall | None:
    """Return the drawing of a flow, ``None`` if it has no moment that is known.

    Args:
        flow: what ``fakebus flow --json`` prints.
    """
    known = [each for each in flow["records"] if written_ms(each) >= 0]
    records = known[:MOST_DRAWN]
    if not records:
        return None
    moments = [written_ms(each) for each in records]
    moments += [
        group[name]
        for each in records
        for group in each["groups"]
        for name in ("fetched_at_ms", "committed_at_ms")
        if group[name] is not None
    ]
    first, last = min(moments), max(moments)
    scale = (WIDTH - _LEFT - _RIGHT - 8) / max(last - first, 1)

    def x_of(ms: int) -> float:
        return round(_LEFT + 8 + (ms - first) * scale, 1)

    lanes: dict[str, list[Item]] = {}
    for record in records:
        lane = lanes.setdefault(record["service"] or record["client_id"] or UNKNOWN, [])
        label, title = record["record"], record.get("type") or ""
        lane.append(_item(label, title, record["record"], x_of(written_ms(record)), 0))
        for group in record["groups"]:
            if group["fetched_at_ms"] is not None:
                begin = x_of(group["fetched_at_ms"])
                end = group["committed_at_ms"]
                width = (x_of(last) if end is None else x_of(end)) - begin
                lane = lanes.setdefault(group["service"] or group["group"] or UNKNOWN, [])
                title = f"{group['group']} {group['state']} {record['record']}: {group['reason']}"
                item = _item("", title, record["record"], begin, max(width, 3), is_open=end is None)
                lane.append(item)
    placed, bottom = _placed(lanes)
    at = {item.record: (item.x, item.y) for lane in placed for item in lane.items if not item.width}
    arrows = [
        Arrow(
            path=_path(*at[edge["from"]], *at[edge["to"]]),
            evidence=edge["evidence"],
            title=f"{edge['from']} to {edge['to']}: {edge['evidence']} ({edge['by']})",
        )
        for edge in flow["edges"]
        if edge["rank"] == 1 and edge["from"] in at and edge["to"] in at
    ]
    ticks = [
        (round(_LEFT + 8 + part * (last - first) * scale / _TICKS, 1), part * (last - first) / 4000)
        for part in range(_TICKS + 1 if last > first else 1)
    ]
    return Waterfall(
        width=WIDTH,
        height=bottom + 8,
        lanes=placed,
        arrows=arrows,
        ticks=ticks,
        left_out=len(flow["records"]) - len(records),
    )


def _item(
    label: str, title: str, record: str, x: float, width: float, *, is_open: bool = False
) -> Item:
    if len(label) > _MOST_LETTERS:
        # The end of a record's name tells it from its neighbours.
        label = label[:12] + "…" + label[13 - _MOST_LETTERS :]
    fits = x + 9 + len(label) * _LETTER <= WIDTH
    return Item(
        label=label,
        title=title,
        record=record,
        x=x,
        width=width,
        text_x=x + 9 if fits else x - 9,
        text_anchor="start" if fits else "end",
        is_open=is_open,
    )


def _placed(lanes: Mapping[str, Sequence[Item]]) -> tuple[list[Lane], float]:
    """Return lanes whose items do not cover each other, and where they end."""
    placed, top = [], float(_TOP)
    for service, items in lanes.items():
        ends: list[float] = []
        lane = Lane(service, y=top)
        for item in sorted(items, key=lambda each: each.x):
            letters = len(item.label) * _LETTER + 12
            begin = item.x if item.text_anchor == "start" else item.x - letters
            end = max(item.x + item.width, begin + letters) + 8
            row = next((number for number, free in enumerate(ends) if free <= begin), len(ends))
            ends[row : row + 1] = [end]
            y = top + row * _ROW + _ROW / 2 + 4
            lane.items.append(replace(item, y=y))
        lane.height = len(ends) * _ROW + 8
        top += lane.height
        placed.append(lane)
    return placed, top


def _path(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a curve from one record to another that leaves and arrives level."""
    bend = max(abs(x2 - x1) / 2, 18)
    return f"M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"
