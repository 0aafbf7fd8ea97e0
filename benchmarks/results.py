"""Results of a run: figures of servers and curves, with the machine that they were measured on."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

CHECKOUT = Path(__file__).parents[1]
RESULTS = CHECKOUT / "docs" / "reference" / "benchmarks.json"


@dataclass(slots=True, kw_only=True)
class Results:
    """Figures by measure, name and server; curves by name."""

    command: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    measures: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Why a server, or a measure of it, has no figures."""
    curves: dict[str, dict[str, Any]] = field(default_factory=dict)
    """``over``, and of each of ``series`` pairs of (how many, figure)."""
    versus: dict[str, Any] = field(default_factory=dict)
    """Pairs of this code and an older one."""
    profile: dict[str, Any] = field(default_factory=dict)
    """Where the time of a Produce request goes."""

    def add(self, measure: str, server: str, figures: dict[str, float]) -> None:
        """Add the figures of one round."""
        into = self.measures.setdefault(measure, {})
        for name, value in figures.items():
            into.setdefault(name, {}).setdefault(server, []).append(float(f"{value:.5g}"))

    def median(self, name: str, server: str) -> float | None:
        """Return the median of a figure, if there is one."""
        for figures in self.measures.values():
            values = figures.get(name, {}).get(server)
            if values:
                return statistics.median(values)
        return None

    def save(self, path: Path) -> None:
        """Write all of it; what this run has not measured is kept from the run before."""
        kept = json.loads(path.read_text()) if path.exists() else {}
        new = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("measures", "curves"):
            new[name] = kept.get(name, {}) | new[name]
        for name in ("versus", "profile"):
            new[name] = new[name] or kept.get(name) or type(new[name])()
        path.write_text(json.dumps(new, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what was saved."""
        return cls(**json.loads(path.read_text()))


def machine() -> dict[str, Any]:
    """Return what figures depend on, and nothing that names the machine."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "load_before": [round(each, 1) for each in os.getloadavg()],
    }


def print_table(measure: str, figures: dict[str, dict[str, list[float]]]) -> None:
    """Print medians and half the ranges, a line for each figure."""
    servers = list(dict.fromkeys(server for row in figures.values() for server in row))
    print(f"\n{measure:58}" + "".join(f"{server[:20]:>22}" for server in servers))
    for name, row in figures.items():
        cells: dict[str, str] = defaultdict(lambda: "-")
        for server, values in row.items():
            cells[server] = shown(values)
        print(f"{name:58}" + "".join(f"{cells[server]:>22}" for server in servers), flush=True)


def shown(values: list[float]) -> str:
    """Return a median and half the range as text; a single value has none."""
    if len(values) == 1:
        return number(values[0])
    median, spread = statistics.median(values), (max(values) - min(values)) / 2
    return f"{number(median)} ±{number(spread)}"


def number(value: float) -> str:
    """Return a figure with three digits that say something."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
