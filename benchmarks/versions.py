"""This code beside that of an older checkout: the same workload on both, in alternating pairs.

    git worktree add ../older 86483d1
    make bench ARGS="--against ../older --save"

Which of the two comes first changes from pair to pair, as the speed of a machine drifts.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks import workloads
from benchmarks.measures import Figures, quantile
from benchmarks.peers import CHECKOUT, Fakebus

MESSAGES = {100: 200_000, 1024: 50_000}
LATENCIES = 2_000


def _figures(checkout: Path) -> Figures:
    with Fakebus(checkout=checkout) as bus:
        time.sleep(0.5)
        where = bus.bootstrap_servers
        figures = {
            "start to the first answered Metadata, ms": bus.metadata_seconds * 1000,
            "start to ready, ms": bus.ready_seconds * 1000,
            "start, CPU s": bus.cpu_seconds(),
            "RSS at rest, MB": bus.rss_bytes() / 1e6,
        }
        topic = workloads.new_topic(where)
        times = workloads.acknowledgement_latencies(where, topic, LATENCIES)
        figures |= {f"acknowledgement p{q}, ms": quantile(times, q / 100) for q in (50, 99)}
        times = workloads.end_to_end_latencies(where, workloads.new_topic(where), LATENCIES)
        figures |= {f"produce to consume p{q}, ms": quantile(times, q / 100) for q in (50, 99)}
        for size, count in MESSAGES.items():
            topic = workloads.new_topic(where)
            cpu = bus.cpu_seconds()
            rate = workloads.produce(where, topic, (workloads.payload(size),), count)
            figures[f"produce {size} B, messages/s"] = rate
            figures[f"produce {size} B, CPU s per million"] = (
                (bus.cpu_seconds() - cpu) / count * 1e6
            )
            cpu = bus.cpu_seconds()
            figures[f"consume {size} B, messages/s"] = workloads.consume(where, topic)[0]
            figures[f"consume {size} B, CPU s per million"] = (
                (bus.cpu_seconds() - cpu) / count * 1e6
            )
    return figures


def compare(checkout: str, pairs: int) -> dict[str, Any]:
    """Measure both; return the figures of the older and of this code, by name.

    Args:
        checkout: the older one.
        pairs: how often.
    """
    older = Path(checkout).resolve()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=older,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    load = round(os.getloadavg()[0], 1)
    figures: dict[str, tuple[list[float], list[float]]] = {}
    for pair in range(pairs):
        for place in (older, CHECKOUT) if pair % 2 else (CHECKOUT, older):
            for name, value in _figures(place).items():
                column = figures.setdefault(name, ([], []))[place == CHECKOUT]
                column.append(float(f"{value:.4g}"))
        print(f"pair {pair + 1} of {pairs}", flush=True)
    for name, (before, now) in figures.items():
        print(f"{name:44} {sorted(before)[pairs // 2]:12,.2f} {sorted(now)[pairs // 2]:12,.2f}")
    return {
        "commit": commit,
        "pairs": pairs,
        "date": time.strftime("%Y-%m-%d"),
        "load": load,
        "command": 'make bench ARGS="--against CHECKOUT --save"',
        "figures": figures,
    }
