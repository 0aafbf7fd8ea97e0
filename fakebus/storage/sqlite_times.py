"""Finding batches by time where the running maximum of a log says nothing.

It says nothing behind a larger timestamp that is not there any more, or that comes before the
place where a search begins. There the largest timestamp of every few hundred batches is kept in
memory, from the first search that needs it on, so that a search looks at one such block only.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right

BLOCK_ROWS = 512

_BLOCK = """
SELECT count(*), max(id), max(max_timestamp) FROM
(SELECT id, max_timestamp FROM batches WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?)
"""
_FIRST_IN = """
SELECT id FROM batches WHERE id BETWEEN ? AND ? AND max_timestamp >= ? ORDER BY id LIMIT 1
"""
_LARGEST_IN = "SELECT max(max_timestamp) FROM batches WHERE id BETWEEN ? AND ?"


class TimeBlocks:
    """Largest timestamps of the blocks of one log; used in a connection's thread.

    Batches may leave a block, which is then looked at in vain. Where others take their place,
    as behind a truncation, the blocks have to be begun anew.
    """

    def __init__(self) -> None:
        self._from_id = -1
        self._last_ids: list[int] = []
        self._largest: list[int] = []

    def first(
        self, cursor: sqlite3.Cursor, from_id: int, upto_id: int, timestamp: int
    ) -> int | None:
        """Return the id of the first batch in a range that is not older than a timestamp."""
        block = self._extend(cursor, from_id, upto_id)
        while block < len(self._largest) and from_id <= upto_id:
            last_id = self._last_ids[block]
            if self._largest[block] >= timestamp:
                found = cursor.execute(
                    _FIRST_IN, (from_id, min(last_id, upto_id), timestamp)
                ).fetchone()
                if found is not None:
                    return int(found[0])
            from_id = last_id + 1
            block += 1
        found = cursor.execute(_FIRST_IN, (from_id, upto_id, timestamp)).fetchone()
        return None if found is None else int(found[0])

    def largest(self, cursor: sqlite3.Cursor, from_id: int, upto_id: int) -> int:
        """Return the largest timestamp in a range of batches; -1 when there are none."""
        block = self._extend(cursor, from_id, upto_id)
        blocks = range(block, bisect_right(self._last_ids, upto_id))
        behind = self._last_ids[blocks[-1]] + 1 if blocks else from_id
        largest = _largest_in(cursor, behind, upto_id)
        for block in sorted(blocks, key=self._largest.__getitem__, reverse=True):
            if self._largest[block] <= largest:
                break
            # Batches of the block may lie outside of the range, or be gone.
            start = self._last_ids[block - 1] + 1 if block else self._from_id
            found = _largest_in(cursor, max(start, from_id), self._last_ids[block])
            largest = max(largest, found)
        return largest

    def _extend(self, cursor: sqlite3.Cursor, from_id: int, upto_id: int) -> int:
        """Take in the whole blocks up to a batch; return the block that a range begins in."""
        if self._from_id < 0 or from_id < self._from_id:
            self._from_id = from_id
            self._last_ids.clear()
            self._largest.clear()
        next_id = self._last_ids[-1] + 1 if self._last_ids else self._from_id
        while True:
            block = cursor.execute(_BLOCK, (next_id, upto_id, BLOCK_ROWS)).fetchone()
            count, last_id, largest = block
            if count < BLOCK_ROWS:
                break
            self._last_ids.append(last_id)
            self._largest.append(largest)
            next_id = last_id + 1
        return bisect_left(self._last_ids, from_id)


def _largest_in(cursor: sqlite3.Cursor, from_id: int, upto_id: int) -> int:
    [largest] = cursor.execute(_LARGEST_IN, (from_id, upto_id)).fetchone()
    return -1 if largest is None else int(largest)
