"""Which topic names are allowed.

Source: Kafka's org.apache.kafka.common.internals.Topic.
"""

from __future__ import annotations

import re

MAX_NAME_LENGTH = 249
CONSUMER_OFFSETS = "__consumer_offsets"
TRANSACTION_STATE = "__transaction_state"
SHARE_GROUP_STATE = "__share_group_state"
CLUSTER_METADATA = "__cluster_metadata"
_LEGAL = re.compile("[a-zA-Z0-9._-]+", re.ASCII)


def topic_name_problem(name: str) -> str | None:
    """Return why a name cannot be a topic's, or ``None``."""
    if not name:
        return "a topic name must not be empty"
    if name in (".", ".."):
        return f"{name!r} cannot be a topic name"
    if len(name) > MAX_NAME_LENGTH:
        return f"the topic name has {len(name)} characters, {MAX_NAME_LENGTH} are allowed"
    if not _LEGAL.fullmatch(name):
        return (
            f"the topic name {name!r} holds something else than ASCII letters, digits, "
            "'.', '_' and '-'"
        )
    return None


def metric_name(name: str) -> str:
    """Return what must be unique: Kafka's metrics write ``.`` as ``_``."""
    return name.replace(".", "_")


def is_internal(name: str) -> bool:
    """Return whether clients are told to leave a topic of that name alone."""
    return name in (CONSUMER_OFFSETS, TRANSACTION_STATE, SHARE_GROUP_STATE)


def partition_of(key: str, count: int) -> int:
    """Return which of an internal topic's partitions a group or a transactional id is kept in.

    Tools and clients count on it: it is the hash of a text in Java.
    """
    value = 0
    for unit in memoryview(key.encode("utf-16-le", "surrogatepass")).cast("H"):
        value = (31 * value + unit) & 0xFFFFFFFF
    # The smallest number has no positive twin; Kafka takes 0 for it.
    return (0 if value == 1 << 31 else min(value, (1 << 32) - value)) % count
