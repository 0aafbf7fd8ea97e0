"""Reading batches. Every function runs in a connection's thread, in one read transaction."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from fakebus.records.batch import count_sound, measure_run, parse_header
from fakebus.storage.damage import (
    ChangedRowError,
    damaged_batches,
    is_of_its_row,
    other_row,
)
from fakebus.storage.interface import (
    BatchPosition,
    BatchSummary,
    DamagedBatch,
    LogState,
    ProducerBatch,
    StoredBatch,
)
from fakebus.storage.sqlite_markers import logs_with_aborted
from fakebus.storage.sqlite_search import AT_OR_AFTER, BatchRow, LogRange
from fakebus.storage.sqlite_times import TimeBlocks
from fakebus.storage.sqlite_transaction import MAX_OFFSET, OFFSET_BITS
from fakebus.types import Buffer

_MOST_ROWS_AT_ONCE = 256
_MOST_OFFSETS_AT_ONCE = 4096
"""Of batches of several records; each row in such a range is looked at."""

# The bytes of a row that does not fit any more are not read: CASE leaves them alone.
# A row's id is that of its log and an offset, which is what the first parameter leaves of it.
_READ = """
SELECT id & ?, last_offset, max_timestamp, ifnull(producer_id, -1), producer_epoch, base_sequence,
       attributes, CASE WHEN id = ? OR cumulative_bytes <= ? THEN data END
FROM batches WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?
"""
_READ_DATA = """
SELECT id & ?, CASE WHEN id = ? OR cumulative_bytes <= ? THEN data END
FROM batches WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?
"""

# Small batches are put together where they are, and not one by one. A LIMIT takes as long again.
_READ_RUN = """
SELECT CAST(group_concat(data, '') AS BLOB), count(*) FROM batches
WHERE id BETWEEN ? AND ? AND (id = ? OR cumulative_bytes <= ?)
"""
_SMALL_BYTES = 4096
"""How large the first batch may be of those that are."""

_SUMMARIES = """
SELECT id & ?, last_offset, max_timestamp, length(data), ifnull(producer_id, -1), attributes
FROM batches
WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?
"""

_PARTITION = "SELECT name, partition FROM logs JOIN topics ON topics.id = topic WHERE log_id = ?"

NEXT_PRODUCER = """
SELECT producer_id FROM batches
WHERE id >> 44 = ? AND producer_id > ? ORDER BY producer_id LIMIT 1
"""
PRODUCER_BATCHES = """
SELECT producer_id, producer_epoch, base_sequence, id, last_offset, max_timestamp, attributes,
       substr(data, 1, 61)
FROM batches WHERE id >> 44 = ? AND producer_id = ? AND id >= ?
ORDER BY id DESC LIMIT ?
"""


def read_batches(
    connection: sqlite3.Connection,
    log_id: int,
    from_offset: int,
    upto_offset: int,
    max_bytes: int,
    max_batches: int,
) -> tuple[list[StoredBatch], str]:
    """Return batches in order; see :meth:`LogStore.read_batches`.

    Returns:
        The batches before the first that is damaged, or that one alone and its partition.
    """
    log = LogRange(connection, log_id, from_offset, upto_offset)
    first = log.first()
    if first is None:
        return [], ""
    log.demand_totals(first)
    upto_id = (log_id << OFFSET_BITS) + min(upto_offset, MAX_OFFSET + 1) - 1
    rows = _rows(_READ, connection, log, first, upto_id, max_bytes, max_batches)
    batches = list(map(StoredBatch._make, rows))
    place = first_damaged(batches)
    if place is None:
        return batches, ""
    if place:
        return batches[:place], ""
    topic, partition = connection.execute(_PARTITION, (log_id,)).fetchone() or ("deleted", log_id)
    return DamagedBatch(batches[:1]), f"{topic}:{partition}"


def first_damaged(batches: Sequence[StoredBatch]) -> int | None:
    """Return the place of the first batch that is damaged, ``None`` if all are sound."""
    return next(iter(damaged_batches(batches)), None)


def read_data(
    connection: sqlite3.Connection,
    log_id: int,
    from_offset: int,
    upto_offset: int,
    max_bytes: int,
    max_batches: int,
) -> tuple[list[Buffer], int] | None:
    """Return the bytes of batches in order, in half the time that the batches take.

    Returns:
        Those before the first that is damaged, of which small ones may be put together, and the
        last offset in them; ``None`` if the damaged one is the first of all.
    """
    log = LogRange(connection, log_id, from_offset, upto_offset)
    first = log.first()
    if first is None:
        return [], -1
    log.demand_totals(first)
    upto_id = (log_id << OFFSET_BITS) + min(upto_offset, MAX_OFFSET + 1) - 1
    if first.size < _SMALL_BYTES:
        run = _read_run(connection, log, first, upto_id, max_bytes, max_batches)
        if run is not None:
            return run
    rows = _rows(_READ_DATA, connection, log, first, upto_id, max_bytes, max_batches)
    sound = count_sound(rows)
    if not sound:
        return None
    data: list[Buffer] = [each for _, each in rows[:sound]]
    return data, parse_header(data[-1]).last_offset


def _read_run(
    connection: sqlite3.Connection,
    log: LogRange,
    first: BatchRow,
    upto_id: int,
    max_bytes: int,
    max_batches: int,
) -> tuple[list[Buffer], int] | None:
    """Return the bytes of small batches, put together, and the last offset in them.

    ``None`` where not all are sound, or where there are gaps, as compaction leaves them: then
    each has to be looked at with its row.
    """
    upto_bytes = first.cumulative_bytes - log.freed.behind(first.id) - first.size + max_bytes
    found: list[Buffer] = []
    offset, row_id, left, offsets = first.base_offset, first.id, max_batches, _MOST_ROWS_AT_ONCE
    while left > 0 and row_id <= upto_id:
        # A batch has an offset at least: there are no more batches than offsets.
        end_id = min(row_id + min(offsets, left) - 1, upto_id)
        data, rows = connection.execute(
            _READ_RUN, (row_id, end_id, first.id, upto_bytes)
        ).fetchone()
        if not rows:
            following = connection.execute(AT_OR_AFTER, (row_id, upto_id)).fetchone()
            if following is not None and BatchRow._make(following).cumulative_bytes <= upto_bytes:
                return None
            # They end here, or are more than the bytes that may be.
            break
        count, offset = measure_run(data, offset)
        if count != rows:
            return None
        found.append(data)
        left -= rows
        row_id = first.id + offset - first.base_offset
        if rows < _MOST_ROWS_AT_ONCE // 4:
            offsets = min(4 * offsets, _MOST_OFFSETS_AT_ONCE)
    return found, offset - 1


def _rows(
    statement: str,
    connection: sqlite3.Connection,
    log: LogRange,
    first: BatchRow,
    upto_id: int,
    max_bytes: int,
    max_batches: int,
) -> list[tuple[Any, ...]]:
    """Return rows of batches that begin with the base offset and end with the bytes."""
    upto_bytes = first.cumulative_bytes - first.size + max_bytes
    cursor = connection.cursor()
    found: list[tuple[Any, ...]] = []
    rows_at_once = 4
    try:
        for start, end, freed in log.freed.stretches(first.id, upto_id):
            limits = (first.id, upto_bytes - freed, start, end, max_batches - len(found))
            cursor.execute(statement, (MAX_OFFSET, *limits))
            # Of small batches there are thousands in a megabyte: no loop of ours looks at each.
            while rows := cursor.fetchmany(rows_at_once):
                rows_at_once = min(4 * rows_at_once, _MOST_ROWS_AT_ONCE)
                whole = len(rows)
                if rows[-1][-1] is None:
                    whole = bisect_left(rows, True, key=lambda row: row[-1] is None)
                found += rows[:whole]
                if whole < len(rows):
                    return found
    finally:
        cursor.close()
    return found


def summaries(
    connection: sqlite3.Connection, log_id: int, from_offset: int, upto_offset: int, limit: int
) -> list[BatchSummary]:
    """Return batches without their bytes; see :meth:`LogStore.summaries`."""
    first = LogRange(connection, log_id, from_offset, upto_offset).first()
    if first is None:
        return []
    upto_id = (log_id << OFFSET_BITS) + min(upto_offset, MAX_OFFSET + 1) - 1
    rows = connection.execute(_SUMMARIES, (MAX_OFFSET, first.id, upto_id, limit))
    return list(map(BatchSummary._make, rows))


def first_batch_at_or_after(
    connection: sqlite3.Connection,
    log_id: int,
    timestamp: int,
    from_offset: int,
    upto_offset: int,
    times: TimeBlocks | None = None,
) -> BatchPosition | None:
    """Find a batch by time; see :meth:`LogStore.first_batch_at_or_after`."""
    log = LogRange(connection, log_id, from_offset, upto_offset, times)
    row = log.first_with_timestamp(timestamp)
    return None if row is None else row.position


def batch_with_max_timestamp(
    connection: sqlite3.Connection,
    log_id: int,
    from_offset: int,
    upto_offset: int,
    times: TimeBlocks | None = None,
) -> BatchPosition | None:
    """Find the newest batch by time; see :meth:`LogStore.batch_with_max_timestamp`."""
    row = LogRange(connection, log_id, from_offset, upto_offset, times).with_max_timestamp()
    return None if row is None else row.position


def retention_cut(
    connection: sqlite3.Connection,
    log_id: int,
    log_start_offset: int,
    times: TimeBlocks | None = None,
    *,
    oldest_timestamp: int | None,
    max_size_bytes: int | None,
) -> int | None:
    """Say where the log should start; see :meth:`LogStore.retention_cut`."""
    log = LogRange(connection, log_id, log_start_offset, MAX_OFFSET + 1, times)
    first = log.first()
    if first is None:
        return None
    last = log.last(first)
    log.demand_totals(first, last)
    kept: list[BatchRow | None] = [first]
    if oldest_timestamp is not None:
        kept.append(log.first_with_timestamp(oldest_timestamp))
    if max_size_bytes is not None:
        # A batch has to stay when without it and those before it too little is left.
        kept.append(log.first_with_bytes(last.cumulative_bytes - max_size_bytes + 1))
    cut = max(last.last_offset + 1 if row is None else row.base_offset for row in kept)
    return cut if cut > first.base_offset else None


def producer_batches(
    connection: sqlite3.Connection, log_id: int, log_start_offset: int, newest: int
) -> list[ProducerBatch]:
    """Return each producer's newest batches; see :meth:`LogStore.producer_batches`."""
    first = LogRange(connection, log_id, log_start_offset, MAX_OFFSET + 1).first()
    if first is None:
        return []
    cursor = connection.cursor()
    batches: list[ProducerBatch] = []
    producer_id = -1
    while True:
        row = cursor.execute(NEXT_PRODUCER, (log_id, producer_id)).fetchone()
        if row is None:
            break
        [producer_id] = row
        cursor.execute(PRODUCER_BATCHES, (log_id, producer_id, first.id, newest))
        for found, epoch, sequence, row_id, *rest, head in cursor:
            row = ProducerBatch(found, epoch, sequence, row_id & MAX_OFFSET, *rest)
            if not is_of_its_row(row, head):
                raise ChangedRowError(other_row("batches", f"id = {row_id}"))
            batches.append(row)
    batches.sort(key=lambda batch: batch.base_offset)
    return batches


def size_bytes(
    connection: sqlite3.Connection, log_id: int, log_start_offset: int, upto_offset: int
) -> int:
    """Return the bytes of a log's batches; see :meth:`LogStore.size_bytes`."""
    return LogRange(connection, log_id, log_start_offset, upto_offset).size_bytes()


def load_log_starts(connection: sqlite3.Connection) -> dict[int, int]:
    """Return the log start offset of every log, by log id."""
    return dict(connection.execute("SELECT log_id, log_start_offset FROM logs"))


def load_logs(connection: sqlite3.Connection) -> list[LogState]:
    """Return the state of every log, from its first and last batch."""
    rows = connection.execute("SELECT log_id, log_start_offset, first_dirty_offset FROM logs")
    found = [_load_log(connection, *row) for row in rows.fetchall()]
    starts: dict[int, list[int]] = {}
    for log_id, start_offset in connection.execute(
        "SELECT log_id, start_offset FROM leader_epochs ORDER BY log_id, epoch"
    ):
        starts.setdefault(log_id, []).append(start_offset)
    aborted = logs_with_aborted(connection)
    return [
        log._replace(
            epoch_starts=tuple(starts.get(log.log_id, ())),
            has_aborted=log.log_id in aborted,
        )
        if log.log_id in starts or log.log_id in aborted
        else log
        for log in found
    ]


def _load_log(
    connection: sqlite3.Connection, log_id: int, log_start_offset: int, first_dirty_offset: int
) -> LogState:
    log = LogRange(connection, log_id, log_start_offset, MAX_OFFSET + 1)
    first = log.first()
    if first is None:
        return LogState(
            log_id=log_id,
            log_start_offset=log_start_offset,
            log_end_offset=log_start_offset,
            size_bytes=0,
            max_timestamp=-1,
            first_dirty_offset=first_dirty_offset,
        )
    last = log.last(first)
    deleted = first.max_timestamp < first.running_max_timestamp == last.running_max_timestamp
    if deleted or first_dirty_offset:
        newest = log.with_max_timestamp() or last
        max_timestamp = newest.max_timestamp
    else:
        max_timestamp = last.running_max_timestamp
    return LogState(
        log_id=log_id,
        log_start_offset=log_start_offset,
        log_end_offset=max(log_start_offset, last.last_offset + 1),
        size_bytes=last.cumulative_bytes - first.cumulative_bytes + first.size,
        max_timestamp=max_timestamp,
        first_dirty_offset=first_dirty_offset,
    )
