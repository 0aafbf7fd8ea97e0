"""Small value types that every layer shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

Buffer = bytes | bytearray | memoryview
"""Bytes that may be handed on without a copy."""

ZERO_UUID = UUID(int=0)
"""The topic id that stands for "none" on the wire."""

COMPATIBILITY_LEVELS = (
    "NONE",
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
)
"""Levels of a schema registry, as Confluent names them."""


class TopicPartition(NamedTuple):
    """One partition of a topic, by name."""

    topic: str
    partition: int

    def __str__(self) -> str:
        """Return the form that Kafka's own tools print: ``topic-partition``."""
        return f"{self.topic}-{self.partition}"


class TopicIdPartition(NamedTuple):
    """One partition of a topic, by the topic's id: not of another topic that has its name later."""

    topic_id: UUID
    partition: int


def by_topic_id(places: Iterable[TopicIdPartition]) -> dict[UUID, list[int]]:
    """Return partitions by their topics, in their order."""
    found: dict[UUID, list[int]] = {}
    for topic_id, partition in sorted(places):
        found.setdefault(topic_id, []).append(partition)
    return found
