"""A topic's configs, resolved: its own values, and the broker's where it has none."""

from __future__ import annotations

from collections.abc import Mapping

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.configs.definition import find
from fakebus.broker.configs.keys import TOPIC_KEYS
from fakebus.broker.configs.values import ConfigValue
from fakebus.errors import ConfigError

PRODUCERS = "fakebus.producers"


class TopicConfig:
    """Configs of one topic, as plain attributes for the paths that run per request.

    Never changed: a new one is made when the topic's or the broker's configs change.

    Args:
        overrides: the topic's own configs.
        broker_config: gives the values of all others; Kafka's defaults when left out.

    Raises:
        ConfigError: a name is not known, a value is not valid, or two contradict each other.
    """

    __slots__ = (
        "__weakref__",
        "_values",
        "cleanup_policy",
        "compact",
        "compression_level",
        "compression_type",
        "delete",
        "delete_retention_ms",
        "key_subject_strategy",
        "log_append_time",
        "looks_at_records",
        "max_compaction_lag_ms",
        "max_message_bytes",
        "min_cleanable_dirty_ratio",
        "min_compaction_lag_ms",
        "min_in_sync_replicas",
        "overrides",
        "producers",
        "retention_bytes",
        "retention_ms",
        "segment_bytes",
        "segment_ms",
        "timestamp_after_max_ms",
        "timestamp_before_max_ms",
        "unclean_leader_election",
        "validate_keys",
        "validate_values",
        "value_subject_strategy",
    )

    def __init__(
        self,
        overrides: Mapping[str, str] | None = None,
        broker_config: BrokerConfig | None = None,
    ) -> None:
        self.overrides: Mapping[str, str] = dict(overrides or {})
        """The topic's own configs, by name, as text."""
        broker_config = broker_config if broker_config is not None else BrokerConfig()
        for name in self.overrides:
            find(TOPIC_KEYS, name, "topic")
        self._values: dict[str, ConfigValue] = {}
        for name, key in TOPIC_KEYS.items():
            if name in self.overrides:
                self._values[name] = key.parse(self.overrides[name])
            elif key.synonyms:
                self._values[name] = broker_config.value(key.synonyms[0])
            else:
                self._values[name] = None if key.default is None else key.parse(key.default)
        self._resolve()
        self._check()

    def _resolve(self) -> None:
        self.max_message_bytes = self._int("max.message.bytes")
        policy = self._values["cleanup.policy"]
        self.cleanup_policy = frozenset(policy if isinstance(policy, list) else ())
        self.compact = "compact" in self.cleanup_policy
        self.delete = "delete" in self.cleanup_policy
        self.retention_ms = self._int("retention.ms")
        self.retention_bytes = self._int("retention.bytes")
        self.log_append_time = self._values["message.timestamp.type"] == "LogAppendTime"
        self.timestamp_before_max_ms = self._int("message.timestamp.before.max.ms")
        self.timestamp_after_max_ms = self._int("message.timestamp.after.max.ms")
        self.compression_type = str(self._values["compression.type"])
        self.compression_level: int | None = None
        """The level of ``compression_type``; ``None`` for a codec without levels."""
        if f"compression.{self.compression_type}.level" in TOPIC_KEYS:
            self.compression_level = self._int(f"compression.{self.compression_type}.level")
        self.delete_retention_ms = self._int("delete.retention.ms")
        self.min_compaction_lag_ms = self._int("min.compaction.lag.ms")
        self.max_compaction_lag_ms = self._int("max.compaction.lag.ms")
        self.min_in_sync_replicas = self._int("min.insync.replicas")
        self.unclean_leader_election = bool(self._values["unclean.leader.election.enable"])
        ratio = self._values["min.cleanable.dirty.ratio"]
        self.min_cleanable_dirty_ratio = ratio if isinstance(ratio, float) else 0.0
        # Kafka's own tests need segments below the smallest valid segment.bytes, and so do ours.
        tiny_segments = self._values["internal.segment.bytes"] is not None
        self.segment_bytes = self._int(
            "internal.segment.bytes" if tiny_segments else "segment.bytes"
        )
        self.segment_ms = self._int("segment.ms")
        producers = self._values[PRODUCERS]
        self.producers = frozenset(producers if isinstance(producers, list) else ())
        """The services that may write; all of them if it is empty."""
        self.validate_keys = bool(self._values["confluent.key.schema.validation"])
        self.validate_values = bool(self._values["confluent.value.schema.validation"])
        self.looks_at_records = (
            self.compact
            or self.compression_type != "producer"
            or self.validate_keys
            or self.validate_values
        )
        """Whether a batch's records have to be looked at one by one before they are stored."""
        self.key_subject_strategy = str(self._values["confluent.key.subject.name.strategy"])
        self.value_subject_strategy = str(self._values["confluent.value.subject.name.strategy"])

    def _int(self, name: str) -> int:
        value = self._values[name]
        if not isinstance(value, int):
            raise ConfigError(f"{name} is not a whole number but {value!r}")
        return value

    def _check(self) -> None:
        """Refuse what Kafka's LogConfig.validate refuses across several configs."""
        if self.min_compaction_lag_ms > self.max_compaction_lag_ms:
            raise ConfigError(
                f"min.compaction.lag.ms ({self.min_compaction_lag_ms}) is larger than "
                f"max.compaction.lag.ms ({self.max_compaction_lag_ms})"
            )
        if self._values["remote.storage.enable"]:
            raise ConfigError("remote.storage.enable: there is no tiered storage; set it to false")

    def value(self, name: str) -> ConfigValue:
        """Return the value of any topic config.

        Raises:
            ConfigError: there is no such config.
        """
        find(TOPIC_KEYS, name, "topic")
        return self._values[name]
