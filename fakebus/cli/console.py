"""Serve the console in the browser over any Kafka cluster, fakebus or not.

Topics, records, groups, schemas and configs are there as on a fakebus, where `fakebus up` serves
the same console at its own HTTP address. What only a fakebus sees of its clients (who has fetched
a record, snapshots, faults) is shown as not to be had.

Examples:
  fakebus console --bootstrap-server kafka.example:9092 --registry http://registry.example:8081
  fakebus console --http 127.0.0.1:0                    any free port
"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from fakebus.cli.bootstrap import (
    add_bootstrap_arguments,
    add_registry_argument,
    add_token_argument,
    connect,
    registry_of,
    token_of,
)
from fakebus.cli.output import add_repeated_argument, print_lines
from fakebus.config import KINDS

if TYPE_CHECKING:
    from fakebus.addresses import Address
    from fakebus.cluster.external import ExternalCluster

DEFAULT_ADDRESS = "127.0.0.1:9021"
"""Where a browser finds it; Confluent's Control Center has the same port."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus console``."""
    add_repeated_argument(
        parser,
        "--http",
        "HOST:PORT",
        f"serve browsers here (default: {DEFAULT_ADDRESS}); port 0 is any free port",
    )
    add_repeated_argument(
        parser, "--http-allowed-hosts", "NAME", "a further name under which browsers come"
    )
    add_token_argument(
        parser, "browsers have to show the token in this file, as the password of any user"
    )
    add_registry_argument(parser)
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    from fakebus.cluster.external import ExternalCluster

    wanted = KINDS["http-addresses"](arguments.http or [DEFAULT_ADDRESS])
    connection = connect(arguments, "fakebus console")
    cluster = ExternalCluster(connection, registry_of(arguments, connection))
    asyncio.run(_serve(cluster, wanted, arguments.http_allowed_hosts, token_of(arguments)))
    return 0


async def _serve(
    cluster: ExternalCluster, wanted: tuple[Address, ...], allowed_hosts: list[str], token: str
) -> None:
    from fakebus.cli.up import stop_signal
    from fakebus.servers import reachable
    from fakebus.short_turns import short_turns
    from fakebus.web.server import console_server

    stop = stop_signal()
    server = console_server(cluster, wanted, allowed_hosts, token)
    with short_turns():
        try:
            await server.bind()
            await server.start()
            for address in map(reachable, server.addresses):
                print_lines(f"console of {cluster.name}: http://{address}/ui", flush=True)
            await stop.wait()
        finally:
            await server.close()
