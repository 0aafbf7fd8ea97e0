"""Transactions of producers, found again by their markers in SQLite."""

from __future__ import annotations

import sqlite3

from fakebus.storage.interface import AbortedTransaction
from fakebus.storage.sqlite_transaction import MAX_OFFSET, OFFSET_BITS

# 65536 is ABORT_FLAG; as in the index, so that it is used.
_LOGS_WITH_ABORTED = """
SELECT DISTINCT id >> 44 FROM batches INDEXED BY abort_markers WHERE attributes & 65536
"""
_ABORT_MARKERS = """
SELECT id, producer_id FROM batches INDEXED BY abort_markers
WHERE attributes & 65536 AND id >> 44 = ? ORDER BY id
"""

# By batches_by_producer, which ends with the row id: a step for each batch of the transaction.
# 32 is CONTROL_BIT.
_MARKER_BEFORE = """
SELECT id FROM batches WHERE id >> 44 = ? AND producer_id = ? AND id < ? AND attributes & 32
ORDER BY id DESC LIMIT 1
"""
_FIRST_BEHIND = """
SELECT id FROM batches WHERE id >> 44 = ? AND producer_id = ? AND id > ? ORDER BY id LIMIT 1
"""


def logs_with_aborted(connection: sqlite3.Connection) -> set[int]:
    """Return the ids of the logs that hold markers of aborted transactions."""
    return {log_id for (log_id,) in connection.execute(_LOGS_WITH_ABORTED)}


def aborted_transactions(connection: sqlite3.Connection, log_id: int) -> list[AbortedTransaction]:
    """Return a log's aborted transactions; one without records is none."""
    found: list[AbortedTransaction] = []
    for marker, producer_id in connection.execute(_ABORT_MARKERS, (log_id,)).fetchall():
        first = _start(connection, log_id, producer_id, marker)
        if first < marker & MAX_OFFSET:
            found.append(AbortedTransaction(producer_id, first, marker & MAX_OFFSET))
    return found


def transaction_start(connection: sqlite3.Connection, log_id: int, producer_id: int) -> int:
    """Return the base offset of a producer's first batch behind its last marker."""
    return _start(connection, log_id, producer_id, (log_id + 1) << OFFSET_BITS)


def _start(connection: sqlite3.Connection, log_id: int, producer_id: int, end_id: int) -> int:
    marker = connection.execute(_MARKER_BEFORE, (log_id, producer_id, end_id)).fetchone()
    after = (log_id << OFFSET_BITS) - 1 if marker is None else marker[0]
    [first] = connection.execute(_FIRST_BEHIND, (log_id, producer_id, after)).fetchone()
    return int(first) & MAX_OFFSET
