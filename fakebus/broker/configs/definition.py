"""Config keys: their types, defaults, and what is valid."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from fakebus.broker.configs.values import ConfigType, ConfigValue, invalid, parse
from fakebus.errors import ConfigError


class UpdateMode(Enum):
    """Update mode of a config: where it may be changed while the broker runs."""

    READ_ONLY = "read-only"
    PER_BROKER = "per-broker"
    CLUSTER_WIDE = "cluster-wide"
    PER_RESOURCE = "per resource"
    """Configs of a topic, a group or a metrics subscription: for each of them at any time."""


class ConfigKey(NamedTuple):
    """A config that Kafka knows, or one of ours: its type, default, and what is valid.

    A named tuple, because the tables have four hundred of them and are loaded at every start.
    """

    name: str
    type: ConfigType
    default: str | None
    valid: str = ""
    """Valid values in Kafka's notation, see :mod:`fakebus.broker.configs.values`."""
    update: UpdateMode = UpdateMode.READ_ONLY
    synonyms: tuple[str, ...] = ()
    """The broker's configs that give the value where this one is not set; the first one wins."""
    effective: bool = False
    """Whether fakebus acts on it; the others are accepted, shown and otherwise ignored."""
    internal: bool = False
    """Whether Kafka hides it from DescribeConfigs unless it is set."""

    @property
    def sensitive(self) -> bool:
        """Whether its value is a secret that no response may hold."""
        return self.type is ConfigType.PASSWORD

    @property
    def read_only(self) -> bool:
        """Whether it can be set at start only."""
        return self.update is UpdateMode.READ_ONLY

    def parse(self, text: str) -> ConfigValue:
        """Return the value that a valid text stands for.

        Raises:
            ConfigError: the text is not valid; names the key, the text, and what is valid.
        """
        value, problem = self._read(text)
        if problem is not None:
            raise ConfigError(f"{self.name}: {problem}")
        return value

    def check(self, text: str) -> str | None:
        """Return what is wrong with a text, or ``None``."""
        return self._read(text)[1]

    def _read(self, text: str) -> tuple[ConfigValue, str | None]:
        value: ConfigValue = None
        try:
            value = parse(self.type, text)
            problem = invalid(self.type, self.valid, value)
        except ValueError as error:
            problem = str(error)
        shown = "the value" if self.sensitive else repr(text)
        return value, None if problem is None else f"{shown} {problem}"


def find(keys: Mapping[str, ConfigKey], name: str, kind: str) -> ConfigKey:
    """Return a key of a table.

    Args:
        keys: the table.
        name: the key's name.
        kind: what the table holds, for the message: ``topic``, ``broker``, ``group``.

    Raises:
        ConfigError: there is no such key; names the most similar one.
    """
    key = keys.get(name)
    if key is None:
        import difflib  # only here, because every start would pay for it

        similar = difflib.get_close_matches(name, keys, n=1)
        hint = f"; did you mean {similar[0]}?" if similar else ""
        raise ConfigError(f"there is no {kind} config {name!r}{hint}")
    return key
