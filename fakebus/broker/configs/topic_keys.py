"""Every config of a topic that Kafka 4.3 has, and Confluent Server's schema validation."""

from __future__ import annotations

from fakebus.broker.configs.definition import ConfigKey, UpdateMode, table
from fakebus.broker.configs.values import THROTTLED_REPLICAS, ConfigType

BOOLEAN = ConfigType.BOOLEAN
DOUBLE = ConfigType.DOUBLE
INT = ConfigType.INT
LIST = ConfigType.LIST
LONG = ConfigType.LONG
STRING = ConfigType.STRING

_STRATEGIES = ("TopicNameStrategy", "RecordNameStrategy", "TopicRecordNameStrategy")
_STRATEGY_PACKAGE = "io.confluent.kafka.serializers.subject."
_VALID_STRATEGIES = ", ".join((*_STRATEGIES, *(_STRATEGY_PACKAGE + one for one in _STRATEGIES)))

# Confluent Server's: hidden unless set, because Apache Kafka has none of them.
_SCHEMA_VALIDATION = tuple(
    row
    for part in ("key", "value")
    for row in (
        ConfigKey(
            f"confluent.{part}.schema.validation", BOOLEAN, "false", effective=True, internal=True
        ),
        ConfigKey(
            f"confluent.{part}.subject.name.strategy",
            STRING,
            f"{_STRATEGY_PACKAGE}{_STRATEGIES[0]}",
            valid=f"[{_VALID_STRATEGIES}]",
            effective=True,
            internal=True,
        ),
    )
)

_ROWS = (
    ConfigKey(
        "cleanup.policy",
        LIST,
        "delete",
        valid="[compact, delete]",
        synonyms=("log.cleanup.policy",),
        effective=True,
    ),
    ConfigKey(
        "compression.gzip.level",
        INT,
        "-1",
        valid="[1,...,9] or -1",
        synonyms=("compression.gzip.level",),
        effective=True,
    ),
    ConfigKey(
        "compression.lz4.level",
        INT,
        "9",
        valid="[1,...,17]",
        synonyms=("compression.lz4.level",),
        effective=True,
    ),
    ConfigKey(
        "compression.type",
        STRING,
        "producer",
        valid="[uncompressed, zstd, lz4, snappy, gzip, producer]",
        synonyms=("compression.type",),
        effective=True,
    ),
    ConfigKey(
        "compression.zstd.level",
        INT,
        "3",
        valid="[-131072,...,22]",
        synonyms=("compression.zstd.level",),
        effective=True,
    ),
    *_SCHEMA_VALIDATION,
    ConfigKey(
        "delete.retention.ms",
        LONG,
        "86400000",
        valid="[0,...]",
        synonyms=("log.cleaner.delete.retention.ms",),
        effective=True,
    ),
    ConfigKey(
        "file.delete.delay.ms",
        LONG,
        "60000",
        valid="[0,...]",
        synonyms=("log.segment.delete.delay.ms",),
    ),
    ConfigKey(
        "flush.messages",
        LONG,
        "9223372036854775807",
        valid="[1,...]",
        synonyms=("log.flush.interval.messages",),
    ),
    ConfigKey(
        "flush.ms",
        LONG,
        "9223372036854775807",
        valid="[0,...]",
        synonyms=("log.flush.interval.ms",),
    ),
    ConfigKey("follower.replication.throttled.replicas", LIST, "", valid=THROTTLED_REPLICAS),
    ConfigKey(
        "index.interval.bytes", INT, "4096", valid="[0,...]", synonyms=("log.index.interval.bytes",)
    ),
    ConfigKey("internal.segment.bytes", INT, None, internal=True, effective=True),
    ConfigKey("leader.replication.throttled.replicas", LIST, "", valid=THROTTLED_REPLICAS),
    ConfigKey(
        "local.retention.bytes",
        LONG,
        "-2",
        valid="[-2,...]",
        synonyms=("log.local.retention.bytes",),
    ),
    ConfigKey(
        "local.retention.ms", LONG, "-2", valid="[-2,...]", synonyms=("log.local.retention.ms",)
    ),
    ConfigKey(
        "max.compaction.lag.ms",
        LONG,
        "9223372036854775807",
        valid="[1,...]",
        synonyms=("log.cleaner.max.compaction.lag.ms",),
        effective=True,
    ),
    ConfigKey(
        "max.message.bytes",
        INT,
        "1048588",
        valid="[0,...]",
        synonyms=("message.max.bytes",),
        effective=True,
    ),
    ConfigKey(
        "message.timestamp.after.max.ms",
        LONG,
        "3600000",
        valid="[0,...]",
        synonyms=("log.message.timestamp.after.max.ms",),
        effective=True,
    ),
    ConfigKey(
        "message.timestamp.before.max.ms",
        LONG,
        "9223372036854775807",
        valid="[0,...]",
        synonyms=("log.message.timestamp.before.max.ms",),
        effective=True,
    ),
    ConfigKey(
        "message.timestamp.type",
        STRING,
        "CreateTime",
        valid="[CreateTime, LogAppendTime]",
        synonyms=("log.message.timestamp.type",),
        effective=True,
    ),
    ConfigKey(
        "min.cleanable.dirty.ratio",
        DOUBLE,
        "0.5",
        valid="[0,...,1]",
        synonyms=("log.cleaner.min.cleanable.ratio",),
        effective=True,
    ),
    ConfigKey(
        "min.compaction.lag.ms",
        LONG,
        "0",
        valid="[0,...]",
        synonyms=("log.cleaner.min.compaction.lag.ms",),
        effective=True,
    ),
    ConfigKey("min.insync.replicas", INT, "1", valid="[1,...]", synonyms=("min.insync.replicas",)),
    ConfigKey("preallocate", BOOLEAN, "false", synonyms=("log.preallocate",)),
    ConfigKey("remote.log.copy.disable", BOOLEAN, "false"),
    ConfigKey("remote.log.delete.on.disable", BOOLEAN, "false"),
    ConfigKey("remote.storage.enable", BOOLEAN, "false"),
    ConfigKey("retention.bytes", LONG, "-1", synonyms=("log.retention.bytes",), effective=True),
    ConfigKey(
        "retention.ms",
        LONG,
        "604800000",
        valid="[-1,...]",
        synonyms=("log.retention.ms",),
        effective=True,
    ),
    ConfigKey(
        "segment.bytes",
        INT,
        "1073741824",
        valid="[1048576,...]",
        synonyms=("log.segment.bytes",),
        effective=True,
    ),
    ConfigKey(
        "segment.index.bytes",
        INT,
        "10485760",
        valid="[4,...]",
        synonyms=("log.index.size.max.bytes",),
    ),
    ConfigKey("segment.jitter.ms", LONG, "0", valid="[0,...]", synonyms=("log.roll.jitter.ms",)),
    ConfigKey(
        "segment.ms", LONG, "604800000", valid="[1,...]", synonyms=("log.roll.ms",), effective=True
    ),
    ConfigKey(
        "unclean.leader.election.enable",
        BOOLEAN,
        "false",
        synonyms=("unclean.leader.election.enable",),
    ),
)

TOPIC_KEYS = table(_ROWS, UpdateMode.PER_RESOURCE)
