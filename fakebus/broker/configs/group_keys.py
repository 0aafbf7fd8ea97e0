"""Every config of a group that Kafka 4.3 has."""

from __future__ import annotations

from fakebus.broker.configs.definition import ConfigKey, UpdateMode, table
from fakebus.broker.configs.values import ConfigType

BOOLEAN = ConfigType.BOOLEAN
INT = ConfigType.INT
STRING = ConfigType.STRING

_ROWS = (
    ConfigKey(
        "consumer.assignment.interval.ms",
        INT,
        "1000",
        valid="[0,...]",
        synonyms=("group.consumer.assignment.interval.ms",),
    ),
    ConfigKey(
        "consumer.heartbeat.interval.ms",
        INT,
        "5000",
        valid="[1,...]",
        synonyms=("group.consumer.heartbeat.interval.ms",),
    ),
    ConfigKey(
        "consumer.session.timeout.ms",
        INT,
        "45000",
        valid="[1,...]",
        synonyms=("group.consumer.session.timeout.ms",),
    ),
    ConfigKey(
        "share.assignment.interval.ms",
        INT,
        "1000",
        valid="[0,...]",
        synonyms=("group.share.assignment.interval.ms",),
    ),
    ConfigKey(
        "share.auto.offset.reset",
        STRING,
        "latest",
        valid="[latest, earliest, by_duration:PnDTnHnMn.nS]",
    ),
    ConfigKey(
        "share.delivery.count.limit",
        INT,
        "5",
        valid="[2,...]",
        synonyms=("group.share.delivery.count.limit",),
    ),
    ConfigKey(
        "share.heartbeat.interval.ms",
        INT,
        "5000",
        valid="[1,...]",
        synonyms=("group.share.heartbeat.interval.ms",),
    ),
    ConfigKey(
        "share.isolation.level",
        STRING,
        "read_uncommitted",
        valid="[read_committed, read_uncommitted]",
    ),
    ConfigKey(
        "share.partition.max.record.locks",
        INT,
        "2000",
        valid="[100,...]",
        synonyms=("group.share.partition.max.record.locks",),
    ),
    ConfigKey(
        "share.record.lock.duration.ms",
        INT,
        "30000",
        valid="[1000,...]",
        synonyms=("group.share.record.lock.duration.ms",),
    ),
    ConfigKey("share.renew.acknowledge.enable", BOOLEAN, "true"),
    ConfigKey(
        "share.session.timeout.ms",
        INT,
        "45000",
        valid="[1,...]",
        synonyms=("group.share.session.timeout.ms",),
    ),
    ConfigKey(
        "streams.assignment.interval.ms",
        INT,
        "1000",
        valid="[0,...]",
        synonyms=("group.streams.assignment.interval.ms",),
    ),
    ConfigKey(
        "streams.heartbeat.interval.ms",
        INT,
        "5000",
        valid="[1,...]",
        synonyms=("group.streams.heartbeat.interval.ms",),
    ),
    ConfigKey(
        "streams.initial.rebalance.delay.ms",
        INT,
        "3000",
        valid="[0,...]",
        synonyms=("group.streams.initial.rebalance.delay.ms",),
    ),
    ConfigKey(
        "streams.num.standby.replicas",
        INT,
        "0",
        valid="[0,...]",
        synonyms=("group.streams.num.standby.replicas",),
    ),
    ConfigKey(
        "streams.session.timeout.ms",
        INT,
        "45000",
        valid="[1,...]",
        synonyms=("group.streams.session.timeout.ms",),
    ),
)

GROUP_KEYS = table(_ROWS, UpdateMode.PER_RESOURCE)
