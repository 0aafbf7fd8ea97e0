"""Keeping the write-ahead log short while reads go on.

SQLite copies the log into the file by itself after every 16 MB, and starts the log over when
nobody reads it. With reads going on all the time that moment may never come, and the log
grows. When it has grown to four times its size, the writer waits for the reads under way.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

logger = logging.getLogger("fakebus.storage")

MAX_WAL_BYTES = 64 * 1024 * 1024


class WalLimit:
    """Watches the size of a database's write-ahead log.

    Args:
        path: the database.
    """

    def __init__(self, path: Path) -> None:
        self._wal_path = f"{path}-wal"
        self._next_limit = MAX_WAL_BYTES

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
