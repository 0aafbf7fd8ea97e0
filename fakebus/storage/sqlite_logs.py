"""Record batches in SQLite: the LogStore of the interface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from fakebus.limited_log import LimitedLog
from fakebus.storage import sqlite_markers, sqlite_reads
from fakebus.storage.interface import (
    ANY_NUMBER,
    BatchPosition,
    BatchSummary,
    ProducerBatch,
    StoredBatch,
    Undo,
)
from fakebus.storage.sqlite_compaction import forget_freed_bytes, replace_batches
from fakebus.storage.sqlite_connection import WorkerConnection
from fakebus.storage.sqlite_purge import delete_last, plan_purge
from fakebus.storage.sqlite_times import TimeBlocks
from fakebus.storage.sqlite_transaction import MAX_OFFSET, OFFSET_BITS, Operation, Transaction
from fakebus.storage.sqlite_writer import GroupCommitWriter
from fakebus.types import Buffer

_append = Transaction.append


class SqliteLogs:
    """Batches by log id and offset; see :class:`~fakebus.storage.interface.LogStore`.

    Args:
        writer: takes the writes.
        reader: where reads run.
        log_starts: the log start offset of every log.
    """

    def __init__(
        self, writer: GroupCommitWriter, reader: WorkerConnection, log_starts: dict[int, int]
    ) -> None:
        self.append_batches = partial(writer.enqueue_batches, _append)
        self.replace_batches = writer.writing(replace_batches)
        self.load_logs = reader.reading(sqlite_reads.load_logs)
        self.transaction_start = reader.reading(sqlite_markers.transaction_start)
        self.aborted_transactions = reader.reading(sqlite_markers.aborted_transactions)
        self._writer = writer
        self._reader = reader
        self._damage = LimitedLog(logging.getLogger("fakebus.storage"))
        self._blocks: dict[int, TimeBlocks] = {}
        # Batches below these offsets are not there any more, even if their rows still are.
        self._log_starts = log_starts

    def _times(self, log_id: int) -> TimeBlocks:
        return self._blocks.setdefault(log_id, TimeBlocks())

    async def read_batches(
        self,
        log_id: int,
        from_offset: int,
        upto_offset: int,
        max_bytes: int,
        max_batches: int = ANY_NUMBER,
    ) -> list[StoredBatch]:
        """Return committed batches in order, from the one that contains ``from_offset``."""
        from_offset = max(from_offset, self._log_starts.get(log_id, 0))
        batches, damaged = await self._reader.read(
            sqlite_reads.read_batches, log_id, from_offset, upto_offset, max_bytes, max_batches
        )
        if damaged:
            self._damage.log(
                logging.ERROR,
                "the batch at offset %d of %s is damaged in %s: it is not as it was written. "
                "Nobody is given it; consumers go on behind it after  "
                "fakebus groups GROUP --reset %s=%d",
                batches[0].base_offset,
                damaged,
                self._reader.name,
                damaged,
                batches[0].last_offset + 1,
            )
        return batches

    async def read_data(
        self, log_id: int, from_offset: int, upto_offset: int, max_bytes: int, max_batches: int
    ) -> tuple[list[Buffer], int] | None:
        """Return the bytes of those batches, and the last offset in them."""
        start = max(from_offset, self._log_starts.get(log_id, 0))
        found = await self._reader.read(
            sqlite_reads.read_data, log_id, start, upto_offset, max_bytes, max_batches
        )
        if found is None:
            # What is damaged is told there.
            await self.read_batches(log_id, from_offset, upto_offset, max_bytes, max_batches)
            return None
        return found

    async def first_batch_at_or_after(
        self, log_id: int, timestamp: int, from_offset: int, upto_offset: int
    ) -> BatchPosition | None:
        """Return the first batch from ``from_offset`` on with that max_timestamp or a later."""
        from_offset = max(from_offset, self._log_starts.get(log_id, 0))
        return await self._reader.read(
            sqlite_reads.first_batch_at_or_after,
            log_id,
            timestamp,
            from_offset,
            upto_offset,
            self._times(log_id),
        )

    async def batch_with_max_timestamp(
        self, log_id: int, from_offset: int, upto_offset: int
    ) -> BatchPosition | None:
        """Return the earliest batch that holds the largest timestamp."""
        from_offset = max(from_offset, self._log_starts.get(log_id, 0))
        return await self._reader.read(
            sqlite_reads.batch_with_max_timestamp,
            log_id,
            from_offset,
            upto_offset,
            self._times(log_id),
        )

    async def retention_cut(
        self, log_id: int, *, oldest_timestamp: int | None, max_size_bytes: int | None
    ) -> int | None:
        """Return the log start offset that retention asks for, or ``None`` for no change."""
        return await self._reader.read(
            sqlite_reads.retention_cut,
            log_id,
            self._log_starts.get(log_id, 0),
            self._times(log_id),
            oldest_timestamp=oldest_timestamp,
            max_size_bytes=max_size_bytes,
        )

    async def producer_batches(self, log_id: int, last: int) -> list[ProducerBatch]:
        """Return the ``last`` newest batches of every producer id in the log, oldest first."""
        return await self._reader.read(
            sqlite_reads.producer_batches, log_id, self._log_starts.get(log_id, 0), last
        )

    async def size_bytes(self, log_id: int, upto_offset: int | None = None) -> int:
        """Return the number of bytes that the log's committed batches take."""
        upto_offset = MAX_OFFSET + 1 if upto_offset is None else upto_offset
        return await self._reader.read(
            sqlite_reads.size_bytes, log_id, self._log_starts.get(log_id, 0), upto_offset
        )

    async def summaries(
        self, log_id: int, from_offset: int, upto_offset: int, limit: int
    ) -> list[BatchSummary]:
        """Return the first ``limit`` committed batches in order, without their bytes."""
        from_offset = max(from_offset, self._log_starts.get(log_id, 0))
        return await self._reader.read(
            sqlite_reads.summaries, log_id, from_offset, upto_offset, limit
        )

    def delete_before(
        self, log_id: int, log_start_offset: int, undo: Undo | None = None
    ) -> asyncio.Future[None]:
        """Enqueue: keep the new log start offset; the batches below it leave in time."""
        return self._writer.enqueue_with_future(
            _delete_before,
            (log_id, log_start_offset),
            partial(self._deleted_before, log_id, log_start_offset),
            undo,
        )

    def _deleted_before(
        self, log_id: int, log_start_offset: int, failure: BaseException | None
    ) -> None:
        if failure is None:
            self._log_starts[log_id] = max(self._log_starts.get(log_id, 0), log_start_offset)
            self._writer.purge_wanted = True

    def begin_epoch(
        self, log_id: int, epoch: int, at: int, former: int | None = None, undo: Undo | None = None
    ) -> asyncio.Future[None]:
        """Enqueue: keep at which offset a leader epoch, 1 or later, began.

        The epochs of the log ``former`` become those of this one.
        """
        return self._writer.enqueue_with_future(
            _begin_epoch, (log_id, epoch, at, former), undo=undo
        )

    def set_first_dirty_offset(
        self, log_id: int, offset: int, undo: Undo | None = None
    ) -> asyncio.Future[None]:
        """Enqueue: keep how far compaction has come."""
        return self._writer.enqueue_with_future(
            _set_first_dirty_offset, (log_id, offset), undo=undo
        )

    def drop_filled(self, log_id: int) -> asyncio.Future[None]:
        """Enqueue: let a log go that was filled and has not become that of a topic."""
        return self._writer.enqueue_with_future(
            plan_purge,
            (log_id, MAX_OFFSET),
            lambda failure: None if failure else self.hide([log_id]),
        )

    def truncate(
        self, log_id: int, log_end_offset: int, left: list[int], undo: Undo | None = None
    ) -> asyncio.Future[None]:
        """Enqueue: drop the last batches whose base offset is at or above ``log_end_offset``."""
        # A search that comes before the truncation is done begins them anew, and so do the next.
        self._blocks.pop(log_id, None)
        return self._writer.enqueue_with_future(
            _truncate,
            (log_id, log_end_offset, left),
            partial(self._truncated, log_id, log_end_offset, left),
            undo,
        )

    def _truncated(
        self, log_id: int, log_end_offset: int, left: list[int], failure: BaseException | None
    ) -> None:
        self._blocks.pop(log_id, None)
        if failure is None and not left and log_end_offset < self._log_starts.get(log_id, 0):
            self._log_starts[log_id] = log_end_offset

    def hide(self, log_ids: Sequence[int]) -> None:
        """The logs are deleted: nothing of them is there any more."""
        for log_id in log_ids:
            self._log_starts[log_id] = MAX_OFFSET
            self._blocks.pop(log_id, None)
        self._writer.purge_wanted = True

    def forget_purged(self, log_ids: Sequence[int]) -> None:
        """The rows of these logs have left the file: those that are deleted need no hiding."""
        for log_id in log_ids:
            if self._log_starts.get(log_id) == MAX_OFFSET:
                del self._log_starts[log_id]


def _delete_before(transaction: Transaction, log_id: int, log_start_offset: int) -> None:
    transaction.execute(
        "UPDATE logs SET log_start_offset = max(log_start_offset, ?) WHERE log_id = ?",
        (log_start_offset, log_id),
    )
    plan_purge(transaction, log_id, log_start_offset)


def _set_first_dirty_offset(transaction: Transaction, log_id: int, offset: int) -> None:
    transaction.execute("UPDATE logs SET first_dirty_offset = ? WHERE log_id = ?", (offset, log_id))


def _begin_epoch(
    transaction: Transaction,
    log_id: int,
    leader_epoch: int,
    start_offset: int,
    former_id: int | None,
) -> None:
    if former_id is not None:
        transaction.execute(
            "UPDATE leader_epochs SET log_id = ? WHERE log_id = ?", (log_id, former_id)
        )
    transaction.execute(
        "INSERT INTO leader_epochs (log_id, epoch, start_offset) VALUES (?, ?, ?)",
        (log_id, leader_epoch, start_offset),
    )


def _truncate(transaction: Transaction, log_id: int, log_end_offset: int, left: list[int]) -> None:
    first_id = log_id << OFFSET_BITS
    row = transaction.execute(
        "SELECT log_start_offset FROM logs WHERE log_id = ?", (log_id,)
    ).fetchone()
    # Where the log starts over below where it started, old batches that wait to be purged lie
    # where the next ones go: they leave with the others.
    starts_over = row is not None and log_end_offset < row[0]
    from_id = first_id if starts_over else first_id + log_end_offset
    last_id = delete_last(transaction, from_id, first_id | MAX_OFFSET)
    transaction.forget_totals(log_id)
    forget_freed_bytes(transaction, log_id)
    if last_id is not None:
        # The batch that ends the log now may be one that nobody sees any more.
        left.append(max(last_id - first_id + 1, log_end_offset))
        return
    if starts_over:
        transaction.execute("DELETE FROM purges WHERE log_id = ?", (log_id,))
        transaction.execute(
            "UPDATE logs SET log_start_offset = ? WHERE log_id = ?", (log_end_offset, log_id)
        )
    transaction.execute(
        "UPDATE logs SET first_dirty_offset = min(first_dirty_offset, ?) WHERE log_id = ?",
        (log_end_offset, log_id),
    )


APPENDS: frozenset[Operation] = frozenset({_append})
"""The operations of this module that may be committed inline."""
