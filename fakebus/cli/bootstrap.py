"""Arguments that say which cluster a command speaks to, and the connection that they make."""

from __future__ import annotations

import argparse
import urllib.parse
from typing import TYPE_CHECKING

from fakebus.addresses import Address
from fakebus.assignments import parse_assignments
from fakebus.cli.command_settings import path_argument
from fakebus.cli.output import add_format_argument, add_repeated_argument
from fakebus.client.bus_http import DEFAULT_URL, BusHttp
from fakebus.client.connection import Connection
from fakebus.client.reachability import connect_problem, parse_servers
from fakebus.config import DEFAULT_BOOTSTRAP_SERVER, command_settings_table
from fakebus.errors import ConfigError
from fakebus.input_files import read_text_at_most

if TYPE_CHECKING:
    from fakebus.client.registry import RegistryClient

_SHORTEST_TOKEN = 16
_MOST_TOKEN_BYTES = 64 * 1024
_BYTES = ("file", "header", "key", "key_separator", "value")
"""Arguments that may be any bytes: files, and parts of records."""


def add_bootstrap_arguments(
    parser: argparse.ArgumentParser, dest: str = "bootstrap_server", help_text: str = ""
) -> None:
    """Add the options that say which cluster a command speaks to.

    Args:
        parser: of the command.
        dest: what the address is called by; by another name it has no default.
        help_text: says what the cluster is for, if not what it usually is for.
    """
    settings = command_settings_table()
    group = parser.add_argument_group("connection")
    group.add_argument(
        "-b",
        "--bootstrap-server",
        "--bootstrap-servers",
        dest=dest,
        metavar="HOST:PORT",
        help=help_text or settings["bootstrap_server"].help,
    )
    add_repeated_argument(group, "--client-config", "KEY=VALUE", settings["client_config"].help)


def add_registry_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where the schema registry is."""
    help_text = command_settings_table()["registry"].help
    parser.add_argument("--registry", metavar="URL", help=help_text)


def add_http_argument(
    parser: argparse.ArgumentParser, action: str | type[argparse.Action] = "store"
) -> None:
    """Add the option that says where a fakebus serves HTTP, for ``BusHttp``."""
    help_text = command_settings_table()["http_url"].help
    parser.add_argument("--http", dest="http_url", metavar="URL", help=help_text, action=action)


def add_bus_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a fakebus is, for :func:`bus_of`."""
    add_http_argument(parser)
    add_bootstrap_arguments(parser)


def add_common_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the options of commands that ask a fakebus, in front of an action or without one.

    Returns:
        The parent of the parsers of the actions, which adds them behind an action's name. What was
        given in front of it stays, if it is not given again.
    """
    behind = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for each in (parser, behind):
        add_bus_arguments(each)
        add_format_argument(each, "what the bus answers")
    return behind


def bus_of(arguments: argparse.Namespace, feature: str) -> BusHttp:
    """Return the HTTP side of the bus that the arguments name, by its Kafka address if need be.

    Args:
        arguments: with the options of ``add_bus_arguments``.
        feature: as for :func:`connect`.

    Raises:
        FakebusError: nothing answers, or what answers is no fakebus.
    """
    found = bus_or_cluster(arguments, feature)
    if isinstance(found, BusHttp):
        return found
    raise ConfigError(
        f"the cluster at {arguments.bootstrap_server} cannot do that: {feature} needs a "
        "fakebus that serves HTTP; say where one is by --http URL or FAKEBUS_HTTP_URL"
    )


def bus_or_cluster(arguments: argparse.Namespace, feature: str) -> BusHttp | Connection:
    """Return the HTTP side of a bus, or the connection to a cluster that has none."""
    if arguments.http_url is not None:
        return BusHttp(arguments.http_url)
    if arguments.bootstrap_server == DEFAULT_BOOTSTRAP_SERVER:
        default = urllib.parse.urlsplit(DEFAULT_URL)
        if connect_problem(Address(default.hostname or "", default.port or 80)) is None:
            return BusHttp()
    from fakebus.client.registry import registry_url

    connection = connect(arguments, feature)
    url = registry_url(connection)
    return connection if url is None else BusHttp(url)


def registry_of(
    arguments: argparse.Namespace, connection: Connection | None = None
) -> RegistryClient | None:
    """Return the registry that the arguments name, or else that of the cluster, if it tells.

    Raises:
        RegistryClientError: it is no address.
    """
    # The languages of schemas come with it; other commands start without them.
    from fakebus.client.registry import RegistryClient, registry_url

    url = arguments.registry
    if url is None and connection is not None:
        url = registry_url(connection)
    return None if url is None else RegistryClient(url)


def connect(arguments: argparse.Namespace, feature: str) -> Connection:
    """Return a connection to a cluster that answers.

    Args:
        arguments: with the options of ``add_bootstrap_arguments``.
        feature: the command's full name, such as ``fakebus topics``.

    Raises:
        FakebusError: an option is wrong, the client library is missing, or the cluster
            cannot be reached.
    """
    connection = connection_for(arguments, feature)
    connection.check_advertised()
    return connection


def _check_text(arguments: argparse.Namespace) -> None:
    """Refuse names that are not UTF-8, which end the client library or the whole process."""
    for option, given in vars(arguments).items():
        for text in given if isinstance(given, list) else [given]:
            if option not in _BYTES and isinstance(text, str) and not is_text(text):
                raise ConfigError(f"{text!r} is not UTF-8")


def is_text(text: str) -> bool:
    """Whether an argument is UTF-8; other bytes reach Python as lone surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def connection_for(arguments: argparse.Namespace, feature: str) -> Connection:
    """Return a connection without having tried it; arguments and errors as ``connect``."""
    _check_text(arguments)
    return Connection(
        feature,
        parse_servers(arguments.bootstrap_server),
        parse_assignments(arguments.client_config),
    )


def add_token_argument(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add ``--token-file``; :func:`token_of` reads it."""
    parser.add_argument("--token-file", metavar="FILE", type=path_argument, help=help_text)


def token_of(arguments: argparse.Namespace) -> str:
    """Return the token that is to be shown; empty if none is.

    Raises:
        ConfigError: the file cannot be read, or holds no token; the message says how to make one.
    """
    path = arguments.token_file
    if path is None:
        return ""
    try:
        token = read_text_at_most(path, _MOST_TOKEN_BYTES, "ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"the token in {path} cannot be read: {error}") from None
    if not token.isprintable() or " " in token or len(token) < _SHORTEST_TOKEN:
        raise ConfigError(
            f"{path} has to hold a token of at least {_SHORTEST_TOKEN} letters, digits and signs, "
            "without blanks; make one with  openssl rand -hex 32"
        )
    return token
