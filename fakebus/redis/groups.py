"""Consumer groups of streams: what was delivered, to whom, and what is not acknowledged.

Each group is one value in storage, and so is each of its pending entries: a change writes what
it concerns, however much is pending. The client is answered when that is stored. If it cannot
be stored, the group is again what it was before, and the client is told.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple
from urllib.parse import quote, unquote
from uuid import UUID

from fakebus.broker.broker import Broker
from fakebus.broker.tail import Tail
from fakebus.broker.topics import Topic
from fakebus.redis.entries import EntryId
from fakebus.redis.keys import GROUPS, PENDING
from fakebus.redis.protocol import RedisError
from fakebus.redis.streams import Positions
from fakebus.types import TopicPartition

logger = logging.getLogger("fakebus.redis")

_HEAP_SLACK = 100


class Pending(NamedTuple):
    """Entry that was delivered and is not acknowledged."""

    consumer: str
    delivered_ms: int
    times: int = 1


class Consumer(NamedTuple):
    """Consumer of a group; times in milliseconds since the epoch."""

    seen_ms: int
    active_ms: int | None = None
    """When it was given something; ``None`` if never."""


@dataclass(slots=True, eq=False)
class StreamGroup:
    """Consumer group of one stream."""

    name: str
    positions: Positions = field(default_factory=dict)
    last_id: EntryId = field(default_factory=lambda: EntryId(0, 0))
    consumers: dict[str, Consumer] = field(default_factory=dict)
    has_read: bool = False
    """Whether something was delivered from where it began."""
    pending: dict[EntryId, Pending] = field(default_factory=dict)
    """In the order of delivery; changed by :meth:`put` only."""
    readers: set[Tail] = field(default_factory=set)
    """Blocked commands, which are woken when the group is gone."""
    _oldest: dict[int, list[tuple[int, EntryId]]] = field(default_factory=dict)
    """By partition a heap of pending entries, some of which are not pending any more."""

    def put(self, entry_id: EntryId, pending: Pending | None) -> None:
        """Make an entry pending, or with ``None`` let it be pending no longer."""
        if pending is None:
            self.pending.pop(entry_id, None)
            return
        if entry_id not in self.pending:
            heap = self._oldest.setdefault(entry_id.partition, [])
            if len(heap) > 2 * len(self.pending) + _HEAP_SLACK:
                left = [each for each in self.pending if each.partition == entry_id.partition]
                heap[:] = [(each.offset, each) for each in left]
                heapify(heap)
            heappush(heap, (entry_id.offset, entry_id))
        self.pending[entry_id] = pending

    def saw(self, consumer: str, now_ms: int, *, active: bool = False) -> None:
        """Note that a consumer has asked, or with ``active`` that it was given something."""
        before = self.consumers.get(consumer, Consumer(now_ms))
        self.consumers[consumer] = Consumer(now_ms, now_ms if active else before.active_ms)

    def committed(self) -> Positions:
        """Return the offsets up to which everything is acknowledged, by partition."""
        committed = dict(self.positions)
        for partition, heap in self._oldest.items():
            while heap and heap[0][1] not in self.pending:
                heappop(heap)
            if heap:
                committed[partition] = min(committed.get(partition, heap[0][0]), heap[0][0])
        return committed

    def copy(self) -> StreamGroup:
        """Return a group that later changes of this one do not reach."""
        copied = replace(
            self,
            positions=dict(self.positions),
            consumers=dict(self.consumers),
            pending={},
            readers=set(),
            _oldest={},
        )
        for entry_id, pending in self.pending.items():
            copied.put(entry_id, pending)
        return copied


class Change:
    """Change of a group, with the way back.

    Args:
        group: the group, as it was before.
    """

    def __init__(self, group: StreamGroup) -> None:
        self.group = group
        self.before: dict[EntryId, Pending | None] = {}
        """What the change has found of the entries that it touches."""
        self._positions, self._consumers = dict(group.positions), dict(group.consumers)
        self._last_id, self._has_read = group.last_id, group.has_read

    def put(self, entry_id: EntryId, pending: Pending | None) -> bool:
        """See :meth:`StreamGroup.put`; return whether the entry was pending."""
        before = self.group.pending.get(entry_id)
        self.before.setdefault(entry_id, before)
        self.group.put(entry_id, pending)
        return before is not None

    def undo(self) -> None:
        """Go back."""
        group = self.group
        group.positions, group.consumers = self._positions, self._consumers
        group.last_id, group.has_read = self._last_id, self._has_read
        for entry_id, pending in self.before.items():
            group.put(entry_id, pending)


Key = tuple[str, str]
"""A topic's id and a group's name."""


class StreamGroups:
    """The groups of all streams.

    Args:
        broker: its storage keeps them; its groups show their offsets.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._groups: dict[Key, StreamGroup] = {}
        self._values = broker.values("")
        self._load()
        broker.topics.on_deleted.append(self._topic_deleted)

    def close(self) -> None:
        """Follow the topics no longer."""
        self._broker.topics.on_deleted.remove(self._topic_deleted)

    def _load(self) -> None:
        topics = {str(topic.topic_id) for topic in self._broker.topics}
        rows: dict[str, str | None] = {}
        for name, text in self._broker.values(GROUPS).all().items():
            topic_id, group_name = name.split("/", 1)
            if topic_id not in topics:
                logger.info("group %s is removed: its stream was deleted", group_name)
                rows[GROUPS + name] = None
                continue
            stored = json.loads(text)
            group = self._groups[topic_id, group_name] = _from_json(group_name, stored)
            if "pending" in stored:
                # As it was written before each entry had a value of its own.
                rows |= _rows((topic_id, group_name), group, group.pending)
        for name, text in self._broker.values(PENDING).all().items():
            topic_id, group_name, entry_id = name.split("/")
            owner = self._groups.get((topic_id, unquote(group_name)))
            if owner is None:
                rows[PENDING + name] = None
            else:
                owner.put(EntryId.parse(entry_id.encode()), Pending(*json.loads(text)))
        if rows:
            self._values.set_all(rows)

    def get(self, topic: Topic, name: str) -> StreamGroup | None:
        """Return a group."""
        return self._groups.get((str(topic.topic_id), name))

    def of_topic(self, topic: Topic) -> list[StreamGroup]:
        """Return all groups of a stream, by name as Redis has them."""
        topic_id = str(topic.topic_id)
        found = [group for (of, _), group in self._groups.items() if of == topic_id]
        return sorted(found, key=lambda group: group.name)

    async def add(self, topic: Topic, group: StreamGroup) -> None:
        """Add a group.

        Raises:
            StorageError: it could not be stored and does not exist.
        """
        key = str(topic.topic_id), group.name
        self._groups[key] = group
        await self._store(key, topic, Change(group), lambda: self._groups.pop(key, None))

    async def remove(self, topic: Topic, name: str) -> bool:
        """Remove a group; whether there was one.

        Raises:
            StorageError: that could not be stored, and the group is there again.
        """
        key = str(topic.topic_id), name
        group = self._groups.get(key)
        if group is None:
            return False
        await self._forget(key, undo=partial(self._groups.__setitem__, key, group))
        return True

    def _forget(self, key: Key, undo: Any = None) -> asyncio.Future[None]:
        group = self._groups.pop(key)
        for reader in group.readers:
            reader.wake()
        rows = dict.fromkeys(_rows(key, group, group.pending))
        return self._values.set_all(rows, undo)

    def _topic_deleted(self, topic: Topic) -> None:
        for group in self.of_topic(topic):
            logger.info("group %s is removed: its stream was deleted", group.name)
            # What cannot be forgotten now is when the bus starts again.
            forgotten = self._forget((str(topic.topic_id), group.name))
            forgotten.add_done_callback(lambda done: done.cancelled() or done.exception())

    @asynccontextmanager
    async def changing(self, topic: Topic, group: StreamGroup) -> AsyncIterator[Change]:
        """Store what the block does with a group; the block must not await.

        Raises:
            RedisError: the group was removed meanwhile.
            StorageError: it could not be stored, and the group is as it was.
        """
        if self.get(topic, group.name) is not group:
            raise no_group(topic.name, group.name)
        change = Change(group)
        yield change
        await self._store((str(topic.topic_id), group.name), topic, change, change.undo)

    async def _store(self, key: Key, topic: Topic, change: Change, undo: Any) -> None:
        with self._broker.atomic():
            writes = [self._values.set_all(_rows(key, change.group, change.before), undo)]
            writes += self._show_offsets(topic, change.group)
        await asyncio.gather(*writes)

    def _show_offsets(self, topic: Topic, group: StreamGroup) -> list[asyncio.Future[None]]:
        # Kafka's tools show the group and its lag; a Kafka group with members is left alone.
        coordinator = self._broker.group_coordinator
        described = coordinator.describe(group.name)
        if described is not None and described.members:
            return []
        committed = group.committed()
        offsets = {TopicPartition(topic.name, each): committed[each] for each in committed}
        return [coordinator.set_offsets(group.name, offsets)]

    # Participation in snapshots

    name = "redis"

    def mark(self) -> dict[str, str | None]:
        """Return what is stored of all groups."""
        rows: dict[str, str | None] = {}
        for key, group in self._groups.items():
            rows |= _rows(key, group, group.pending)
        return rows

    async def roll_back(self, mark: Mapping[str, str | None], new_ids: Mapping[UUID, UUID]) -> None:
        """Go back to the groups of a mark, after the topics went back."""
        ids = {str(old): str(new) for old, new in new_ids.items()}
        topics = {str(topic.topic_id): topic for topic in self._broker.topics}
        rows = {}
        for row, text in mark.items():
            kind, topic_id, rest = row.split("/", 2)
            rows[f"{kind}/{ids.get(topic_id, topic_id)}/{rest}"] = text
        with self._broker.atomic():
            writes = [self._forget(key) for key in list(self._groups)]
            writes.append(self._values.set_all(rows))
            self._load()
            for (topic_id, _), group in self._groups.items():
                writes += self._show_offsets(topics[topic_id], group)
        await asyncio.gather(*writes)


def no_group(name: str, group: str, where: str = "") -> RedisError:
    """Return the error for a stream or a group that is not there."""
    return RedisError(f"NOGROUP No such key '{name}' or consumer group '{group}'{where}")


def _rows(key: Key, group: StreamGroup, entries: Mapping[EntryId, Any]) -> dict[str, str | None]:
    """Return what is stored of a group and of some of its pending entries."""
    topic_id, name = key
    prefix = f"{PENDING}{topic_id}/{quote(name, safe='')}/"
    rows: dict[str, str | None] = {f"{GROUPS}{topic_id}/{name}": json.dumps(_to_json(group))}
    for entry_id in entries:
        pending = group.pending.get(entry_id)
        rows[f"{prefix}{entry_id}"] = None if pending is None else json.dumps(pending)
    return rows


def _to_json(group: StreamGroup) -> dict[str, Any]:
    return {
        "positions": list(group.positions.items()),
        "last_id": str(group.last_id),
        "consumers": group.consumers,
        "has_read": group.has_read,
    }


def _from_json(name: str, stored: dict[str, Any]) -> StreamGroup:
    # Before there was only when a consumer was seen.
    consumers = {
        name: Consumer(*times) if isinstance(times, list) else Consumer(times, times)
        for name, times in stored["consumers"].items()
    }
    last_id = EntryId.parse(stored["last_id"].encode())
    has_read = stored.get("has_read", False)
    group = StreamGroup(name, dict(stored["positions"]), last_id, consumers, has_read)
    for entry_id, *pending in stored.get("pending", ()):
        group.put(EntryId.parse(entry_id.encode()), Pending(*pending))
    return group
