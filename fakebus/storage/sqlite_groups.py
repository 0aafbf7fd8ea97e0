"""Consumer groups and their offsets in SQLite: the OffsetStore of the interface."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from itertools import groupby

from fakebus.storage.interface import GroupRow, OffsetRow
from fakebus.storage.sqlite_connection import WorkerConnection
from fakebus.storage.sqlite_transaction import Operation, Transaction
from fakebus.storage.sqlite_writer import GroupCommitWriter


class SqliteGroups:
    """Groups by id; see :class:`~fakebus.storage.interface.OffsetStore`.

    Args:
        writer: takes the writes.
        reader: where reads run.
    """

    def __init__(self, writer: GroupCommitWriter, reader: WorkerConnection) -> None:
        self._writer = writer
        self._reader = reader

    def commit_offsets(self, group_id: str, offsets: Sequence[OffsetRow]) -> asyncio.Future[None]:
        """Enqueue: insert or replace the group's offsets; creates the group if needed."""
        return self._writer.enqueue_with_future(_commit_offsets, (group_id, offsets))

    def delete_offsets(
        self, group_id: str, partitions: Sequence[tuple[str, int]]
    ) -> asyncio.Future[None]:
        """Enqueue: forget the group's offsets of these (topic, partition) pairs."""
        return self._writer.enqueue_with_future(_delete_offsets, (group_id, partitions))

    def save_group(self, group_id: str, snapshot: bytes) -> asyncio.Future[None]:
        """Enqueue: keep the coordinator's own snapshot of the group."""
        return self._writer.enqueue_with_future(_save_group, (group_id, snapshot))

    def delete_group(self, group_id: str) -> asyncio.Future[None]:
        """Enqueue: forget the group and all its offsets."""
        return self._writer.enqueue_with_future(_delete_group, (group_id,))

    async def load_groups(self) -> list[GroupRow]:
        """Return every group."""
        return await self._reader.read(_load_groups)


def _commit_offsets(transaction: Transaction, group_id: str, offsets: Sequence[OffsetRow]) -> None:
    transaction.execute(
        "INSERT INTO groups (group_id) VALUES (?) ON CONFLICT DO NOTHING", (group_id,)
    )
    transaction.executemany(
        "INSERT OR REPLACE INTO group_offsets VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
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
        ),
    )


def _delete_offsets(
    transaction: Transaction, group_id: str, partitions: Sequence[tuple[str, int]]
) -> None:
    transaction.executemany(
        "DELETE FROM group_offsets WHERE group_id = ? AND topic = ? AND partition = ?",
        ((group_id, topic, partition) for topic, partition in partitions),
    )


def _save_group(transaction: Transaction, group_id: str, snapshot: bytes) -> None:
    transaction.execute("INSERT OR REPLACE INTO groups VALUES (?, ?)", (group_id, snapshot))


def _delete_group(transaction: Transaction, group_id: str) -> None:
    transaction.execute("DELETE FROM group_offsets WHERE group_id = ?", (group_id,))
    transaction.execute("DELETE FROM groups WHERE group_id = ?", (group_id,))


def _load_groups(connection: sqlite3.Connection) -> list[GroupRow]:
    rows = connection.execute("SELECT * FROM group_offsets ORDER BY group_id, topic, partition")
    offsets = {
        group_id: tuple(_offset_row(row) for row in group)
        for group_id, group in groupby(rows, key=lambda row: row[0])
    }
    return [
        GroupRow(group_id=group_id, snapshot=snapshot, offsets=offsets.get(group_id, ()))
        for group_id, snapshot in connection.execute("SELECT * FROM groups ORDER BY group_id")
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


OFFSET_WRITES: frozenset[Operation] = frozenset({_commit_offsets, _save_group})
"""The operations of this module that may be committed inline."""
