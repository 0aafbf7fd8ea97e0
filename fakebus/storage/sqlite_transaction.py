"""The write transaction, as it runs in the writer's thread, and the look at the files before it.

SQLite goes on with what it has opened, wherever that is now and whatever others have done to it:
what it writes into a file without a name is lost, and what it writes behind a hole in its log is
not found at the next start. So there is a look before a transaction. It takes some microseconds, so
of transactions that follow each other closely only some wait for it, and names are looked at only
when something in the directory has changed.

Source: "The WAL-Index File Format" and "WAL-Mode File Format" in SQLite's documentation.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from struct import Struct
from typing import Any, TypeVar

from fakebus.errors import StorageError
from fakebus.real_time import monotonic, time_ns
from fakebus.storage.interface import StoredBatch

logger = logging.getLogger("fakebus.storage")

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

_NOTHING_MORE = (
    "Nothing more is stored. Move it back if it was moved; otherwise stop fakebus, and start it "
    "with a backup or a new file"
)
LOOK_INTERVAL_S = 0.00025
"""How long a look is good for. What is stored meanwhile is lost with all that was stored before."""
_SETTLED_NS = 1_000_000_000
"""When the last change of a directory is so old, a later one has another time, however coarse."""
_FIXED_BYTES = 24
"""The beginning of the data file that no transaction changes."""

_LOTS = (50, 20, 10, 5, 2, 1)
"""Rows that one statement inserts."""

T = TypeVar("T")

_INDEX_VERSION = 3007000
_INDEX = Struct("=I10xHI12x8s8x")
"""Of the header of an index: its version, the size of a page, the frames of the log, their salt."""
INDEX_HEADER_BYTES = _INDEX.size
"""Of each of its two copies, which are the same while nobody writes it."""
_INDEX_REGION_BYTES = 32 * 1024
_INDEX_REGION_FRAMES = 4096
LOG_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Let a look at the files fail as all that has to do with them does."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error


class OpenFiles:
    """Files of a database as SQLite has opened them, with descriptors of our own to look at them.

    They are opened while SQLite has the database open and closed after it: a process that closes
    any descriptor of a file loses its locks on it.

    Args:
        path: the data file; its write-ahead log is there.
        asked: the name that it was asked for by, which may be that of a symbolic link.
    """

    def __init__(self, path: Path, asked: Path | None = None) -> None:
        self.path = path
        self._link = str(asked) if asked not in (None, path) else ""
        self._directory = str(path.parent)
        self._paths = [str(path), f"{path}-wal", f"{path}-shm"]
        self._descriptors: list[int] = []
        self.look_due_s = 0.0
        """From when on a transaction waits for a look."""
        self._directory_seen: tuple[int, int, int] | None = None
        self._size_bytes = 0
        self._last_frame = 0
        """Frames of the log at the last look, and the salt that they carry."""
        self._salt = b""
        self._most_frames = 0
        for name in self._paths:
            self._descriptors.append(os.open(name, os.O_RDONLY | os.O_CLOEXEC))
        self._data, self._log, self._index = self._descriptors
        opened = map(os.fstat, self._descriptors)
        identities = [(each.st_dev, each.st_ino) for each in opened]
        self._identities = list(zip(self._paths, identities, strict=True))
        if self._link:
            self._identities.append((self._link, identities[0]))
        self._head = os.pread(self._data, _FIXED_BYTES, 0)
        self.note_size()

    def note_size(self) -> None:
        """Take the data file's size for what it has at least from now on: it never shrinks."""
        with _told(self.path):
            self._size_bytes = max(self._size_bytes, os.fstat(self._data).st_size)

    def look(self, now_s: float = 0.0) -> None:
        """Make sure that what is written now will be found at the next start.

        Args:
            now_s: when that is, if the next look may take its time.

        Raises:
            StorageError: a file is not there any more, or is not what it was.
        """
        try:
            directory = os.stat(self._directory)
            seen = directory.st_dev, directory.st_ino, directory.st_mtime_ns
            # What a link leads to may change without a change of the directory.
            if seen != self._directory_seen or self._link:
                self._check_names()
                if time_ns() - seen[2] > _SETTLED_NS:
                    self._directory_seen = seen
            self._check_data()
            self._check_log()
        except FileNotFoundError as error:
            raise _gone(error.filename) from None
        except OSError as error:
            # As the others, without what a context costs each commit.
            raise StorageError(f"{self.path}: {error.strerror}") from error
        self.look_due_s = now_s + LOOK_INTERVAL_S

    def _check_data(self) -> None:
        if not os.pread(self._data, 1, self._size_bytes - 1) or (
            os.pread(self._data, _FIXED_BYTES, 0) != self._head
        ):
            raise StorageError(
                f"{self._paths[0]} was overwritten or cut short while it was in use: it has "
                f"{os.fstat(self._data).st_size} bytes and had {self._size_bytes}. {_NOTHING_MORE}"
            )

    def _check_names(self) -> None:
        for name, identity in self._identities:
            try:
                found = os.stat(name)
            except FileNotFoundError:
                raise _gone(name) from None
            if (found.st_dev, found.st_ino) != identity:
                raise StorageError(
                    f"{name} was replaced by another file while it was in use. {_NOTHING_MORE}"
                )

    def _check_log(self) -> None:
        index = self._read_index()
        while not self._has_frames(index):
            # Another process may just have copied the log and begun it anew.
            before, index = index, self._read_index()
            if before == index:
                raise StorageError(
                    f"{self._paths[1]} was overwritten or cut short while it was in use, and with "
                    "it went what was stored since it was last copied into the data file. Nothing "
                    "more is stored. Stop fakebus, and start it with a backup or a new file, or "
                    "with this one as it was before"
                )

    def _read_index(self) -> bytes:
        index = os.pread(self._index, 2 * INDEX_HEADER_BYTES, 0)
        if len(index) < 2 * INDEX_HEADER_BYTES:
            self._mend_index()
            return bytes(2 * INDEX_HEADER_BYTES)
        return index

    def _mend_index(self) -> None:
        # SQLite has mapped it into memory, and a touch of what is no longer there ends the
        # process. Zeros it takes for an index that has to be made anew from the log.
        os.truncate(self._paths[2], 0)
        regions = self._most_frames // _INDEX_REGION_FRAMES + 2
        os.truncate(self._paths[2], regions * _INDEX_REGION_BYTES)
        logger.warning(
            "%s was cut short while it was in use; nothing is lost, it is made anew from %s",
            self._paths[2],
            self._paths[1],
        )

    def _has_frames(self, index: bytes) -> bool:
        """Whether the log holds the frames that its index counts, those of the last look too."""
        frames, frame_bytes, salt = frames_of(index)
        if not frames:
            return True
        if os.pread(self._log, 8, 16) != salt:
            return False
        if not os.pread(self._log, 1, LOG_HEADER_BYTES + frames * frame_bytes - 1):
            return False
        if salt == self._salt and self._last_frame:
            # Where it was cut short and has grown again, there is a hole.
            last = LOG_HEADER_BYTES + (self._last_frame - 1) * frame_bytes
            if os.pread(self._log, 8, last + 8) != salt:
                return False
        self._salt, self._last_frame = salt, frames
        self._most_frames = max(self._most_frames, frames)
        return True

    def log_bytes(self) -> int:
        """Return how long the log is that has not been begun anew, in bytes."""
        with _told(self.path):
            frames, frame_bytes, _ = frames_of(self._read_index())
        return frames * frame_bytes

    def log_frames(self) -> int:
        """Return how many frames of the log SQLite knows of."""
        return frames_of(self._read_index())[0]

    def hold_back(self) -> sqlite3.Connection | None:
        """Return a connection that, closed last, keeps SQLite from copying the log at the end.

        There is none to what has gone, into which nothing is copied either, nor to what is no
        database any more: opening an empty one would delete the log.
        """
        try:
            self._check_names()
            self._check_data()
        except StorageError:
            return None
        keeper = sqlite3.connect(f"{Path(self._paths[0]).as_uri()}?mode=ro", uri=True)
        try:
            keeper.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            # It holds its lock all the same.
            logger.debug("the schema cannot be read any more: %s", error)
        return keeper

    def close(self) -> None:
        """Close our descriptors, when SQLite has closed its own."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()


def _gone(name: str) -> StorageError:
    return StorageError(f"{name} was deleted or moved away while it was in use. {_NOTHING_MORE}")


def frames_of(index: bytes) -> tuple[int, int, bytes]:
    """Return how many frames a log's index counts, the bytes of one, and their salt.

    What is no index, or only a part of one, counts none: SQLite makes it anew before it uses it.
    """
    if len(index) < 2 * INDEX_HEADER_BYTES:
        return 0, 0, b""
    version, page_bytes, frames, salt = _INDEX.unpack_from(index)
    if version != _INDEX_VERSION or not index.startswith(index[INDEX_HEADER_BYTES:]):
        return 0, 0, b""
    return frames, FRAME_HEADER_BYTES + (65536 if page_bytes == 1 else page_bytes), salt


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
        self._owed: list[tuple[Any, ...]] = []

    def owe(self, operation: Operation, *arguments: Any) -> None:
        """Run an operation with the next writes that are committed, whichever these are."""
        self._owed.append((operation, arguments))

    def run(self, writes: Sequence[tuple[Any, ...]]) -> None:
        """Run the operations of writes and commit, or undo them all and raise what went wrong.

        Args:
            writes: each begins with an operation and its arguments.

        Raises:
            StorageError: a file has gone or is not what it was.
        """
        files = self.files
        if files is not None and (now_s := monotonic()) >= files.look_due_s:
            files.look(now_s)
        # Another thread may add to it meanwhile.
        owed = tuple(self._owed)
        execute = self._cursor.execute
        try:
            if len(writes) == 1 and not owed and _appends_one(*writes[0]):
                # A statement outside of a transaction is one of its own.
                self.append(*writes[0][1])
                execute(INSERT_BATCH, self._rows.pop())
                return
            execute("BEGIN IMMEDIATE")
            for operation, arguments, *_ in (*owed, *writes) if owed else writes:
                operation(self, *arguments)
            if self._rows:
                self._insert_rows()
            execute("COMMIT")
        except BaseException:
            self._rows.clear()
            self._totals.clear()
            # Some errors, a full disk among them, make SQLite roll back by itself.
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        if owed:
            del self._owed[: len(owed)]

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

    def insert(self, into: str, rows: Sequence[tuple[Any, ...]], rest: str = "") -> None:
        """Insert rows, many in one statement.

        Another thread that runs Python keeps this one waiting after every statement, and those who
        produce wait for this one.

        Args:
            into: the statement up to ``VALUES``.
            rows: as wide as each other.
            rest: what follows the values.
        """
        for lot in lots_of(rows):
            marks = marks_of(len(lot[0]), len(lot))
            self.execute(f"{into} VALUES {marks} {rest}", tuple(chain.from_iterable(lot)))

    def forget_totals(self, log_id: int) -> None:
        """The last row of the log may have gone: look again before the next append."""
        self._totals.pop(log_id, None)

    def _insert_rows(self) -> None:
        self._cursor.executemany(INSERT_BATCH, self._rows)
        self._rows.clear()


def lots_of(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield rows in lots of few sizes, so that there are few statements."""
    at = 0
    for size in _LOTS:
        while len(rows) - at >= size:
            yield rows[at : at + size]
            at += size


@lru_cache
def marks_of(width: int, rows: int) -> str:
    """Return the marks for so many rows of values, each in parentheses."""
    return ", ".join([f"({', '.join('?' * width)})"] * rows)


def _appends_one(operation: Operation, arguments: tuple[Any, ...], *_: object) -> bool:
    return operation is Transaction.append and len(arguments[1]) == 1
