"""One partition's log: offsets, watermarks, the way in and the way out.

Three offsets matter to clients. The *log start offset* is the first one that can be read.
The *high watermark* is one past the last record that is committed to storage: consumers
see nothing beyond it. The *log end offset* is one past the last record whose offset was
assigned; it runs ahead of the high watermark while a commit is under way and falls back to
it when the commit fails.

An append assigns the offsets, changes the producer state and enqueues the write in one go,
without an ``await`` in between, so the order of the offsets is the order of the writes.
When storage fails, it fails everything that is queued before anything else can run, and has
every write undo, newest first, what it has changed here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import islice
from typing import Protocol

from fakebus.broker.appending import AppendResult, LogAppendInfo
from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.broker.log_transactions import LogTransactions
from fakebus.broker.producer_state import ProducerEntry, ProducerState, SequenceRange
from fakebus.broker.tail_cache import LogTail, TailCache
from fakebus.broker.topic_names import is_internal
from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.batch import CONTROL_BIT, BatchHeader, assign_offset
from fakebus.storage.interface import (
    ANY_NUMBER,
    BatchSummary,
    LogState,
    LogStorage,
    StoredBatch,
)
from fakebus.types import Buffer, TopicPartition

FIRST_LEADER_EPOCH = 0
"""There is one broker and it leads for ever: the epoch moves only when a log is truncated."""


_Pending = tuple[AppendResult, StoredBatch, LogAppendInfo, ProducerEntry | None]
"""An append under way: whom to tell, what is to be stored, where it is if that succeeds, and what
was known of its producer, to take back if it does not."""

_Append = tuple[bytearray | memoryview, BatchHeader, int]
"""The arguments of an append."""

LogRange = tuple["PartitionLog", int, int]
"""A log and a range of offsets in it."""


BeforeChange = Callable[[Sequence[LogRange]], Awaitable[None]]
"""Told of logs and of ranges of offsets: the batches that begin there are about to go."""


class AppendWaiter(Protocol):
    """Waiter that is told when a log has grown, changed or gone."""

    def log_appended(self, size_bytes: int) -> None:
        """The log holds ``size_bytes`` more."""

    def log_changed(self) -> None:
        """The log start offset moved or the log was deleted: look again."""


class PartitionLog:
    """The log of one partition.

    Args:
        topic_partition: its name.
        state: what storage knows of it.
        config: the topic's configs; replaced when they change.
        storage: where the batches go.
        tail_cache: the budget that this log's tail shares.
        before_change: awaited before stored batches are deleted or replaced.
    """

    def __init__(
        self,
        topic_partition: TopicPartition,
        state: LogState,
        config: TopicConfig,
        storage: LogStorage,
        tail_cache: TailCache,
        before_change: Sequence[BeforeChange] = (),
    ) -> None:
        self.topic_partition = topic_partition
        self.log_id = state.log_id
        self.config = config
        self.log_start_offset = state.log_start_offset
        self.log_end_offset = state.log_end_offset
        self.high_watermark = state.log_end_offset
        self.leader_epoch = FIRST_LEADER_EPOCH + len(state.epoch_starts)
        self.first_dirty_offset = state.first_dirty_offset
        """Where the part begins that has not been compacted yet."""
        self.producers = ProducerState(LogTransactions() if state.has_aborted else None)
        self.bytes_in = 0
        """Of batches that were to be appended since the start."""
        self.bytes_out = 0
        """Of batches that answered fetches since the start."""
        self.deleted = False
        self.is_internal = is_internal(topic_partition.topic)
        self._storage = storage
        self._tail_cache = tail_cache
        self._before_change = before_change
        self._tail = LogTail()
        self._pending: deque[_Pending] = deque()
        self._taken_back = 0
        """How many of the oldest pending appends a rollback takes back, once they are stored."""
        self._lost: deque[_Pending] = deque()
        self._held: deque[tuple[_Append, AppendResult]] | None = None
        """Appends that wait until what is taken back has left the file."""
        self._waiters: set[AppendWaiter] = set()
        self.former_end_offset = 0
        """Up to where consumers may still ask, and get nothing, although the log was cut off."""
        self._later_epoch_starts = list(state.epoch_starts)
        """Where the epochs after the first one began."""

    @property
    def last_stable_offset(self) -> int:
        """One past the last record that no open transaction can take back, if it is still there."""
        transactions = self.producers.transactions
        if transactions is None:
            return self.high_watermark
        # A transaction may have begun before what was deleted (DeleteRecords, retention).
        return max(transactions.first_unstable_offset(self.high_watermark), self.log_start_offset)

    def append(
        self, data: bytearray | memoryview, header: BatchHeader, log_append_time_ms: int = -1
    ) -> AppendResult:
        """Assign offsets to a checked batch and enqueue it; the result is settled when stored.

        Args:
            data: the batch, owned by the log from now on; its base offset and leader epoch
                are written in place.
            header: the batch's parsed header, as it will be stored.
            log_append_time_ms: what the producer is told, -1 for CreateTime.

        Raises:
            BrokerError: the producer's epoch, sequence or transaction does not fit.
        """
        if self._held is not None:
            result = AppendResult()
            self._held.append(((data, header, log_append_time_ms), result))
            return result
        producer_before = None
        if header.producer_id >= 0:
            duplicate = self.producers.find_duplicate(header)
            if duplicate is not None:
                return self._answer_duplicate(duplicate)
            self.producers.check(header)
            producer_before = self.producers.snapshot(header.producer_id)
        base_offset = self.log_end_offset
        last_offset = base_offset + header.last_offset_delta
        assign_offset(data, base_offset, self.leader_epoch)
        if header.producer_id >= 0:
            self.producers.remember(header, base_offset, last_offset)
        self.log_end_offset = last_offset + 1
        batch = StoredBatch(
            base_offset,
            last_offset,
            header.max_timestamp,
            header.producer_id,
            header.producer_epoch,
            header.base_sequence,
            header.attributes,
            data,
        )
        info = LogAppendInfo(base_offset, last_offset, log_append_time_ms, self.log_start_offset)
        result = AppendResult()
        self._pending.append((result, batch, info, producer_before))
        self._storage.append_batches(self.log_id, (batch,), self._on_stored, self._undo_append)
        return result

    def _answer_duplicate(self, first: SequenceRange) -> AppendResult:
        for pending, batch, *_ in islice(self._pending, self._taken_back, None):
            if batch.base_offset == first.base_offset:
                # The first copy is not stored yet: what becomes of it is the answer to both.
                return pending
        # Kafka tells the timestamp of the first copy, whatever has set it.
        info = LogAppendInfo(
            first.base_offset, first.last_offset, first.max_timestamp, self.log_start_offset
        )
        result = AppendResult()
        result.settle(info)
        return result

    def _on_stored(self, failure: BaseException | None) -> None:
        if failure is not None:
            error = BrokerError(ErrorCode.KAFKA_STORAGE_ERROR, f"not stored: {failure}")
            self._lost.popleft()[0].settle(error)
            return
        result, batch, info, producer_before = self._pending.popleft()
        if self._taken_back:
            self._taken_back -= 1
            result.settle(info)
            return
        self.high_watermark = batch.last_offset + 1
        if not self.deleted:
            self._tail_cache.add(self._tail, batch)
        if batch.attributes & CONTROL_BIT:
            # What it makes readable may be much more than itself.
            self.producers.transaction_ended(batch, producer_before)
            self._wake_all()
        result.settle(info)
        size = len(batch.data)
        for waiter in tuple(self._waiters):
            waiter.log_appended(size)

    def _undo_append(self) -> None:
        newest = self._pending.pop()
        self._lost.appendleft(newest)
        _, batch, _, producer_before = newest
        if batch.producer_id >= 0:
            self.producers.put_back(batch, producer_before)
        self.log_end_offset = batch.base_offset

    def read_cached(
        self, from_offset: int, upto_offset: int, max_bytes: int, max_batches: int = ANY_NUMBER
    ) -> list[StoredBatch] | None:
        """Return batches from memory, or ``None`` when they have to be read from storage."""
        return self._tail.read(from_offset, upto_offset, max_bytes, max_batches)

    async def read(
        self, from_offset: int, upto_offset: int, max_bytes: int, max_batches: int = ANY_NUMBER
    ) -> Sequence[StoredBatch]:
        """Return batches from the one that holds ``from_offset``.

        At least one batch is returned if there is one, however large; after that
        ``max_bytes`` and ``max_batches`` hold.
        """
        if from_offset >= upto_offset:
            return ()
        cached = self._tail.read(from_offset, upto_offset, max_bytes, max_batches)
        if cached is not None:
            return cached
        return await self._storage.read_batches(
            self.log_id, from_offset, upto_offset, max_bytes, max_batches
        )

    async def read_data(
        self, from_offset: int, upto_offset: int, max_bytes: int, max_batches: int
    ) -> tuple[list[Buffer], int] | None:
        """Return the bytes of those batches, and the last offset in them; ``None`` if damaged."""
        cached = self._tail.read(from_offset, upto_offset, max_bytes, max_batches)
        if cached:
            return [batch.data for batch in cached], cached[-1].last_offset
        return await self._storage.read_data(
            self.log_id, from_offset, upto_offset, max_bytes, max_batches
        )

    def add_waiter(self, waiter: AppendWaiter) -> None:
        """Tell ``waiter`` of every change until it is removed."""
        self._waiters.add(waiter)

    def remove_waiter(self, waiter: AppendWaiter) -> None:
        """Forget ``waiter``; it need not be known."""
        self._waiters.discard(waiter)

    def mark_deleted(self) -> None:
        """Wake all that wait and free the memory: the topic is gone."""
        self.deleted = True
        self._tail_cache.forget(self._tail)
        self._wake_all()

    def mark_restored(self) -> None:
        """The topic could not be deleted and is there again."""
        self.deleted = False

    async def delete_records(self, before_offset: int) -> int:
        """Move the log start offset forward and return it, the *low watermark*.

        Args:
            before_offset: the first offset that stays; -1 stands for the high watermark.

        Raises:
            BrokerError: OFFSET_OUT_OF_RANGE when the offset lies beyond the high watermark.
        """
        end = self.high_watermark if before_offset == -1 else before_offset
        await self.let_keep(self.log_start_offset, end)
        if before_offset == -1:
            before_offset = self.high_watermark
        if before_offset < 0 or before_offset > self.high_watermark:
            raise BrokerError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"cannot delete the records of {self.topic_partition} before offset "
                f"{before_offset}: the log ends at {self.high_watermark}",
            )
        if before_offset > self.log_start_offset:
            undo = partial(setattr, self, "log_start_offset", self.log_start_offset)
            self.log_start_offset = before_offset
            if self.producers.transactions is not None:
                self.producers.transactions.forget_before(before_offset)
            stored = self._storage.delete_before(self.log_id, before_offset, undo)
            self._wake_all()
            await stored
        return self.log_start_offset

    def begin_epoch(self) -> asyncio.Future[None]:
        """Begin another leader epoch with what is appended next; done when that is stored."""
        self.leader_epoch += 1
        self._later_epoch_starts.append(start := self.log_end_offset)
        return self._storage.begin_epoch(
            self.log_id, self.leader_epoch, start, undo=self._take_back_epoch
        )

    def _take_back_epoch(self) -> None:
        self.leader_epoch -= 1
        self._later_epoch_starts.pop()

    def end_of_epoch(self, leader_epoch: int) -> int | None:
        """Return one past the last record of an epoch that is left; ``None`` if it never was.

        Source: KIP-279.
        """
        if leader_epoch == self.leader_epoch:
            return self.high_watermark
        if FIRST_LEADER_EPOCH <= leader_epoch < self.leader_epoch:
            return min(self._later_epoch_starts[leader_epoch - FIRST_LEADER_EPOCH :])
        return None

    async def position_at(self, timestamp_ms: int) -> int:
        """Return where the first batch begins that holds a record not older than a time."""
        found = await self._storage.first_batch_at_or_after(
            self.log_id, timestamp_ms, self.log_start_offset, self.high_watermark
        )
        return self.high_watermark if found is None else found.base_offset

    async def summaries(self, from_offset: int, limit: int) -> list[BatchSummary]:
        """Return up to ``limit`` committed batches from an offset on, without their bytes."""
        return await self._storage.summaries(self.log_id, from_offset, self.high_watermark, limit)

    async def size_bytes(self) -> int:
        """Return the bytes of all committed batches."""
        return await self._storage.size_bytes(self.log_id)

    async def size_before(self, offset: int) -> int:
        """Return the bytes of the committed batches that begin before ``offset``."""
        return await self._storage.size_bytes(self.log_id, offset)

    async def replace_batches(
        self, from_offset: int, upto_offset: int, batches: Sequence[StoredBatch]
    ) -> None:
        """Put batches in the place of those that begin in a range of offsets.

        The range is below the high watermark and does not hold the last batch.
        """
        leader_epoch = self.leader_epoch
        await self.let_keep(from_offset, upto_offset)
        if self.deleted or self.leader_epoch != leader_epoch:
            return
        # What was deleted in the meantime must not come back.
        batches = [batch for batch in batches if batch.last_offset >= self.log_start_offset]
        await self._storage.replace_batches(self.log_id, from_offset, upto_offset, batches)
        self._tail_cache.forget(self._tail, upto_offset)

    async def let_keep(self, from_offset: int, upto_offset: int) -> None:
        """Let snapshots copy the batches that begin in a range of offsets and are about to go."""
        for before in self._before_change:
            await before([(self, from_offset, upto_offset)])

    async def mark_compacted(self, upto_offset: int) -> None:
        """Note that everything before ``upto_offset`` went through compaction."""
        undo = partial(setattr, self, "first_dirty_offset", self.first_dirty_offset)
        self.first_dirty_offset = upto_offset
        await self._storage.set_first_dirty_offset(self.log_id, upto_offset, undo)

    async def load_producers(self) -> None:
        """Take over from storage which producers have written to the log."""
        self.producers = await ProducerState.load(
            self._storage, self.log_id, self.producers.transactions
        )

    async def retention_cut(self, now_ms: int) -> int | None:
        """Return the log start offset that the topic's retention asks for, if it moves."""
        config = self.config
        if not config.delete or (config.retention_ms < 0 and config.retention_bytes < 0):
            return None
        cut = await self._storage.retention_cut(
            self.log_id,
            oldest_timestamp=now_ms - config.retention_ms if config.retention_ms >= 0 else None,
            max_size_bytes=config.retention_bytes if config.retention_bytes >= 0 else None,
        )
        return (
            cut if cut is not None and self.log_start_offset < cut <= self.high_watermark else None
        )

    def _wake_all(self) -> None:
        for waiter in tuple(self._waiters):
            waiter.log_changed()
