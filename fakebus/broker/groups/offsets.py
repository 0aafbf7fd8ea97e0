"""The committed offsets of all groups: what is stored, and the same in memory.

Memory follows storage: a change is seen when its commit is done, in the order of the
commits, as Kafka's coordinator answers from what is replicated.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from fakebus.broker.groups.journal import (
    WhenStored,
    enqueue,
    report_failure,
    storage_error,
    tell_nobody,
)
from fakebus.errors import ErrorCode
from fakebus.storage.interface import OffsetRow, OffsetStore
from fakebus.types import TopicPartition

Offsets = dict[TopicPartition, OffsetRow]
FetchedOffsets = dict[int, OffsetRow | None]
"""Of the partitions of one topic; ``None`` where a group has committed nothing."""
T = TypeVar("T")

SLICE = 5000
"""Offsets that are written at once, in some ten milliseconds; others are stored in between."""

_NO_OFFSETS: Mapping[TopicPartition, OffsetRow] = {}


def slices(items: Sequence[T]) -> list[Sequence[T]]:
    """Return items in parts that are written each for itself."""
    return [items[begin : begin + SLICE] for begin in range(0, len(items), SLICE)]


def _forget_outcome(_: ErrorCode) -> None:
    """For changes that nobody waits for; failures are logged when they happen."""


class CommittedOffsets:
    """Offsets by group, topic and partition.

    Args:
        storage: where they are kept.
    """

    def __init__(self, storage: OffsetStore) -> None:
        self._storage = storage
        self._by_group: dict[str, Offsets] = {}
        self._shared: set[str] = set()
        """The groups whose offsets somebody has; they are copied before they change."""
        self._counts: dict[str, dict[str, int]] = {}
        """How many offsets each group has in a topic, by topic: thousands of groups are not gone
        through for every topic that is deleted."""
        self._in_flight: dict[str, asyncio.Future[None]] = {}
        self._leaving: dict[str, deque[tuple[str, Sequence[TopicPartition]]]] = {}
        """By deleted topic, what is still to be forgotten of it, by group."""
        self.changed: Callable[[str], object] = tell_nobody
        """Told whose offsets have changed."""
        self.failed: Callable[[str], object] = tell_nobody
        """Told whose offsets could not be stored, before any client is."""

    def load(self, group_id: str, rows: Iterable[OffsetRow]) -> None:
        """Take over what was found in storage."""
        found = list(rows)
        if found:
            self._put(group_id, found)

    def of_group(self, group_id: str) -> Mapping[TopicPartition, OffsetRow]:
        """Return a group's offsets; a live view."""
        return self._by_group.get(group_id, _NO_OFFSETS)

    def share(self, group_id: str) -> Mapping[TopicPartition, OffsetRow]:
        """Return a group's offsets as they are now, which do not change any more."""
        if group_id in self._by_group:
            self._shared.add(group_id)
        return self.of_group(group_id)

    def _own(self, group_id: str) -> Offsets | None:
        """Return a group's offsets to change; ``None`` if there are none."""
        offsets = self._by_group.get(group_id)
        if group_id in self._shared and offsets is not None:
            self._shared.discard(group_id)
            offsets = self._by_group[group_id] = dict(offsets)
        return offsets

    def get(self, group_id: str, partition: TopicPartition) -> OffsetRow | None:
        """Return one offset, ``None`` if nothing was committed."""
        return self.of_group(group_id).get(partition)

    def is_changing(self, group_id: str) -> bool:
        """Whether a change of the group's offsets is being stored."""
        return group_id in self._in_flight

    async def settled(self, group_id: str) -> None:
        """Return when all changes that were begun until now are stored, or have failed."""
        in_flight = self._in_flight.get(group_id)
        if in_flight is not None:
            await asyncio.wait([in_flight])

    def groups_with(self, topic: str) -> list[str]:
        """Return the groups that have offsets in a topic, or may be about to."""
        return [*self._counts.get(topic, {}).keys() | self._in_flight.keys()]

    def commit(self, group_id: str, rows: Sequence[OffsetRow], then: WhenStored) -> None:
        """Store offsets; they can be fetched from the moment ``then`` is called."""
        self._write(
            group_id,
            lambda: self._storage.commit_offsets(group_id, rows),
            lambda: self._put(group_id, rows),
            then,
        )

    def delete(
        self,
        group_id: str,
        partitions: Sequence[TopicPartition],
        then: WhenStored = _forget_outcome,
    ) -> None:
        """Forget offsets; it does not matter whether there are any."""
        self._write(
            group_id,
            lambda: self._storage.delete_offsets(group_id, partitions),
            lambda: self._drop(group_id, partitions),
            then,
        )

    async def delete_in_slices(self, group_id: str, partitions: Sequence[TopicPartition]) -> None:
        """Forget offsets a part at a time, so that others are stored in between."""
        for part in slices(partitions):
            self.delete(group_id, part)
            await self.settled(group_id)

    def begin_leaving(
        self, topic: str, partitions: Sequence[TopicPartition]
    ) -> Callable[[bool], Awaitable[None]]:
        """Forget offsets with a topic's deletion, or note them if they are too many for that.

        Returns:
            What is to be called once the topic is deleted, or with false when it could not be.
        """
        left = self._leaving[topic] = deque()
        for group_id in self.groups_with(topic):
            known = partitions
            if group_id not in self._in_flight:
                known = [each for each in self._by_group[group_id] if each.topic == topic]
            left.extend((group_id, part) for part in slices(known))
        if sum(len(part) for _, part in left) <= SLICE:
            # With the topic: if it could not be deleted, they stay as well.
            while left:
                self.delete(*left.popleft())
        return partial(self._leave, topic, left)

    async def _leave(
        self, topic: str, left: deque[tuple[str, Sequence[TopicPartition]]], is_deleted: bool
    ) -> None:
        while left and is_deleted:
            group_id, part = left.popleft()
            self._leave_behind(group_id, part)
            await self.settled(group_id)
        left.clear()
        if self._leaving.get(topic) is left:
            del self._leaving[topic]

    def end_leaving(self, topic: str) -> None:
        """Forget at once what is left of a topic: there may be a new one, with new offsets."""
        left = self._leaving.get(topic, ())
        while left:
            self._leave_behind(*left.popleft())

    def _leave_behind(self, group_id: str, partitions: Sequence[TopicPartition]) -> None:
        """Forget offsets of a topic that is gone, also if that cannot be stored now."""

        def then(error: ErrorCode) -> None:
            if error is not ErrorCode.NONE:
                self._storage.forget_offsets_soon(group_id, partitions)
                self._drop(group_id, partitions)
                self.changed(group_id)

        self.delete(group_id, partitions, then)

    def delete_group(self, group_id: str, then: WhenStored) -> None:
        """Forget a group with its snapshot and all its offsets."""
        self._write(
            group_id,
            lambda: self._storage.delete_group(group_id),
            lambda: self._drop(group_id, list(self.of_group(group_id))),
            then,
        )

    def _write(
        self,
        group_id: str,
        write: Callable[[], asyncio.Future[None]],
        apply: Callable[[], object],
        then: WhenStored,
    ) -> None:
        stored = enqueue(write)
        self._in_flight[group_id] = stored

        def landed(done: asyncio.Future[None]) -> None:
            if self._in_flight.get(group_id) is done:
                del self._in_flight[group_id]
            report_failure(group_id, done)
            error = storage_error(done)
            if error is ErrorCode.NONE:
                apply()
                self.changed(group_id)
            else:
                self.failed(group_id)
            then(error)

        stored.add_done_callback(landed)

    def _put(self, group_id: str, rows: Iterable[OffsetRow]) -> None:
        offsets = self._own(group_id)
        if offsets is None:
            offsets = self._by_group[group_id] = {}
        for row in rows:
            partition = TopicPartition(row.topic, row.partition)
            if partition not in offsets:
                self._count(group_id, row.topic, 1)
            offsets[partition] = row

    def _drop(self, group_id: str, partitions: Iterable[TopicPartition]) -> None:
        offsets = self._own(group_id)
        if offsets is None:
            return
        for partition in partitions:
            if offsets.pop(partition, None) is not None:
                self._count(group_id, partition.topic, -1)
        if not offsets:
            del self._by_group[group_id]

    def _count(self, group_id: str, topic: str, change: int) -> None:
        counts = self._counts.setdefault(topic, {})
        counts[group_id] = counts.get(group_id, 0) + change
        if not counts[group_id]:
            del counts[group_id]
        if not counts:
            del self._counts[topic]
