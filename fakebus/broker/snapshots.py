"""Snapshots: where everything stands at some moment, and the way back there.

Logs only grow, so what is written after a snapshot lies beyond the positions that it knows, and
going back cuts it off. A snapshot therefore reads no records and costs a few numbers for each
partition, however much the bus holds. Only when something is about to change what lies below
these positions (records are deleted, a log is compacted, rolled back or goes with its topic) what
lies there is kept in memory, for each snapshot that is alive; see :class:`LogCopy`.

What else has a state of its own joins as a :class:`Participant`.

A topic that was deleted, or that got partitions, is created anew and has a new id: clients could
not make sense of anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from fakebus.broker.tail import LogCursor
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.broker.config_admin import ConfigAdmin
    from fakebus.broker.fetch_sessions import FetchSessions
    from fakebus.broker.groups.coordinator import GroupCoordinator
    from fakebus.broker.partition_log import PartitionLog
    from fakebus.broker.topics import Topics
    from fakebus.storage.interface import OffsetRow, StoredBatch, Transactions


class Participant(Protocol):
    """State that is part of snapshots and does not lie in topics, groups or configs."""

    def mark(self) -> Any:
        """Return the state, for :meth:`roll_back`; all that was written before is stored."""

    async def roll_back(self, mark: Any, new_ids: Mapping[UUID, UUID]) -> None:
        """Go back to a state; topics and groups are back already.

        Args:
            mark: the state; it may be gone back to again.
            new_ids: the present ids of topics that had to be created anew, by those that
                they had when the snapshot was taken.
        """


@dataclass(slots=True, eq=False)
class LogCopy:
    """Copy of one log as it was at a snapshot, as far as the log itself is not that any more."""

    log_id: int
    start: int
    end: int
    changed: list[tuple[int, int]] = field(default_factory=list)
    """Ranges of offsets: batches that begin there are not those of the snapshot."""
    kept: dict[int, StoredBatch] = field(default_factory=dict)
    """What began in these ranges, by base offset."""

    async def keep(self, log: PartitionLog, from_offset: int, upto_offset: int) -> None:
        """Copy what begins in a range of offsets and is about to change."""
        upto_offset = min(upto_offset, self.end)
        if from_offset >= upto_offset:
            return
        batches = await _read(log, from_offset, upto_offset)
        for batch in batches:
            # The range may begin inside of the first batch.
            from_offset = min(from_offset, batch.base_offset)
            if not self._is_changed(batch):
                self.kept[batch.base_offset] = batch
        self.changed.append((from_offset, upto_offset))

    def _is_changed(self, batch: StoredBatch) -> bool:
        return any(begin <= batch.base_offset < end for begin, end in self.changed)

    @property
    def intact_upto(self) -> int:
        """Where the first change is."""
        return min((begin for begin, _ in self.changed), default=self.end)

    async def batches(self, log: PartitionLog) -> list[StoredBatch]:
        """Return the snapshot's batches from :attr:`intact_upto` on."""
        begin = self.intact_upto
        present = [
            batch for batch in await _read(log, begin, self.end) if not self._is_changed(batch)
        ]
        return sorted([*present, *self.kept.values()], key=lambda batch: batch.base_offset)

    def log_is_back(self) -> None:
        """Forget the copies: the log is what it was."""
        self.changed.clear()
        self.kept.clear()


@dataclass(slots=True)
class _TopicCopy:
    topic_id: UUID
    logs: list[LogCopy]
    configs: dict[str, str]


@dataclass(slots=True, eq=False)
class Snapshot:
    """Snapshot of a whole bus."""

    topics: dict[str, _TopicCopy] = field(default_factory=dict)
    configs: Any = None
    _offsets: dict[str, dict[TopicPartition, OffsetRow]] = field(default_factory=dict)
    _marks: list[tuple[Participant, Any]] = field(default_factory=list)
    _new_ids: dict[UUID, UUID] = field(default_factory=dict)

    def copy_of(self, log: PartitionLog) -> LogCopy | None:
        """Return the copy of a log; ``None`` if it did not exist."""
        name, index = log.topic_partition
        copied = self.topics.get(name)
        if copied is None or index >= len(copied.logs):
            return None
        copy = copied.logs[index]
        return copy if copy.log_id == log.log_id else None

    def end_of(self, log: PartitionLog) -> int:
        """Return the log end offset at the snapshot; 0 for what did not exist then."""
        copy = self.copy_of(log)
        return 0 if copy is None else copy.end


class Snapshots:
    """Snapshots of one bus.

    Args:
        topics: its topics.
        groups: the offsets of its groups.
        configs: its dynamic configs.
        fetch_sessions: what clients were told last.
        storage: what is under way in it belongs to a snapshot.
        participants: what else has a part in the snapshots that are taken from now on.
    """

    def __init__(
        self,
        *,
        topics: Topics,
        groups: GroupCoordinator,
        configs: ConfigAdmin,
        fetch_sessions: FetchSessions,
        storage: Transactions,
        participants: list[Participant],
    ) -> None:
        self._topics = topics
        self._groups = groups
        self._configs = configs
        self._fetch_sessions = fetch_sessions
        self._storage = storage
        self._participants = participants
        self._alive: list[Snapshot] = []
        topics.before_change.append(self._keep)

    async def take(self) -> Snapshot:
        """Return a snapshot of this moment, with everything that is under way."""
        await self._storage.flush()
        snapshot = Snapshot(
            configs=self._configs.changed(),
            _offsets=self._groups.all_offsets(),
            _marks=[(each, each.mark()) for each in self._participants],
        )
        for topic in self._topics:
            copies = [
                LogCopy(log.log_id, log.log_start_offset, log.high_watermark)
                for log in topic.partitions
            ]
            configs = dict(topic.config.overrides)
            snapshot.topics[topic.name] = _TopicCopy(topic.topic_id, copies, configs)
        self._alive.append(snapshot)
        return snapshot

    def forget(self, *snapshots: Snapshot) -> None:
        """Let go of snapshots that are not gone back to any more."""
        self._alive = [snapshot for snapshot in self._alive if snapshot not in snapshots]

    async def _keep(
        self, log: PartitionLog, begin: int, end: int, but: Snapshot | None = None
    ) -> None:
        for snapshot in self._alive:
            copy = None if snapshot is but else snapshot.copy_of(log)
            if copy is not None:
                await copy.keep(log, begin, end)

    async def roll_back(self, snapshot: Snapshot) -> None:
        """Make everything as it was at a snapshot, which can be used again.

        Raises:
            LookupError: the snapshot is forgotten.
            StorageError: what has to be written could not be stored.
        """
        if snapshot not in self._alive:
            raise LookupError("the snapshot is forgotten, and what it needs is not kept any more")
        # The members go first, so that they do not commit what is about to vanish.
        await self._groups.restore_offsets(snapshot._offsets)
        if self._configs.changed() != snapshot.configs:
            await self._configs.restore(snapshot.configs)
        for topic in self._topics:
            if topic.name not in snapshot.topics:
                await self._topics.delete(topic)
        for name in snapshot.topics:
            await self._roll_back_topic(snapshot, name)
        if self._groups.all_offsets() != snapshot._offsets:
            # Offsets go with their topic, and the topic is back.
            await self._groups.restore_offsets(snapshot._offsets)
        for participant, mark in snapshot._marks:
            await participant.roll_back(mark, snapshot._new_ids)

    async def _roll_back_topic(self, snapshot: Snapshot, name: str) -> None:
        topics, copied = self._topics, snapshot.topics[name]
        topic = topics.get(name)
        if topic is not None and (
            topic.topic_id != copied.topic_id or len(topic.partitions) != len(copied.logs)
        ):
            await topics.delete(topic)
            topic = None
        if topic is None:
            topic = await topics.create(name, len(copied.logs), copied.configs)
            old_ids = {new: old for old, new in snapshot._new_ids.items()}
            old_id = old_ids.get(copied.topic_id, copied.topic_id)
            snapshot._new_ids[old_id] = copied.topic_id = topic.topic_id
            for log, copy in zip(topic.partitions, copied.logs, strict=True):
                copy.log_id = log.log_id
                # Nothing of it lies in the new log.
                copy.changed = [(0, copy.end)]
        elif dict(topic.config.overrides) != copied.configs:
            await topics.set_configs(topic, copied.configs)
        for log, copy in zip(topic.partitions, copied.logs, strict=True):
            await self._roll_back_log(snapshot, log, copy)

    async def _roll_back_log(self, snapshot: Snapshot, log: PartitionLog, copy: LogCopy) -> None:
        if log.log_end_offset == copy.end and not copy.changed:
            return
        begin, batches = copy.intact_upto, await copy.batches(log)
        await self._keep(log, begin, log.high_watermark, but=snapshot)
        self._fetch_sessions.clear()
        written = log.rewrite(begin, batches, log_start_offset=copy.start, log_end_offset=copy.end)
        copy.log_is_back()
        await written


async def _read(log: PartitionLog, from_offset: int, upto_offset: int) -> list[StoredBatch]:
    cursor = LogCursor(log, from_offset, end=upto_offset)
    found: list[StoredBatch] = []
    while (read := await cursor.read()) is not None:
        found += read.batches
    return found
