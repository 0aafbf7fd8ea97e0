"""Show topics, groups, lag and rates as they change, on any Kafka.

The busiest topics and the groups that are farthest behind come first. On a fakebus the faults that
are on are told too. Ctrl-C ends it. Where the output is no terminal, two looks make one answer.

Examples:
  fakebus top
  fakebus top --bootstrap-server kafka.example:9092 --interval 5
  fakebus top --json | jq '.groups[] | select(.lag > 100)'
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fakebus.cli.bootstrap import add_bus_arguments, bus_or_cluster, connect
from fakebus.cli.output import (
    JSON,
    Cell,
    add_format_argument,
    print_json,
    print_lines,
    print_table,
    screen,
)
from fakebus.client.bus_http import BusHttp, BusHttpError
from fakebus.client.connection import ClientError
from fakebus.cluster.interface import Cluster, GroupSummary, is_internal_topic
from fakebus.cluster.patience import answer_of
from fakebus.errors import ConfigError
from fakebus.escaping import printable
from fakebus.real_time import monotonic
from fakebus.wording import counted

_SHORTEST_S = 0.1
_FRAME_LINES = 5
"""What a table takes besides its rows."""
_LEAST_ROWS = 2
_FAULTS_SHARE = 5
"""Of so many lines faults take one at most."""
_TOPIC = ("topic", "partitions", "records", "per second")
_GROUP = ("group", "state", "members", "lag", "per second")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Look at a cluster: what was there at one moment."""

    at_s: float
    partitions: Mapping[str, int]
    records: Mapping[str, int]
    ends: Mapping[str, int]
    """Of the logs of each topic, summed."""
    groups: tuple[GroupSummary, ...]
    faults: list[dict[str, Any]] | None
    """``None`` where the cluster is no fakebus, or does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Change between two looks, as rows that begin with what matters most."""

    topics: list[tuple[str, int, int, float]]
    groups: list[tuple[str, str, int, int | None, float | None]]
    faults: list[dict[str, Any]] | None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus top``."""
    parser.add_argument(
        "--interval",
        type=float,
        default=2.0,
        metavar="SECONDS",
        help="how long between two looks (default: 2)",
    )
    parser.add_argument("--internal", action="store_true", help="show internal topics too")
    add_format_argument(parser, "one object with topics, groups and faults")
    add_bus_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look again and again, or twice."""
    from fakebus.cluster.external import ExternalCluster

    if not _SHORTEST_S <= arguments.interval <= 3600:
        raise ConfigError(f"--interval is a number of seconds from {_SHORTEST_S} to 3600")
    cluster = ExternalCluster(connect(arguments, "fakebus top"), None)
    found = bus_or_cluster(arguments, "fakebus top")
    bus = found if isinstance(found, BusHttp) else None
    try:
        asyncio.run(_watch(cluster, bus, arguments))
    except KeyboardInterrupt:
        return 0
    return 0


async def _watch(cluster: Cluster, bus: BusHttp | None, arguments: argparse.Namespace) -> None:
    internal = arguments.internal
    try:
        before = await _look(cluster, bus, internal=internal)
        await asyncio.sleep(arguments.interval)
        now = await _look(cluster, bus, internal=internal)
        if arguments.format == JSON or not sys.stdout.isatty():
            _print(change(before, now), arguments.format)
            return
        with screen() as clear:
            problem = ""
            while True:
                clear()
                _draw(cluster.name, change(before, now), _lines(), problem)
                await asyncio.sleep(arguments.interval)
                try:
                    before, now, problem = now, await _look(cluster, bus, internal=internal), ""
                except ClientError as error:
                    problem = str(error)
    finally:
        await cluster.close()


async def _look(cluster: Cluster, bus: BusHttp | None, *, internal: bool) -> Look:
    topics = [
        each for each in await cluster.topics() if internal or not is_internal_topic(each.name)
    ]
    ends = dict.fromkeys((each.name for each in topics), 0)
    for place, log in (await cluster.ranges(ends)).items():
        ends[place.topic] += log.end
    return Look(
        at_s=monotonic(),
        partitions={each.name: each.partitions for each in topics},
        records={each.name: each.records for each in topics},
        ends=ends,
        groups=tuple(await cluster.groups()),
        faults=await answer_of(_faults, bus),
    )


def _faults(bus: BusHttp | None) -> list[dict[str, Any]] | None:
    try:
        found: list[dict[str, Any]] | None = None if bus is None else bus.get("/faults")
    except BusHttpError:
        return None
    return found


def change(before: Look, now: Look) -> Change:
    """Return what has become of things from one look to the next."""
    passed_s = max(now.at_s - before.at_s, 1e-3)
    topics = [
        (
            name,
            now.partitions[name],
            now.records[name],
            # A topic that is new, or was made anew, has come by its records since.
            round(max(end - before.ends.get(name, 0), 0) / passed_s, 1),
        )
        for name, end in now.ends.items()
    ]
    lags = {each.name: each.lag for each in before.groups}
    groups = []
    for each in now.groups:
        old = lags.get(each.name)
        grown = None if old is None or each.lag is None else (each.lag - old) / passed_s
        rate = None if grown is None else round(grown, 1)
        groups.append((each.name, each.state, each.members, each.lag, rate))
    return Change(
        topics=sorted(topics, key=lambda row: (-row[3], row[0])),
        groups=sorted(groups, key=lambda row: (-(row[3] or 0), row[0])),
        faults=now.faults,
    )


def _print(found: Change, form: str | None) -> None:
    if form == JSON:
        of_topic, of_group = (*_TOPIC[:3], "per_second"), (*_GROUP[:4], "lag_per_second")
        topics = [dict(zip(of_topic, row, strict=True)) for row in found.topics]
        groups = [dict(zip(of_group, row, strict=True)) for row in found.groups]
        print_json({"topics": topics, "groups": groups, "faults": found.faults})
        return
    _print_tables(found, len(found.topics), len(found.groups))
    for fault in found.faults or ():
        print_lines(f"on purpose: {fault['description']}")


def _lines() -> int:
    """Return how many lines the screen has now; the environment may tell what it once had."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).lines
    except (OSError, ValueError):
        return shutil.get_terminal_size().lines


def _draw(name: str, found: Change, lines: int, problem: str) -> None:
    """Print as much as a screen holds, in halves if both tables are long."""
    width = shutil.get_terminal_size().columns
    faults = [f"on purpose: {each['description']}" for each in found.faults or ()]
    most = max(1, lines // _FAULTS_SHARE)
    if len(faults) > most:
        faults[most - 1 :] = [f"and {counted(len(faults) - most + 1, 'more fault')} on purpose"]
    others = len(faults) + _FRAME_LINES * bool(problem)
    room = lines - 2 * _FRAME_LINES - others - 2
    topics = min(len(found.topics), max(room // 2, room - len(found.groups)))
    groups = room - topics
    if room < _LEAST_ROWS:
        # There is room for one of them: the one that tells of what waits, if anything does.
        room += _FRAME_LINES
        if room < 1:
            room, faults = 1, []
        waits = any(lag for _, _, _, lag, _ in found.groups)
        topics, groups = (0, room) if waits else (room, 0)
    print_lines(_line(f"{name}: {counted(len(found.topics), 'topic')}", width))
    if problem:
        print_table(("what is below is not told any more",), [[problem]], is_cropped=True)
    _print_tables(found, topics, groups)
    print_lines(*(_line(each, width) for each in faults))


def _line(text: str, width: int) -> str:
    shown = printable(text)
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def _print_tables(found: Change, topics: int, groups: int) -> None:
    rows: list[list[Cell]] = [[*row[:3], f"{row[3]:g}"] for row in found.topics[:topics]]
    if topics or not groups:
        print_table(_TOPIC, rows, is_cropped=True)
    rows = [[*row[:4], None if row[4] is None else f"{row[4]:+g}"] for row in found.groups[:groups]]
    if groups or not topics:
        print_table(_GROUP, rows, is_cropped=True)
