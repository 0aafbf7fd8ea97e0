"""Identity of the broker, as clients are told: its number, its cluster's id, where its logs are."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from fakebus.errors import ConfigError

if TYPE_CHECKING:
    from fakebus.broker.configs.broker_config import BrokerConfig
    from fakebus.storage.interface import MetaStore

_CLUSTER_ID_KEY = "cluster.id"
_LOG_DIRECTORY = "fakebus"
"""What is answered when the broker was not told where its logs are."""


class Node(NamedTuple):
    """Node of the cluster, for which one or more listeners answer."""

    node_id: int
    rack: str | None = None


def node_of(config: BrokerConfig) -> Node:
    """Return the node that the configs describe.

    ``broker.id`` may number it instead of ``node.id``, as in Kafka.

    Raises:
        ConfigError: the two are given and differ.
    """
    node_id, broker_id = config.get_int("node.id"), config.get_int("broker.id")
    if "broker.id" not in config.static:
        broker_id = node_id
    elif broker_id < 0:
        raise ConfigError(f"broker.id cannot be {broker_id}; the numbers of nodes begin with 0")
    elif "node.id" in config.static and node_id != broker_id:
        raise ConfigError(
            f"node.id is {node_id} and broker.id is {broker_id}; they have to be the same, so "
            "give one of them"
        )
    return Node(broker_id, config.get_str("broker.rack") or None)


def log_directory(config: BrokerConfig) -> str:
    """Return where all logs lie, as far as clients are told."""
    return config.static.get("log.dirs", _LOG_DIRECTORY)


async def load_cluster_id(storage: MetaStore) -> str:
    """Return the stored id of the cluster; a new one is made where there is none.

    Raises:
        StorageError: it could not be stored.
    """
    stored = storage.get_meta(_CLUSTER_ID_KEY)
    if stored is None:
        # Kafka's form: a random UUID in URL-safe base64 without padding.
        stored = base64.urlsafe_b64encode(uuid4().bytes).rstrip(b"=").decode()
        await storage.set_meta(_CLUSTER_ID_KEY, stored)
    return stored
