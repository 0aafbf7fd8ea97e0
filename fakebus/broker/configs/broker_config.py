"""The broker's configs: what was given at start, and what was changed while it runs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import NamedTuple

from fakebus.broker.configs.definition import find
from fakebus.broker.configs.keys import BROKER_KEYS
from fakebus.broker.configs.values import ConfigValue
from fakebus.errors import ConfigError


class ConfigSource(Enum):
    """Source of a config's value, with its number in DescribeConfigs responses."""

    UNKNOWN = 0
    TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    DYNAMIC_BROKER_LOGGER = 6
    CLIENT_METRICS = 7
    GROUP = 8


_UNITS_MS = {"minutes": 60_000, "hours": 3_600_000}
"""Milliseconds in the unit that the name of a config ends with."""


def _unit_ms(name: str) -> int:
    return _UNITS_MS.get(name.rpartition(".")[2], 1)


class Setting(NamedTuple):
    """A value and where it comes from."""

    name: str
    text: str
    source: ConfigSource


class BrokerConfig:
    """The broker's configs by Kafka's names.

    A value changed for this broker beats one changed for the cluster, which beats one given
    at start, which beats the default.

    Args:
        overrides: what is given at start.

    Raises:
        ConfigError: a name is not known or a value is not valid; says which and what would be.
    """

    def __init__(self, overrides: Mapping[str, str] | None = None) -> None:
        self.static = dict(overrides or {})
        self.dynamic_broker: dict[str, str] = {}
        """Values changed for this broker alone."""
        self.dynamic_default: dict[str, str] = {}
        """Values changed for all brokers of the cluster."""
        self.group_overrides: dict[str, dict[str, str]] = {}
        """The configs that single groups were given, by group id."""
        self.on_changed: list[Callable[[], None]] = []
        """Called after values have changed while the broker runs."""
        self._values: dict[str, ConfigValue] = {}
        for name, text in self.static.items():
            find(BROKER_KEYS, name, "broker").parse(text)

    def set_static(self, values: Mapping[str, str]) -> None:
        """Say how the broker was really started, where that is not decided by configs.

        Args:
            values: by name; they take the place of what was given at start.

        Raises:
            ConfigError: a name or a value is not valid; nothing was changed.
        """
        for name, text in values.items():
            find(BROKER_KEYS, name, "broker").parse(text)
        self.static.update(values)
        self._values.clear()

    def set_dynamic(
        self, *, broker: Mapping[str, str] | None = None, default: Mapping[str, str] | None = None
    ) -> None:
        """Replace the values that were changed while the broker runs, and tell the listeners.

        Args:
            broker: all values of this broker; unchanged when left out.
            default: all values of the cluster; unchanged when left out.

        Raises:
            ConfigError: a name or a value is not valid; nothing was changed.
        """
        for changes in (broker, default):
            for name, text in (changes or {}).items():
                find(BROKER_KEYS, name, "broker").parse(text)
        if broker is not None:
            self.dynamic_broker = dict(broker)
        if default is not None:
            self.dynamic_default = dict(default)
        self._values.clear()
        for changed in self.on_changed:
            changed()

    def of_node(self, node_id: int) -> BrokerConfig:
        """Return what the broker of this number shows as its configs."""
        shown = copy.copy(self)
        shown.static = {**self.static, "node.id": str(node_id), "broker.id": str(node_id)}
        shown._values = {}
        return shown

    def _layers(self) -> tuple[tuple[Mapping[str, str], ConfigSource], ...]:
        return (
            (self.dynamic_broker, ConfigSource.DYNAMIC_BROKER),
            (self.dynamic_default, ConfigSource.DYNAMIC_DEFAULT_BROKER),
            (self.static, ConfigSource.STATIC_BROKER),
        )

    def settings(self, name: str) -> Iterator[Setting]:
        """Give every value that a config or one of its synonyms has, the winner first."""
        synonyms = BROKER_KEYS[name].synonyms or (name,)
        for layer, source in self._layers():
            for synonym in synonyms:
                if synonym in layer:
                    yield Setting(synonym, layer[synonym], source)
        for synonym in synonyms:
            default = BROKER_KEYS[synonym].default
            if default is not None:
                yield Setting(synonym, default, ConfigSource.DEFAULT)

    def own_value(self, name: str) -> ConfigValue:
        """Return a config's value without regard to its synonyms; ``None`` when it has none.

        Raises:
            ConfigError: there is no such config.
        """
        key = find(BROKER_KEYS, name, "broker")
        for layer, _ in self._layers():
            if name in layer:
                return key.parse(layer[name])
        return None if key.default is None else key.parse(key.default)

    def value(self, name: str) -> ConfigValue:
        """Return a config's value; one given in another unit by a synonym is converted.

        Raises:
            ConfigError: there is no such config.
        """
        try:
            return self._values[name]
        except KeyError:
            value = self._values[name] = self._resolve(name)
            return value

    def _resolve(self, name: str) -> ConfigValue:
        if _unit_ms(name) != 1 or not find(BROKER_KEYS, name, "broker").synonyms:
            return self.own_value(name)
        winner = next(self.settings(name))
        value = BROKER_KEYS[winner.name].parse(winner.text)
        if isinstance(value, int) and value >= 0:
            return value * _unit_ms(winner.name)
        return value

    def get_int(self, name: str) -> int:
        """Return the value of a config of type INT, SHORT or LONG."""
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"{name} is not a whole number but {value!r}")
        return value

    def get_bool(self, name: str) -> bool:
        """Return the value of a config of type BOOLEAN."""
        value = self.value(name)
        if not isinstance(value, bool):
            raise ConfigError(f"{name} is neither true nor false but {value!r}")
        return value

    def get_str(self, name: str) -> str:
        """Return the value of a config of type STRING, CLASS or PASSWORD; empty when unset."""
        value = self.value(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise ConfigError(f"{name} is not a text but {value!r}")
        return value

    def get_list(self, name: str) -> list[str]:
        """Return the elements of a config of type LIST; none when unset."""
        value = self.value(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise ConfigError(f"{name} is not a list but {value!r}")
        return list(value)
