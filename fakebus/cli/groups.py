"""Show consumer groups, move their committed offsets, and delete them.

Without a name: all groups. With a name: its members, the partitions they read, the
committed offset (the next one to be read) and the lag (how many are still to be read).
Offsets can be moved only while no consumer of the group is running.

Examples:
  fakebus groups
  fakebus groups billing
  fakebus groups billing --reset orders=earliest        read everything once more
  fakebus groups billing --reset orders:0=42 --reset orders:1=latest
  fakebus groups billing --reset orders=-1h             everything of the last hour
  fakebus groups --delete billing
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fakebus.assignments import parse_assignments
from fakebus.cli.bootstrap import add_bootstrap_arguments, connect
from fakebus.cli.output import (
    JSON,
    add_format_argument,
    add_repeated_argument,
    print_json,
    print_lines,
    print_rows,
    print_table,
)
from fakebus.client.bus_http import BusHttp, BusHttpError
from fakebus.client.connection import Connection
from fakebus.client.groups import (
    delete_group,
    describe_members,
    group_details,
    group_in_use,
    list_groups,
    other_groups,
    set_offsets,
    unknown_group,
)
from fakebus.client.offsets import log_ranges, partition_of, partitions_of, resolve
from fakebus.client.positions import POSITION_HELP, Position, parse_position
from fakebus.errors import ConfigError
from fakebus.types import TopicPartition
from fakebus.wording import counted

_PLACE = ("topic", "partition", "committed", "end", "lag")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus groups``."""
    parser.add_argument("group", nargs="?", metavar="NAME", help="describe this group")
    add_repeated_argument(
        parser,
        "--reset",
        "TOPIC[:PARTITION]=POSITION",
        f"commit another place for the group: {POSITION_HELP}; creates the group if there is none",
    )
    parser.add_argument("--delete", metavar="NAME", help="delete a group and what it committed")
    add_format_argument(parser, "one JSON document")
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    if arguments.delete and (arguments.group or arguments.reset):
        raise ConfigError("--delete NAME stands alone")
    if arguments.reset and not arguments.group:
        raise ConfigError("--reset needs the group: fakebus groups NAME --reset TOPIC=earliest")
    now_ms = time.time_ns() // 1_000_000
    wanted = {
        target: parse_position(text, now_ms)
        for target, text in parse_assignments(arguments.reset).items()
    }
    connection = connect(arguments, "fakebus groups")
    if arguments.delete:
        delete_group(connection, arguments.delete)
        print_lines(f"deleted {arguments.delete}")
    elif wanted:
        _reset(connection, arguments.group, wanted)
    elif arguments.group:
        _describe(connection, arguments)
    else:
        _list(connection, arguments)
    return 0


def _list(connection: Connection, arguments: argparse.Namespace) -> None:
    rows = [
        (str(group.group_id), group.state.name.lower(), group.type.name.lower())
        for group in list_groups(connection)
    ]
    others = other_groups(connection, [name for name, *_ in rows])
    told = {each["group"]: each for each in _of_bus(connection, "") or ()} if others else {}
    nobody_knows = {"state": "unknown", "type": "share or streams"}
    for name in others:
        found = told.get(name, nobody_knows)
        rows.append((name, found["state"], found["type"]))
    rows.sort()
    nothing = "no groups; one appears when a consumer joins it or commits an offset"
    print_rows(arguments.format, ("group", "state", "type"), rows, nothing)


def _describe(connection: Connection, arguments: argparse.Namespace) -> None:
    details = group_details(connection, arguments.group)
    found = _of_bus(connection, arguments.group) if details is None else details.told()
    if found is None:
        raise unknown_group(connection, arguments.group)
    if arguments.format == JSON:
        print_json(found)
        return
    members: list[dict[str, Any]] = found["members"]
    kind = f"{found['type']} group, " if details is None else ""
    print_lines(f"{found['group']}: {kind}{found['state']}, {counted(len(members), 'member')}")
    if members:
        print_lines("")
        rows = [
            (each["client_id"], each["host"], _assignment(each["partitions"]), each["member_id"])
            for each in members
        ]
        print_table(("client", "host", "reads", "member id"), rows)
    if found["partitions"]:
        print_lines("")
        clients = {each["member_id"]: each["client_id"] for each in members}
        places = [
            (*(each[name] for name in _PLACE), clients.get(each["member_id"]))
            for each in found["partitions"]
        ]
        print_table((*_PLACE, "client"), places)


def _of_bus(connection: Connection, name: str) -> Any:
    """Return what a fakebus tells of a group, or of all without a name.

    The client library describes no share and streams groups.

    Returns:
        ``None`` if it has no such group, or the cluster is no fakebus that serves HTTP.
    """
    # The languages of schemas come with it.
    from fakebus.client.registry import registry_url

    url = registry_url(connection)
    if url is None:
        return None
    try:
        return BusHttp(url).get(f"/groups/{quote(name, safe='')}" if name else "/groups")
    except BusHttpError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


def _assignment(partitions: Iterable[tuple[str, int]]) -> str:
    numbers: dict[str, list[str]] = {}
    for topic, partition in sorted((topic, partition) for topic, partition in partitions):
        numbers.setdefault(topic, []).append(str(partition))
    return " ".join(f"{topic}:{','.join(found)}" for topic, found in numbers.items()) or "nothing"


def _targets(connection: Connection, target: str) -> list[TopicPartition]:
    topic, colon, number = target.rpartition(":")
    if not colon:
        return partitions_of(connection, [target])
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise ConfigError(f"{target!r} is not TOPIC:PARTITION, as in orders:0")
    return [partition_of(connection, topic, int(number))]


def _reset(connection: Connection, group: str, wanted: dict[str, Position]) -> None:
    positions = {
        partition: position
        for target, position in wanted.items()
        for partition in _targets(connection, target)
    }
    ranges = log_ranges(connection, positions)
    offsets = resolve(connection, positions, ranges)
    # Kafka refuses this too, but with the error for a member it does not know.
    description = describe_members(connection, group)
    if description is not None and description.members:
        raise group_in_use(group, "its offsets can be moved")
    set_offsets(connection, group, offsets)
    rows = [
        (partition.topic, partition.partition, offset, ranges[partition].end - offset)
        for partition, offset in sorted(offsets.items())
    ]
    print_table(("topic", "partition", "committed", "lag"), rows)
