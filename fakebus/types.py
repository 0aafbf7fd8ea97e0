"""Small value types that every layer shares."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

Buffer = bytes | bytearray | memoryview
"""Bytes that may be handed on without a copy."""

ZERO_UUID = UUID(int=0)
"""The topic id that stands for "none" on the wire."""


class TopicPartition(NamedTuple):
    """One partition of a topic, by name."""

    topic: str
    partition: int

    def __str__(self) -> str:
        """Return the form that Kafka's own tools print: ``topic-partition``."""
        return f"{self.topic}-{self.partition}"
