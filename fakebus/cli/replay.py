"""Write records of topics once more: to their own topic, or to another one.

Copies get the present as their time. By default they are new events: with a new ce_id and ce_time,
without traces and marks of retries, and with a header that names the record that they were made
of. What is there when the command begins is replayed, and no copy is copied again. A fakebus notes
that the records were replayed, and from where.

Examples:
  fakebus replay 'orders[0]@12'
  fakebus replay 'orders[0]@12..40' 'orders[1]@7..' --dry-run
  fakebus replay orders.DLT --to orders --filter 'value.total < 100'
  fakebus replay orders@-1h.. --speed 10 --headers keep
  fakebus replay --since before-test --until after-test
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fakebus.cli.bootstrap import add_bus_arguments, bus_or_cluster
from fakebus.cli.output import JSON, add_format_argument, print_json, print_lines
from fakebus.client.bus_http import BusHttp
from fakebus.cluster.filters import FILTER_HELP
from fakebus.cluster.header_policies import POLICIES
from fakebus.cluster.replay import MOST_TOLD, RANGE_HELP, ReplayRequest, replay_step
from fakebus.errors import ConfigError
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.client.connection import Connection

_MOST_SHOWN = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus replay``."""
    add = parser.add_argument
    add("ranges", nargs="*", metavar="RANGE", help=f"what to replay: {RANGE_HELP}")
    add(
        "--since",
        default="",
        metavar="SNAPSHOT",
        help="instead of ranges: what has come since a snapshot of a fakebus",
    )
    add(
        "--until",
        default="",
        metavar="SNAPSHOT",
        help="only what had come when this one was taken; it may have been gone back from",
    )
    add("--to", default="", metavar="TOPIC", help="where to (default: the topic of each record)")
    add(
        "--filter",
        default="",
        metavar="EXPRESSION",
        help=f"replay only records for which it holds: {FILTER_HELP}",
    )
    policies = "; ".join(f"{name}: {words}" for name, words in POLICIES.items())
    add("--headers", default="new", choices=POLICIES, help=f"what becomes of them: {policies}")
    add(
        "--speed",
        type=float,
        default=0.0,
        metavar="N",
        help="with the pauses between the records, N times as fast (default: without pauses)",
    )
    add("--dry-run", action="store_true", help="write nothing, only tell what would be written")
    add_bus_arguments(parser)
    add_format_argument(parser, "one object: how many, and the names of records and copies")


def run(arguments: argparse.Namespace) -> int:
    """Replay, and tell what was written; 1 if something was not."""
    wanted = {
        name: getattr(arguments, name)
        for name in (*("ranges", "since", "until", "to", "filter"), "headers", "speed", "dry_run")
    }
    if arguments.until and not arguments.since:
        raise ConfigError("--until needs --since: the snapshot that the other one is compared to")
    place = bus_or_cluster(arguments, "fakebus replay")
    if isinstance(place, BusHttp):
        done = _on_bus(place, wanted)
    else:
        done = asyncio.run(_on_cluster(place, ReplayRequest(**wanted)))
    if arguments.format == JSON:
        print_json({"dry_run": arguments.dry_run, **done})
    else:
        _tell(done, is_dry=arguments.dry_run)
    return 0 if done["problem"] is None else 1


def _nothing() -> dict[str, Any]:
    return {"replayed": 0, "scanned": 0, "matched": 0, "records": [], "problem": None}


def _add(done: dict[str, Any], step: Mapping[str, Any]) -> None:
    for name in ("replayed", "scanned", "matched"):
        done[name] += step[name]
    done["records"] = [*done["records"], *step["records"]][:MOST_TOLD]
    done["problem"] = step["problem"]


def _on_bus(bus: BusHttp, wanted: Mapping[str, Any]) -> dict[str, Any]:
    done, cursor, is_first = _nothing(), None, True
    while is_first or cursor is not None:
        step = bus.request("POST", "/replay", {**wanted, "cursor": cursor})
        _add(done, step)
        cursor, is_first = step["cursor"], False
        time.sleep(step["wait_s"])
    return done


async def _on_cluster(connection: Connection, request: ReplayRequest) -> dict[str, Any]:
    # Who asks a fakebus needs no client library.
    from fakebus.cluster.external import ExternalCluster

    cluster, done = ExternalCluster(connection, None), _nothing()
    try:
        step = await replay_step(cluster, request)
        _add(done, step.json())
        while step.cursor is not None:
            await asyncio.sleep(step.wait_s)
            step = await replay_step(cluster, request, step.cursor)
            _add(done, step.json())
    finally:
        await cluster.close()
    return done


def _tell(done: Mapping[str, Any], *, is_dry: bool) -> None:
    shown = done["records"][:_MOST_SHOWN]
    print_lines(*(f"{each['from']} -> {each['to']}" for each in shown))
    count = done["matched"]
    if count > len(shown):
        print_lines(f"and {counted(count - len(shown), 'more record')}")
    what = "would be replayed" if is_dry else "replayed"
    print_lines(f"{counted(count, 'record')} {what}, of {done['scanned']} that were looked at")
    if done["problem"] is not None:
        print_lines(f"fakebus: {done['problem']}", error=True)
