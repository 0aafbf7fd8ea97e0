"""Making room: batches that nobody can see any more leave the file a few at a time.

Deleting a log of gigabytes in one transaction would stop every append for seconds. So what
is to be deleted is written down and thereby invisible, and the writer deletes a few
megabytes of it after each group. A purge that a crash interrupts goes on at the next start.

A log that is filled a few megabytes at a time, and belongs to no topic yet, is written down as
well: it is deleted at the next start if it has not become one's by then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from fakebus.storage.sqlite_transaction import MAX_OFFSET, OFFSET_BITS, Transaction

CHUNK_BYTES = 4 * 1024 * 1024
CHUNK_ROWS = 2000

_FILLING = -1
"""In place of an offset: the log is being filled."""
FORGOTTEN = -1
"""In place of a log: no snapshot needs what was kept with a change."""

_LOG_ROWS = """
SELECT id, length(data) FROM batches WHERE id >= ? AND id < ? AND last_offset < ?
ORDER BY id LIMIT ?
"""
_LAST_ROWS = """
SELECT id, length(data) FROM batches WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?
"""
_KEPT_ROWS = """
SELECT base_offset, length(data) FROM kept_batches WHERE change = ? ORDER BY base_offset LIMIT ?
"""


def plan_purge(transaction: Transaction, log_id: int, before_offset: int) -> None:
    """Write down that batches wholly below ``before_offset`` are to be deleted."""
    # A log that is emptied starts over with small timestamps, which are found faster.
    transaction.forget_totals(log_id)
    transaction.execute(
        """
        INSERT INTO purges (log_id, before_offset) VALUES (?, ?)
        ON CONFLICT (log_id)
        DO UPDATE SET before_offset = max(before_offset, excluded.before_offset)
        """,
        (log_id, before_offset),
    )


def purge_chunk(transaction: Transaction, more: list[bool], purged: list[int]) -> None:
    """Delete some of what is to be deleted.

    Args:
        transaction: to work in.
        more: gets one item, whether there is anything left to do.
        purged: gets the log of which nothing is left to delete, if there is one.
    """
    planned = transaction.execute(
        "SELECT log_id, before_offset FROM purges WHERE before_offset > ? LIMIT 1", (_FILLING,)
    ).fetchone()
    if planned is None:
        more.append(_purge_forgotten(transaction))
        return
    log_id, before_offset = planned
    log_start = log_id << OFFSET_BITS
    upto_id = log_start + min(before_offset, MAX_OFFSET)
    rows = transaction.execute(
        _LOG_ROWS, (log_start, upto_id, before_offset, CHUNK_ROWS)
    ).fetchall()
    count = _count_up_to(CHUNK_BYTES, rows)
    if count:
        last_id = rows[count - 1][0]
        transaction.execute("DELETE FROM batches WHERE id BETWEEN ? AND ?", (log_start, last_id))
        # Nothing is left before these places that would have to be raised.
        transaction.execute(
            "DELETE FROM freed_bytes WHERE log_id = ? AND from_offset <= ?",
            (log_id, last_id - log_start),
        )
    if count == len(rows) < CHUNK_ROWS:
        transaction.execute("DELETE FROM purges WHERE log_id = ?", (log_id,))
        purged.append(log_id)
    more.append(True)


def _purge_forgotten(transaction: Transaction) -> bool:
    """Delete some of what was kept with a change that is forgotten; false if there is none."""
    found = transaction.execute(
        "SELECT id FROM log_changes WHERE log_id = ? LIMIT 1", (FORGOTTEN,)
    ).fetchone()
    if found is None:
        return False
    rows = transaction.execute(_KEPT_ROWS, (*found, CHUNK_ROWS)).fetchall()
    count = _count_up_to(CHUNK_BYTES, rows)
    if count:
        transaction.execute(
            "DELETE FROM kept_batches WHERE change = ? AND base_offset <= ?",
            (*found, rows[count - 1][0]),
        )
    if count == len(rows) < CHUNK_ROWS:
        transaction.execute("DELETE FROM log_changes WHERE id = ?", found)
    return True


def delete_last(transaction: Transaction, from_id: int, upto_id: int) -> int | None:
    """Delete some of the last batches of a range of row ids.

    Returns:
        The last row id that may be left; ``None`` when nothing is left.
    """
    rows = transaction.execute(_LAST_ROWS, (from_id, upto_id, CHUNK_ROWS)).fetchall()
    count = _count_up_to(CHUNK_BYTES, rows)
    is_over = count == len(rows) < CHUNK_ROWS
    first_id = from_id if is_over else rows[count - 1][0]
    transaction.execute("DELETE FROM batches WHERE id BETWEEN ? AND ?", (first_id, upto_id))
    return None if is_over else first_id - 1


def plan_filling(transaction: Transaction, log_id: int) -> None:
    """Write down that a log belongs to no topic yet."""
    transaction.execute(
        "INSERT OR IGNORE INTO purges (log_id, before_offset) VALUES (?, ?)", (log_id, _FILLING)
    )


def end_filling(transaction: Transaction, log_ids: Iterable[int]) -> None:
    """Write down that logs belong to a topic; they need not have been filled."""
    if transaction.execute(
        "SELECT 1 FROM purges WHERE before_offset = ? LIMIT 1", (_FILLING,)
    ).fetchone():
        transaction.executemany(
            "DELETE FROM purges WHERE log_id = ? AND before_offset = ?",
            [(log_id, _FILLING) for log_id in log_ids],
        )


def drop_filled(connection: sqlite3.Connection) -> None:
    """Let the logs go that another process was filling."""
    connection.execute(
        "UPDATE purges SET before_offset = ? WHERE before_offset = ?", (MAX_OFFSET, _FILLING)
    )


def _count_up_to(limit_bytes: int, rows: list[tuple[int, int]]) -> int:
    size = 0
    for count, (_, row_size) in enumerate(rows, start=1):
        size += row_size
        if size >= limit_bytes:
            return count
    return len(rows)
