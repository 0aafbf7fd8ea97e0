"""The settings of one bus: defaults, and how flags, environment and fakebus.toml give them.

A flag beats an environment variable, which beats the file, which beats the default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from fakebus.addresses import Address, http_url, parse_address, parse_kafka_address
from fakebus.assignments import parse_assignments
from fakebus.errors import ConfigError
from fakebus.input_files import read_at_most
from fakebus.types import COMPATIBILITY_LEVELS
from fakebus.wording import json_mistake

DEFAULT_KAFKA_PORT = 9092
DEFAULT_BOOTSTRAP_SERVER = f"127.0.0.1:{DEFAULT_KAFKA_PORT}"
DEFAULT_HTTP_PORT = 8081
DEFAULT_REDIS_PORT = 6379
DEFAULT_DATA_FILE = Path("fakebus.db")
DEFAULT_SECURE = Path("fakebus-secure")
DEFAULT_FIXTURES = Path("fixtures")
DEFAULT_CONFIG_FILE = Path("fakebus.toml")
_MOST_BYTES = 10 * 1024 * 1024
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
AUTO = "auto"
_TABLE = Path(__file__).with_name("settings.txt")
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of ``fakebus up``."""

    fixtures: tuple[Path, ...] = ()
    """Fixture sets to seed from: directories, packs, or names such as ``package:NAME``."""
    profile: str | None = None
    """The profile of the fixtures to seed; ``None`` is all of them."""
    reset: bool = False
    """Delete the fixtures' topics first, with all that was written to them."""
    data: Path | None = DEFAULT_DATA_FILE
    """The data file; ``None`` keeps everything in memory."""
    kafka: tuple[Address, ...] = (Address("127.0.0.1", DEFAULT_KAFKA_PORT),)
    """Where Kafka clients are served; port 0 is any free one. A :class:`KafkaAddress` says
    what is spoken there."""
    http: tuple[Address, ...] = (Address("127.0.0.1", DEFAULT_HTTP_PORT),)
    """Where HTTP is served; port 0 is any free one."""
    http_allowed_hosts: tuple[str, ...] = ()
    """Names, besides those of this machine and of containers, under which HTTP is asked for."""
    redis: tuple[Address, ...] = ()
    """Where clients of Redis Streams are served; port 0 is any free one."""
    compatibility: str = "BACKWARD"
    """The registry's level where none is configured."""
    strict_schemas: bool = False
    """Refuse schemas that only older registries let pass, such as an illegal namespace."""
    advertise: tuple[Address | None, ...] = (None,)
    """What clients are told, one for each ``kafka``; ``None`` is ``auto``; one serves for all."""
    secure: Path | None = None
    """Where certificates and users are kept; clients need not log in when it is ``None``."""
    brokers: int = 1
    """How many brokers the cluster seems to have."""
    otlp: str | None = None
    """Where a collector takes spans of what clients do; empty for what the environment variables
    OTEL_EXPORTER_OTLP_… say, ``None`` for none."""
    set: Mapping[str, str] = field(default_factory=dict)
    """Broker configs by Kafka's names."""
    ready_file: Path | None = None
    """Written when the bus is ready, removed when it stops."""
    log_level: str = "info"
    log_format: str = "text"

    def advertised_for(self, index: int) -> Address | None:
        """Return what the clients of the ``index``-th Kafka listener are told."""
        return self.advertise[index] if len(self.advertise) > 1 else self.advertise[0]


def _each(values: Sequence[str]) -> list[str]:
    """Return the elements of texts that are single ones or lists separated by commas."""
    parts = [part.strip() for value in values for part in value.split(",")]
    return [part for part in parts if part] or parts[:1]


def _addresses(
    default_port: int, parse: Callable[[str, int], Address] = parse_address
) -> Callable[[Sequence[str]], tuple[Address, ...]]:
    return lambda values: tuple(parse(value, default_port) for value in _each(values))


def _advertised(values: Sequence[str]) -> tuple[Address | None, ...]:
    return tuple(None if value == AUTO else _advertised_address(value) for value in _each(values))


def _advertised_address(text: str) -> Address:
    address = parse_address(text, default_port=0)
    if not address.host.strip("0:."):
        raise ConfigError(
            f"{text!r} stands for all addresses of a machine, and no client can connect to that: "
            "write the name that clients reach the bus by, or auto"
        )
    return address


def _number(values: Sequence[str]) -> int:
    try:
        return int(values[-1])
    except ValueError:
        raise ConfigError(f"{values[-1]!r} is not a number") from None


def _one_of(choices: Sequence[str]) -> Callable[[Sequence[str]], str]:
    def choose(values: Sequence[str]) -> str:
        value = values[-1].lower()
        if value not in choices:
            raise ConfigError(f"{values[-1]!r} is not one of {', '.join(choices)}")
        return value

    return choose


def _level(values: Sequence[str]) -> str:
    level = values[-1].upper().replace("-", "_")
    if level not in COMPATIBILITY_LEVELS:
        raise ConfigError(f"{values[-1]!r} is not one of {', '.join(COMPATIBILITY_LEVELS)}")
    return level


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ConfigError(f"{text!r} is neither true nor false")


def _collector(values: Sequence[str]) -> str:
    url = values[-1].rstrip("/")
    if http_url(url) is None:
        raise ConfigError(f"{values[-1]!r} is no URL of a collector, as http://127.0.0.1:4318 is")
    return url if url.endswith(_TRACES) else url + _TRACES


def given_path(text: str) -> Path:
    """Path as somebody has given it.

    Raises:
        ConfigError: it is empty, as of a script whose variable is not set; hardly the current
            directory is meant.
    """
    if not text.strip():
        raise ConfigError("an empty path was given: write one, or leave it out")
    if text == ":memory:":
        raise ConfigError(":memory: is the name of a file here: --memory keeps data nowhere")
    return Path(text)


KINDS: Mapping[str, Callable[[Sequence[str]], Any]] = {
    "advertised-addresses": _advertised,
    "assignments": parse_assignments,
    "collector": _collector,
    "http-addresses": _addresses(DEFAULT_HTTP_PORT),
    "kafka-addresses": _addresses(DEFAULT_KAFKA_PORT, parse_kafka_address),
    "level": _level,
    "log-format": _one_of(LOG_FORMATS),
    "log-level": _one_of(LOG_LEVELS),
    "names": lambda values: tuple(_each(values)),
    "number": _number,
    "path": lambda values: given_path(values[-1]),
    "paths": lambda values: tuple(map(given_path, values)),
    "redis-addresses": _addresses(DEFAULT_REDIS_PORT),
    "secure-directory": lambda values: given_path(values[-1]),
    "switch": lambda values: _boolean(values[-1]),
    "text": lambda values: values[-1],
}
"""How the texts that are given for a setting are read, by the kinds of the table."""
_VARIABLES = {"bootstrap_server": "BOOTSTRAP_SERVERS", "registry": "REGISTRY_URL"}
"""Names of environment variables that are not those of the settings."""
_OURS = re.compile(r"FAKE[-_]?BUS[-_]+|FAKBUS_+|FAKEBSU_+", re.I)
"""How the names of our variables begin, misspelt ones too."""
_SERVICE = re.compile(r"FAKEBUS_(SERVICE_(HOST|PORT)|PORT)(_|$)")
_LISTS = ("assignments", "paths")
_PROTOCOL = "http/protobuf"
_TRACES = "/v1/traces"
_OTLP = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
MOST_BROKERS = 20
_LONGEST_PREFIX = 1000
"""Kinds that are separated by commas in the environment only."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Line of the table of settings."""

    name: str
    """With dashes, as its flag and its key in fakebus.toml."""
    kind: str
    metavar: str
    help: str

    @property
    def field(self) -> str:
        """The name of its field in :class:`Settings`."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"FAKEBUS_{_VARIABLES.get(self.field, self.field.upper())}"


def settings_table() -> Mapping[str, Setting]:
    """Return the settings of ``up`` by the names of their fields, in the order of the help."""
    return _tables()[0]


def command_settings_table() -> Mapping[str, Setting]:
    """Return the settings of all other commands by the names of their options."""
    return _tables()[1]


@cache
def _tables() -> tuple[Mapping[str, Setting], Mapping[str, Setting]]:
    found, of_commands = dict[str, Setting](), dict[str, Setting]()
    table = found
    definition: list[str] = []
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            name, kind, *metavar = definition
            setting = Setting(name, kind, "".join(metavar), line.strip())
            table[setting.field] = setting
        elif line == "[commands]":
            table = of_commands
        elif not line.startswith("#"):
            definition = line.split()
    return found, of_commands


Layer = Mapping[str, Sequence[str]]


def load_settings(
    flags: Layer,
    *,
    environ: Mapping[str, str],
    config_file: Path | None = None,
    directory: Path | None = None,
) -> Settings:
    """Return the settings from all their sources.

    Args:
        flags: what the command line gave, by name with underscores; each a list of texts.
            ``memory`` is a flag of its own and excludes ``data``.
        environ: the environment; ``FAKEBUS_KAFKA`` and so on, lists separated by commas.
        config_file: the file to read; without it ``fakebus.toml`` if there is one.
        directory: where relative defaults are looked for; the current one when left out.

    Raises:
        ConfigError: a value is not valid; the message names where it came from.
    """
    directory = directory if directory is not None else Path()
    layers = [
        ("flag --{}", dict(flags)),
        ("environment variable FAKEBUS_{}", environment_layer(environ, settings_table())),
        file_layer(environ, config_file, directory),
    ]
    values: dict[str, Any] = {}
    for place, layer in layers:
        if "data" in layer and _boolean(layer.get("memory", ("",))[-1]):
            raise ConfigError(f"{_place(place, 'memory')} and data exclude each other")
        storage_chosen = "data" in values
        for name, texts in layer.items():
            if (
                name not in settings_table()
                or (name in values and name != "set")
                or (name in ("data", "memory") and storage_chosen)
            ):
                continue
            _take(values, name, texts, place)
    if "fixtures" not in values and (directory / DEFAULT_FIXTURES / "fakebus.yaml").exists():
        values["fixtures"] = (directory / DEFAULT_FIXTURES,)
    if "otlp" not in values and any(map(environ.get, _OTLP)) and not _is_without_otlp(environ):
        values["otlp"] = ""
    settings = Settings(**values)
    _check(settings)
    return settings


def _is_without_otlp(environ: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's variables, which others are told too, want no spans of a bus."""
    is_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    protocols = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = next(filter(None, map(environ.get, protocols)), _PROTOCOL)
    return is_off or environ.get("OTEL_TRACES_EXPORTER") == "none" or protocol != _PROTOCOL


def _take(values: dict[str, Any], name: str, texts: Sequence[str], place: str) -> None:
    shown = _place(place, name)
    try:
        if any("\0" in text for text in texts):
            raise ConfigError("a null character is part of no setting")
        if name == "memory":
            if _boolean(texts[-1]):
                values["data"] = None
        elif name == "set" and "set" in values:
            values["set"] = {**parse_assignments(texts), **values["set"]}
        else:
            values[name] = KINDS[settings_table()[name].kind](texts)
    except ConfigError as error:
        raise ConfigError(f"{shown}: {error}") from None


def _place(place: str, name: str) -> str:
    return place.format(name.upper() if "FAKEBUS" in place else name.replace("_", "-"))


def environment_layer(
    environ: Mapping[str, str], table: Mapping[str, Setting]
) -> dict[str, Sequence[str]]:
    """Return what environment variables give for the settings of a table."""
    found: dict[str, Sequence[str]] = {}
    for name, setting in table.items():
        text = environ.get(setting.variable)
        if text:
            is_list = setting.kind in _LISTS
            parts = [part.strip() for part in text.split(",")] if is_list else [text]
            found[name] = [part for part in parts if part]
    return found


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each environment variable that looks like a setting and is none."""
    settings = [*settings_table().values(), *command_settings_table().values()]
    known = [*(setting.variable for setting in settings), "FAKEBUS_CONFIG"]
    for name in sorted(environ):
        # Kubernetes sets FAKEBUS_SERVICE_HOST, FAKEBUS_PORT_9092_TCP… for a service of our name.
        if name in known or not _OURS.match(name) or _SERVICE.match(name):
            continue
        # Imported here because every start would pay for it.
        from difflib import get_close_matches

        rest = _OURS.sub("FAKEBUS_", name).upper()
        near = [rest] if rest in known else get_close_matches(rest, known, 1, cutoff=0.75)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        yield f"the environment variable {name} is no setting and is ignored; {hint}"


def file_layer(
    environ: Mapping[str, str], named: Path | None = None, directory: Path | None = None
) -> tuple[str, dict[str, Sequence[str]]]:
    """Return what the file of settings gives, ``up``'s and the commands', and its name.

    Args:
        environ: FAKEBUS_CONFIG names the file, unless ``named`` does.
        named: the file; without any name it is ``fakebus.toml``, if there is one.
        directory: where that is looked for; the current one when left out.

    Returns:
        A text that says where a setting comes from, with ``{}`` for its name; and the settings.

    Raises:
        ConfigError: it cannot be read, or names a setting that does not exist.
    """
    if named is None and environ.get("FAKEBUS_CONFIG"):
        named = Path(environ["FAKEBUS_CONFIG"])
    path = named or (directory or Path()) / DEFAULT_CONFIG_FILE
    if named is None and not path.exists():
        return "", {}
    import tomllib  # most buses are started without a file: a megabyte less at rest

    try:
        data = read_at_most(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path} cannot be read: {reason}") from error
    try:
        content = tomllib.loads(data.decode())
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read as TOML: {json_mistake(error)}") from error
    known = {**settings_table(), **command_settings_table()}
    found: dict[str, Sequence[str]] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in known:
            from difflib import get_close_matches

            names = [setting.name for setting in known.values()]
            near = get_close_matches(key, names, 1, cutoff=0.75)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            raise ConfigError(f"{path}: there is no setting {key!r}; {hint}")
        found[name] = _texts(path, key, value)
    return f"{path}: {{}}", found


def _texts(path: Path, key: str, value: object) -> Sequence[str]:
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, str | int | float):
        return [str(value)]
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return [str(item) for item in value]
    if isinstance(value, dict) and key in ("set", "client-config"):
        return [f"{name}={_plain(setting)}" for name, setting in _flatten(value)]
    raise ConfigError(f"{path}: {key} must be a text, a number, or a list of them")


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(_plain, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flatten(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    """Turn ``{"num": {"partitions": 3}}``, as TOML reads ``num.partitions = 3``, back."""
    found: list[tuple[str, object]] = []
    if len(prefix) > _LONGEST_PREFIX:
        raise ConfigError(f"{prefix[:80]}… is no name of a config: it has too many parts")
    for name, value in table.items():
        if isinstance(value, dict):
            found += _flatten(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found


def _check(settings: Settings) -> None:
    if len(settings.advertise) not in (1, len(settings.kafka)):
        raise ConfigError(
            f"there are {len(settings.kafka)} Kafka listeners and {len(settings.advertise)} "
            "advertised addresses; give one for each listener, or a single one for all"
        )
    if not 1 <= settings.brokers <= MOST_BROKERS:
        raise ConfigError(f"--brokers {settings.brokers}: it is 1 to {MOST_BROKERS}")
