"""Configs of Kafka's broker: logs, topics, producers."""

from __future__ import annotations

from fakebus.broker.configs.definition import ConfigKey, UpdateMode
from fakebus.broker.configs.values import ConfigType

BOOLEAN = ConfigType.BOOLEAN
CLASS = ConfigType.CLASS
DOUBLE = ConfigType.DOUBLE
INT = ConfigType.INT
LIST = ConfigType.LIST
LONG = ConfigType.LONG
STRING = ConfigType.STRING
CLUSTER_WIDE = UpdateMode.CLUSTER_WIDE
PER_BROKER = UpdateMode.PER_BROKER

LOG_KEYS = (
    ConfigKey("alter.config.policy.class.name", CLASS, None),
    ConfigKey("auto.create.topics.enable", BOOLEAN, "true", effective=True),
    ConfigKey("background.threads", INT, "10", valid="[1,...]", update=CLUSTER_WIDE),
    ConfigKey(
        "compression.gzip.level",
        INT,
        "-1",
        valid="[1,...,9] or -1",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey(
        "compression.lz4.level", INT, "9", valid="[1,...,17]", update=CLUSTER_WIDE, effective=True
    ),
    ConfigKey(
        "compression.type",
        STRING,
        "producer",
        valid="[uncompressed, zstd, lz4, snappy, gzip, producer]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey(
        "compression.zstd.level",
        INT,
        "3",
        valid="[-131072,...,22]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey("cordoned.log.dirs", LIST, "", update=PER_BROKER),
    ConfigKey("create.topic.policy.class.name", CLASS, None),
    ConfigKey("default.replication.factor", INT, "1", effective=True),
    ConfigKey("delete.records.purgatory.purge.interval.requests", INT, "1"),
    ConfigKey("delete.topic.enable", BOOLEAN, "true", effective=True),
    ConfigKey(
        "log.cleaner.backoff.ms",
        LONG,
        "15000",
        valid="[0,...]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey(
        "log.cleaner.dedupe.buffer.size", LONG, "134217728", update=CLUSTER_WIDE, effective=True
    ),
    ConfigKey(
        "log.cleaner.delete.retention.ms",
        LONG,
        "86400000",
        valid="[0,...]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey("log.cleaner.enable", BOOLEAN, "true", effective=True),
    ConfigKey("log.cleaner.io.buffer.load.factor", DOUBLE, "0.9", update=CLUSTER_WIDE),
    ConfigKey("log.cleaner.io.buffer.size", INT, "524288", valid="[0,...]", update=CLUSTER_WIDE),
    ConfigKey(
        "log.cleaner.io.max.bytes.per.second", DOUBLE, "1.7976931348623157E308", update=CLUSTER_WIDE
    ),
    ConfigKey(
        "log.cleaner.max.compaction.lag.ms",
        LONG,
        "9223372036854775807",
        valid="[1,...]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey(
        "log.cleaner.min.cleanable.ratio",
        DOUBLE,
        "0.5",
        valid="[0,...,1]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey(
        "log.cleaner.min.compaction.lag.ms",
        LONG,
        "0",
        valid="[0,...]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey("log.cleaner.threads", INT, "1", valid="[0,...]", update=CLUSTER_WIDE),
    ConfigKey(
        "log.cleanup.policy",
        LIST,
        "delete",
        valid="[compact, delete]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey("log.dir", LIST, "/tmp/kafka-logs", valid="non-empty list"),  # noqa: S108 - Kafka's default
    ConfigKey("log.dir.failure.timeout.ms", LONG, "30000", valid="[1,...]"),
    ConfigKey("log.dirs", LIST, None, valid="non-empty list"),
    ConfigKey(
        "log.flush.interval.messages",
        LONG,
        "9223372036854775807",
        valid="[1,...]",
        update=CLUSTER_WIDE,
    ),
    ConfigKey("log.flush.interval.ms", LONG, None, update=CLUSTER_WIDE),
    ConfigKey("log.flush.offset.checkpoint.interval.ms", INT, "60000", valid="[0,...]"),
    ConfigKey("log.flush.scheduler.interval.ms", LONG, "9223372036854775807"),
    ConfigKey("log.flush.start.offset.checkpoint.interval.ms", INT, "60000", valid="[0,...]"),
    ConfigKey("log.index.interval.bytes", INT, "4096", valid="[0,...]", update=CLUSTER_WIDE),
    ConfigKey("log.index.size.max.bytes", INT, "10485760", valid="[4,...]", update=CLUSTER_WIDE),
    ConfigKey("log.initial.task.delay.ms", LONG, "30000", valid="[0,...]", internal=True),
    ConfigKey("log.local.retention.bytes", LONG, "-2", valid="[-2,...]", update=CLUSTER_WIDE),
    ConfigKey("log.local.retention.ms", LONG, "-2", valid="[-2,...]", update=CLUSTER_WIDE),
    ConfigKey(
        "log.message.timestamp.after.max.ms",
        LONG,
        "3600000",
        valid="[0,...]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey(
        "log.message.timestamp.before.max.ms",
        LONG,
        "9223372036854775807",
        valid="[0,...]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey(
        "log.message.timestamp.type",
        STRING,
        "CreateTime",
        valid="[CreateTime, LogAppendTime]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey("log.preallocate", BOOLEAN, "false", update=CLUSTER_WIDE),
    ConfigKey("log.retention.bytes", LONG, "-1", update=CLUSTER_WIDE, effective=True),
    ConfigKey("log.retention.check.interval.ms", LONG, "300000", valid="[1,...]", effective=True),
    ConfigKey("log.retention.hours", INT, "168", valid="[1,...] or -1", effective=True),
    ConfigKey("log.retention.minutes", INT, None, valid="[1,...] or -1", effective=True),
    ConfigKey(
        "log.retention.ms", LONG, None, valid="[1,...] or -1", update=CLUSTER_WIDE, effective=True
    ),
    ConfigKey("log.roll.hours", INT, "168", valid="[1,...]", effective=True),
    ConfigKey("log.roll.jitter.hours", INT, "0", valid="[0,...]"),
    ConfigKey("log.roll.jitter.ms", LONG, None, update=CLUSTER_WIDE),
    ConfigKey("log.roll.ms", LONG, None, update=CLUSTER_WIDE, effective=True),
    ConfigKey(
        "log.segment.bytes",
        INT,
        "1073741824",
        valid="[1048576,...]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey("log.segment.delete.delay.ms", LONG, "60000", valid="[0,...]", update=CLUSTER_WIDE),
    ConfigKey(
        "message.max.bytes", INT, "1048588", valid="[0,...]", update=CLUSTER_WIDE, effective=True
    ),
    ConfigKey("min.insync.replicas", INT, "1", valid="[1,...]", update=CLUSTER_WIDE),
    ConfigKey("num.partitions", INT, "1", valid="[1,...]", effective=True),
    ConfigKey("num.recovery.threads.per.data.dir", INT, "2", valid="[1,...]", update=CLUSTER_WIDE),
    ConfigKey(
        "producer.id.expiration.check.interval.ms", INT, "600000", valid="[1,...]", internal=True
    ),
    ConfigKey(
        "producer.id.expiration.ms",
        INT,
        "86400000",
        valid="[1,...]",
        update=CLUSTER_WIDE,
        effective=True,
    ),
    ConfigKey("unclean.leader.election.enable", BOOLEAN, "false", update=CLUSTER_WIDE),
    ConfigKey(
        "unclean.leader.election.interval.ms", LONG, "300000", valid="[1,...]", internal=True
    ),
)
