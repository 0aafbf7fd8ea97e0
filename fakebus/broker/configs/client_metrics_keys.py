"""Every config of a client metrics subscription that Kafka 4.3 has."""

from __future__ import annotations

from fakebus.broker.configs.definition import ConfigKey, UpdateMode, table
from fakebus.broker.configs.values import ConfigType

INT = ConfigType.INT
LIST = ConfigType.LIST

_ROWS = (
    ConfigKey("interval.ms", INT, "300000", valid="[100,...,3600000]"),
    ConfigKey("match", LIST, ""),
    ConfigKey("metrics", LIST, ""),
)

CLIENT_METRICS_KEYS = table(_ROWS, UpdateMode.PER_RESOURCE)
