"""The nodes of the cluster. There is one: broker and controller in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakebus.errors import ConfigError

if TYPE_CHECKING:
    from fakebus.broker.configs.broker_config import BrokerConfig


_LOG_DIRECTORY = "fakebus"
"""What is answered when the broker was not told where its logs are."""


def own_node_id(config: BrokerConfig) -> int:
    """Return this node's number; ``broker.id`` may name it instead of ``node.id``, as in Kafka.

    Raises:
        ConfigError: the two are given and differ.
    """
    node_id, broker_id = config.get_int("node.id"), config.get_int("broker.id")
    if "broker.id" not in config.static:
        return node_id
    if broker_id < 0:
        raise ConfigError(f"broker.id cannot be {broker_id}; the numbers of nodes begin with 0")
    if "node.id" in config.static and node_id != broker_id:
        raise ConfigError(
            f"node.id is {node_id} and broker.id is {broker_id}; they have to be the same, so "
            "give one of them"
        )
    return broker_id


def log_directory(config: BrokerConfig) -> str:
    """Return where all logs lie, as far as clients are told."""
    return config.static.get("log.dirs", _LOG_DIRECTORY)
