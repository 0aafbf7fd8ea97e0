"""Rewriting of a log: the same partition holds something else from one moment on.

No Kafka API does this; snapshots are gone back to with it. What is under way is taken back too,
although it is acknowledged; what is appended from that moment on comes behind. A new leader epoch
begins, by which consumers that have read further notice that what they have read is gone (KIP-320).
What compaction has dropped in favour of a record that is taken back does not return by itself.

What is only cut off leaves the file in slices, and appends wait for the last of them. What is put
back is written before, in slices too, to a log that nobody sees, which takes the place of the other
one in a single transaction: half of it is never served, whenever the process ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from fakebus.broker.appending import refused
from fakebus.broker.producer_state import ProducerState
from fakebus.errors import BrokerError, ErrorCode
from fakebus.storage.interface import LogState

if TYPE_CHECKING:
    from fakebus.broker.partition_log import PartitionLog, _Pending
    from fakebus.broker.topics import Topic, Topics
    from fakebus.storage.interface import LogReads, Undo


class LogContent(NamedTuple):
    """Content that takes the place of what a log holds."""

    log_id: int
    from_offset: int
    """Up to where it is the same, at the beginning of a batch."""
    log_start_offset: int
    log_end_offset: int


async def cut_off(
    log: PartitionLog, from_offset: int, *, log_start_offset: int, log_end_offset: int
) -> None:
    """Take back everything from an offset on.

    Args:
        log: the log.
        from_offset: where it is cut off, at the beginning of a batch.
        log_start_offset: where it starts afterwards.
        log_end_offset: where it ends afterwards.

    Raises:
        StorageError: it could not be stored; what has left the file by then is gone.
    """
    producers, storage = log.producers, log._storage
    content = LogContent(log.log_id, from_offset, log_start_offset, log_end_offset)
    undo, left = _take_over(log, content), list[int]()
    log._held = deque()
    try:
        with storage.atomic():
            written = [storage.truncate(log.log_id, from_offset, left, undo)]
            written.append(storage.begin_epoch(log.log_id, log.leader_epoch, from_offset))
            if log_start_offset > 0:
                written.append(storage.delete_before(log.log_id, log_start_offset))
        await asyncio.gather(*written)
        while left:
            undo = partial(_end_at, log, left.pop())
            await storage.truncate(log.log_id, from_offset, left, undo)
    finally:
        _append_held(log)
    await take_back_producers(log, producers, log_end_offset)


def _end_at(log: PartitionLog, offset: int) -> None:
    log.log_end_offset = log.high_watermark = offset


def _append_held(log: PartitionLog) -> None:
    held, log._held = log._held or (), None
    for batch, result in held:
        try:
            if log.deleted:
                raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            log.append(*batch).when_settled(result.settle)
        except BrokerError as error:
            result.settle(refused(error, log.log_start_offset))


async def replace_logs(
    topics: Topics, topic: Topic, contents: Mapping[PartitionLog, LogContent]
) -> None:
    """Put what other logs were filled with in the place of all that partitions hold, at once.

    Raises:
        StorageError: it could not be stored, and the partitions hold what they held.
    """
    before = {log: log.producers for log in contents}
    storage = topics.storage
    with storage.atomic():
        written: list[asyncio.Future[None]] = []
        undone: list[Undo] = []

        def undo() -> None:
            for each in undone:
                each()

        for log, content in contents.items():
            former_id = log.log_id
            undone.append(_take_over(log, content))
            epoch = content.log_id, log.leader_epoch, content.from_offset
            written.append(storage.begin_epoch(*epoch, former_id))
        written.append(topics.save(topic, undo))
        written += [
            storage.delete_before(each.log_id, each.log_start_offset)
            for each in contents.values()
            if each.log_start_offset > 0
        ]
    await asyncio.gather(*written)
    for log, content in contents.items():
        await take_back_producers(log, before[log], content.log_end_offset)


async def state_of(storage: LogReads, content: LogContent) -> LogState:
    """Return the state of a log that was filled for a topic that is not there yet."""
    return LogState(
        log_id=content.log_id,
        log_start_offset=content.log_start_offset,
        log_end_offset=content.log_end_offset,
        size_bytes=0,
        max_timestamp=-1,
        has_aborted=bool(await storage.aborted_transactions(content.log_id)),
    )


def _take_over(log: PartitionLog, content: LogContent) -> Undo:
    """Let a log hold something else, as far as memory goes; return how that is undone."""
    undo = partial(
        _undo_take_over,
        log,
        LogContent(log.log_id, log.first_dirty_offset, log.log_start_offset, log.log_end_offset),
        log.high_watermark,
        log.producers,
        list(islice(log._pending, log._taken_back, None)),
    )
    log._tail_cache.forget(log._tail)
    log._taken_back = len(log._pending)
    log.leader_epoch += 1
    log._later_epoch_starts.append(content.from_offset)
    log.log_id, from_offset, log.log_start_offset, log.log_end_offset = content
    log.high_watermark = log.log_end_offset
    log.first_dirty_offset = min(log.first_dirty_offset, from_offset)
    open_ones = log.producers.transactions
    log.producers = ProducerState(open_ones and open_ones.up_to(from_offset))
    log._wake_all()
    return undo


def _undo_take_over(
    log: PartitionLog,
    before: LogContent,
    high_watermark: int,
    producers: ProducerState,
    taken_back: list[_Pending],
) -> None:
    log._taken_back = max(0, log._taken_back - len(taken_back))
    log.leader_epoch -= 1
    log._later_epoch_starts.pop()
    log.log_id, log.first_dirty_offset, log.log_start_offset, log.log_end_offset = before
    log.high_watermark, log.producers = high_watermark, producers
    for result, _, info, _ in taken_back:
        if result.settled:
            # It was stored before the log could not be rewritten.
            log.high_watermark = info.last_offset + 1


async def take_back_producers(log: PartitionLog, before: ProducerState, end_offset: int) -> None:
    """Know the producers again of what a log holds, except those that had gone on since.

    Args:
        log: the log.
        before: its producers before it held that.
        end_offset: where that ended when the log began to hold it.
    """
    transactions = log.producers.transactions
    stored = await ProducerState.load(log._storage, log.log_id, transactions, end_offset)
    log.producers.transactions = stored.transactions
    for producer_id, entry in stored.entries.items():
        known = before.entries.get(producer_id)
        # One that goes on after batches that are gone is like one never heard of.
        if known is None or known.last_sequence == entry.last_sequence:
            log.producers.entries.setdefault(producer_id, entry)
