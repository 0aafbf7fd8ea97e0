"""A consumer, share or streams group's configs: its own values, and the broker's else."""

from __future__ import annotations

from collections.abc import Mapping

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.configs.definition import find
from fakebus.broker.configs.keys import BROKER_KEYS, GROUP_KEYS
from fakebus.broker.configs.values import ConfigValue
from fakebus.errors import ConfigError

_KINDS = ("consumer", "share", "streams")


def group_config(group_id: str, broker_config: BrokerConfig) -> GroupConfig:
    """Return a group's configs as they are now; ask again for every decision.

    A config of the group that the broker's bounds do not allow any more counts as not given.
    """
    overrides = broker_config.group_overrides.get(group_id, {})
    try:
        return GroupConfig(overrides, broker_config)
    except ConfigError:
        return GroupConfig({}, broker_config)


class GroupConfig:
    """Configs of one group. Values of the broker are looked up when they are asked for.

    Args:
        overrides: the group's own configs.
        broker_config: gives the values of all others, and the bounds.

    Raises:
        ConfigError: a name is not known, or a value is not valid or out of the broker's bounds.
    """

    __slots__ = ("_broker_config", "overrides")

    def __init__(self, overrides: Mapping[str, str], broker_config: BrokerConfig) -> None:
        self.overrides: Mapping[str, str] = dict(overrides)
        """The group's own configs, by name, as text."""
        self._broker_config = broker_config
        for name, text in self.overrides.items():
            value = find(GROUP_KEYS, name, "group").parse(text)
            if isinstance(value, int):
                self._check_bounds(name, value)
        for kind in _KINDS:
            self._check_timeouts(kind)

    def _check_bounds(self, name: str, value: int) -> None:
        kind, rest = name.split(".", 1)
        lowest = f"group.{kind}.min.{rest}"
        # One bound is named without the part that the config has (GroupConfig.validateValues).
        highest = f"group.{kind}.max.{rest.removeprefix('num.')}"
        if lowest in BROKER_KEYS and value < self._broker_config.get_int(lowest):
            raise ConfigError(
                f"{name}: {value} is less than {lowest}, {self._broker_config.get_int(lowest)}"
            )
        if highest in BROKER_KEYS and value > self._broker_config.get_int(highest):
            raise ConfigError(
                f"{name}: {value} is more than {highest}, {self._broker_config.get_int(highest)}"
            )

    def _check_timeouts(self, kind: str) -> None:
        session, heartbeat = f"{kind}.session.timeout.ms", f"{kind}.heartbeat.interval.ms"
        if not {session, heartbeat} & set(self.overrides):
            return
        if self.get_int(session) <= self.get_int(heartbeat):
            raise ConfigError(
                f"{session} ({self.get_int(session)}) must be more than "
                f"{heartbeat} ({self.get_int(heartbeat)})"
            )

    def value(self, name: str) -> ConfigValue:
        """Return the value of a group config.

        Raises:
            ConfigError: there is no such config.
        """
        key = find(GROUP_KEYS, name, "group")
        if name in self.overrides:
            return key.parse(self.overrides[name])
        if key.synonyms:
            return self._broker_config.value(key.synonyms[0])
        return None if key.default is None else key.parse(key.default)

    def get_int(self, name: str) -> int:
        """Return the value of a config of type INT."""
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"{name} is not a whole number but {value!r}")
        return value

    def get_str(self, name: str) -> str:
        """Return the value of a config of type STRING."""
        return str(self.value(name))
