"""Explain why a consumer group, or a transaction, is stuck, and say what to do about it.

The bus looks at the group's members, at what they have fetched and committed, and at what became
of them lately, and tells every cause that holds, the likeliest first. Of any other Kafka it is told
as much as that knows; a group that lags is watched for some seconds. It changes nothing. The exit
code is 0 when the group is well, 1 when it is not, and 2 when there is no such group.

Of a transactional id a fakebus tells what its open transaction holds back, and for whom.

Examples:
  fakebus why billing
  fakebus why billing-producer-1
  fakebus why billing --json
  fakebus why billing --http http://127.0.0.1:8081
  fakebus why billing --bootstrap-server kafka.test:9092
"""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from fakebus.cli.bootstrap import add_bus_arguments, bus_or_cluster
from fakebus.cli.output import (
    JSON,
    add_format_argument,
    print_json,
    print_lines,
    print_text,
    wrapped,
)
from fakebus.client.bus_http import BusHttp
from fakebus.wording import counted


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus why``."""
    parser.add_argument("group", metavar="GROUP", help="the consumer group, or transactional id")
    add_format_argument(parser, "one JSON object with group, state, lag, well and causes")
    add_bus_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print why the group is stuck; 1 if it is."""
    found = _asked(arguments)
    if arguments.format == JSON:
        print_json(found)
    else:
        _print(found)
    return 0 if found["well"] else 1


def _asked(arguments: argparse.Namespace) -> dict[str, Any]:
    place = bus_or_cluster(arguments, "fakebus why")
    if isinstance(place, BusHttp):
        told: dict[str, Any] = place.get(f"/why/{quote(arguments.group, safe='')}")
        return told
    # Who asks a fakebus needs no client library.
    from fakebus.client.group_view import explain_from_outside
    from fakebus.client.groups import unknown_group

    found = explain_from_outside(place, arguments.group)
    if found is None:
        raise unknown_group(place, arguments.group)
    return found


def _print(found: dict[str, Any]) -> None:
    lag = "nothing committed" if found["lag"] is None else f"lag {found['lag']}"
    if name := found.get("transactional_id"):
        print_lines(f"transactional id {name}: {found['state']}")
    else:
        print_lines(f"{found['group']}: {found['state']}, {lag}")
    for cause in found["causes"]:
        print_lines("")
        print_text(wrapped(cause["text"], f"{cause['code']}: "))
        for remedy in cause["remedies"]:
            print_text(wrapped(remedy, "  -> "))
    print_lines("", counted(len(found["causes"]), "cause") if found["causes"] else "all well")
    if "not_told" in found:
        print_text(wrapped("; ".join(found["not_told"]), "not known of this cluster: "))
