"""Find out why a client sees nothing, and say what to do about it.

The doctor goes the way that records go: does something listen, is it Kafka, can the address be
reached that the broker tells its clients, does the registry answer, is the topic there, does
it hold records that fit their schemas, has the group members, do they get partitions, how far
are they. Of a fakebus it also learns which topics clients have asked for in vain, and where
they read. It changes nothing. The exit code is 0 if all is fine and 1 if something was found.

Examples:
  fakebus doctor
  fakebus doctor --bootstrap-server kafka:9092
  fakebus doctor --topic orders --group billing
  fakebus doctor --port-check 127.0.0.1:9092     is the port free, and if not, who has it?
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from fakebus.addresses import parse_address
from fakebus.cli.bootstrap import (
    add_bootstrap_arguments,
    add_registry_argument,
    connection_for,
    registry_of,
)
from fakebus.cli.diagnosis.clients import (
    ask_bus,
    ask_transaction,
    ask_why,
    check_faults,
    check_missing_topics,
)
from fakebus.cli.diagnosis.data import check_data
from fakebus.cli.diagnosis.finding import Finding, Severity, fine, problem
from fakebus.cli.diagnosis.groups import Why, check_group, watched
from fakebus.cli.diagnosis.network import check_advertised, check_bootstrap, check_port
from fakebus.cli.diagnosis.registry import check_registry, no_answer
from fakebus.cli.diagnosis.topics import check_clock, check_count, check_topic
from fakebus.cli.output import (
    JSON,
    add_format_argument,
    add_repeated_argument,
    print_json,
    print_lines,
    print_text,
    wrapped,
)
from fakebus.client.connection import ClientError, Connection
from fakebus.errors import ConfigError
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.client.registry import RegistryClient


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus doctor``."""
    add_repeated_argument(parser, "--topic", "NAME", "look at this topic too")
    add_repeated_argument(
        parser,
        "--group",
        "NAME",
        "look at this consumer group too; with --topic: does it read these topics",
    )
    parser.add_argument(
        "--port-check",
        metavar="HOST:PORT",
        help="only say whether a bus could listen there, and who does so now",
    )
    add_format_argument(parser, "a JSON list of objects with severity, text and advice")
    add_registry_argument(parser)
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; 1 if there is a problem."""
    if arguments.port_check:
        if arguments.topic or arguments.group:
            raise ConfigError("--port-check stands alone; ask for topics and groups without it")
        found = [check_port(parse_address(arguments.port_check))]
    else:
        # Made first: a missing client library or a wrong option is no finding.
        connection = connection_for(arguments, "fakebus doctor")
        registry = registry_of(arguments)
        found = list(_examine(connection, registry, arguments))
    if arguments.format == JSON:
        print_json([{**item._asdict(), "severity": item.severity.value} for item in found])
    else:
        _print(found)
    return 1 if any(item.severity is Severity.PROBLEM for item in found) else 0


def _examine(
    connection: Connection, registry: RegistryClient | None, arguments: argparse.Namespace
) -> Iterator[Finding]:
    """Yield findings up to the first one that makes all later questions pointless."""
    reached = [
        check_bootstrap(address, encrypted=connection.is_encrypted)
        for address in connection.servers
    ]
    yield from reached
    if all(item.severity is Severity.PROBLEM for item in reached):
        return
    try:
        told = connection.advertised()
        yield fine(f"the cluster answers; it has {counted(len(told), 'broker')}")
        advertised = list(check_advertised(connection.servers, told))
        yield from advertised
        if any(item.severity is Severity.PROBLEM for item in advertised):
            return
        yield from _contents(connection, registry, arguments)
    except ClientError as error:
        yield problem(str(error), "look at the broker's log; with a login, check user and password")


def _contents(
    connection: Connection, named: RegistryClient | None, arguments: argparse.Namespace
) -> Iterator[Finding]:
    from fakebus.client.registry import RegistryClientError

    names, topics = connection.topic_names(), arguments.topic
    registry = named or registry_of(arguments, connection)
    yield check_count(names)
    clients = None
    try:
        yield from check_registry(registry, topics)
        # Only a fakebus tells them.
        clients = ask_bus(registry, "clients")
        if registry is not None and clients is not None:
            yield from check_faults(registry)
    except RegistryClientError as error:
        yield no_answer(error, is_named=named is not None)
        registry = None
    if clients is not None:
        yield from check_missing_topics(clients, names, topics)
    for topic in topics:
        known = registry if clients is not None else None
        yield from check_topic(connection, topic, partial(ask_transaction, known))
        if topic in names:
            yield from check_clock(connection, topic)
            yield from check_data(connection, topic, registry)
    for group in arguments.group:
        from fakebus.client.group_view import explain_from_outside

        why: Callable[[], Why | None] = partial(explain_from_outside, connection, group)
        if clients is not None:
            why = partial(watched, connection, group, partial(ask_why, registry, group))
        yield from check_group(connection, group, topics, why)


def _print(found: Iterable[Finding]) -> None:
    problems = 0
    for item in found:
        print_text(wrapped(item.text, f"{item.severity.value}:".ljust(9)))
        for advice in item.advice:
            print_text(wrapped(advice, " " * 9 + "-> "))
        problems += item.severity is Severity.PROBLEM
    print_lines("", f"{counted(problems, 'problem')} found" if problems else "all fine")
