"""Keeping the write-ahead log short while reads go on.

The log is copied into the file after every 16 MB, by the writer's thread and never on the
event loop, as it waits for the disk. SQLite starts the log over when nobody reads it. With
reads going on all the time that moment may never come, and the log grows. When it has grown
to four times its size, the writer waits for the reads under way.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

logger = logging.getLogger("fakebus.storage")

CHECKPOINT_BYTES = 16 * 1024 * 1024
MAX_WAL_BYTES = 64 * 1024 * 1024
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

    def note(self, writes: int, size_bytes: int) -> None:
        """Count what a commit has added to the log."""
        self._written += size_bytes + writes * _BYTES_A_WRITE

    def enforce(self, connection: sqlite3.Connection) -> None:
        """Copy the log into the file if that is due; not in a transaction.

        If the log has become too large, it is started over as well.
        """
        try:
            if self.checkpoint_due:
                self._written = 0
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
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
