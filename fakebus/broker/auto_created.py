"""What a topic gets that nobody has described: one created automatically, or for the broker.

Source: AutoTopicCreationManager of Kafka 4.3, and the coordinators that it asks.
"""

from __future__ import annotations

from collections.abc import Mapping

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.topic_names import CONSUMER_OFFSETS, SHARE_GROUP_STATE, TRANSACTION_STATE

_PARTITIONS = {
    CONSUMER_OFFSETS: "offsets.topic.num.partitions",
    TRANSACTION_STATE: "transaction.state.log.num.partitions",
    SHARE_GROUP_STATE: "share.coordinator.state.topic.num.partitions",
}
_SEGMENT_BYTES = {
    CONSUMER_OFFSETS: "offsets.topic.segment.bytes",
    TRANSACTION_STATE: "transaction.state.log.segment.bytes",
    SHARE_GROUP_STATE: "share.coordinator.state.topic.segment.bytes",
}
_MIN_IN_SYNC = {
    TRANSACTION_STATE: "transaction.state.log.min.isr",
    SHARE_GROUP_STATE: "share.coordinator.state.topic.min.isr",
}
"""The broker's configs for its internal topics."""
_CONFIGS = {
    CONSUMER_OFFSETS: {"cleanup.policy": "compact", "compression.type": "producer"},
    TRANSACTION_STATE: {
        "cleanup.policy": "compact",
        "compression.type": "uncompressed",
        "unclean.leader.election.enable": "false",
    },
    SHARE_GROUP_STATE: {
        "cleanup.policy": "delete",
        "compression.type": "producer",
        "retention.ms": "-1",
    },
}


def auto_created(name: str, config: BrokerConfig, brokers: int) -> tuple[int, Mapping[str, str]]:
    """Return how many partitions a topic gets, and its configs.

    Args:
        name: of the topic, which may be internal.
        config: the broker's.
        brokers: how many there are.
    """
    if name not in _CONFIGS:
        return config.get_int("num.partitions"), {}
    configs = {
        **_CONFIGS[name],
        "segment.bytes": str(config.get_int(_SEGMENT_BYTES[name])),
    }
    if name in _MIN_IN_SYNC:
        # Where there are too few brokers Kafka creates no such topic at all.
        configs["min.insync.replicas"] = str(min(config.get_int(_MIN_IN_SYNC[name]), brokers))
    return config.get_int(_PARTITIONS[name]), configs
