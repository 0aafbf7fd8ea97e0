"""Finding batches of a log by offset, time and size. Runs in a connection's thread.

There is no index but the row id. Two columns of the batches never fall along a log: the
largest timestamp so far and the bytes so far. Both are searched by halves, each step being
one look-up by row id, so a search takes some 20 to 40 look-ups of 3 µs however long the log.

Compaction takes batches out of the middle of a log and leaves the totals of what follows as
they are. The table freed_bytes says how much too large they are from where on; with it, the
bytes of what is before are raised when they are read, so that differences are right again. The
running maximum is not corrected: it may be larger than any timestamp that is left.

What the running maximum cannot tell is what follows a larger timestamp: neither that of a
batch below the first visible one, nor that of an earlier batch when the search begins in the
middle. There, and only there, :class:`TimeBlocks` are searched, which are made in memory.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fakebus.storage.batch_totals import other_totals
from fakebus.storage.damage import ChangedRowError
from fakebus.storage.interface import BatchPosition
from fakebus.storage.sqlite_times import TimeBlocks
from fakebus.storage.sqlite_transaction import MAX_OFFSET, OFFSET_BITS

# length() of a blob is in the row's header: the bytes themselves stay on disk.
_SELECT = """
SELECT id, last_offset, max_timestamp, running_max_timestamp, cumulative_bytes, length(data)
FROM batches WHERE id BETWEEN ? AND ?
"""
AT_OR_BEFORE = _SELECT + "ORDER BY id DESC LIMIT 1"
AT_OR_AFTER = _SELECT + "ORDER BY id LIMIT 1"

_FREED_BYTES = "SELECT from_offset, bytes FROM freed_bytes WHERE log_id = ? ORDER BY 1 DESC"


class BatchRow(NamedTuple):
    """A batch without its bytes."""

    id: int
    last_offset: int
    max_timestamp: int
    running_max_timestamp: int
    cumulative_bytes: int
    size: int

    @property
    def base_offset(self) -> int:
        """The offset of the batch's first record."""
        return self.id & MAX_OFFSET

    @property
    def position(self) -> BatchPosition:
        """The part of it that other layers see."""
        return BatchPosition(self.base_offset, self.last_offset, self.max_timestamp)


class FreedBytes:
    """By how much the totals of a log's batches have to be raised.

    Args:
        cursor: where to look.
        log_id: the log.
    """

    def __init__(self, cursor: sqlite3.Cursor, log_id: int) -> None:
        self._from_ids: list[int] = []
        # The bytes of each place in the log and all places behind it, and 0 at the end.
        self._sums: list[int] = [0]
        total = 0
        for from_offset, size in cursor.execute(_FREED_BYTES, (log_id,)):
            total += size
            self._from_ids.append((log_id << OFFSET_BITS) + from_offset)
            self._sums.append(total)
        self._from_ids.reverse()
        self._sums.reverse()

    def behind(self, row_id: int) -> int:
        """Return what the cumulative_bytes of a row lack compared to those of the last row."""
        return self._sums[bisect_right(self._from_ids, row_id)]

    def stretches(self, from_id: int, upto_id: int) -> Iterator[tuple[int, int, int]]:
        """Yield the stretches of a range of rows in which all lack the same.

        Each has its first and its last possible row id and the bytes.
        """
        for index in range(
            bisect_right(self._from_ids, from_id), bisect_right(self._from_ids, upto_id)
        ):
            yield from_id, self._from_ids[index] - 1, self._sums[index]
            from_id = self._from_ids[index]
        yield from_id, upto_id, self.behind(upto_id)


class LogRange:
    """The batches of a log from the one that holds ``from_offset``, below ``upto_offset``.

    Args:
        connection: where to look; in a transaction, so that all steps see the same rows.
        log_id: the log.
        from_offset: where the range begins; the batch may begin before.
        upto_offset: batches that begin here or later are outside.
        times: what is known of the log's timestamps besides; kept from search to search.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        log_id: int,
        from_offset: int,
        upto_offset: int,
        times: TimeBlocks | None = None,
    ) -> None:
        self._cursor = connection.cursor()
        self._log_start = log_id << OFFSET_BITS
        self._from_id = self._log_start + from_offset
        self._upto_id = self._log_start + min(upto_offset, MAX_OFFSET + 1) - 1
        self._times = TimeBlocks() if times is None else times
        self.freed = FreedBytes(self._cursor, log_id)

    def _find(self, sql: str, *parameters: int) -> BatchRow | None:
        found = self._cursor.execute(sql, parameters).fetchone()
        if found is None:
            return None
        row = BatchRow._make(found)
        freed = self.freed.behind(row.id)
        return row._replace(cumulative_bytes=row.cumulative_bytes + freed) if freed else row

    def first(self) -> BatchRow | None:
        """Return the first batch of the range."""
        from_id = min(self._from_id, self._upto_id)
        row = self._find(AT_OR_BEFORE, self._log_start, from_id)
        if row is not None and self._log_start + row.last_offset >= self._from_id:
            return row
        return self._find(AT_OR_AFTER, self._from_id, self._upto_id)

    def demand_totals(self, *rows: BatchRow) -> None:
        """See whether the totals of rows are those of the rows before and behind them.

        Raises:
            ChangedRowError: they are not.
        """
        end = self._log_start | MAX_OFFSET
        for row in rows:
            behind = self._find(AT_OR_AFTER, row.id + 1, end) if row.id < end else None
            before = self._find(AT_OR_BEFORE, self._log_start, row.id - 1)
            earlier = before and self._find(AT_OR_BEFORE, self._log_start, before.id - 1)
            known: BatchRow | None = None
            for each in filter(None, (earlier, before, row, behind)):
                newest = max(each.max_timestamp, known.running_max_timestamp if known else -1)
                so_far = known.cumulative_bytes if known else each.cumulative_bytes - each.size
                if each.running_max_timestamp < newest or (
                    each.cumulative_bytes - each.size != so_far
                ):
                    raise ChangedRowError(other_totals(each.id))
                known = each

    def last(self, first: BatchRow) -> BatchRow:
        """Return the last batch of the range, whose first one is ``first``."""
        return self._find(AT_OR_BEFORE, first.id, self._upto_id) or first

    def first_with_timestamp(self, timestamp: int) -> BatchRow | None:
        """Return the first batch whose max_timestamp is ``timestamp`` or later."""
        first = self.first()
        if first is None or first.max_timestamp >= timestamp:
            return first
        if first.running_max_timestamp >= timestamp:
            return self._first_in_blocks(first.id, timestamp)
        row = self._first(first, lambda row: row.running_max_timestamp >= timestamp)
        if row is None or row.max_timestamp >= timestamp:
            return row
        # Compaction has taken out the one that was so late.
        return self._first_in_blocks(row.id, timestamp)

    def with_max_timestamp(self) -> BatchRow | None:
        """Return the first of the batches with the largest max_timestamp."""
        first = self.first()
        if first is None:
            return None
        last = self.last(first)
        self.demand_totals(last)
        largest = last.running_max_timestamp
        row: BatchRow | None = first
        if first.running_max_timestamp < largest:
            row = self._first(first, lambda row: row.running_max_timestamp >= largest)
        if row is not None and row.max_timestamp == largest:
            return row
        largest = self._times.largest(self._cursor, first.id, self._upto_id)
        return self._first_in_blocks(first.id, largest)

    def _first_in_blocks(self, from_id: int, timestamp: int) -> BatchRow | None:
        found = self._times.first(self._cursor, from_id, self._upto_id, timestamp)
        return None if found is None else self._find(AT_OR_AFTER, found, found)

    def first_with_bytes(self, cumulative_bytes: int) -> BatchRow | None:
        """Return the first batch that brings the bytes so far to ``cumulative_bytes``."""
        first = self.first()
        if first is None or first.cumulative_bytes >= cumulative_bytes:
            return first
        return self._first(first, lambda row: row.cumulative_bytes >= cumulative_bytes)

    def _first(self, below: BatchRow, reaches: Callable[[BatchRow], bool]) -> BatchRow | None:
        """Search by halves behind a row that does not reach what all from some row on reach."""
        found: BatchRow | None = None
        low, high = self._log_start + below.last_offset + 1, self._upto_id + 1
        last = self.last(below)
        if not reaches(last):
            self.demand_totals(last)
            return None
        high = min(high, last.id + 1)
        while low < high:
            middle = (low + high) // 2
            row = self._find(AT_OR_AFTER, middle, high - 1)
            if row is None:
                high = middle
            elif reaches(row):
                found, high = row, middle
            else:
                low = self._log_start + row.last_offset + 1
        if found is not None:
            self.demand_totals(found)
        return found

    def size_bytes(self) -> int:
        """Return how many bytes the batches of the range take."""
        first = self.first()
        if first is None:
            return 0
        last = self.last(first)
        self.demand_totals(first, last)
        return last.cumulative_bytes - first.cumulative_bytes + first.size
