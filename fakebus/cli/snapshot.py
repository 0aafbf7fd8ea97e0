"""Take snapshots of a whole fakebus, go back to them, and see what has changed since.

A snapshot holds topics, records, offsets of groups, configs, schemas, groups of Redis and what was
seeded. It costs a few numbers for each partition, and clients may stay connected: when the bus goes
back, members of groups join again. Snapshots outlive the bus if it has a data file.

Examples:
  fakebus snapshot save before
  fakebus snapshot list
  fakebus snapshot restore before
  fakebus snapshot delete before
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fakebus.cli.bootstrap import add_bus_arguments, bus_of
from fakebus.cli.output import (
    JSON,
    add_format_argument,
    print_json,
    print_lines,
    print_table,
)
from fakebus.wording import counted


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``fakebus snapshot``."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, (act, help_text) in _ACTIONS.items():
        action = actions.add_parser(name, help=help_text, description=help_text)
        if act is not _list:
            action.add_argument("name", metavar="NAME", help="the snapshot")
        add_bus_arguments(action)
        add_format_argument(action, "what the bus answers")
        action.set_defaults(act=act)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    code: int = arguments.act(arguments)
    return code


def _path(name: str) -> str:
    return f"/snapshots/{quote(name, safe='')}"


def _ask(arguments: argparse.Namespace, method: str, path: str) -> Any:
    return bus_of(arguments, "fakebus snapshot").request(method, path)


def _tell(arguments: argparse.Namespace, saved: Mapping[str, Any], what: str) -> int:
    if arguments.format == JSON:
        print_json(saved)
    else:
        topics, records = counted(saved["topics"], "topic"), counted(saved["records"], "record")
        print_lines(f"{what} {saved['name']}: {topics}, {records}")
    return 0


def _save(arguments: argparse.Namespace) -> int:
    return _tell(arguments, _ask(arguments, "PUT", _path(arguments.name)), "saved")


def _restore(arguments: argparse.Namespace) -> int:
    answer = _ask(arguments, "POST", f"{_path(arguments.name)}/restore")
    return _tell(arguments, answer, "restored")


def _delete(arguments: argparse.Namespace) -> int:
    _ask(arguments, "DELETE", _path(arguments.name))
    print_lines(f"deleted {arguments.name}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    found = _ask(arguments, "GET", "/snapshots")
    if arguments.format == JSON:
        print_json(found)
    elif found:
        from fakebus.cluster.event_lines import local_time

        rows = [
            (
                each["name"],
                local_time(each["taken_at_ms"]),
                each["topics"],
                each["records"],
                each["size_bytes"],
            )
            for each in found
        ]
        print_table(("name", "taken", "topics", "records", "bytes"), rows)
    else:
        print_lines("no snapshots; take one with  fakebus snapshot save NAME")
    return 0


_ACTIONS = {
    "save": (_save, "keep how everything is now under a name"),
    "restore": (_restore, "make everything as it was at a snapshot"),
    "list": (_list, "list the snapshots, the newest first"),
    "delete": (_delete, "forget a snapshot"),
}
