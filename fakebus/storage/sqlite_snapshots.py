"""Snapshots in SQLite: the SnapshotStore of the interface."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from fakebus.storage.damage import ChangedRowError, other_row
from fakebus.storage.interface import KeptRange, LogChange, StoredBatch
from fakebus.storage.sqlite_purge import CHUNK_BYTES, CHUNK_ROWS, FORGOTTEN, plan_filling
from fakebus.storage.sqlite_reads import first_damaged
from fakebus.storage.sqlite_transaction import MAX_OFFSET, OFFSET_BITS, Transaction

_COPY = """
INSERT INTO kept_batches
SELECT ?, id & ?, last_offset, max_timestamp, producer_id, producer_epoch, base_sequence,
       attributes, data
FROM batches WHERE id BETWEEN ? AND ? ORDER BY id
"""
_KEPT = """
SELECT base_offset, last_offset, max_timestamp, ifnull(producer_id, -1), producer_epoch,
       base_sequence, attributes, data
FROM kept_batches WHERE change = ? AND base_offset >= ? AND base_offset < ?
ORDER BY base_offset LIMIT ?
"""


def save_snapshot(transaction: Transaction, name: str, content: bytes | None) -> None:
    """Insert or replace a snapshot; ``None`` forgets it."""
    if content is None:
        transaction.execute("DELETE FROM snapshots WHERE name = ?", (name,))
    else:
        transaction.execute(
            "INSERT OR REPLACE INTO snapshots (name, content) VALUES (?, ?)", (name, content)
        )


def load_snapshots(
    connection: sqlite3.Connection,
) -> tuple[dict[str, str | bytes], list[LogChange]]:
    """Return the snapshots by name, and all changes in their order."""
    changes = connection.execute(
        """
        SELECT id, log_id, from_offset, upto_offset FROM log_changes WHERE log_id <> ? ORDER BY id
        """,
        (FORGOTTEN,),
    ).fetchall()
    snapshots = connection.execute("SELECT name, content FROM snapshots ORDER BY name").fetchall()
    return dict(snapshots), list(map(LogChange._make, changes))


def keep_batches(transaction: Transaction, change: LogChange) -> None:
    """Note a change, and copy the batches that begin in its range."""
    transaction.execute(
        "INSERT INTO log_changes (id, log_id, from_offset, upto_offset) VALUES (?, ?, ?, ?)", change
    )
    first = (change.log_id << OFFSET_BITS) + change.from_offset
    last = (change.log_id << OFFSET_BITS) + change.upto_offset - 1
    transaction.execute(_COPY, (change.change_id, MAX_OFFSET, first, last))


def put_back_batches(
    transaction: Transaction, log_id: int, kept: KeptRange, told: list[tuple[int, int]]
) -> None:
    """Append some of what was kept to a log that nobody sees yet.

    Args:
        transaction: to work in.
        log_id: the log.
        kept: where what was kept begins and ends.
        told: gets one item, the offset at which the rest begins and the bytes of this part.
    """
    plan_filling(transaction, log_id)
    where = (kept.change_id, kept.from_offset, kept.upto_offset, CHUNK_ROWS)
    batches: list[StoredBatch] = []
    size = 0
    for batch in map(StoredBatch._make, transaction.execute(_KEPT, where)):
        batches.append(batch)
        size += len(batch.data)
        if size >= CHUNK_BYTES:
            break
    transaction.append(log_id, batches)
    is_over = size < CHUNK_BYTES and len(batches) < CHUNK_ROWS
    told.append((kept.upto_offset if is_over else batches[-1].base_offset + 1, size))


def forget_changes(transaction: Transaction, change_ids: Sequence[int]) -> None:
    """Forget changes; what was kept with them leaves the file in the background."""
    transaction.executemany(
        "UPDATE log_changes SET log_id = ? WHERE id = ?", [(FORGOTTEN, each) for each in change_ids]
    )


def read_kept(
    connection: sqlite3.Connection, kept: KeptRange, max_batches: int
) -> list[StoredBatch]:
    """Return the first ``max_batches`` batches of a range, in order."""
    where = (kept.change_id, kept.from_offset, kept.upto_offset, max_batches)
    batches = list(map(StoredBatch._make, connection.execute(_KEPT, where)))
    if (place := first_damaged(batches)) is not None:
        which = f"change = {kept.change_id} AND base_offset = {batches[place].base_offset}"
        raise ChangedRowError(other_row("kept_batches", which))
    return batches


def kept_bytes(connection: sqlite3.Connection) -> dict[int, int]:
    """Return how many bytes are kept with each change, those that are forgotten too."""
    sizes = "SELECT change, sum(length(data)) FROM kept_batches GROUP BY change"
    return dict(connection.execute(sizes).fetchall())
