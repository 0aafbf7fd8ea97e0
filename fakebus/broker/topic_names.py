"""Which topic names are allowed.

Source: Kafka's org.apache.kafka.common.internals.Topic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_NAME_LENGTH = 249
CONSUMER_OFFSETS = "__consumer_offsets"
TRANSACTION_STATE = "__transaction_state"
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


def colliding_name(name: str, existing: Iterable[str]) -> str | None:
    """Return an existing name that differs from ``name`` only by ``.`` against ``_``.

    Kafka refuses such a pair because the two would share their metrics.
    """
    if "." not in name and "_" not in name:
        return None
    unified = name.replace(".", "_")
    for other in existing:
        if other != name and other.replace(".", "_") == unified:
            return other
    return None
