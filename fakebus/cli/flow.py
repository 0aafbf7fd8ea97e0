"""Show what caused a record, what it caused, and what became of it in each consumer group.

Each step says how it is known: *stated* by the record itself (a causation id, a dead letter's
origin), *correlated* by a trace or a correlation id, or *observed*: the same process had the one in
its hands when it produced the other. Where several causes are possible, all are shown. A running
fakebus is asked; of any other Kafka the newest records are read, and only what their headers say is
known.

Examples:
  fakebus flow 'orders[0]@12'
  fakebus flow --find 4bf92f3577b34da6a3ce929d0e0e4736
  fakebus flow 'orders[0]@12' --depth 1 --json
  fakebus flow 'orders[0]@12' --as-of -5m
  fakebus flow --find order-17 --bootstrap-server kafka.example:9092
"""

from __future__ import annotations

import argparse
import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fakebus.cli.bootstrap import add_bus_arguments, bus_or_cluster
from fakebus.cli.output import JSON, add_format_argument, print_json, print_lines
from fakebus.client.bus_http import BusHttp, BusHttpError
from fakebus.client.connection import NotFoundError
from fakebus.client.positions import NEGATIVE_POSITION, parse_moment
from fakebus.errors import FakebusError
from fakebus.lineage.flow_text import drawn
from fakebus.lineage.place import FlowError

if TYPE_CHECKING:
    from fakebus.client.connection import Connection

_NEVER_WAS = (404, 422)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus flow``."""
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument(
        "record", nargs="?", metavar="TOPIC[PARTITION]@OFFSET", help="the record to begin from"
    )
    asked.add_argument(
        "--find",
        metavar="TEXT",
        help="begin from all records with this id, trace id, correlation id or key, or these words",
    )
    parser.add_argument(
        "--depth", type=int, metavar="N", help="steps from where it begins (default: all)"
    )
    parser.add_argument(
        "--edges",
        type=int,
        metavar="N",
        help="links that are shown at most, the nearest first (default: 1000, at most 10000)",
    )
    # So that `--as-of -5m` is not taken for an option; argparse offers no public way.
    parser._negative_number_matcher = NEGATIVE_POSITION
    parser.add_argument(
        "--as-of",
        metavar="TIME",
        help="how it was at a time (2024-05-01T09:00:00Z), or how long ago (-5m)",
    )
    add_bus_arguments(parser)
    add_format_argument(parser, "json: an object with records, edges, asked and behind")


def run(arguments: argparse.Namespace) -> int:
    """Print the flow; 2 for a record that never was."""
    if arguments.depth is not None and arguments.depth < 0:
        raise FakebusError(f"--depth is 0 or more, not {arguments.depth}")
    if arguments.edges is not None and arguments.edges < 1:
        raise FakebusError(f"--edges is 1 or more, not {arguments.edges}")
    try:
        flow = _asked(arguments)
    except (BusHttpError, FlowError, NotFoundError) as error:
        if isinstance(error, BusHttpError) and error.status not in _NEVER_WAS:
            raise
        print_lines(f"fakebus: {error}", error=True)
        return 2
    if arguments.format == JSON:
        print_json(flow)
    else:
        print_lines(*drawn(flow))
    return 0


def _asked(arguments: argparse.Namespace) -> dict[str, Any]:
    as_of = "" if arguments.as_of is None else _moment_text(arguments.as_of)
    place = bus_or_cluster(arguments, "fakebus flow")
    if isinstance(place, BusHttp):
        found: dict[str, Any] = place.get(
            "/flow",
            record=arguments.record,
            find=arguments.find,
            depth=arguments.depth,
            as_of=as_of or None,
            edges=arguments.edges,
        )
        return found
    return asyncio.run(_by_headers(place, arguments, as_of))


def _moment_text(text: str) -> str:
    """Return a time as it is understood in another time zone, too."""
    moment_ms = parse_moment(text, time.time_ns() // 1_000_000).number
    is_ago = text.strip().startswith("-")
    return text if is_ago else datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat()


async def _by_headers(
    connection: Connection, arguments: argparse.Namespace, as_of: str
) -> dict[str, Any]:
    # Who asks a fakebus needs no client library.
    from fakebus.cluster.external import ExternalCluster
    from fakebus.cluster.header_flows import flow_by_headers

    cluster = ExternalCluster(connection, None)
    try:
        return await flow_by_headers(
            cluster,
            record=arguments.record or "",
            text=arguments.find or "",
            depth=arguments.depth,
            as_of=as_of,
            most_edges=arguments.edges,
        )
    finally:
        await cluster.close()
