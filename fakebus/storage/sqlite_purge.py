"""Making room: batches that nobody can see any more leave the file a few at a time.

Deleting a log of gigabytes in one transaction would stop every append for seconds. So what
is to be deleted is written down and thereby invisible, and the writer deletes a few
megabytes of it after each group. A purge that a crash interrupts goes on at the next start.
"""

from __future__ import annotations

from fakebus.storage.sqlite_transaction import MAX_OFFSET, OFFSET_BITS, Transaction

CHUNK_BYTES = 4 * 1024 * 1024
CHUNK_ROWS = 2000

_LOG_ROWS = """
SELECT id, length(data) FROM batches WHERE id >= ? AND id < ? AND last_offset < ?
ORDER BY id LIMIT ?
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
    planned = transaction.execute("SELECT log_id, before_offset FROM purges LIMIT 1").fetchone()
    if planned is None:
        more.append(False)
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


def _count_up_to(limit_bytes: int, rows: list[tuple[int, int]]) -> int:
    size = 0
    for count, (_, row_size) in enumerate(rows, start=1):
        size += row_size
        if size >= limit_bytes:
            return count
    return len(rows)
