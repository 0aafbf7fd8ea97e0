"""Show the brokers that a fakebus seems to have, and stop and start them.

A bus that was started with  --brokers 3  has three, each with a port of its own. When one of them
is stopped its clients are dropped, and others lead the partitions and groups that it has led: what
a client has to cope with when a broker of a real cluster fails.

Examples:
  fakebus brokers
  fakebus brokers stop 2
  fakebus brokers start 2
"""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from fakebus.cli.bootstrap import add_common_arguments, bus_of
from fakebus.cli.output import JSON, print_json, print_table

_FEATURE = "fakebus brokers"
_ACTIONS = {
    "list": "list the brokers and what they lead",
    "stop": "stop a broker, as if it had failed",
    "start": "start a broker again",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``fakebus brokers``; without one the brokers are listed."""
    parser.set_defaults(action="list")
    common = [add_common_arguments(parser)]
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    for name, help_text in _ACTIONS.items():
        action = actions.add_parser(name, help=help_text, description=help_text, parents=common)
        if name != "list":
            action.add_argument("broker", metavar="NUMBER", help="as  fakebus brokers  shows it")
        action.set_defaults(action=name)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for, and show all brokers afterwards."""
    bus = bus_of(arguments, _FEATURE)
    if arguments.action != "list":
        bus.request("POST", f"/brokers/{quote(arguments.broker, safe='')}/{arguments.action}")
    found = bus.request("GET", "/brokers")
    if arguments.format == JSON:
        print_json(found)
    else:
        print_table(
            ("broker", "address", "", "leads", "coordinates"), [_row(each) for each in found]
        )
    return 0


def _row(told: dict[str, Any]) -> tuple[str | int | None, ...]:
    state = "controller" if told["controller"] else "" if told["running"] else "stopped"
    return told["broker"], told["address"], state, told["leads"], told["coordinates"]
