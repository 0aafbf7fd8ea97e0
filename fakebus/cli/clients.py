"""Show the clients that a fakebus has met: which service and process each is, and what it does.

It asks the bus over HTTP, wherever clients connect to. The same program is the same service, unless
--service names one.

Examples:
  fakebus clients
  fakebus clients --service billing --client-id 'rdkafka-*' --group billing
  fakebus clients --json | jq '.[].service'
"""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from fakebus.cli.bootstrap import add_http_argument
from fakebus.cli.output import (
    JSON,
    add_format_argument,
    add_repeated_argument,
    print_json,
    print_lines,
    print_rows,
)
from fakebus.client.bus_http import BusHttp
from fakebus.errors import ConfigError
from fakebus.fixture_files.times import to_datetime

_COMMAND_SHOWN = 60
_PATTERNS = (
    ("--client-id", "PATTERN", "client ids of the service, with * and ?"),
    ("--group", "PATTERN", "consumer groups of the service"),
    ("--address", "PATTERN", "addresses or host names of the service"),
    ("--command-line", "PATTERN", "command lines of the service"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus clients``."""
    add_http_argument(parser)
    parser.add_argument(
        "--service",
        metavar="NAME",
        help="say first which clients are this service; without a pattern, forget what was said",
    )
    for option, metavar, help_text in _PATTERNS:
        add_repeated_argument(parser, option, metavar, help_text)
    add_format_argument(parser, "a JSON array of all that the bus knows of each client")


def run(arguments: argparse.Namespace) -> int:
    """Print the clients."""
    bus = BusHttp(arguments.http_url)
    patterns = {
        "client_ids": arguments.client_id,
        "groups": arguments.group,
        "addresses": arguments.address,
        "commands": arguments.command_line,
    }
    if arguments.service is not None:
        bus.request("PUT", f"/services/{quote(arguments.service, safe='')}", patterns)
    elif any(patterns.values()):
        raise ConfigError("patterns are those of a service: say its name by --service NAME")
    clients = bus.get("/clients")
    if arguments.format == JSON:
        print_json(clients)
        return 0
    columns = "service client process groups produces consumes seen".split()
    print_rows("text", columns, [_row(each) for each in clients], "no client has come yet")
    for each in clients:
        if each["asked_for_unknown"]:
            names = ", ".join(each["asked_for_unknown"])
            print_lines(f"{each['service']} has asked for topics that are not there: {names}")
    return 0


def _row(client: dict[str, Any]) -> list[str | None]:
    lists = (", ".join(client[name]) or None for name in ("groups", "produces", "consumes"))
    seen = to_datetime(client["last_seen_ms"]).astimezone().strftime("%H:%M:%S")
    name = " ".join(filter(None, (client["client_id"], client["software"])))
    return [
        client["service"],
        name or None,
        _where(client),
        *lists,
        "connected" if client["connected"] else seen,
    ]


def _where(client: dict[str, Any]) -> str:
    process = client["process"]
    if process is None:
        return str(client["host_name"] or client["address"])
    command = process["command"]
    if len(command) > _COMMAND_SHOWN:
        command = command[: _COMMAND_SHOWN - 1] + "…"
    return f"{process['pid']} {command}"
