"""What a topic gets that nobody has described: one created automatically, or for the broker.

Source: AutoTopicCreationManager of Kafka 4.3, and the coordinators that it asks.
"""

from __future__ import annotations

from collections.abc import Mapping

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.topic_names import CONSUMER_OFFSETS, SHARE_GROUP_STATE, TRANSACTION_STATE

_PREFIXES = {
    CONSUMER_OFFSETS: "offsets.topic.",
    TRANSACTION_STATE: "transaction.state.log.",
    SHARE_GROUP_STATE: "share.coordinator.state.topic.",
}
"""Of the broker's configs for its internal topics."""
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
    prefix = _PREFIXES.get(name)
    if prefix is None:
        return config.get_int("num.partitions"), {}
    configs = {
        **_CONFIGS[name],
        "segment.bytes": str(config.get_int(f"{prefix}segment.bytes")),
    }
    if name != CONSUMER_OFFSETS:
        # Where there are too few brokers Kafka creates no such topic at all.
        configs["min.insync.replicas"] = str(min(config.get_int(f"{prefix}min.isr"), brokers))
    return config.get_int(f"{prefix}num.partitions"), configs
