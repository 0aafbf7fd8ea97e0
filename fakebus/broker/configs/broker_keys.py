"""Every config of the broker: Kafka 4.3's, and those that only fakebus has."""

from __future__ import annotations

from fakebus.broker.configs.broker_cluster_keys import CLUSTER_KEYS
from fakebus.broker.configs.broker_coordinator_keys import COORDINATOR_KEYS
from fakebus.broker.configs.broker_log_keys import LOG_KEYS
from fakebus.broker.configs.broker_network_keys import NETWORK_KEYS
from fakebus.broker.configs.broker_replication_keys import REPLICATION_KEYS
from fakebus.broker.configs.definition import ConfigKey, UpdateMode, table
from fakebus.broker.configs.values import ConfigType

_CLUSTER_WIDE = UpdateMode.CLUSTER_WIDE
FAKEBUS_KEYS = (
    ConfigKey(
        "fakebus.evict.on.disconnect",
        ConfigType.BOOLEAN,
        "false",
        update=_CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey(
        "fakebus.new.groups",
        ConfigType.STRING,
        "",
        valid="[, latest, earliest]",
        update=_CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey("fakebus.sasl.users", ConfigType.PASSWORD, None, effective=True),
)

BROKER_KEYS = table(
    (
        *CLUSTER_KEYS,
        *COORDINATOR_KEYS,
        *FAKEBUS_KEYS,
        *LOG_KEYS,
        *NETWORK_KEYS,
        *REPLICATION_KEYS,
    )
)

SYNONYMS = {
    "log.flush.interval.ms": ("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
    "log.retention.hours": ("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
    "log.retention.minutes": ("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
    "log.retention.ms": ("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
    "log.roll.hours": ("log.roll.ms", "log.roll.hours"),
    "log.roll.jitter.hours": ("log.roll.jitter.ms", "log.roll.jitter.hours"),
    "log.roll.jitter.ms": ("log.roll.jitter.ms", "log.roll.jitter.hours"),
    "log.roll.ms": ("log.roll.ms", "log.roll.hours"),
}
"""Configs of the same thing, the one that wins first (DynamicBrokerConfig.brokerConfigSynonyms)."""

UNIT_MS = {
    "log.retention.minutes": 60_000,
    "log.retention.hours": 3_600_000,
    "log.roll.hours": 3_600_000,
    "log.roll.jitter.hours": 3_600_000,
}
"""Milliseconds in the unit of a config that stands in for another one in milliseconds."""
