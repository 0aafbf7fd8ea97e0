"""What the commands beside ``up`` take from the environment and fakebus.toml."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from fakebus.addresses import protocol_of
from fakebus.assignments import parse_assignments
from fakebus.cli.output import JSON, TEXT
from fakebus.config import (
    DEFAULT_BOOTSTRAP_SERVER,
    KINDS,
    command_settings_table,
    environment_layer,
    file_layer,
    given_path,
)
from fakebus.errors import ConfigError

_RUNS_CODE = frozenset(
    ("plugin.library.paths", "sasl.kerberos.kinit.cmd", "ssl.engine.location", "ssl.providers")
)
"""What lets librdkafka load a library or start a command."""
_DEFAULTS: Mapping[str, Sequence[str]] = {
    "bootstrap_server": [DEFAULT_BOOTSTRAP_SERVER],
    "format": [TEXT],
}
_SERVERS = frozenset(("bootstrap_server", "cluster"))
_ADDRESSES = {
    "bootstrap_server": "--bootstrap-server",
    "cluster": "--bootstrap-server",
    "http_url": "--http",
    "registry": "--registry",
}
_SERVER, _URL = "HOST:PORT, as in 127.0.0.1:9092", "http://HOST:PORT, as in http://127.0.0.1:8081"


def path_argument(text: str) -> Path:
    """Path of a command line, for ``type=``; see :func:`given_path`."""
    try:
        return given_path(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def complete(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Give options that the command line leaves out the values of environment, file or default.

    Args:
        arguments: a parsed command line.
        environ: the environment.

    Raises:
        ConfigError: the file cannot be read, or a value is not valid.
    """
    table = command_settings_table()
    for name, option in _ADDRESSES.items():
        _demand_address(option, name, getattr(arguments, name, None))
    if not any(hasattr(arguments, name) for name in table):
        return
    _, file = file_layer(environ)
    for name in parse_assignments(file.get("client_config", ())):
        if name in _RUNS_CODE:
            raise ConfigError(
                f"client-config in the file of settings: {name} runs programs, which a file that "
                "comes with a checkout may not; give it by --client-config"
            )
    layers = [environment_layer(environ, table), file, _bus_of(file), _DEFAULTS]
    # The address of another bus would be in the way of the cluster that the command line names.
    names_cluster = getattr(arguments, "bootstrap_server", None) is not None
    for name, setting in table.items():
        if name == "http_url" and names_cluster:
            continue
        if name == "client_config" and hasattr(arguments, name):
            # Of two values for one key the last one counts.
            found = [text for layer in reversed(layers) for text in layer.get(name, ())]
            arguments.client_config = found + arguments.client_config
        elif getattr(arguments, name, "") is None:
            given = next((layer[name] for layer in layers if name in layer), None)
            value = None if given is None else ",".join(given)
            if name == "format" and value not in (TEXT, JSON):
                where = f"{setting.variable} or format in the file of settings"
                raise ConfigError(f"{where}: {value!r} is not text or json")
            where = f"{setting.variable} or {name.replace('_', '-')} in the file of settings"
            _demand_address(where, name, value)
            setattr(arguments, name, value)


def _demand_address(where: str, name: str, given: str | None) -> None:
    """Refuse an address that is given and empty, as by a script whose variable is not set."""
    if name in _ADDRESSES and given is not None and not given.strip(" ,"):
        known = _SERVER if name in _SERVERS else _URL
        raise ConfigError(f"{where} is empty: write {known}, or leave it out")


def _bus_of(file: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Return where the bus listens that the same file starts."""
    if "kafka" not in file and "http" not in file:
        return {}
    # The broker comes with it.
    from fakebus.servers import reachable

    found = {}
    served = [each for each in KINDS["kafka-addresses"](file.get("kafka", ())) if each.port]
    plain = [each for each in served if protocol_of(each) == "PLAINTEXT"]
    if plain:
        found["bootstrap_server"] = [str(reachable(plain[0]))]
    http = [each for each in KINDS["http-addresses"](file.get("http", ())) if each.port]
    if http:
        found["http_url"] = [f"http://{reachable(http[0])}"]
    return found
