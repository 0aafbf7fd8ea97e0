"""Snapshots: where everything stands at some moment, and the way back there.

Logs only grow, so what is written after a snapshot lies beyond the positions that it knows, and
going back cuts it off. A snapshot therefore reads no records and costs a few numbers for each
partition, however much the bus holds. Only when something is about to change what lies below
these positions (records are deleted, a log is compacted, rolled back or goes with its topic)
storage keeps a copy of what begins there, once for all snapshots that need it.

These *changes* are numbered in their order. A snapshot knows the number of the last one before it,
so what stood at an offset is what the first later change has kept of it, or what still lies in
the log; see :meth:`Snapshots.ranges`. That holds at any moment, also when a rollback was
interrupted: it only has to be done again.

What else has a state of its own joins as a :class:`Participant`.

A topic that was deleted, or that got partitions, is created anew and has a new id: clients could
not make sense of anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

from fakebus.broker.log_rewriting import (
    LogContent,
    cut_off,
    replace_logs,
    state_of,
    take_back_producers,
)
from fakebus.broker.producer_state import ProducerState
from fakebus.broker.turns import in_turns
from fakebus.storage.interface import KeptRange, LogChange
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.broker.config_admin import ConfigAdmin
    from fakebus.broker.fetch_sessions import FetchSessions
    from fakebus.broker.groups.coordinator import GroupCoordinator
    from fakebus.broker.partition_log import LogRange, PartitionLog
    from fakebus.broker.topics import Topic, Topics
    from fakebus.clock import Clock
    from fakebus.storage.interface import OffsetRow, Storage

_KEPT_AT_ONCE_BYTES = 4 * 1024 * 1024
"""What is copied in one go; others write between two of them."""
_SUMMARIES = 1000
_NOTICE_S = 10.0
"""How long members of groups may take to notice that they have to join again."""


class Participant(Protocol):
    """State that is part of snapshots and does not lie in topics, groups or configs."""

    @property
    def name(self) -> str:
        """By which a saved snapshot knows it."""

    def mark(self) -> Any:
        """Return the state, for :meth:`roll_back`; all that was written before is stored.

        Of a snapshot that was saved, a mark that JSON cannot hold is ``None`` after a restart.
        """

    async def roll_back(self, mark: Any, new_ids: Mapping[UUID, UUID]) -> None:
        """Go back to a state; topics and groups are back already.

        Args:
            mark: the state; it may be gone back to again.
            new_ids: the present ids of topics that had to be created anew, by those that
                they had when the snapshot was taken.
        """


@dataclass(slots=True)
class LogCopy:
    """Copy of one log as it was at a snapshot: its ends, and from which change on it is kept."""

    log_id: int
    start: int
    end: int
    last_change: int
    """The last change that the copy has seen."""


@dataclass(slots=True)
class TopicCopy:
    """Copy of a topic as it was at a snapshot."""

    topic_id: UUID
    logs: list[LogCopy]
    configs: Mapping[str, str]


class SourceRange(NamedTuple):
    """Range of offsets, and where the batches are that began there."""

    from_offset: int
    upto_offset: int
    change_id: int | None
    """The change that has kept them; ``None`` if they lie in the log."""


@dataclass(slots=True, eq=False)
class Snapshot:
    """Snapshot of a whole bus."""

    topics: dict[str, TopicCopy] = field(default_factory=dict)
    configs: Any = None
    offsets: dict[str, Mapping[TopicPartition, OffsetRow]] = field(default_factory=dict)
    marks: dict[str, Any] = field(default_factory=dict)
    """By the participants' names."""
    new_ids: dict[UUID, UUID] = field(default_factory=dict)

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


class _TopicGoneError(Exception):
    """Error: the topic was deleted, or got partitions, while it was put back."""


class Snapshots:
    """Snapshots of one bus.

    Args:
        topics: its topics.
        groups: the offsets of its groups.
        configs: its dynamic configs.
        fetch_sessions: what clients were told last.
        storage: keeps what would be lost; what is under way in it belongs to a snapshot.
        participants: what else has a part in the snapshots that are taken from now on.
        clock: times what clients get to notice a rollback.
    """

    def __init__(
        self,
        *,
        topics: Topics,
        groups: GroupCoordinator,
        configs: ConfigAdmin,
        fetch_sessions: FetchSessions,
        storage: Storage,
        participants: list[Participant],
        clock: Clock,
    ) -> None:
        self._topics = topics
        self._groups = groups
        self._configs = configs
        self._fetch_sessions = fetch_sessions
        self._storage = storage
        self._participants = participants
        self._clock = clock
        self._alive: list[Snapshot] = []
        self._changes: dict[int, list[LogChange]] = {}
        """By log, in their order."""
        self._last_change = 0
        self._rolling_back = asyncio.Lock()
        self._has_members = False
        """Whether some group had members when the rollback began."""
        topics.before_change.append(self._keep)

    def load(self, alive: Iterable[Snapshot], changes: Sequence[LogChange]) -> None:
        """Take over snapshots that were saved, and the changes since."""
        self._alive += alive
        for change in changes:
            self._changes.setdefault(change.log_id, []).append(change)
        topics = [topic for snapshot in self._alive for topic in snapshot.topics.values()]
        seen = [copy.last_change for topic in topics for copy in topic.logs]
        self._last_change = max([*seen, *(change.change_id for change in changes)], default=0)
        self._forget_changes()

    async def take(self) -> Snapshot:
        """Return a snapshot of this moment, with everything that is under way."""
        async for each in in_turns(self._participants):
            each.mark()  # What it writes and copies for that need not be done at the moment itself.
        await self._storage.flush()
        snapshot = Snapshot(
            configs=self._configs.changed(),
            offsets=self._groups.all_offsets(),
            marks={each.name: each.mark() for each in self._participants},
        )
        for topic in self._topics:
            copies = [
                LogCopy(log.log_id, log.log_start_offset, log.high_watermark, self._last_change)
                for log in topic.partitions
            ]
            snapshot.topics[topic.name] = TopicCopy(topic.topic_id, copies, topic.config.overrides)
        self._alive.append(snapshot)
        return snapshot

    def forget(self, *snapshots: Snapshot) -> None:
        """Let go of snapshots that are not gone back to any more."""
        self._alive = [snapshot for snapshot in self._alive if snapshot not in snapshots]
        self._forget_changes()

    # What would be lost

    def ranges(self, copy: LogCopy, from_offset: int = 0) -> list[SourceRange]:
        """Return where the batches of a copy are that began at an offset or later, in order."""
        left, found = [(from_offset, copy.end)], []
        for change in self.changes_since(copy):
            uncovered = []
            for begin, end in left:
                first, last = max(begin, change.from_offset), min(end, change.upto_offset)
                if first >= last:
                    uncovered.append((begin, end))
                    continue
                found.append(SourceRange(first, last, change.change_id))
                uncovered += [(begin, first)] * (begin < first) + [(last, end)] * (last < end)
            left = uncovered
        found += [SourceRange(begin, end, None) for begin, end in left if begin < end]
        return sorted(found)

    def changes_of(self, snapshot: Snapshot) -> set[int]:
        """Return the changes since a snapshot with which something of it was kept."""
        copies = [copy for topic in snapshot.topics.values() for copy in topic.logs]
        return {change.change_id for copy in copies for change in self.changes_since(copy)}

    def changes_since(self, copy: LogCopy) -> list[LogChange]:
        """Return the changes of a log since a snapshot that concern its copy."""
        return [
            change
            for change in self._changes.get(copy.log_id, ())
            if change.change_id > copy.last_change and change.from_offset < copy.end
        ]

    def _missing(self, places: Sequence[LogRange]) -> LogRange | None:
        """Return the first range that a snapshot needs and nothing has kept yet."""
        for log, from_offset, upto_offset in places:
            needed = [
                max(each.from_offset, from_offset)
                for copy in filter(None, (each.copy_of(log) for each in self._alive))
                for each in self.ranges(copy, from_offset)
                if each.change_id is None and each.from_offset < upto_offset
            ]
            if needed:
                return log, min(needed), upto_offset
        return None

    async def _keep(self, places: Sequence[LogRange]) -> None:
        # There is no await after the last look: what is taken meanwhile is looked after too.
        while self._missing(places) is not None:
            for place in places:
                await self._keep_place(place)

    async def _keep_all(self, logs: Iterable[PartitionLog]) -> None:
        """Keep all of logs: a snapshot needs it again if its way back is interrupted."""
        await self._keep([(log, log.log_start_offset, log.high_watermark) for log in logs])

    async def _keep_place(self, place: LogRange) -> None:
        while (missing := self._missing([place])) is not None:
            begin, end, size = await self._at_once(*missing)
            self._last_change += 1
            change = LogChange(self._last_change, place[0].log_id, begin, end)
            self._changes.setdefault(change.log_id, []).append(change)
            await self._storage.keep_batches(change, partial(self._drop, {change.change_id}), size)

    def _drop(self, change_ids: Set[int]) -> None:
        for log_id, changes in list(self._changes.items()):
            if left := [each for each in changes if each.change_id not in change_ids]:
                self._changes[log_id] = left
            else:
                del self._changes[log_id]

    async def _at_once(self, log: PartitionLog, begin: int, end: int) -> tuple[int, int, int]:
        """Return a part of a range, from the batch that holds its first offset, and its bytes."""
        size = 0
        for count, batch in enumerate(await log.summaries(begin, _SUMMARIES)):
            if batch.base_offset >= end:
                break
            begin = min(begin, batch.base_offset)
            if (size and size + batch.size_bytes > _KEPT_AT_ONCE_BYTES) or count == _SUMMARIES - 1:
                return begin, batch.base_offset, size
            size += batch.size_bytes
        return begin, end, size

    def _forget_changes(self) -> None:
        """Drop what no snapshot needs any more."""
        if self._rolling_back.locked():
            # Should it be interrupted, a saved snapshot goes back by what it knew before.
            return
        needed = set().union(*map(self.changes_of, self._alive))
        known = {each.change_id for changes in self._changes.values() for each in changes}
        if known - needed:
            self._drop(known - needed)
            # What cannot be dropped now is when the bus starts again.
            done = self._storage.forget_changes(sorted(known - needed))
            done.add_done_callback(lambda done: done.cancelled() or done.exception())

    # The way back

    async def roll_back(self, snapshot: Snapshot) -> None:
        """Make everything as it was at a snapshot, which can be used again.

        Raises:
            LookupError: the snapshot is forgotten.
            StorageError: what has to be written could not be stored.
        """
        async with self._rolling_back:
            if snapshot not in self._alive:
                raise LookupError("the snapshot is forgotten, and what it needs is kept no more")
            await self._roll_back(snapshot)

    async def _roll_back(self, snapshot: Snapshot) -> None:
        groups = map(self._groups.describe, self._groups.names())
        self._has_members = any(group is not None and group.members for group in groups)
        # The members go first, so that they do not commit what is about to vanish.
        await self._groups.restore_offsets(snapshot.offsets)
        if self._configs.changed() != snapshot.configs:
            await self._configs.restore(snapshot.configs)
        for topic in self._topics:
            if topic.name not in snapshot.topics:
                await self._topics.delete(topic)
        async for name in in_turns(snapshot.topics):
            await self._roll_back_topic(snapshot, name)
        if self._groups.all_offsets() != snapshot.offsets:
            # Offsets go with their topic, and the topic is back.
            await self._groups.restore_offsets(snapshot.offsets)
        for participant in self._participants:
            if participant.name in snapshot.marks:
                mark = snapshot.marks[participant.name]
                await participant.roll_back(mark, snapshot.new_ids)

    async def _roll_back_topic(self, snapshot: Snapshot, name: str) -> None:
        copied, topic = snapshot.topics[name], self._topics.get(name)
        if topic is not None and self._is_as(topic, copied):
            if topic.config.overrides != copied.configs:
                await self._topics.set_configs(topic, copied.configs)
            changed = {
                log: copy
                for log, copy in zip(topic.partitions, copied.logs, strict=True)
                if not await self._cut_off(log, copy)
            }
            if not changed or await self._replace(topic, copied, changed):
                return
        await self._create_anew(snapshot, name)

    def _is_as(self, topic: Topic, copied: TopicCopy) -> bool:
        """Return whether a topic is there that was copied, with as many partitions."""
        return self._topics.by_id(copied.topic_id) is topic and len(topic.partitions) == len(
            copied.logs
        )

    async def _create_anew(self, snapshot: Snapshot, name: str) -> None:
        copied = snapshot.topics[name]
        self._fetch_sessions.clear()
        if topic := self._topics.get(name):
            await self._keep_all(topic.partitions)
        async with self._filling(copied.logs) as log_ids:
            states = [
                await state_of(self._storage, LogContent(log_id, 0, copy.start, copy.end))
                for log_id, copy in zip(log_ids, copied.logs, strict=True)
            ]
            # There is no await after the last look: others create topics of that name.
            while (other := self._topics.get(name)) is not None:
                await self._topics.delete(other)
            topic, stored = self._topics.begin_create(name, len(states), copied.configs, states)
            await stored
            for log, state in zip(topic.partitions, states, strict=True):
                await take_back_producers(log, ProducerState(), state.log_end_offset)
        before = {new: old for old, new in snapshot.new_ids.items()}.get(copied.topic_id)
        snapshot.new_ids[before or copied.topic_id] = copied.topic_id = topic.topic_id

    async def _cut_off(self, log: PartitionLog, copy: LogCopy) -> bool:
        """Take back what was only appended; false if the log has changed otherwise too."""
        if log.log_id != copy.log_id or self.changes_since(copy):
            return False
        if log.log_end_offset != copy.end:
            await self._keep([(log, copy.end, log.high_watermark)])
            if self.changes_since(copy):
                return False
            self._before_rewriting(log)
            await cut_off(log, copy.end, log_start_offset=copy.start, log_end_offset=copy.end)
        return True

    async def _replace(
        self, topic: Topic, copied: TopicCopy, changed: Mapping[PartitionLog, LogCopy]
    ) -> bool:
        """Let logs hold again what they held, all of the topic at once; false if it has gone."""
        await self._keep_all(changed)
        try:
            async with self._filling(changed.values()) as log_ids:
                await self._keep_all(changed)
                if not self._is_as(topic, copied):
                    raise _TopicGoneError
                contents = {}
                for (log, copy), log_id in zip(changed.items(), log_ids, strict=True):
                    self._before_rewriting(log)
                    since = self.changes_since(copy) if log.log_id == copy.log_id else ()
                    begin = min((each.from_offset for each in since), default=0)
                    contents[log] = LogContent(log_id, begin, copy.start, copy.end)
                await replace_logs(self._topics, topic, contents)
        except _TopicGoneError:
            return False
        return True

    @asynccontextmanager
    async def _filling(self, copies: Collection[LogCopy]) -> AsyncIterator[list[int]]:
        """Give the ids of logs with all that copies hold, which are theirs in the end."""
        log_ids = [self._storage.next_log_id() for _ in copies]
        try:
            for copy, log_id in zip(copies, log_ids, strict=True):
                for begin, end, change_id in self.ranges(copy):
                    while change_id is not None and begin < end:
                        kept = KeptRange(begin, end, change_id)
                        begin = await self._storage.put_back_batches(log_id, kept)
            yield log_ids
        except BaseException:
            for log_id in log_ids:
                # What cannot be dropped now is when the bus starts again.
                done = self._storage.drop_filled(log_id)
                done.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise
        for copy, log_id in zip(copies, log_ids, strict=True):
            copy.log_id, copy.last_change = log_id, self._last_change

    def _before_rewriting(self, log: PartitionLog) -> None:
        """Let consumers wait that have read further than the log will reach.

        An error would have them begin where auto.offset.reset says, before a heartbeat has told
        them to join again and to read on from what their group has committed.
        """
        self._fetch_sessions.clear()
        if not self._has_members:
            return
        end = log.former_end_offset = log.log_end_offset

        def over() -> None:
            if log.former_end_offset == end:
                log.former_end_offset = 0

        self._clock.wait(_NOTICE_S, over)
