"""Keeping the write-ahead log short while reads and writes go on.

The log is copied into the file by a connection of its own, so that no write waits for the disk:
in the first quiet moment after 8 MB, and without one after 72 MB, because a copy that runs beside
the writes costs them speed. SQLite starts the log over when all of it is copied and nobody reads
it. Under constant load that moment may never come, and the log grows. When it has become too
long, a commit waits while the reading connection, which then does not read, copies the rest and
starts the log over in the same file: the system would have to fetch an empty one's pages anew. All
writers wait with it, so this comes only once little is left to copy. Until then writes are slowed
down, a moment for every few megabytes, which lets the copy beside them get ahead.
In a quiet moment a log whose file is longer than it should be at rest is cut short, a piece at a
time for the same reason.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from fakebus.errors import StorageError
from fakebus.storage.sqlite_connection import PAGE_SIZE, WorkerConnection
from fakebus.storage.sqlite_transaction import FRAME_HEADER_BYTES, LOG_HEADER_BYTES, OpenFiles

logger = logging.getLogger("fakebus.storage")

CHECKPOINT_BYTES = 8 * 1024 * 1024
BUSY_CHECKPOINT_BYTES = 72 * 1024 * 1024
MAX_WAL_BYTES = 104 * 1024 * 1024
REST_BYTES = 56 * 1024 * 1024
"""How long the log's file may stay while nothing is written."""
SPARE_BYTES = 2 * MAX_WAL_BYTES
"""By how much it may be too long while the copy gets ahead; then all writes wait for the copy."""
SLICE_BYTES = 8 * 1024 * 1024
"""What is copied, or cut off, while all writes wait."""
GIVE_WAY_S = 0.05
"""How long a commit waits for the copy when the log is too long."""
QUIET_S = 0.05
"""A moment without writes that is long enough to copy the log in."""
_BYTES_A_WRITE = 3 * 16384
"""What a small write adds to the log: the pages on the way to its row, whole."""


class WriteAheadLog:
    """The write-ahead log of a database, and the connection that empties it.

    Args:
        path: the database.
        files: notice when the database goes away; another one is not touched.
        reader: the connection that reads, and does not while it starts the log over.
        durable: whether the file survives a crash of the machine.
        busy_timeout_s: how long to wait for readers of other processes.
    """

    def __init__(
        self,
        path: Path,
        files: OpenFiles,
        reader: WorkerConnection,
        durable: bool,
        busy_timeout_s: float,
    ) -> None:
        self.look_due = False
        """Whether so much was written that :meth:`keep_short` should run before a commit."""
        self.cut_wanted = False
        """Whether it is longer than it should be at rest; :meth:`cut` mends that."""
        self.on_cut_wanted: Callable[[], None] = lambda: None
        self._path = path
        self._files = files
        self._reader = reader
        self._wal_path = f"{path}-wal"
        self._durable = durable
        self._busy_timeout_s = busy_timeout_s
        self._next_limit = MAX_WAL_BYTES
        self._copied_bytes = 0
        """What of the log was in the file when the last copy ended."""
        self._written_since_checkpoint = 0
        self._written_since_look = 0
        self._commits = 0
        self._is_long = False
        self._connection: WorkerConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._quiet: asyncio.TimerHandle | None = None

    def note(self, writes: int, size_bytes: int) -> None:
        """Count what a commit has added, and begin a checkpoint if one is due."""
        added = size_bytes + writes * _BYTES_A_WRITE
        self._commits += 1
        self._written_since_look += added
        self.look_due = self._written_since_look >= CHECKPOINT_BYTES
        self._written_since_checkpoint += added
        if self._written_since_checkpoint >= BUSY_CHECKPOINT_BYTES:
            self._begin_checkpoint(quiet=False)
        elif self._quiet is None and (
            self._is_long or self._written_since_checkpoint >= CHECKPOINT_BYTES
        ):
            self._wait_for_quiet()

    def _wait_for_quiet(self) -> None:
        # One timer that looks whether there were commits costs each of them nothing.
        self._quiet = asyncio.get_running_loop().call_later(
            QUIET_S, self._look_for_quiet, self._commits
        )

    def _look_for_quiet(self, commits: int) -> None:
        if commits == self._commits:
            self._quiet = None
            self._begin_checkpoint(quiet=True)
        else:
            self._wait_for_quiet()

    def _begin_checkpoint(self, *, quiet: bool) -> asyncio.Task[None]:
        if self._task is None or self._task.done():
            self._written_since_checkpoint = 0
            self._task = asyncio.get_running_loop().create_task(self._run_checkpoint(quiet=quiet))
        return self._task

    async def keep_short(self) -> None:
        """Start the log over if it has become too long; nothing may be written meanwhile."""
        self._written_since_look, self.look_due = 0, False
        self._is_long = self._size() > REST_BYTES
        if self._files.log_bytes() <= self._next_limit:
            return
        if self._uncopied_bytes() > SLICE_BYTES:
            await asyncio.wait([self._begin_checkpoint(quiet=False)], timeout=GIVE_WAY_S)
        too_long = self._files.log_bytes() > self._next_limit + SPARE_BYTES
        if too_long or self._uncopied_bytes() <= SLICE_BYTES:
            await self._start_over()

    def _uncopied_bytes(self) -> int:
        length = self._files.log_bytes()
        # One that was started over is shorter than what was copied before.
        return length - self._copied_bytes if length >= self._copied_bytes else length

    async def _start_over(self) -> bool:
        """Copy what is left of the log and have it started over by the next write."""
        # SQLite does not wait for another checkpoint, it gives up.
        await self._wait()
        is_over = False
        try:
            self._files.look()
            is_over = await self._reader.call(_start_over, self._path)
        except StorageError as error:
            # Not fatal in itself; a full disk will fail the next commit.
            logger.warning("the write-ahead log could not be cut short: %s", error)
        # A foreign reader may hold it for long; then the next try is some way off.
        self._files.note_size()
        self._next_limit = MAX_WAL_BYTES + (0 if is_over else self._files.log_bytes())
        self._is_long = False
        return is_over

    async def cut(self) -> None:
        """Cut a piece off a log that is longer than it should be at rest; nothing may be written.

        More is to be cut as long as ``cut_wanted``.
        """
        self.cut_wanted = False
        if self._uncopied_bytes() > SLICE_BYTES:
            # Much was written since it was quiet: the next quiet moment does it.
            if self._quiet is None:
                self._wait_for_quiet()
            return
        if self._files.log_bytes() > REST_BYTES and not (
            self._connection is not None
            and await self._start_over()
            and await self._begin_anew(self._connection)
        ):
            return
        rest = max(REST_BYTES, self._files.log_bytes() + LOG_HEADER_BYTES)
        size = self._size()
        if size > rest:
            try:
                os.truncate(self._wal_path, max(rest, size - SLICE_BYTES))
                self.cut_wanted = size - SLICE_BYTES > rest
            except OSError as error:
                logger.warning("the write-ahead log could not be cut short: %s", error)

    async def _begin_anew(self, connection: WorkerConnection) -> bool:
        try:
            await connection.call(_begin_anew)
        except StorageError as error:
            logger.warning("the write-ahead log could not be begun anew: %s", error)
            return False
        return True

    def _size(self) -> int:
        try:
            return os.stat(self._wal_path).st_size
        except FileNotFoundError:
            return 0

    async def _run_checkpoint(self, *, quiet: bool) -> None:
        try:
            self._files.look()
            if self._connection is None:
                self._connection = await WorkerConnection.open(
                    self._path, busy_timeout_s=self._busy_timeout_s
                )
            self._copied_bytes = await self._connection.call(_copy, self._path, self._durable)
            self._files.note_size()
            self._is_long = self._size() > REST_BYTES
            if quiet and self._is_long:
                self.cut_wanted = True
                self.on_cut_wanted()
            elif self._is_long and self._quiet is None:
                self._wait_for_quiet()
        except StorageError as error:
            # Nothing is lost: the log holds it all, and the next commits ask again.
            logger.warning("the write-ahead log could not be copied: %s", error)

    async def _wait(self) -> None:
        if self._task is not None:
            await self._task

    async def close(self) -> None:
        """Wait for a checkpoint under way and close the connection."""
        if self._quiet is not None:
            self._quiet.cancel()
        try:
            await self._wait()
        finally:
            if self._connection is not None:
                await self._connection.close()


def _copy(connection: sqlite3.Connection, path: Path, durable: bool) -> int:
    """Copy what can be copied beside the writes; return how many bytes of the log are copied."""
    _demand_room(connection, path)
    connection.execute(f"PRAGMA synchronous = {'NORMAL' if durable else 'OFF'}").fetchall()
    [(_, _, copied)] = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return int(copied) * (FRAME_HEADER_BYTES + PAGE_SIZE)


def _start_over(connection: sqlite3.Connection, path: Path) -> bool:
    _demand_room(connection, path)
    [(is_busy, _, _)] = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    return not is_busy


def _begin_anew(connection: sqlite3.Connection) -> None:
    # A write that changes nothing, as the first one of a log that is started over.
    [version] = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version}")


def _demand_room(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StorageError where the file would not have the room to take in all of the log.

    A copy that ends half-way frees nothing of the log and leaves the next writes no room.
    """
    pages, page_size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    try:
        growth = pages * page_size - path.stat().st_size
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None
    if growth > free:
        raise StorageError(f"{path}: the file has to grow by {growth} bytes and {free} are free")
