from __future__ import annotations

import pytest

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.errors import ConfigError


def test_without_anything_a_topic_has_kafkas_defaults() -> None:
    config = TopicConfig()
    assert config.max_message_bytes == 1048588
    assert config.cleanup_policy == {"delete"}
    assert (config.delete, config.compact) == (True, False)
    assert config.retention_ms == 604_800_000
    assert config.retention_bytes == -1
    assert config.log_append_time is False
    assert config.timestamp_before_max_ms == 2**63 - 1
    assert config.timestamp_after_max_ms == 3_600_000
    assert config.compression_type == "producer"
    assert config.compression_level is None
    assert config.delete_retention_ms == 86_400_000
    assert config.min_compaction_lag_ms == 0
    assert config.max_compaction_lag_ms == 2**63 - 1
    assert config.min_cleanable_dirty_ratio == 0.5
    assert config.segment_bytes == 2**30
    assert config.segment_ms == 604_800_000


def test_a_topics_own_value_beats_the_brokers() -> None:
    broker = BrokerConfig({"message.max.bytes": "7", "log.retention.hours": "1"})
    config = TopicConfig({"max.message.bytes": "8"}, broker)
    assert config.max_message_bytes == 8
    assert config.retention_ms == 3_600_000
    assert config.overrides == {"max.message.bytes": "8"}


def test_a_changed_broker_config_reaches_topics_that_are_made_anew() -> None:
    broker = BrokerConfig()
    broker.set_dynamic(default={"log.message.timestamp.type": "LogAppendTime"})
    assert TopicConfig({}, broker).log_append_time is True


@pytest.mark.parametrize(
    ("policy", "compact", "delete"),
    [("compact", True, False), ("compact,delete", True, True), ("", False, False)],
)
def test_cleanup_policy_may_be_both_or_nothing(policy: str, compact: bool, delete: bool) -> None:
    config = TopicConfig({"cleanup.policy": policy})
    assert (config.compact, config.delete) == (compact, delete)


@pytest.mark.parametrize(
    ("kind", "level"), [("gzip", -1), ("lz4", 9), ("zstd", 3), ("snappy", None)]
)
def test_the_compression_level_belongs_to_the_compression_type(
    kind: str, level: int | None
) -> None:
    assert TopicConfig({"compression.type": kind}).compression_level == level


@pytest.mark.parametrize(
    "overrides",
    [
        {"retention.m": "1"},
        {"retention.ms": "-2"},
        {"retention.ms": ""},
        {"segment.bytes": "10"},
        {"compression.type": "lzma"},
        {"remote.storage.enable": "true"},
        {"min.cleanable.dirty.ratio": "1.5"},
        {"message.max.bytes": "10"},
    ],
)
def test_what_kafka_refuses_is_refused_by_name(overrides: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(overrides))):
        TopicConfig(overrides)


def test_a_record_cannot_be_safe_from_compaction_longer_than_it_may_wait_for_it() -> None:
    with pytest.raises(ConfigError, match=r"min\.compaction\.lag\.ms \(10\)"):
        TopicConfig({"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"})


def test_every_config_can_be_asked_for_by_name() -> None:
    config = TopicConfig({"flush.ms": "12"})
    assert config.value("flush.ms") == 12
    assert config.value("internal.segment.bytes") is None
    with pytest.raises(ConfigError):
        config.value("flush")
