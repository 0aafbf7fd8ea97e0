"""Marks in the log: where everything stood when a test began, and the way back there.

Logs only grow, so a test's records are what lies beyond the mark. Going back truncates the
logs, deletes the topics and groups that are new, and puts the committed offsets and configs
back. A topic that the test deleted is created again, empty and with a new id: what it held
is gone, and a warning says so.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker
    from fakebus.broker.partition_log import PartitionLog
    from fakebus.broker.topics import Topic

logger = logging.getLogger("fakebus.testing")


@dataclass(frozen=True, slots=True)
class _MarkedTopic:
    name: str
    ends: tuple[int, ...]
    configs: dict[str, str]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where everything stood."""

    topics: dict[UUID, _MarkedTopic]
    offsets: dict[str, dict[TopicPartition, int]]

    def end_of(self, topic: Topic, log: PartitionLog) -> int:
        """Return the log end offset at the mark; 0 for what did not exist then."""
        marked = self.topics.get(topic.topic_id)
        index = log.topic_partition.partition
        return marked.ends[index] if marked is not None and index < len(marked.ends) else 0


async def take_mark(broker: Broker) -> Mark:
    """Return a mark at this moment, after everything under way is stored."""
    await broker.storage.flush()
    return Mark(
        {
            topic.topic_id: _MarkedTopic(
                topic.name,
                tuple(log.high_watermark for log in topic.partitions),
                dict(topic.config.overrides),
            )
            for topic in broker.topics
        },
        broker.group_coordinator.all_offsets(),
    )


async def roll_back(broker: Broker, mark: Mark) -> None:
    """Make everything as it was at the mark."""
    await broker.storage.flush()
    for topic in broker.topics:
        marked = mark.topics.get(topic.topic_id)
        if marked is None:
            await broker.topics.delete(topic)
            continue
        for log in topic.partitions:
            end = mark.end_of(topic, log)
            if log.log_end_offset > end:
                await log.truncate(end)
        if dict(topic.config.overrides) != marked.configs:
            await broker.topics.set_configs(topic, marked.configs)
    await _put_back_deleted(broker, mark)
    await broker.group_coordinator.restore_offsets(mark.offsets)


async def _put_back_deleted(broker: Broker, mark: Mark) -> None:
    for topic_id, marked in mark.topics.items():
        if broker.topics.by_id(topic_id) is None:
            if any(marked.ends):
                logger.warning("the test deleted topic %s; its records are gone", marked.name)
            await broker.topics.create(marked.name, len(marked.ends), marked.configs)
