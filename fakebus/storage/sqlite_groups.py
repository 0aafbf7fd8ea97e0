"""Consumer groups and their offsets in SQLite: the OffsetStore of the interface."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import groupby

from fakebus.storage.interface import GroupRow, OffsetRow
from fakebus.storage.sqlite_transaction import Operation, Transaction

_OFFSET_BYTES = 400
"""Batches of so many bytes take as long to store as an offset."""
_COLUMNS = """
group_id, topic, partition, "offset", leader_epoch, metadata, commit_timestamp_ms,
expire_timestamp_ms
"""


def commit_offsets(transaction: Transaction, group_id: str, offsets: Sequence[OffsetRow]) -> None:
    """Insert or replace the group's offsets; creates the group if needed."""
    transaction.execute(
        "INSERT INTO groups (group_id) VALUES (?) ON CONFLICT DO NOTHING", (group_id,)
    )
    rows = [
        (
            group_id,
            row.topic,
            row.partition,
            row.offset,
            row.leader_epoch,
            row.metadata,
            row.commit_timestamp_ms,
            row.expire_timestamp_ms,
        )
        for row in offsets
    ]
    transaction.insert(f"INSERT OR REPLACE INTO group_offsets ({_COLUMNS})", rows)


def delete_offsets(
    transaction: Transaction, group_id: str, partitions: Sequence[tuple[str, int]]
) -> None:
    """Forget the group's offsets of these (topic, partition) pairs."""
    transaction.executemany(
        "DELETE FROM group_offsets WHERE group_id = ? AND topic = ? AND partition = ?",
        ((group_id, topic, partition) for topic, partition in partitions),
    )


def save_group(transaction: Transaction, group_id: str, snapshot: bytes) -> None:
    """Keep the coordinator's own snapshot of the group."""
    transaction.execute(
        "INSERT OR REPLACE INTO groups (group_id, snapshot) VALUES (?, ?)", (group_id, snapshot)
    )


def delete_group(transaction: Transaction, group_id: str) -> None:
    """Forget the group and all its offsets."""
    transaction.execute("DELETE FROM group_offsets WHERE group_id = ?", (group_id,))
    transaction.execute("DELETE FROM groups WHERE group_id = ?", (group_id,))


def load_groups(connection: sqlite3.Connection) -> list[GroupRow]:
    """Return every group."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM group_offsets ORDER BY group_id, topic, partition"  # noqa: S608
    )
    offsets = {
        group_id: tuple(_offset_row(row) for row in group)
        for group_id, group in groupby(rows, key=lambda row: row[0])
    }
    return [
        GroupRow(group_id=group_id, snapshot=snapshot, offsets=offsets.get(group_id, ()))
        for group_id, snapshot in connection.execute(
            "SELECT group_id, snapshot FROM groups ORDER BY 1"
        )
    ]


def _offset_row(row: tuple[str, str, int, int, int, str, int, int | None]) -> OffsetRow:
    _, topic, partition, offset, leader_epoch, metadata, committed_ms, expire_ms = row
    return OffsetRow(
        topic=topic,
        partition=partition,
        offset=offset,
        leader_epoch=leader_epoch,
        metadata=metadata,
        commit_timestamp_ms=committed_ms,
        expire_timestamp_ms=expire_ms,
    )


def offsets_size(_: str, offsets: Sequence[OffsetRow] | Sequence[tuple[str, int]]) -> int:
    """Return how many bytes of batches cost as much as offsets do."""
    return _OFFSET_BYTES * len(offsets)


def snapshot_size(_: str, snapshot: bytes | str | None) -> int:
    """Return the bytes of a snapshot; ``None`` is one that is forgotten."""
    return 0 if snapshot is None else len(snapshot)


OFFSET_WRITES: frozenset[Operation] = frozenset({commit_offsets, save_group})
"""The operations of this module that may be committed inline."""
