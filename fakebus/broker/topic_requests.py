"""What clients ask of the topic administration, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.errors import ErrorCode
from fakebus.types import ZERO_UUID

DEFAULT = -1
"""The number of partitions or replicas that stands for the broker's default."""


class NewTopic(NamedTuple):
    """A topic that a client wants."""

    name: str
    partitions: int = DEFAULT
    replication_factor: int = DEFAULT
    assignments: Sequence[tuple[int, Sequence[int]]] = ()
    """Partition index and broker ids, when the client chooses the replicas itself."""
    configs: Sequence[tuple[str, str | None]] = ()


class CreatedTopic(NamedTuple):
    """Outcome of a :class:`NewTopic`; error code NONE when it was (or could be) created."""

    name: str
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None
    topic_id: UUID = ZERO_UUID
    partitions: int = DEFAULT
    replication_factor: int = DEFAULT
    config: TopicConfig | None = None
    """The topic's configs; ``None`` when it was refused."""


class TopicToDelete(NamedTuple):
    """A topic that a client wants to be rid of, by name or by id."""

    name: str | None = None
    topic_id: UUID = ZERO_UUID


class DeletedTopic(NamedTuple):
    """Outcome of a :class:`TopicToDelete`."""

    name: str | None
    topic_id: UUID = ZERO_UUID
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPartitions:
    """Number of partitions that a client wants a topic to have."""

    name: str
    count: int
    assignments: Sequence[Sequence[int]] | None = None
    """The broker ids of each partition that is added, when the client chooses them."""


class TopicResult(NamedTuple):
    """Outcome of a change of one topic."""

    name: str
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None
