"""Give coding agents tools for the bus, by the Model Context Protocol.

They list topics, read and search events, follow a flow, ask why a group is stuck and what a
change of a schema would break, check fixture sets and generate events. Topics, groups and schemas
are those of any Kafka; the rest is asked of a fakebus. Nothing is changed unless --allow-writes is
given.

An agent starts it by itself and speaks to it over standard input and output; with --listen it
serves streamable HTTP at /mcp instead. Fixture sets are those below the current directory.

Examples:
  fakebus mcp
  fakebus mcp --bootstrap-server 127.0.0.1:19092 --allow-writes
  fakebus mcp --listen 127.0.0.1:8765 --token-file token.txt
"""

from __future__ import annotations

import argparse
import asyncio
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from fakebus.addresses import Address, parse_address
from fakebus.cli.bootstrap import (
    add_bootstrap_arguments,
    add_http_argument,
    add_registry_argument,
    add_token_argument,
    connect,
    registry_of,
    token_of,
)
from fakebus.cli.output import add_repeated_argument, print_lines
from fakebus.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from fakebus.client.connection import Connection
    from fakebus.client.registry import RegistryClient

_PORT = 8765


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus mcp``."""
    parser.add_argument(
        "--allow-writes",
        action="store_true",
        help="also offer tools that change something: produce, seed, reset, restore",
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="serve streamable HTTP at /mcp here, instead of standard input and output",
    )
    add_repeated_argument(
        parser, "--http-allowed-hosts", "NAME", "a further name under which agents ask"
    )
    add_token_argument(parser, "agents have to show the token in this file, with --listen")
    add_http_argument(parser)
    add_registry_argument(parser)
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until the agent ends it, or until Ctrl-C or SIGTERM."""
    try:
        import mcp  # noqa: F401 - only to see that it is there
    except ImportError:
        raise MissingExtraError("fakebus mcp", "mcp") from None
    asyncio.run(_serve(arguments, token_of(arguments)))
    return 0


async def _serve(arguments: argparse.Namespace, token: str) -> None:
    from fakebus.cli.up import stop_signal
    from fakebus.mcp.permissions import Permissions
    from fakebus.mcp.places import Places
    from fakebus.mcp.server import agent_server, serve_http

    def connected() -> tuple[Connection, RegistryClient | None]:
        connection = connect(arguments, "fakebus mcp")
        return connection, registry_of(arguments, connection)

    places = Places(connected, arguments.http_url, Path())
    server = agent_server(places, Permissions(writes=arguments.allow_writes))
    try:
        if arguments.listen is None:
            await server.run_stdio_async()
        else:
            port = _listening(arguments.listen)
            # The server behind raises the signal that ended it once more: let it find a handler.
            stop_signal()
            print_lines(f"tools for agents: http://{_address(port)}/mcp", flush=True)
            await serve_http(server, port, arguments.http_allowed_hosts, token or None)
    finally:
        await places.close()


def _listening(text: str) -> socket.socket:
    address = parse_address(text, _PORT)
    try:
        return socket.create_server(address[:2])
    except OSError as error:
        raise ConfigError(f"cannot listen for agents on {address}: {error.strerror}") from None


def _address(port: socket.socket) -> Address:
    return Address(*port.getsockname()[:2])
