"""The page of the docs that shows the results, made from them: ``make bench ARGS=--page``."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.charts import bars, description_of_bars, lines
from benchmarks.results import CHECKOUT, Results, number, shown
from fakebus.wording import counted

PAGE = CHECKOUT / "docs" / "reference" / "benchmarks.md"
CHARTS = CHECKOUT / "docs" / "images"
KFAKE, KAFKA = "kfake", "Apache Kafka"

CHARTED = {
    "start": "start to the first answered Metadata, ms",
    "memory": "RSS at rest, MB",
    "acknowledgement": "acknowledgement p50, ms",
    "produce": "produce 1 KiB, 1 partition, none, messages/s",
    "consume": "consume 1 KiB, 1 partition, none, messages/s",
    "transactions": "transactions of one record, transactions/s",
}
"""Figures with a chart, by the name of its file."""
RATIOS = (
    ("produce 100 B, 1 partition, none, messages/s", KFAKE, 1.0),
    ("produce 1 KiB, 1 partition, none, messages/s", KFAKE, 1.0),
    ("consume 100 B, 1 partition, none, messages/s", KFAKE, 1.0),
    ("consume 1 KiB, 1 partition, none, messages/s", KFAKE, 1.0),
    ("acknowledgement p50, ms", KFAKE, 1.2),
    ("produce to consume p50, ms", KFAKE, 1.3),
    ("acknowledgement p99, ms", KAFKA, 1.0),
    ("produce to consume p99, ms", KAFKA, 1.0),
    ("transactions of one record, transactions/s", KFAKE, 0.8),
    ("transaction p50, ms", KAFKA, 2.0),
)
"""Figure, the peer that it is held against, and the ratio that is wanted."""
FIGURES = (
    ("start to the first answered Metadata, ms", 180),
    ("start in a pytest session, warm, ms", 120),
    ("RSS at rest, MB", 45),
)
POINTS = (
    ("topics", 10_000, "start to ready, ms", 950),
    ("topics", 10_000, "RSS, MB", 95),
    ("topics", 10_000, "Metadata of one topic, ms", 1.5),
    ("groups", 500, "RSS, MB", 90),
    ("batches", 0, "batches/s", 40_000),
    ("batches", 0, "1 MB from the middle, ms", 5),
)
"""Curve, how many (0 for the most), figure, and what is wanted."""

_HEAD = """# Benchmarks

What fakebus takes and gives beside other servers of Kafka's protocol, and how it grows. Everything
on this page is written by one command, which needs Go for kfake and Java 17 for Apache Kafka:

```sh
{command}
```

Each server is a process of its own; all are measured by turns in every round, by the same client
(confluent-kafka, with acks=all) on the same machine. A cell is the median of {rounds} ± half
their range. fakebus commits to its file before it acknowledges; kfake, the mock and *memory* keep
everything in memory; Apache Kafka writes to the system's page cache. `make bench ARGS="--help"`
tells how to choose servers, figures and sizes. The same figures are in
[benchmarks.json](benchmarks.json).

{machine}
"""


def _is_rate(name: str) -> bool:
    return name.endswith("/s")


def write(results: Results) -> None:
    """Write the page and its charts."""
    for path, text in files(results).items():
        path.write_text(text, encoding="utf-8")


def files(results: Results) -> dict[Path, str]:
    """Return what belongs into the page and the charts, by their paths."""
    made: dict[Path, str] = {}
    parts = [_head(results), *_wanted(results)]
    for name, figure in CHARTED.items():
        rows = _rows(results, figure)
        if rows:
            path = CHARTS / f"benchmark-{name}.svg"
            made[path] = bars(figure, rows)
            parts.append(_image(path, f"{figure}: {description_of_bars(rows)}"))
    for measure, figures in results.measures.items():
        parts += [f"## {measure.capitalize()}", "\n".join(_table(figures))]
    if results.missing:
        parts.append("## Not measured")
        parts.append("\n".join(f"- {word}: {why}" for word, why in sorted(results.missing.items())))
    parts.append("## Growth")
    for word, curve in results.curves.items():
        path = CHARTS / f"benchmark-growth-{word}.svg"
        made[path] = lines(curve["over"], list(curve["series"].items()))
        parts += [f"### {curve['over']}", *_growth(curve["series"])]
        parts.append(_image(path, f"{curve['over']}: the figures of the table as lines"))
    if results.profile:
        parts += _profile(results.profile)
    if results.versus:
        parts += _versus(results.versus)
    made[PAGE] = "\n\n".join(part.strip("\n") for part in parts) + "\n"
    return made


def _image(path: Path, words: str) -> str:
    return f"![{words}](../images/{path.name})"


def _head(results: Results) -> str:
    machine = results.machine
    told = (
        f"Measured on {machine['date']} on {machine['cores']} cores with "
        f"{machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}, "
        f"in {machine['minutes']} minutes. "
        f"The load of the machine was {machine['load_before'][0]} before and "
        f"{machine['load_after'][0]} after the run: where the first is not near 0, others worked "
        "on it, and only ratios tell something. "
        + ", ".join(f"{name} {version}" for name, version in results.versions.items())
        + "."
    )
    rounds = max(
        len(values)
        for figures in results.measures.values()
        for row in figures.values()
        for values in row.values()
    )
    return _HEAD.format(command=results.command, rounds=counted(rounds, "round"), machine=told)


def _rows(results: Results, figure: str) -> list[tuple[str, float, float, float]]:
    for figures in results.measures.values():
        if figure in figures:
            return [
                (server, statistics.median(values), min(values), max(values))
                for server, values in figures[figure].items()
            ]
    return []


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _table(figures: dict[str, dict[str, list[float]]]) -> Iterator[str]:
    servers = list(dict.fromkeys(server for row in figures.values() for server in row))
    yield _row(["", *servers])
    yield _row(["---", *["---:"] * len(servers)])
    for name, row in figures.items():
        yield _row([name, *[shown(row[each]) if each in row else "-" for each in servers]])


def _growth(series: dict[str, list[Any]]) -> Iterator[str]:
    counts = [count for count, _ in next(iter(series.values()))]
    rows = [_row(["", *[f"{count:,}" for count in counts], "growth"])]
    rows.append(_row(["---", *["---:"] * len(counts), "---"]))
    for name, points in series.items():
        cells = [number(value) for _, value in points]
        rows.append(_row([name, *cells, slope(points, name)]))
    yield "\n".join(rows)


def slope(points: Sequence[Sequence[float]], name: str) -> str:
    """Return in words how a figure grows: flat, or by how much for a thousand more."""
    (_, first), (last_count, last) = points[0], points[-1]
    unit = name.rpartition(", ")[2] if ", " in name else ""
    if last < first * 0.8 and _is_rate(name):
        return f"{last / first - 1:.0%}"
    if last <= first * 1.25 or last - first < 0.1:
        return "flat"
    steps = 1_000_000 if last_count >= 100_000 else 1_000
    # From the middle point on: what the first thousand take is in the first steps.
    per_step = (last - first) / (last_count - points[0][0]) * steps
    return f"+{number(per_step)} {unit} for each {steps:,}".replace("  ", " ")


def _wanted(results: Results) -> Iterator[str]:
    rows = [_row(["", "measured", "wanted", ""]), _row(["---", "---:", "---:", "---"])]
    for name, peer, wanted in RATIOS:
        ours, theirs = results.median(name, "fakebus"), results.median(name, peer)
        if ours is not None and theirs:
            rows.append(_verdict(f"{name}: ratio to {peer}", ours / theirs, wanted, _is_rate(name)))
    for name, wanted in FIGURES:
        ours = results.median(name, "fakebus")
        if ours is not None:
            rows.append(_verdict(name, ours, wanted, _is_rate(name)))
    for curve, count, name, wanted in POINTS:
        points = dict(results.curves.get(curve, {}).get("series", {}).get(name, []))
        at = count or max(points, default=0)
        if at in points:
            rows.append(_verdict(f"{name}, {at:,} {curve}", points[at], wanted, _is_rate(name)))
    yield "## What is wanted, and what is there"
    yield "\n".join(rows)


def _verdict(name: str, value: float, wanted: float, more_is_better: bool) -> str:
    met = value >= wanted if more_is_better else value <= wanted
    sign = "≥" if more_is_better else "≤"
    return _row([name, number(value), f"{sign} {number(wanted)}", "met" if met else "**missed**"])


def _profile(profile: dict[str, Any]) -> Iterator[str]:
    yield "## Where the time of a Produce request goes"
    yield (
        "A request of one record of 100 bytes, made beforehand, from one client, in microseconds: "
        "alone, and among a hundred that do not wait for each other. The floor is a server on "
        "uvloop that cuts frames and answers with ready bytes: what is between it and fakebus is "
        "decoding, checking, committing and encoding in CPython (`python -m benchmarks.profile`)."
    )
    yield _by_server({"alone": "alone, µs", "together": "together, µs"}, profile["microseconds"])
    yield (
        "The dearest functions of fakebus, by cProfile, of those that are called for each request. "
        "The time is that of many calls, which `tests/architecture/test_walk.py` counts."
    )
    yield _dearest("calls for a request", profile["functions"])
    if "transactions" in profile:
        yield from _transactions(profile)


def _by_server(columns: Mapping[str, str], measured: Mapping[str, Mapping[str, float]]) -> str:
    rows = [_row(["", *columns.values()]), _row(["---", *["---:"] * len(columns)])]
    for name, figures in measured.items():
        rows.append(_row([name, *(number(figures[column]) for column in columns)]))
    return "\n".join(rows)


def _dearest(heading: str, functions: list[Any]) -> str:
    rows = [_row(["", heading, "share"]), _row(["---", "---:", "---:"])]
    for name, calls, share in functions:
        rows.append(_row([f"`{name}`", f"{calls:.1f}", f"{share:.1%}"]))
    return "\n".join(rows)


def _transactions(profile: dict[str, Any]) -> Iterator[str]:
    yield "## Where the time of a transaction goes"
    yield (
        "librdkafka makes three requests of a transaction of one record, each of which waits for "
        "the one before and is stored before it is answered: AddPartitionsToTxn, Produce, EndTxn. "
        "The table has what the client waits for, and what the server takes of a processor. The "
        "floor is a server on uvloop that answers with ready bytes: the most of the wait is the "
        "client's own. All between the floor and fakebus is our work, "
        f"{profile['transaction_calls']} calls, none of which is dear by itself."
    )
    yield _by_server({"wait": "waits, ms", "processor": "server, µs"}, profile["transactions"])
    yield _dearest("calls for a transaction", profile["transaction_functions"])


def _versus(versus: dict[str, Any]) -> Iterator[str]:
    yield "## Beside an older version"
    yield (
        f"The same workload on the code of commit `{versus['commit']}` and on this one, in "
        f"{versus['pairs']} alternating pairs: the median of the ratios of the pairs, and their "
        f"range (`{versus['command']}`, {versus['date']}, load {versus['load']})."
    )
    rows = [
        _row(["", versus["commit"], "now", "ratio", "range"]),
        _row(["---", "---:", "---:", "---:", "---"]),
    ]
    for name, (before, now) in versus["figures"].items():
        ratios = [one / other for one, other in zip(now, before, strict=True) if other]
        if ratios:
            rows.append(
                _row(
                    [
                        name,
                        number(statistics.median(before)),
                        number(statistics.median(now)),
                        f"{statistics.median(ratios):.2f}",
                        f"{min(ratios):.2f} to {max(ratios):.2f}",
                    ]
                )
            )
    yield "\n".join(rows)
