"""What a topic gets that nobody has described: one created automatically, or for the broker.

Source: AutoTopicCreationManager of Kafka 4.3, and the coordinators that it asks.
"""

from __future__ import annotations

from collections.abc import Mapping

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.topic_names import CONSUMER_OFFSETS, SHARE_GROUP_STATE, TRANSACTION_STATE

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
    if name == CONSUMER_OFFSETS:
        partitions = config.get_int("offsets.topic.num.partitions")
        segment_bytes = config.get_int("offsets.topic.segment.bytes")
        return partitions, {**_CONFIGS[name], "segment.bytes": str(segment_bytes)}
    if name == TRANSACTION_STATE:
        partitions = config.get_int("transaction.state.log.num.partitions")
        segment_bytes = config.get_int("transaction.state.log.segment.bytes")
        min_in_sync = config.get_int("transaction.state.log.min.isr")
    else:
        partitions = config.get_int("share.coordinator.state.topic.num.partitions")
        segment_bytes = config.get_int("share.coordinator.state.topic.segment.bytes")
        min_in_sync = config.get_int("share.coordinator.state.topic.min.isr")
    # Where there are too few brokers Kafka creates no such topic at all.
    in_sync = {"min.insync.replicas": str(min(min_in_sync, brokers))}
    return partitions, {**_CONFIGS[name], "segment.bytes": str(segment_bytes), **in_sync}
