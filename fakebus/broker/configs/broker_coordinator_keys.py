"""Configs of Kafka's broker: groups, committed offsets, transactions, share groups."""

from __future__ import annotations

from fakebus.broker.configs.definition import ConfigKey, UpdateMode
from fakebus.broker.configs.values import ConfigType

BOOLEAN = ConfigType.BOOLEAN
INT = ConfigType.INT
LIST = ConfigType.LIST
LONG = ConfigType.LONG
SHORT = ConfigType.SHORT
STRING = ConfigType.STRING
CLUSTER_WIDE = UpdateMode.CLUSTER_WIDE

COORDINATOR_KEYS = (
    ConfigKey("add.partitions.to.txn.retry.backoff.max.ms", INT, "100", valid="[0,...]"),
    ConfigKey("add.partitions.to.txn.retry.backoff.ms", INT, "20", valid="[1,...]"),
    ConfigKey(
        "group.consumer.assignment.interval.ms", INT, "1000", valid="[0,...]", update=CLUSTER_WIDE
    ),
    ConfigKey("group.consumer.assignors", LIST, "uniform,range", valid="non-empty list"),
    ConfigKey("group.consumer.heartbeat.interval.ms", INT, "5000", valid="[1,...]"),
    ConfigKey("group.consumer.max.assignment.interval.ms", INT, "15000", valid="[0,...]"),
    ConfigKey("group.consumer.max.heartbeat.interval.ms", INT, "15000", valid="[1,...]"),
    ConfigKey("group.consumer.max.session.timeout.ms", INT, "60000", valid="[1,...]"),
    ConfigKey("group.consumer.max.size", INT, "2147483647", valid="[1,...]"),
    ConfigKey(
        "group.consumer.migration.policy",
        STRING,
        "bidirectional",
        valid="(case insensitive) [DISABLED, DOWNGRADE, UPGRADE, BIDIRECTIONAL]",
    ),
    ConfigKey("group.consumer.min.assignment.interval.ms", INT, "0", valid="[0,...]"),
    ConfigKey("group.consumer.min.heartbeat.interval.ms", INT, "5000", valid="[1,...]"),
    ConfigKey("group.consumer.min.session.timeout.ms", INT, "45000", valid="[1,...]"),
    ConfigKey(
        "group.consumer.regex.refresh.interval.ms",
        INT,
        "600000",
        valid="[10000,...]",
        internal=True,
    ),
    ConfigKey("group.consumer.session.timeout.ms", INT, "45000", valid="[1,...]"),
    ConfigKey("group.coordinator.append.linger.ms", INT, "-1", valid="[-1,...]"),
    ConfigKey("group.coordinator.background.threads", INT, "2", valid="[1,...]"),
    ConfigKey(
        "group.coordinator.cached.buffer.max.bytes",
        INT,
        "1048588",
        valid="[524288,...]",
        update=CLUSTER_WIDE,
    ),
    ConfigKey(
        "group.coordinator.rebalance.protocols",
        LIST,
        "classic,consumer,streams",
        valid="[consumer, classic, share, streams]",
    ),
    ConfigKey("group.coordinator.threads", INT, "4", valid="[1,...]"),
    ConfigKey("group.initial.rebalance.delay.ms", INT, "0", effective=True),
    ConfigKey("group.max.session.timeout.ms", INT, "1800000", effective=True),
    ConfigKey("group.max.size", INT, "2147483647", valid="[1,...]", effective=True),
    ConfigKey("group.min.session.timeout.ms", INT, "6000", effective=True),
    ConfigKey(
        "group.share.assignment.interval.ms", INT, "1000", valid="[0,...]", update=CLUSTER_WIDE
    ),
    ConfigKey("group.share.assignors", LIST, "simple", valid="non-empty list"),
    ConfigKey("group.share.delivery.count.limit", INT, "5", valid="[2,...,10]"),
    ConfigKey("group.share.heartbeat.interval.ms", INT, "5000", valid="[1,...]"),
    ConfigKey(
        "group.share.initialize.retry.interval.ms", INT, "30000", valid="[1,...]", internal=True
    ),
    ConfigKey("group.share.max.assignment.interval.ms", INT, "15000", valid="[0,...]"),
    ConfigKey("group.share.max.delivery.count.limit", INT, "10", valid="[5,...,25]"),
    ConfigKey("group.share.max.heartbeat.interval.ms", INT, "15000", valid="[1,...]"),
    ConfigKey("group.share.max.partition.max.record.locks", INT, "4000", valid="[2000,...,10000]"),
    ConfigKey("group.share.max.record.lock.duration.ms", INT, "60000", valid="[30000,...,3600000]"),
    ConfigKey("group.share.max.session.timeout.ms", INT, "60000", valid="[1,...]"),
    ConfigKey("group.share.max.share.sessions", INT, "2000", valid="[1,...]"),
    ConfigKey("group.share.max.size", INT, "200", valid="[1,...,1000]"),
    ConfigKey("group.share.min.assignment.interval.ms", INT, "0", valid="[0,...]"),
    ConfigKey("group.share.min.delivery.count.limit", INT, "2", valid="[2,...,5]"),
    ConfigKey("group.share.min.heartbeat.interval.ms", INT, "5000", valid="[1,...]"),
    ConfigKey("group.share.min.partition.max.record.locks", INT, "100", valid="[100,...,2000]"),
    ConfigKey("group.share.min.record.lock.duration.ms", INT, "15000", valid="[1000,...,30000]"),
    ConfigKey("group.share.min.session.timeout.ms", INT, "45000", valid="[1,...]"),
    ConfigKey("group.share.partition.max.record.locks", INT, "2000", valid="[100,...,10000]"),
    ConfigKey(
        "group.share.persister.class.name",
        STRING,
        "org.apache.kafka.server.share.persister.DefaultStatePersister",
        internal=True,
    ),
    ConfigKey("group.share.record.lock.duration.ms", INT, "30000", valid="[1000,...,3600000]"),
    ConfigKey("group.share.session.timeout.ms", INT, "45000", valid="[1,...]"),
    ConfigKey(
        "group.streams.assignment.interval.ms", INT, "1000", valid="[0,...]", update=CLUSTER_WIDE
    ),
    ConfigKey("group.streams.heartbeat.interval.ms", INT, "5000", valid="[1,...]"),
    ConfigKey("group.streams.initial.rebalance.delay.ms", INT, "3000", valid="[0,...]"),
    ConfigKey("group.streams.max.assignment.interval.ms", INT, "15000", valid="[0,...]"),
    ConfigKey("group.streams.max.heartbeat.interval.ms", INT, "15000", valid="[1,...]"),
    ConfigKey("group.streams.max.session.timeout.ms", INT, "60000", valid="[1,...]"),
    ConfigKey("group.streams.max.size", INT, "2147483647", valid="[1,...]"),
    ConfigKey("group.streams.max.standby.replicas", INT, "2", valid="[0,...]"),
    ConfigKey("group.streams.min.assignment.interval.ms", INT, "0", valid="[0,...]"),
    ConfigKey("group.streams.min.heartbeat.interval.ms", INT, "5000", valid="[1,...]"),
    ConfigKey("group.streams.min.session.timeout.ms", INT, "45000", valid="[1,...]"),
    ConfigKey("group.streams.num.standby.replicas", INT, "0", valid="[0,...]"),
    ConfigKey("group.streams.session.timeout.ms", INT, "45000", valid="[1,...]"),
    ConfigKey(
        "max.incremental.fetch.session.cache.slots", INT, "1000", valid="[0,...]", effective=True
    ),
    ConfigKey("offset.metadata.max.bytes", INT, "4096", effective=True),
    ConfigKey("offsets.commit.timeout.ms", INT, "5000", valid="[1,...]"),
    ConfigKey("offsets.load.buffer.size", INT, "5242880", valid="[1,...]"),
    ConfigKey(
        "offsets.retention.check.interval.ms", LONG, "600000", valid="[1,...]", effective=True
    ),
    ConfigKey("offsets.retention.minutes", INT, "10080", valid="[1,...]", effective=True),
    ConfigKey("offsets.topic.compression.codec", INT, "0"),
    ConfigKey("offsets.topic.num.partitions", INT, "50", valid="[1,...]", effective=True),
    ConfigKey("offsets.topic.replication.factor", SHORT, "3", valid="[1,...]"),
    ConfigKey("offsets.topic.segment.bytes", INT, "104857600", valid="[1,...]", effective=True),
    ConfigKey("share.coordinator.append.linger.ms", INT, "-1", valid="[-1,...]"),
    ConfigKey(
        "share.coordinator.cached.buffer.max.bytes",
        INT,
        "1048588",
        valid="[524288,...]",
        update=CLUSTER_WIDE,
    ),
    ConfigKey(
        "share.coordinator.cold.partition.snapshot.interval.ms",
        INT,
        "300000",
        valid="[1,...]",
        internal=True,
    ),
    ConfigKey("share.coordinator.load.buffer.size", INT, "5242880", valid="[1,...]"),
    ConfigKey(
        "share.coordinator.snapshot.update.records.per.snapshot", INT, "500", valid="[0,...,500]"
    ),
    ConfigKey("share.coordinator.state.topic.compression.codec", INT, "0"),
    ConfigKey("share.coordinator.state.topic.min.isr", SHORT, "2", valid="[1,...]"),
    ConfigKey("share.coordinator.state.topic.num.partitions", INT, "50", valid="[1,...]"),
    ConfigKey(
        "share.coordinator.state.topic.prune.interval.ms",
        INT,
        "300000",
        valid="[1,...]",
        internal=True,
    ),
    ConfigKey("share.coordinator.state.topic.replication.factor", SHORT, "3", valid="[1,...]"),
    ConfigKey("share.coordinator.state.topic.segment.bytes", INT, "104857600", valid="[1,...]"),
    ConfigKey("share.coordinator.threads", INT, "1", valid="[1,...]"),
    ConfigKey("share.coordinator.write.timeout.ms", INT, "5000", valid="[1,...]"),
    ConfigKey("share.fetch.purgatory.purge.interval.requests", INT, "1000"),
    ConfigKey(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms", INT, "10000", valid="[1,...]"
    ),
    ConfigKey("transaction.max.timeout.ms", INT, "900000", valid="[1,...]"),
    ConfigKey("transaction.partition.verification.enable", BOOLEAN, "true", update=CLUSTER_WIDE),
    ConfigKey(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        INT,
        "3600000",
        valid="[1,...]",
    ),
    ConfigKey("transaction.state.log.load.buffer.size", INT, "5242880", valid="[1,...]"),
    ConfigKey("transaction.state.log.min.isr", INT, "2", valid="[1,...]"),
    ConfigKey("transaction.state.log.num.partitions", INT, "50", valid="[1,...]", effective=True),
    ConfigKey("transaction.state.log.replication.factor", SHORT, "3", valid="[1,...]"),
    ConfigKey(
        "transaction.state.log.segment.bytes", INT, "104857600", valid="[1,...]", effective=True
    ),
    ConfigKey("transaction.two.phase.commit.enable", BOOLEAN, "false"),
    ConfigKey("transactional.id.expiration.ms", INT, "604800000", valid="[1,...]"),
)
