"""Replacing batches in the middle of a log. Runs in the writer's thread.

The totals of what follows are not rewritten, which could be gigabytes: one row of freed_bytes
says how much too large they have become. Such a row never stands behind the log's last batch,
because what is appended later continues the totals of that batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fakebus.storage.interface import StoredBatch
from fakebus.storage.sqlite_transaction import (
    INSERT_BATCH,
    MAX_OFFSET,
    OFFSET_BITS,
    Transaction,
)

_BEFORE = """
SELECT id, running_max_timestamp, cumulative_bytes FROM batches
WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1
"""
_BEHIND = """
SELECT id, cumulative_bytes - length(data) FROM batches
WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1
"""
_FREED_BETWEEN = """
SELECT ifnull(sum(bytes), 0) FROM freed_bytes
WHERE log_id = ? AND from_offset > ? AND from_offset <= ?
"""
_FORGET_BETWEEN = """
DELETE FROM freed_bytes WHERE log_id = ? AND from_offset > ? AND from_offset <= ?
"""


def replace_batches(
    transaction: Transaction,
    log_id: int,
    from_offset: int,
    upto_offset: int,
    batches: Sequence[StoredBatch],
) -> None:
    """Put batches in the place of others; see :meth:`LogStore.replace_batches`."""
    log_start = log_id << OFFSET_BITS
    before = transaction.execute(_BEFORE, (log_start, log_start + from_offset - 1)).fetchone()
    behind = transaction.execute(
        _BEHIND, (log_start + upto_offset, log_start | MAX_OFFSET)
    ).fetchone()
    running_max_timestamp, cumulative_bytes = -1, 0
    if before is not None:
        before_id, running_max_timestamp, cumulative_bytes = before
        [freed] = transaction.execute(
            _FREED_BETWEEN, (log_id, before_id - log_start, from_offset)
        ).fetchone()
        cumulative_bytes += freed
    rows: list[tuple[Any, ...]] = []
    for base_offset, last_offset, max_timestamp, *producer, data in batches:
        running_max_timestamp = max(running_max_timestamp, max_timestamp)
        cumulative_bytes += len(data)
        rows.append(
            (
                log_start + base_offset,
                last_offset,
                max_timestamp,
                running_max_timestamp,
                cumulative_bytes,
                *producer,
                data,
            )
        )
    transaction.execute(
        "DELETE FROM batches WHERE id BETWEEN ? AND ?",
        (log_start + from_offset, log_start + upto_offset - 1),
    )
    transaction.executemany(INSERT_BATCH, rows)
    if behind is None:
        transaction.execute(_FORGET_BETWEEN, (log_id, from_offset, MAX_OFFSET))
        forget_freed_bytes(transaction, log_id)
        transaction.forget_totals(log_id)
        return
    behind_id, behind_bytes = behind
    transaction.execute(_FORGET_BETWEEN, (log_id, from_offset, behind_id - log_start))
    if behind_bytes != cumulative_bytes:
        transaction.execute(
            "INSERT OR REPLACE INTO freed_bytes (log_id, from_offset, bytes) VALUES (?, ?, ?)",
            (log_id, upto_offset, behind_bytes - cumulative_bytes),
        )


def forget_freed_bytes(transaction: Transaction, log_id: int) -> None:
    """Forget what stands behind the log's last batch."""
    log_start = log_id << OFFSET_BITS
    last = transaction.execute(_BEFORE, (log_start, log_start | MAX_OFFSET)).fetchone()
    transaction.execute(
        _FORGET_BETWEEN, (log_id, -1 if last is None else last[0] - log_start, MAX_OFFSET)
    )
