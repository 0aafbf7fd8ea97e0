"""Configs of Kafka's broker: the node, the controller, its quorum, quotas and metrics."""

from __future__ import annotations

from fakebus.broker.configs.definition import ConfigKey, UpdateMode
from fakebus.broker.configs.values import ConfigType

BOOLEAN = ConfigType.BOOLEAN
CLASS = ConfigType.CLASS
INT = ConfigType.INT
LIST = ConfigType.LIST
LONG = ConfigType.LONG
STRING = ConfigType.STRING
CLUSTER_WIDE = UpdateMode.CLUSTER_WIDE

CLUSTER_KEYS = (
    ConfigKey("alter.log.dirs.replication.quota.window.num", INT, "11", valid="[1,...]"),
    ConfigKey("alter.log.dirs.replication.quota.window.size.seconds", INT, "1", valid="[1,...]"),
    ConfigKey("broker.heartbeat.interval.ms", INT, "2000"),
    ConfigKey("broker.id", INT, "1"),
    ConfigKey("broker.rack", STRING, None),
    ConfigKey("broker.session.timeout.ms", INT, "9000"),
    ConfigKey("client.quota.callback.class", CLASS, None),
    ConfigKey("config.providers", LIST, "", update=CLUSTER_WIDE),
    ConfigKey("controlled.shutdown.enable", BOOLEAN, "true"),
    ConfigKey("controller.listener.names", LIST, ""),
    ConfigKey(
        "controller.performance.always.log.threshold.ms",
        LONG,
        "2000",
        valid="[0,...]",
        internal=True,
    ),
    ConfigKey(
        "controller.performance.sample.period.ms", LONG, "60000", valid="[100,...]", internal=True
    ),
    ConfigKey("controller.quorum.append.linger.ms", INT, "25", valid="[0,...]"),
    ConfigKey("controller.quorum.auto.join.enable", BOOLEAN, "false"),
    ConfigKey("controller.quorum.bootstrap.servers", LIST, ""),
    ConfigKey("controller.quorum.election.backoff.max.ms", INT, "1000", valid="[0,...]"),
    ConfigKey("controller.quorum.election.timeout.ms", INT, "1000", valid="[0,...]"),
    ConfigKey("controller.quorum.fetch.max.bytes", INT, "1048576", valid="[1,...]"),
    ConfigKey("controller.quorum.fetch.snapshot.max.bytes", INT, "1048576", valid="[1,...]"),
    ConfigKey("controller.quorum.fetch.timeout.ms", INT, "2000", valid="[0,...]"),
    ConfigKey("controller.quorum.request.timeout.ms", INT, "2000", valid="[0,...]"),
    ConfigKey("controller.quorum.retry.backoff.ms", INT, "20", valid="[0,...]"),
    ConfigKey("controller.quorum.voters", LIST, ""),
    ConfigKey("controller.quota.window.num", INT, "11", valid="[1,...]"),
    ConfigKey("controller.quota.window.size.seconds", INT, "1", valid="[1,...]"),
    ConfigKey("controller.socket.timeout.ms", INT, "30000"),
    ConfigKey("initial.broker.registration.timeout.ms", INT, "60000"),
    ConfigKey("internal.metadata.delete.delay.millis", LONG, "60000", internal=True),
    ConfigKey("internal.metadata.log.segment.bytes", INT, None, internal=True),
    ConfigKey("internal.metadata.max.batch.size.in.bytes", INT, "8388608", internal=True),
    ConfigKey("kafka.metrics.polling.interval.secs", INT, "10", valid="[1,...]"),
    ConfigKey("kafka.metrics.reporters", LIST, ""),
    ConfigKey("max.request.partition.size.limit", INT, "2000", valid="[1,...]", effective=True),
    ConfigKey("metadata.log.dir", STRING, None),
    ConfigKey("metadata.log.max.record.bytes.between.snapshots", LONG, "20971520", valid="[1,...]"),
    ConfigKey("metadata.log.max.snapshot.interval.ms", LONG, "3600000", valid="[0,...]"),
    ConfigKey("metadata.log.segment.bytes", INT, "1073741824", valid="[8388608,...]"),
    ConfigKey("metadata.log.segment.ms", LONG, "604800000"),
    ConfigKey("metadata.max.idle.interval.ms", INT, "500", valid="[0,...]"),
    ConfigKey("metadata.max.retention.bytes", LONG, "104857600"),
    ConfigKey("metadata.max.retention.ms", LONG, "604800000"),
    ConfigKey(
        "metric.reporters", LIST, "org.apache.kafka.common.metrics.JmxReporter", update=CLUSTER_WIDE
    ),
    ConfigKey("metrics.num.samples", INT, "2", valid="[1,...]"),
    ConfigKey("metrics.recording.level", STRING, "INFO"),
    ConfigKey("metrics.sample.window.ms", LONG, "30000", valid="[1,...]"),
    ConfigKey("node.id", INT, "1", valid="[0,...]"),
    ConfigKey("process.roles", LIST, "broker,controller", valid="[broker, controller]"),
    ConfigKey("quota.window.num", INT, "11", valid="[1,...]"),
    ConfigKey("quota.window.size.seconds", INT, "1", valid="[1,...]"),
    ConfigKey(
        "server.max.startup.time.ms", LONG, "9223372036854775807", valid="[0,...]", internal=True
    ),
    ConfigKey("telemetry.max.bytes", INT, "1048576", valid="[1,...]"),
    ConfigKey("unstable.api.versions.enable", BOOLEAN, "false", internal=True),
    ConfigKey("unstable.feature.versions.enable", BOOLEAN, "false", internal=True),
)
