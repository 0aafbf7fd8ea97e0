"""Marks: where everything stood at some moment, and the way back there.

Logs only grow, so what a test has written lies beyond the mark, and going back cuts it off.
What was deleted meanwhile (by DeleteRecords, by retention, with its topic) is put back from
the mark, which holds on to the batches: they are the same objects as in the log's cache, and
marks of the same log share them.

A topic that was deleted, or that got partitions, is created anew and has a new id: clients
could not make sense of anything else.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from fakebus.fixture_files.seeding.ledger import LEDGER_TOPIC
from fakebus.fixture_files.seeding.seeder import note_new_ids
from fakebus.registry.schema_log import TOPIC as SCHEMAS_TOPIC
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker
    from fakebus.broker.partition_log import PartitionLog
    from fakebus.broker.topics import Topic
    from fakebus.storage.interface import OffsetRow, StoredBatch

_READ_BYTES = 16 * 1024 * 1024


class Registry(Protocol):
    """A schema registry, as far as marks are concerned."""

    def mark(self) -> Any:
        """Return where everything stands."""

    def roll_back(self, mark: Any) -> Awaitable[None] | None:
        """Go back to a mark."""


@dataclass(slots=True)
class _MarkedLog:
    start: int
    end: int
    dirty: int
    """Up to here the log was compacted."""
    batches: Sequence[StoredBatch]
    intact: int
    """Up to here, what lies in the log is what lay there at the mark."""


@dataclass(slots=True)
class _MarkedTopic:
    topic_id: UUID
    logs: list[_MarkedLog]
    configs: dict[str, str]


@dataclass(slots=True, eq=False)
class Mark:
    """Where everything stood."""

    topics: dict[str, _MarkedTopic] = field(default_factory=dict)
    offsets: dict[str, dict[TopicPartition, OffsetRow]] = field(default_factory=dict)
    configs: Any = None
    new_ids: dict[UUID, UUID] = field(default_factory=dict)
    """Of topics that had to be made anew, by the ids that the ledger of seeding has."""
    registry: Any = None

    def end_of(self, topic: Topic, log: PartitionLog) -> int:
        """Return the log end offset at the mark; 0 for what did not exist then."""
        marked = self.topics.get(topic.name)
        index = log.topic_partition.partition
        if marked is None or marked.topic_id != topic.topic_id or index >= len(marked.logs):
            return 0
        return marked.logs[index].end


class Marks:
    """The marks of one bus.

    Args:
        broker: the bus.
        registry: its schema registry, if it has one.
    """

    def __init__(self, broker: Broker, registry: Registry | None = None) -> None:
        self._broker = broker
        self._registry = registry
        self._marks: list[Mark] = []
        self._known: dict[int, _MarkedLog] = {}
        """By log id: what was last found in the log or put into it."""

    async def take(self) -> Mark:
        """Return a mark at this moment, after everything under way is stored."""
        await self._settle()
        broker = self._broker
        mark = Mark(
            offsets=broker.group_coordinator.all_offsets(),
            configs=broker.config_admin.changed(),
            registry=None if self._registry is None else self._registry.mark(),
        )
        for topic in broker.topics:
            logs = [await self._mark_log(log) for log in topic.partitions]
            mark.topics[topic.name] = _MarkedTopic(
                topic.topic_id, logs, dict(topic.config.overrides)
            )
        self._marks.append(mark)
        return mark

    def drop(self, *marks: Mark) -> None:
        """Forget marks that nobody goes back to any more."""
        self._marks = [mark for mark in self._marks if mark not in marks]

    async def _settle(self) -> None:
        storage = self._broker.storage
        await storage.flush()
        while storage.pending_bytes:
            await storage.flush()

    async def _mark_log(self, log: PartitionLog) -> _MarkedLog:
        start, end, dirty = log.log_start_offset, log.high_watermark, log.first_dirty_offset
        known = self._known.get(log.log_id)
        if known is None or (known.start, known.dirty) != (start, dirty) or known.end > end:
            known = _MarkedLog(start, start, dirty, (), start)
        if known.end < end:
            batches = [*known.batches, *await _read(log, known.end, end)]
            known = _MarkedLog(start, end, dirty, batches, end)
        self._known[log.log_id] = known
        return _MarkedLog(start, end, dirty, known.batches, end)

    async def roll_back(self, mark: Mark) -> None:
        """Make everything as it was at a mark; the mark can be used again."""
        broker = self._broker
        # The members go first, so that they do not commit what is about to vanish.
        await broker.group_coordinator.restore_offsets(mark.offsets)
        if broker.config_admin.changed() != mark.configs:
            await broker.config_admin.restore(mark.configs)
        for topic in broker.topics:
            if topic.name not in mark.topics:
                await broker.topics.delete(topic)
        for name, marked in mark.topics.items():
            await self._roll_back_topic(mark, name, marked)
        if broker.group_coordinator.all_offsets() != mark.offsets:
            # Offsets go with their topic, and the topic is back.
            await broker.group_coordinator.restore_offsets(mark.offsets)
        await note_new_ids(broker, mark.new_ids)
        if self._registry is not None:
            done = self._registry.roll_back(mark.registry)
            if inspect.isawaitable(done):
                await done

    async def advance(self, mark: Mark) -> None:
        """Delete what was written since a mark without giving any offset out again.

        The topics that were written to lose all their records; new topics stay, and so do
        groups and their offsets, and what was registered. Configs are put back.
        """
        await self._settle()
        await self._broker.config_admin.restore(mark.configs)
        for topic in self._broker.topics:
            marked = mark.topics.get(topic.name)
            if marked is not None and dict(topic.config.overrides) != marked.configs:
                await self._broker.topics.set_configs(topic, marked.configs)
            if topic.name in (SCHEMAS_TOPIC, LEDGER_TOPIC):
                # What is registered or was seeded stays, and this is where it is kept.
                continue
            for log in topic.partitions:
                if log.high_watermark > mark.end_of(topic, log):
                    await log.delete_records(-1)

    async def delete(self, wanted: Callable[[str], bool]) -> None:
        """Delete the topics and groups of certain names, whoever uses them.

        Args:
            wanted: whether a name is one of them.
        """
        coordinator = self._broker.group_coordinator
        kept = {group: o for group, o in coordinator.all_offsets().items() if not wanted(group)}
        await coordinator.restore_offsets(kept)
        for topic in self._broker.topics:
            if wanted(topic.name):
                await self._broker.topics.delete(topic)

    async def _roll_back_topic(self, mark: Mark, name: str, marked: _MarkedTopic) -> None:
        topics = self._broker.topics
        topic = topics.get(name)
        if topic is not None and (
            topic.topic_id != marked.topic_id or len(topic.partitions) != len(marked.logs)
        ):
            await topics.delete(topic)
            topic = None
        if topic is None:
            topic = await topics.create(name, len(marked.logs), marked.configs)
            noted = {new: old for old, new in mark.new_ids.items()}
            mark.new_ids[noted.get(marked.topic_id, marked.topic_id)] = topic.topic_id
            marked.topic_id = topic.topic_id
            for log, marked_log in zip(topic.partitions, marked.logs, strict=True):
                await self._put_back(log, marked_log, 0)
        else:
            if dict(topic.config.overrides) != marked.configs:
                await topics.set_configs(topic, marked.configs)
            for log, marked_log in zip(topic.partitions, marked.logs, strict=True):
                await self._roll_back_log(topic, log, marked_log)

    async def _roll_back_log(self, topic: Topic, log: PartitionLog, marked: _MarkedLog) -> None:
        changed = (log.log_start_offset, log.first_dirty_offset) != (marked.start, marked.dirty)
        if log.log_end_offset == marked.end == marked.intact and not changed:
            return
        await self._settle()
        # Where the log starts later than it did, or was compacted, all is written again.
        first = marked.batches[0].base_offset if marked.batches else marked.start
        cut = first if changed else max(marked.intact, first)
        self._broker.fetch_sessions.clear()
        for mark in self._marks:
            other = mark.topics.get(topic.name)
            if other is not None and other.topic_id == topic.topic_id:
                same = other.logs[log.topic_partition.partition]
                same.intact = min(same.intact, cut)
        await self._put_back(log, marked, cut)

    async def _put_back(self, log: PartitionLog, marked: _MarkedLog, cut: int) -> None:
        batches = [batch for batch in marked.batches if batch.base_offset >= cut]
        written = log.rewrite(
            cut, batches, log_start_offset=marked.start, log_end_offset=marked.end
        )
        marked.intact, self._known[log.log_id] = marked.end, marked
        await written
        marked.dirty = log.first_dirty_offset


async def _read(log: PartitionLog, from_offset: int, upto_offset: int) -> list[StoredBatch]:
    found: list[StoredBatch] = []
    while from_offset < upto_offset:
        batches = await log.read(from_offset, upto_offset, _READ_BYTES)
        if not batches:
            break
        found += batches
        from_offset = batches[-1].last_offset + 1
    return found
