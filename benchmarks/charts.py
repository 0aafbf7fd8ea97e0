"""Charts as SVG, written by hand: bars with their range, and lines over a logarithmic scale.

No library: matplotlib brings 60 MB for two kinds of chart, and none of the small ones follows a
reader's dark scheme. A chart has paper of its own in either scheme, a title and a description, and
the page has its figures as a table too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.results import number

WIDTH = 760
_LEFT, _RIGHT = 190, 120
_ROW = 24
_PLOT = 190
_STYLE = """<style>
.paper{fill:#fff}.text{fill:#24292f}.soft{fill:#57606a}.grid{stroke:#d0d7de}
.a{fill:#0969da;stroke:#0969da}.b{fill:#8c959f;stroke:#8c959f}.range{stroke:#24292f}
@media (prefers-color-scheme:dark){
.paper{fill:#161b22}.text{fill:#e6edf3}.soft{fill:#9da7b1}.grid{stroke:#30363d}
.a{fill:#58a6ff;stroke:#58a6ff}.b{fill:#6e7681;stroke:#6e7681}.range{stroke:#e6edf3}}
text{font:13px system-ui,sans-serif}.title{font-weight:600}
</style>"""


def _svg(height: int, title: str, description: str, parts: Sequence[str]) -> str:
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
            ' aria-labelledby="title description">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="description">{escape(description)}</desc>',
            _STYLE,
            f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>',
            *parts,
            "</svg>\n",
        )
    )


def _text(x: float, y: float, text: str, kind: str = "text", anchor: str = "start") -> str:
    return (
        f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def description_of_bars(rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Return what a chart of bars shows in words."""
    return "; ".join(f"{label} {number(median)}" for label, median, _, _ in rows)


def bars(title: str, rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Return a chart with a bar for each row.

    Args:
        title: with the unit.
        rows: label, median, lowest and highest; labels that begin with fakebus stand out.
    """
    longest = max(high for _, _, _, high in rows)
    span = WIDTH - _LEFT - _RIGHT
    parts = [_text(16, 26, title, "text title")]
    for index, (label, median, low, high) in enumerate(rows):
        y = 44 + index * _ROW
        kind = "a" if label.startswith("fakebus") else "b"
        parts.append(_text(_LEFT - 8, y + 14, label, "text", "end"))
        width = max(1, median / longest * span)
        parts.append(
            f'<rect class="{kind}" x="{_LEFT}" y="{y + 3}" width="{width:.1f}" height="14"/>'
        )
        ends = [_LEFT + value / longest * span for value in (low, high)]
        parts.append(
            f'<path class="range" d="M{ends[0]:.1f} {y + 10}H{ends[1]:.1f}" stroke-width="1.5"/>'
        )
        parts.append(_text(ends[1] + 8, y + 14, number(median), "soft"))
    height = 44 + len(rows) * _ROW + 12
    return _svg(height, title, description_of_bars(rows), parts)


def description_of_line(points: Sequence[tuple[int, float]]) -> str:
    """Return what a chart of a line shows in words."""
    return "; ".join(f"{number(value)} at {count:,}" for count, value in points)


def lines(title: str, panels: Sequence[tuple[str, Sequence[tuple[int, float]]]]) -> str:
    """Return a chart with a panel for each series, over a logarithmic scale.

    Args:
        title: what grows.
        panels: name with the unit, and pairs of (how many, figure).
    """
    parts = [_text(16, 26, title, "text title")]
    columns = 2
    span = WIDTH / columns - 110
    for index, (name, points) in enumerate(panels):
        left = 70 + (index % columns) * WIDTH / columns
        top = 62 + (index // columns) * _PLOT
        bottom = top + _PLOT - 80
        most = max(value for _, value in points) * 1.1 or 1
        far = math.log10(max(count for count, _ in points)) or 1
        places = [
            (left + math.log10(count) / far * span, bottom - value / most * (bottom - top))
            for count, value in points
        ]
        parts.append(_text(left, top - 10, name))
        parts.append(
            f'<path class="grid" fill="none" d="M{left:.0f} {top}V{bottom}H{left + span:.0f}"/>'
        )
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path class="a" style="fill:none" stroke-width="2" d="M{path}"/>')
        for (count, value), (x, y) in zip(points, places, strict=True):
            parts.append(f'<circle class="a" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
            parts.append(_text(x, y - 8, number(value), "soft", "middle"))
            parts.append(_text(x, bottom + 16, _short(count), "soft", "middle"))
    height = 62 + math.ceil(len(panels) / columns) * _PLOT - 30
    told = ". ".join(f"{name}: {description_of_line(points)}" for name, points in panels)
    return _svg(height, title, told, parts)


def _short(count: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:g}{letter}"
    return str(count)
