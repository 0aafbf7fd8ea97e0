"""Let requests of clients fail on purpose, come late or lose their connection, for a time.

Records can arrive damaged or twice, and the disk can be full. A fault is for the requests of an
API of Kafka, a command of Redis or a route of HTTP, and if need be only for a topic, a group or a
client. It ends by itself, after ten minutes unless --for says so.

Examples:
  fakebus faults
  fakebus faults add --api Produce --topic orders --error NOT_LEADER_OR_FOLLOWER --times 3
  fakebus faults add --delay 2 --client shop --for 60
  fakebus faults add --api Fetch --disconnect after --times 1
  fakebus faults add --api Metadata --topic new --error LEADER_NOT_AVAILABLE --partial --times 2
  fakebus faults add --corrupt --topic orders --times 1
  fakebus faults add --storage-full --for 10
  fakebus faults remove 1
  fakebus faults clear
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fakebus.broker.faults import LARGEST
from fakebus.cli.bootstrap import add_common_arguments, bus_of
from fakebus.cli.output import (
    JSON,
    print_json,
    print_lines,
    print_table,
)
from fakebus.errors import ConfigError

_FEATURE = "fakebus faults"
_FLAGS = {
    "--corrupt": "flip a bit in records that are fetched",
    "--duplicate": "write twice what is produced",
    "--storage-full": "let all writes fail as if the disk were full",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``fakebus faults``; without one the faults are listed."""
    parser.set_defaults(act=_list)
    common = [add_common_arguments(parser)]
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    for name, (act, help_text) in _ACTIONS.items():
        action = actions.add_parser(name, help=help_text, description=help_text, parents=common)
        if act is _add:
            _configure_add(action)
        elif act is _remove:
            action.add_argument("fault", metavar="NUMBER", help="as  fakebus faults  shows it")
        action.set_defaults(act=act)


def _configure_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--api",
        metavar="NAME",
        help="an API of Kafka such as Produce, a command of Redis such as XADD, or a route such as "
        "'GET /subjects/{subject}/versions' (default: any of Kafka's)",
    )
    parser.add_argument("--topic", metavar="NAME", help="only requests that name this topic")
    parser.add_argument("--group", metavar="NAME", help="only requests of this consumer group")
    parser.add_argument("--client", metavar="ID", help="only requests of this client id")
    effect = parser.add_mutually_exclusive_group(required=True)
    effect.add_argument(
        "--error",
        metavar="NAME",
        help="answer with this error of Kafka; for a route also with a status of HTTP such as 503",
    )
    effect.add_argument("--delay", type=float, metavar="SECONDS", help="answer so much later")
    effect.add_argument(
        "--throttle", type=float, metavar="SECONDS", help="make the client wait, as quotas do"
    )
    effect.add_argument(
        "--disconnect",
        choices=("before", "after"),
        help="close the connection before or after the request is carried out",
    )
    for flag, help_text in _FLAGS.items():
        effect.add_argument(flag, action="store_true", help=help_text)
    parser.add_argument(
        "--partial",
        action="store_true",
        help="let an error be for the topic only, and carry out what the request names besides",
    )
    parser.add_argument(
        "--partition", type=int, metavar="N", help="let an error be for this partition of the topic"
    )
    parser.add_argument("--times", type=int, metavar="N", help="how often (default: always)")
    parser.add_argument(
        "--probability", type=float, metavar="P", help="how likely for each request, up to 1"
    )
    parser.add_argument(
        "--for",
        dest="for_s",
        type=float,
        metavar="SECONDS",
        help="after how many seconds it ends by itself (default: 600)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    code: int = arguments.act(arguments)
    return code


def _ask(
    arguments: argparse.Namespace,
    method: str,
    path: str = "",
    body: Mapping[str, Any] | None = None,
) -> Any:
    return bus_of(arguments, _FEATURE).request(method, f"/faults{path}", body)


def _list(arguments: argparse.Namespace) -> int:
    found = _ask(arguments, "GET")
    if arguments.format == JSON:
        print_json(found)
    elif not found:
        print_lines("nothing goes wrong on purpose")
    else:
        rows = [
            (
                each["fault"],
                each["description"],
                each["fired"],
                "always" if each["left"] is None else each["left"],
                "never" if each["ends_in_s"] is None else f"in {each['ends_in_s']:.0f} s",
            )
            for each in found
        ]
        print_table(("fault", "what", "happened", "left", "ends"), rows)
    return 0


def _add(arguments: argparse.Namespace) -> int:
    wanted = {
        "api": arguments.api,
        "topic": arguments.topic,
        "group": arguments.group,
        "client_id": arguments.client,
        "error": arguments.error,
        "delay_s": arguments.delay,
        "throttle_s": arguments.throttle,
        "disconnect": arguments.disconnect,
        "corrupt": arguments.corrupt or None,
        "duplicate": arguments.duplicate or None,
        "storage_full": arguments.storage_full or None,
        "partial": arguments.partial or None,
        "partition": arguments.partition,
        "times": arguments.times,
        "probability": arguments.probability,
        "for_s": arguments.for_s,
    }
    for flag in ("delay_s", "throttle_s", "partition", "times", "for_s"):
        if wanted[flag] is not None and not wanted[flag] <= LARGEST:
            raise ConfigError(f"--{flag.removesuffix('_s')} is at most {LARGEST}")
    given = {name: value for name, value in wanted.items() if value is not None}
    added = _ask(arguments, "POST", body=given)
    if arguments.format == JSON:
        print_json(added)
    else:
        print_lines(
            f"fault {added['fault']}: {added['description']}, for {added['ends_in_s']:.0f} s; "
            f"to end it:  fakebus faults remove {added['fault']}"
        )
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    _ask(arguments, "DELETE", f"/{quote(arguments.fault, safe='')}")
    return _list(arguments)


def _clear(arguments: argparse.Namespace) -> int:
    _ask(arguments, "DELETE")
    return _list(arguments)


_ACTIONS = {
    "list": (_list, "list the faults that may still happen"),
    "add": (_add, "let something go wrong, for a time"),
    "remove": (_remove, "end a fault"),
    "clear": (_clear, "end all faults"),
}
