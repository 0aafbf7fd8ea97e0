"""Keeping the write-ahead log short while reads and writes go on.

After every 16 MB the log is copied into the file by a connection of its own, so that no
write waits for the disk. SQLite starts the log over when all of it is copied and nobody reads
it. Under constant load that moment may never come, and the log grows. When it has become too
long, the writer copies what is left itself and waits for the reads under way.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from pathlib import Path

from fakebus.errors import StorageError
from fakebus.storage.sqlite_connection import WorkerConnection

logger = logging.getLogger("fakebus.storage")

CHECKPOINT_BYTES = 16 * 1024 * 1024
MAX_WAL_BYTES = 128 * 1024 * 1024
_BYTES_A_WRITE = 3 * 16384
"""What a small write adds to the log: the pages on the way to its row, whole."""


class WalLimit:
    """Watches the size of a database's write-ahead log.

    Args:
        path: the database.
    """

    def __init__(self, path: Path) -> None:
        self._wal_path = f"{path}-wal"
        self._next_limit = MAX_WAL_BYTES
        self._written = 0

    @property
    def checkpoint_due(self) -> bool:
        """Whether so much was written that the log has to be copied into the file."""
        return self._written >= CHECKPOINT_BYTES

    def checkpoint_begins(self) -> None:
        """Count anew from here."""
        self._written = 0

    def note(self, writes: int, size_bytes: int) -> None:
        """Count what a commit has added to the log."""
        self._written += size_bytes + writes * _BYTES_A_WRITE

    def enforce(self, connection: sqlite3.Connection) -> None:
        """Start the log over if it has become too large; not in a transaction."""
        try:
            self._enforce(connection)
        except (OSError, sqlite3.Error) as error:
            # The commit before it stands; a full disk will fail the next one.
            logger.warning("the write-ahead log could not be cut short: %s", error)

    def _enforce(self, connection: sqlite3.Connection) -> None:
        size = os.stat(self._wal_path).st_size
        if size <= MAX_WAL_BYTES:
            self._next_limit = MAX_WAL_BYTES
        elif size > self._next_limit:
            # Truncated, so that the size tells when it has grown again. A foreign reader may
            # hold it for long; then the next try is some way off.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._next_limit = size + MAX_WAL_BYTES


class Checkpointer:
    """Copies the write-ahead log into the file when that is due, beside the writer.

    Args:
        path: the database.
        limit: knows how much was written.
        durable: whether the file survives a crash of the machine.
        busy_timeout_s: how long to wait for the writer's own checkpoint.
    """

    def __init__(
        self, path: Path, limit: WalLimit, *, durable: bool, busy_timeout_s: float
    ) -> None:
        self._path = path
        self._durable = durable
        self._limit = limit
        self._busy_timeout_s = busy_timeout_s
        self._connection: WorkerConnection | None = None
        self._task: asyncio.Task[None] | None = None

    def start_if_due(self) -> None:
        """Begin a checkpoint if one is due and none is under way."""
        if self._limit.checkpoint_due and (self._task is None or self._task.done()):
            self._limit.checkpoint_begins()
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            if self._connection is None:
                self._connection = await WorkerConnection.open(
                    self._path, busy_timeout_s=self._busy_timeout_s
                )
            await self._connection.call(_checkpoint, self._durable)
        except StorageError as error:
            # Nothing is lost: the log holds it all, and the next commits ask again.
            logger.warning("the write-ahead log could not be copied: %s", error)

    async def close(self) -> None:
        """Wait for a checkpoint under way and close the connection."""
        if self._task is not None:
            await self._task
        if self._connection is not None:
            await self._connection.close()


def _checkpoint(connection: sqlite3.Connection, durable: bool) -> None:
    connection.execute(f"PRAGMA synchronous = {'NORMAL' if durable else 'OFF'}").fetchall()
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
