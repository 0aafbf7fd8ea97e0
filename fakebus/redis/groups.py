"""Consumer groups of streams: what was delivered, to whom, and what is not acknowledged.

The state is one value in storage for each group. It is written shortly after a change, and
when the bus stops: what a crash loses is delivered again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fakebus.broker.broker import Broker
from fakebus.broker.topics import Topic
from fakebus.redis.entries import EntryId
from fakebus.redis.streams import Positions
from fakebus.types import TopicPartition

logger = logging.getLogger("fakebus.redis")

_WRITE_AFTER_S = 0.05
_KEY_PREFIX = "redis.group/"


@dataclass(slots=True)
class Pending:
    """An entry that was delivered and is not acknowledged."""

    consumer: str
    delivered_ms: int
    count: int = 1


@dataclass(slots=True)
class Consumer:
    """Consumer of a group; times in milliseconds since the epoch."""

    seen_ms: int
    active_ms: int | None = None
    """When it was given something; ``None`` if never."""


@dataclass(slots=True)
class StreamGroup:
    """A consumer group of one stream."""

    name: str
    positions: Positions
    last_id: EntryId = field(default_factory=lambda: EntryId(0, 0))
    pending: dict[EntryId, Pending] = field(default_factory=dict)
    """In the order of delivery."""
    consumers: dict[str, Consumer] = field(default_factory=dict)
    has_read: bool = False
    """Whether something was delivered from where it began."""

    def saw(self, consumer: str, now_ms: int, *, active: bool = False) -> None:
        """Note that a consumer has asked, or with ``active`` that it was given something."""
        found = self.consumers.setdefault(consumer, Consumer(now_ms))
        found.seen_ms = now_ms
        if active:
            found.active_ms = now_ms

    def committed(self) -> Positions:
        """Return the offsets up to which everything is acknowledged, by partition."""
        committed = dict(self.positions)
        for entry_id in self.pending:
            before = committed.get(entry_id.partition, entry_id.offset)
            committed[entry_id.partition] = min(before, entry_id.offset)
        return committed


class StreamGroups:
    """The groups of all streams.

    Args:
        broker: its storage keeps them; its groups show their offsets.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._groups: dict[tuple[str, str], StreamGroup] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._values = broker.values(_KEY_PREFIX)
        for key, text in self._values.all().items():
            topic_id, name = key.split("/", 1)
            self._groups[topic_id, name] = _from_json(name, json.loads(text))

    def get(self, topic: Topic, name: str) -> StreamGroup | None:
        """Return a group."""
        return self._groups.get((str(topic.topic_id), name))

    def of_topic(self, topic: Topic) -> list[StreamGroup]:
        """Return all groups of a stream."""
        topic_id = str(topic.topic_id)
        return [group for (of, _), group in self._groups.items() if of == topic_id]

    def add(self, topic: Topic, group: StreamGroup) -> None:
        """Add a group."""
        self._groups[str(topic.topic_id), group.name] = group
        self.changed(topic, group)

    def remove(self, topic: Topic, name: str) -> bool:
        """Remove a group; whether there was one."""
        key = (str(topic.topic_id), name)
        if self._groups.pop(key, None) is None:
            return False
        self._dirty.discard(key)
        self._values.set(_key(key), None)
        return True

    def changed(self, topic: Topic, group: StreamGroup) -> None:
        """Have a group written soon."""
        self._dirty.add((str(topic.topic_id), group.name))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WRITE_AFTER_S, self.write)

    def write(self) -> None:
        """Write what has changed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        topics = {str(topic.topic_id): topic for topic in self._broker.topics}
        with self._broker.atomic():
            for key in self._dirty:
                group = self._groups[key]
                topic = topics.get(key[0])
                if topic is None:
                    logger.info("group %s is removed: its stream was deleted", key[1])
                    del self._groups[key]
                    self._values.set(_key(key), None)
                    continue
                self._values.set(_key(key), json.dumps(_to_json(group)))
                self._show_offsets(topic, group)
        self._dirty.clear()

    # Participation in snapshots

    def mark(self) -> Mapping[tuple[str, str], str]:
        """Return all groups."""
        return {key: json.dumps(_to_json(group)) for key, group in self._groups.items()}

    async def roll_back(
        self, mark: Mapping[tuple[str, str], str], new_ids: Mapping[UUID, UUID]
    ) -> None:
        """Go back to the groups of a mark, after the topics went back."""
        ids = {str(old): str(new) for old, new in new_ids.items()}
        for key in self._groups:
            self._values.set(_key(key), None)
        self._groups = {
            (ids.get(topic_id, topic_id), name): _from_json(name, json.loads(text))
            for (topic_id, name), text in mark.items()
        }
        self._dirty = set(self._groups)
        self.write()
        await self._broker.settle()

    def _show_offsets(self, topic: Topic, group: StreamGroup) -> None:
        # Kafka's tools show the group and its lag; a Kafka group with members is left alone.
        described = self._broker.group_coordinator.describe(group.name)
        if described is not None and described.members:
            return
        offsets = {
            TopicPartition(topic.name, partition): offset
            for partition, offset in group.committed().items()
        }
        self._broker.group_coordinator.set_offsets(group.name, offsets)


def _key(key: tuple[str, str]) -> str:
    return f"{key[0]}/{key[1]}"


def _to_json(group: StreamGroup) -> dict[str, Any]:
    return {
        "positions": list(group.positions.items()),
        "last_id": str(group.last_id),
        "pending": [
            [str(entry_id), pending.consumer, pending.delivered_ms, pending.count]
            for entry_id, pending in group.pending.items()
        ],
        "consumers": {
            name: [each.seen_ms, each.active_ms] for name, each in group.consumers.items()
        },
        "has_read": group.has_read,
    }


def _from_json(name: str, stored: dict[str, Any]) -> StreamGroup:
    return StreamGroup(
        name,
        dict(stored["positions"]),
        EntryId.parse(stored["last_id"].encode()),
        {
            EntryId.parse(entry_id.encode()): Pending(consumer, delivered_ms, count)
            for entry_id, consumer, delivered_ms, count in stored["pending"]
        },
        # Before there was only when a consumer was seen.
        {
            name: Consumer(*times) if isinstance(times, list) else Consumer(times, times)
            for name, times in stored["consumers"].items()
        },
        stored.get("has_read", False),
    )
