"""Storage in one SQLite file, or in memory.

A write walks: ``enqueue`` (sqlite_writer) → one trip to the writer's thread → ``Transaction``
(sqlite_transaction) → COMMIT → ``on_done``. Reads of a file go through a second connection
with a thread of its own; they see everything that was committed when they were called. A
database in memory belongs to one connection, so there reads wait for the group under way.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from fakebus.errors import StorageError
from fakebus.storage import sqlite_groups as groups
from fakebus.storage import sqlite_snapshots as snapshots
from fakebus.storage.batch_totals import changed_batch
from fakebus.storage.damage import (
    SCHEMA_KEY,
    Damage,
    LogFrames,
    changed_row,
    damaged,
    first_damage,
    note_schema,
)
from fakebus.storage.interface import KeptRange, LogChange, Undo
from fakebus.storage.migrations import migrate
from fakebus.storage.sqlite_connection import PAGE_SIZE, WorkerConnection, is_damage
from fakebus.storage.sqlite_file import FileLock, check_data_file
from fakebus.storage.sqlite_lineage import SqliteLineage
from fakebus.storage.sqlite_logs import APPENDS, SqliteLogs
from fakebus.storage.sqlite_meta import VALUE_WRITES, SqliteMeta
from fakebus.storage.sqlite_purge import drop_filled, purge_chunk
from fakebus.storage.sqlite_reads import load_log_starts
from fakebus.storage.sqlite_topics import SqliteTopics, read_next_log_id
from fakebus.storage.sqlite_transaction import OpenFiles, Transaction
from fakebus.storage.sqlite_wal import MAX_WAL_BYTES, WriteAheadLog
from fakebus.storage.sqlite_writer import GroupCommitWriter

logger = logging.getLogger("fakebus.storage")

_BUSY_TIMEOUT_S = 1.0
_WRITE_CACHE_KIB = 8 * 1024
_READ_CACHE_KIB = 4 * 1024
CHECKED_AT_ONCE_BYTES = 64 * 1024 * 1024
"""A file up to this size is looked through before the start is over, which takes 25 ms."""

QUICK_OPERATIONS = APPENDS | groups.OFFSET_WRITES | VALUE_WRITES
"""What is done in microseconds, whatever its arguments: fit for an inline commit."""


class _Found(NamedTuple):
    """Content of the file at the start."""

    transaction: Transaction
    meta: dict[str, str]
    log_starts: dict[int, int]
    next_log_id: int
    is_checked: bool
    """Whether the file was looked through as a whole."""


class SqliteStorage:
    """See :class:`fakebus.storage.interface.Storage`; made by :meth:`open`.

    Args:
        writer_connection: for the writes.
        reader_connection: for the reads; may be the same one.
        lock: released at the end.
        found: what the file says.
        wal: the file's write-ahead log; ``None`` in memory.
        files: notice when the file goes away; ``None`` in memory.
    """

    def __init__(
        self,
        writer_connection: WorkerConnection,
        reader_connection: WorkerConnection,
        lock: FileLock | None,
        found: _Found,
        wal: WriteAheadLog | None,
        files: OpenFiles | None,
    ) -> None:
        self._writer_connection = writer_connection
        self._reader_connection = reader_connection
        self._lock = lock
        self._transaction = found.transaction
        self._wal = wal
        self._files = self._transaction.files = files
        self._keeper: sqlite3.Connection | None = None
        self._check: asyncio.Task[None] | None = None
        self._behind = ExitStack()
        self._closed = False
        self._writer = writer = GroupCommitWriter(
            writer_connection, found.transaction, self._purge, QUICK_OPERATIONS, wal
        )
        self._logs = logs = SqliteLogs(writer, reader_connection, found.log_starts)
        topics = SqliteTopics(writer, reader_connection, logs, found.next_log_id)
        meta = SqliteMeta(writer, found.meta)

        self.writes = writer
        self.atomic = writer.atomic
        self.flush = writer.flush
        self.append_batches = logs.append_batches
        self.read_batches = logs.read_batches
        self.read_data = logs.read_data
        self.first_batch_at_or_after = logs.first_batch_at_or_after
        self.batch_with_max_timestamp = logs.batch_with_max_timestamp
        self.retention_cut = logs.retention_cut
        self.delete_before = logs.delete_before
        self.truncate = logs.truncate
        self.summaries = logs.summaries
        self.replace_batches = logs.replace_batches
        self.set_first_dirty_offset = logs.set_first_dirty_offset
        self.begin_epoch = logs.begin_epoch
        self.drop_filled = logs.drop_filled
        self.producer_batches = logs.producer_batches
        self.transaction_start = logs.transaction_start
        self.aborted_transactions = logs.aborted_transactions
        self.size_bytes = logs.size_bytes
        self.load_logs = logs.load_logs
        self.next_log_id = topics.next_log_id
        self.save_topic = topics.save_topic
        self.delete_topic = topics.delete_topic
        self.load_topics = topics.load_topics
        self.commit_offsets = writer.writing(groups.commit_offsets, groups.offsets_size)
        self.delete_offsets = writer.writing(groups.delete_offsets, groups.offsets_size)
        self.forget_offsets_soon = partial(writer.owe, groups.delete_offsets)
        self.save_group = writer.writing(groups.save_group, groups.snapshot_size)
        self.delete_group = writer.writing(groups.delete_group)
        self.load_groups = reader_connection.reading(groups.load_groups)
        self.save_snapshot = writer.writing(snapshots.save_snapshot, groups.snapshot_size)
        self.load_snapshots = reader_connection.reading(snapshots.load_snapshots)
        self.read_kept = reader_connection.reading(snapshots.read_kept)
        self.kept_bytes = reader_connection.reading(snapshots.kept_bytes)
        self.get_meta = meta.get_meta
        self.set_meta, self.write_meta = meta.set_meta, meta.write_meta
        self.set_all_meta = meta.set_all_meta
        self.forget_meta_soon = meta.forget_meta_soon
        self.meta_keys = meta.meta_keys
        self.lineage = SqliteLineage(writer, reader_connection)

    def keep_batches(
        self, change: LogChange, undo: Undo | None = None, size: int = 0
    ) -> asyncio.Future[None]:
        """Enqueue: note a change, and copy the batches that begin in its range, of that size."""
        return self._writer.enqueue_with_future(
            snapshots.keep_batches, (change,), undo=undo, size=size
        )

    async def put_back_batches(self, log_id: int, kept: KeptRange) -> int:
        """Append some of what was kept to a log that nobody sees; return where the rest begins."""
        told: list[tuple[int, int]] = []
        await self._writer.enqueue_with_future(snapshots.put_back_batches, (log_id, kept, told))
        upto, size = told[0]
        if self._wal is not None:
            self._wal.note(0, size)
        return upto

    def forget_changes(self, change_ids: Sequence[int]) -> asyncio.Future[None]:
        """Enqueue: forget changes; what was kept with them leaves the file in the background."""
        return self._writer.enqueue_with_future(
            snapshots.forget_changes, (change_ids,), lambda _: self._writer.want_purge()
        )

    @classmethod
    async def open(cls, path: Path | None, *, durable: bool = True) -> SqliteStorage:
        """Open a data file, or make it, and bring it to the newest version.

        Args:
            path: the file; ``None`` keeps everything in memory.
            durable: whether the file survives a crash of the machine. What was acknowledged
                survives a crash of the process in any case.

        Raises:
            StorageError: the file is not ours, too new, in use, or cannot be written.
        """
        if path is None:
            connection = await WorkerConnection.open(None, busy_timeout_s=_BUSY_TIMEOUT_S)
            try:
                found = await connection.call(_prepare, ":memory:", durable=False)
                return cls(connection, connection, None, found, None, None)
            except BaseException:
                await connection.close()
                raise
        asked, path, lock = _lock(path)
        try:
            check_data_file(path)
            return await cls._open_file(path, asked, lock, durable)
        except BaseException:
            lock.release()
            raise

    @classmethod
    async def _open_file(
        cls, path: Path, asked: Path, lock: FileLock, durable: bool
    ) -> SqliteStorage:
        frames = LogFrames(path)
        frames.demand_file(path)
        # A connection's thread is not a daemon: left open, it would hang the interpreter.
        stack = AsyncExitStack()
        behind = stack.enter_context(ExitStack())
        try:
            writer = await WorkerConnection.open(path, busy_timeout_s=_BUSY_TIMEOUT_S)
            stack.push_async_callback(writer.close)
            if frames.written:
                await writer.call(_read_log)
                _demand_frames(frames, path, behind)
            found = await writer.call(_prepare, str(path), durable=durable)
            reader = await WorkerConnection.open(path, busy_timeout_s=_BUSY_TIMEOUT_S)
            stack.push_async_callback(reader.close)
            await reader.call(_prepare_reader, durable)
            files = OpenFiles(path, asked)
        except BaseException:
            await stack.aclose()
            raise
        wal = WriteAheadLog(path, files, reader, durable, _BUSY_TIMEOUT_S)
        storage = cls(writer, reader, lock, found, wal, files)
        storage._behind = behind
        if not found.is_checked:
            storage._check = asyncio.create_task(_check_beside(path))
        return storage

    async def _purge(self) -> bool:
        if self._wal is not None and self._wal.cut_wanted:
            await self._wal.cut()
        more: list[bool] = []
        purged: list[int] = []
        await self._writer_connection.call(_run, self._transaction, purge_chunk, more, purged)
        self._logs.forget_purged(purged)
        return more[0] or (self._wal is not None and self._wal.cut_wanted)

    async def close(self) -> None:
        """Commit what is enqueued and let go of the file; may be called twice.

        Raises:
            StorageError: the file has gone or was harmed, and what was stored with it.
        """
        if self._closed:
            return
        self._closed = True
        # The stack closes from the last to the first, whatever becomes of the others: a thread
        # that is left over would hang the interpreter.
        async with AsyncExitStack() as stack:
            if self._lock is not None:
                stack.callback(self._lock.release)
            if self._files is not None:
                stack.callback(self._files.close)
            stack.callback(self._behind.close)
            stack.callback(self._close_keeper)
            # The last connection moves the write-ahead log into the file.
            stack.push_async_callback(self._writer_connection.close)
            if self._reader_connection is not self._writer_connection:
                stack.push_async_callback(self._reader_connection.close)
            if self._wal is not None:
                stack.push_async_callback(self._wal.close)
            if self._check is not None:
                stack.push_async_callback(_end, self._check)
            stack.callback(self._look_for_harm)
            await self._writer.close()

    def _look_for_harm(self) -> None:
        if self._files is None:
            return
        try:
            self._files.look()
        except StorageError:
            self._keeper = self._files.hold_back()
            raise

    def _close_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.close()


def _lock(path: Path) -> tuple[Path, Path, FileLock]:
    # By its real path, so that two names of one file are one lock.
    asked = path.expanduser().absolute()
    path = asked.resolve()
    return asked, path, FileLock(path)


def _run(
    _connection: sqlite3.Connection,
    transaction: Transaction,
    operation: Callable[..., None],
    *arguments: Any,
) -> None:
    transaction.run([(operation, arguments)])


def _read_log(connection: sqlite3.Connection) -> None:
    # The first read makes the index of the log, of all frames whose sums are right.
    with suppress(sqlite3.DatabaseError):
        connection.execute("PRAGMA user_version").fetchall()


def _demand_frames(frames: LogFrames, path: Path, behind: ExitStack) -> None:
    """Demand that SQLite has found all frames, or keep it from taking the rest for all.

    Args:
        frames: what was there before.
        path: the data file.
        behind: closed when SQLite's own connections are.
    """
    files = OpenFiles(path)
    behind.callback(files.close)
    try:
        frames.demand(files.log_frames())
    except StorageError:
        keeper = files.hold_back()
        if keeper is not None:
            behind.callback(keeper.close)
        raise


def _prepare(connection: sqlite3.Connection, name: str, *, durable: bool) -> _Found:
    """Configure the writer's connection, migrate, and read what is needed in memory."""
    try:
        found = _configure(connection, name, durable=durable)
        if name != ":memory:" and (damage := _find_damage(connection)):
            raise StorageError(damaged(name, damage))
        return found
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        # What is no SQL any more was a description of a table, and what is no UTF-8 a text.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if not is_damage(code) and code != sqlite3.SQLITE_ERROR:
            raise
        place = first_damage(connection)
        what = Damage(f"{error}; {place}" if place else str(error))
        raise StorageError(damaged(name, what)) from error


def _find_damage(connection: sqlite3.Connection) -> Damage | None:
    if not _is_small(connection):
        return changed_row(connection)
    if place := first_damage(connection):
        return Damage(place)
    return changed_row(connection) or changed_batch(connection)


async def _check_beside(path: Path) -> None:
    """Look through a large file while it is in use, and log what is wrong."""
    connection = await WorkerConnection.open(path, busy_timeout_s=_BUSY_TIMEOUT_S)
    try:
        damage = await connection.call(_look_through)
        if damage is not None:
            logger.error("%s", damaged(str(path), damage))
    except StorageError as error:
        logger.error("%s", error)
    except asyncio.CancelledError:
        await connection.interrupt()
        raise
    finally:
        await connection.close()


def _look_through(connection: sqlite3.Connection) -> Damage | None:
    place = first_damage(connection)
    return Damage(place) if place else changed_batch(connection)


async def _end(check: asyncio.Task[None]) -> None:
    check.cancel()
    await asyncio.wait([check])


def _is_small(connection: sqlite3.Connection) -> bool:
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    return bool(pages * PAGE_SIZE <= CHECKED_AT_ONCE_BYTES)


def _configure(connection: sqlite3.Connection, name: str, *, durable: bool) -> _Found:
    for pragma in (
        # Only a new database takes these two.
        f"page_size = {PAGE_SIZE}",
        "auto_vacuum = NONE",
        # Some systems build SQLite so that it overwrites what is deleted.
        "secure_delete = OFF",
        f"cache_size = -{_WRITE_CACHE_KIB}",
        f"synchronous = {'NORMAL' if durable else 'OFF'}",
        # The write-ahead log is copied into the file by WriteAheadLog.
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {MAX_WAL_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    # A new file gets its first version before it has a write-ahead log, so that its header
    # says from the first moment whose it is.
    if migrate(connection, name):
        note_schema(connection)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    drop_filled(connection)
    return _Found(
        Transaction(connection),
        dict(
            connection.execute(
                "SELECT key, value FROM meta WHERE key <> ?", (SCHEMA_KEY,)
            ).fetchall()
        ),
        load_log_starts(connection),
        read_next_log_id(connection),
        name == ":memory:" or _is_small(connection),
    )


def _prepare_reader(connection: sqlite3.Connection, durable: bool) -> None:
    # It sometimes makes a checkpoint, which obeys this.
    connection.execute(f"PRAGMA synchronous = {'NORMAL' if durable else 'OFF'}").fetchall()
    connection.execute(f"PRAGMA cache_size = -{_READ_CACHE_KIB}").fetchall()
    connection.execute("PRAGMA query_only = ON").fetchall()
