"""The write transaction, as it runs in the writer's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fakebus.storage.interface import StoredBatch
from fakebus.storage.sqlite_files import OpenFiles

OFFSET_BITS = 44
"""A batch's row id is ``log_id << OFFSET_BITS | base_offset``."""

MAX_OFFSET = (1 << OFFSET_BITS) - 1
MAX_LOG_ID = (1 << (63 - OFFSET_BITS)) - 1

Operation = Callable[..., None]
"""A write: called with the transaction and its own arguments, in the writer's thread."""

INSERT_BATCH = """
INSERT INTO batches (id, last_offset, max_timestamp, running_max_timestamp, cumulative_bytes,
                     producer_id, producer_epoch, base_sequence, attributes, data)
VALUES (?, ?, ?, ?, ?, nullif(?, -1), ?, ?, ?, ?)
"""

_LAST_TOTALS = """
SELECT running_max_timestamp, cumulative_bytes FROM batches
WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1
"""


class Transaction:
    """Runs the operations of one group after another between BEGIN and COMMIT.

    There is one for the life of the connection. Rows of consecutive appends are collected
    and inserted by one call, which saves a microsecond or two for each.

    Args:
        connection: the writer's; in autocommit mode.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.files: OpenFiles | None = None
        """The database's files, which are looked at first; none in memory."""
        self._cursor = connection.cursor()
        self._rows: list[tuple[Any, ...]] = []
        # By log id: running_max_timestamp and cumulative_bytes of the last row.
        self._totals: dict[int, tuple[int, int]] = {}

    def run(self, writes: Iterable[tuple[Any, ...]]) -> None:
        """Run the operations of writes and commit, or undo them all and raise what went wrong.

        Args:
            writes: each begins with an operation and its arguments.

        Raises:
            StorageError: a file has gone or is not what it was.
        """
        if self.files is not None:
            self.files.check()
        self._cursor.execute("BEGIN IMMEDIATE")
        try:
            for operation, arguments, *_ in writes:
                operation(self, *arguments)
            if self._rows:
                self._cursor.executemany(INSERT_BATCH, self._rows)
                self._rows.clear()
            self._cursor.execute("COMMIT")
        except BaseException:
            self._rows.clear()
            self._totals.clear()
            # Some errors, a full disk among them, make SQLite roll back by itself.
            if self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
            raise

    def append(self, log_id: int, batches: Sequence[StoredBatch]) -> None:
        """Insert batches at the end of a log."""
        totals = self._totals.get(log_id) or self._read_totals(log_id)
        running_max_timestamp, cumulative_bytes = totals
        log_start = log_id << OFFSET_BITS
        for base_offset, last_offset, max_timestamp, *producer, data in batches:
            if max_timestamp > running_max_timestamp:
                running_max_timestamp = max_timestamp
            cumulative_bytes += len(data)
            self._rows.append(
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
        self._totals[log_id] = running_max_timestamp, cumulative_bytes

    def _read_totals(self, log_id: int) -> tuple[int, int]:
        row = self.execute(
            _LAST_TOTALS, (log_id << OFFSET_BITS, log_id << OFFSET_BITS | MAX_OFFSET)
        ).fetchone()
        return (-1, 0) if row is None else (row[0], row[1])

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run a statement; the cursor is good until the next one."""
        if self._rows:
            self._insert_rows()
        return self._cursor.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement once for every row of parameters."""
        if self._rows:
            self._insert_rows()
        self._cursor.executemany(sql, parameters)

    def forget_totals(self, log_id: int) -> None:
        """The last row of the log may have gone: look again before the next append."""
        self._totals.pop(log_id, None)

    def _insert_rows(self) -> None:
        self._cursor.executemany(INSERT_BATCH, self._rows)
        self._rows.clear()
