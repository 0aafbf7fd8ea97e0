"""Configs of Kafka's broker: replication and tiered storage, of which fakebus has none."""

from __future__ import annotations

from fakebus.broker.configs.definition import ConfigKey, UpdateMode
from fakebus.broker.configs.values import ConfigType

BOOLEAN = ConfigType.BOOLEAN
DOUBLE = ConfigType.DOUBLE
INT = ConfigType.INT
LONG = ConfigType.LONG
STRING = ConfigType.STRING
CLUSTER_WIDE = UpdateMode.CLUSTER_WIDE

REPLICATION_KEYS = (
    ConfigKey("auto.leader.rebalance.enable", BOOLEAN, "true"),
    ConfigKey("fetch.max.bytes", INT, "57671680", valid="[1024,...]"),
    ConfigKey("fetch.purgatory.purge.interval.requests", INT, "1000"),
    ConfigKey("follower.fetch.last.tiered.offset.enable", BOOLEAN, "false", update=CLUSTER_WIDE),
    ConfigKey(
        "follower.replication.throttled.rate",
        LONG,
        None,
        valid="[0,...]",
        update=CLUSTER_WIDE,
        internal=True,
    ),
    ConfigKey("leader.imbalance.check.interval.seconds", LONG, "300", valid="[1,...]"),
    ConfigKey(
        "leader.replication.throttled.rate",
        LONG,
        None,
        valid="[0,...]",
        update=CLUSTER_WIDE,
        internal=True,
    ),
    ConfigKey("num.replica.alter.log.dirs.threads", INT, None),
    ConfigKey("num.replica.fetchers", INT, "1", valid="[1,...]", update=CLUSTER_WIDE),
    ConfigKey("producer.purgatory.purge.interval.requests", INT, "1000"),
    ConfigKey("remote.fetch.max.wait.ms", INT, "500", valid="[1,...]", update=CLUSTER_WIDE),
    ConfigKey(
        "remote.list.offsets.request.timeout.ms",
        LONG,
        "30000",
        valid="[1,...]",
        update=CLUSTER_WIDE,
    ),
    ConfigKey(
        "remote.log.index.file.cache.total.size.bytes",
        LONG,
        "1073741824",
        valid="[1,...]",
        update=CLUSTER_WIDE,
    ),
    ConfigKey(
        "remote.log.index.file.cache.ttl.ms", LONG, "900000", valid="[-1,...]", internal=True
    ),
    ConfigKey(
        "remote.log.manager.copier.thread.pool.size",
        INT,
        "10",
        valid="[1,...]",
        update=CLUSTER_WIDE,
    ),
    ConfigKey(
        "remote.log.manager.copy.max.bytes.per.second",
        LONG,
        "9223372036854775807",
        valid="[1,...]",
        update=CLUSTER_WIDE,
    ),
    ConfigKey("remote.log.manager.copy.quota.window.num", INT, "11", valid="[1,...]"),
    ConfigKey("remote.log.manager.copy.quota.window.size.seconds", INT, "1", valid="[1,...]"),
    ConfigKey(
        "remote.log.manager.expiration.thread.pool.size",
        INT,
        "10",
        valid="[1,...]",
        update=CLUSTER_WIDE,
    ),
    ConfigKey(
        "remote.log.manager.fetch.max.bytes.per.second",
        LONG,
        "9223372036854775807",
        valid="[1,...]",
        update=CLUSTER_WIDE,
    ),
    ConfigKey("remote.log.manager.fetch.quota.window.num", INT, "11", valid="[1,...]"),
    ConfigKey("remote.log.manager.fetch.quota.window.size.seconds", INT, "1", valid="[1,...]"),
    ConfigKey(
        "remote.log.manager.follower.thread.pool.size",
        INT,
        "2",
        valid="[1,...]",
        update=CLUSTER_WIDE,
    ),
    ConfigKey("remote.log.manager.task.interval.ms", LONG, "30000", valid="[1,...]"),
    ConfigKey(
        "remote.log.manager.task.retry.backoff.max.ms",
        LONG,
        "30000",
        valid="[1,...]",
        internal=True,
    ),
    ConfigKey(
        "remote.log.manager.task.retry.backoff.ms", LONG, "500", valid="[1,...]", internal=True
    ),
    ConfigKey(
        "remote.log.manager.task.retry.jitter", DOUBLE, "0.2", valid="[0,...,0.5]", internal=True
    ),
    ConfigKey("remote.log.manager.thread.pool.size", INT, "2", valid="[1,...]"),
    ConfigKey("remote.log.metadata.custom.metadata.max.bytes", INT, "128", valid="[0,...]"),
    ConfigKey(
        "remote.log.metadata.manager.class.name",
        STRING,
        "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
        valid="non-empty string",
    ),
    ConfigKey("remote.log.metadata.manager.class.path", STRING, None),
    ConfigKey(
        "remote.log.metadata.manager.impl.prefix", STRING, "rlmm.config.", valid="non-empty string"
    ),
    ConfigKey("remote.log.metadata.manager.listener.name", STRING, None, valid="non-empty string"),
    ConfigKey("remote.log.reader.max.pending.tasks", INT, "100", valid="[1,...]"),
    ConfigKey("remote.log.reader.threads", INT, "10", valid="[1,...]", update=CLUSTER_WIDE),
    ConfigKey("remote.log.storage.manager.class.name", STRING, None, valid="non-empty string"),
    ConfigKey("remote.log.storage.manager.class.path", STRING, None),
    ConfigKey(
        "remote.log.storage.manager.impl.prefix", STRING, "rsm.config.", valid="non-empty string"
    ),
    ConfigKey("remote.log.storage.system.enable", BOOLEAN, "false"),
    ConfigKey(
        "replica.alter.log.dirs.io.max.bytes.per.second",
        LONG,
        None,
        valid="[0,...]",
        update=CLUSTER_WIDE,
        internal=True,
    ),
    ConfigKey("replica.fetch.backoff.ms", INT, "1000", valid="[0,...]"),
    ConfigKey("replica.fetch.max.bytes", INT, "1048576", valid="[0,...]"),
    ConfigKey("replica.fetch.min.bytes", INT, "1"),
    ConfigKey("replica.fetch.response.max.bytes", INT, "10485760", valid="[0,...]"),
    ConfigKey("replica.fetch.wait.max.ms", INT, "500"),
    ConfigKey("replica.high.watermark.checkpoint.interval.ms", LONG, "5000"),
    ConfigKey("replica.lag.time.max.ms", LONG, "30000"),
    ConfigKey("replica.selector.class", STRING, None),
    ConfigKey("replica.socket.receive.buffer.bytes", INT, "65536"),
    ConfigKey("replica.socket.timeout.ms", INT, "30000"),
    ConfigKey("replication.quota.window.num", INT, "11", valid="[1,...]"),
    ConfigKey("replication.quota.window.size.seconds", INT, "1", valid="[1,...]"),
)
