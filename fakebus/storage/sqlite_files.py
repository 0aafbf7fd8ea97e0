"""Noticing that the data file, its write-ahead log or the index of that is harmed while in use.

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
import sys
from pathlib import Path

from fakebus.errors import StorageError
from fakebus.real_time import monotonic, time_ns

logger = logging.getLogger("fakebus.storage")

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

_INDEX_VERSION = 3007000
_INDEX_HEADER_BYTES = 48
"""Of each of its two copies, which are the same while nobody writes it."""
_INDEX_REGION_BYTES = 32 * 1024
_INDEX_REGION_FRAMES = 4096
_LOG_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


class OpenFiles:
    """Files of a database as SQLite has opened them, with descriptors of our own to look at them.

    They are opened while SQLite has the database open and closed after it: a process that closes
    any descriptor of a file loses its locks on it.

    Args:
        path: the data file; its write-ahead log is there.
    """

    def __init__(self, path: Path) -> None:
        self._directory = str(path.parent)
        self._paths = [str(path), f"{path}-wal", f"{path}-shm"]
        self._descriptors: list[int] = []
        self._next_look_s = 0.0
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
        self._identities = [(each.st_dev, each.st_ino) for each in opened]
        self._head = os.pread(self._data, _FIXED_BYTES, 0)
        self.note_size()

    def note_size(self) -> None:
        """Take the data file's size for what it has at least from now on: it never shrinks."""
        self._size_bytes = max(self._size_bytes, os.fstat(self._data).st_size)

    def check(self) -> None:
        """Make sure that what is written now will be found at the next start.

        Raises:
            StorageError: a file is not there any more, or is not what it was.
        """
        now_s = monotonic()
        if now_s >= self._next_look_s:
            self.look()
            self._next_look_s = now_s + LOOK_INTERVAL_S

    def look(self) -> None:
        """Do as :meth:`check` does, however short ago the last look was."""
        try:
            directory = os.stat(self._directory)
        except FileNotFoundError as error:
            raise _gone(error.filename) from None
        seen = directory.st_dev, directory.st_ino, directory.st_mtime_ns
        if seen != self._directory_seen:
            self._check_names()
            if time_ns() - seen[2] > _SETTLED_NS:
                self._directory_seen = seen
        self._check_data()
        self._check_log()

    def _check_data(self) -> None:
        if not os.pread(self._data, 1, self._size_bytes - 1) or (
            os.pread(self._data, _FIXED_BYTES, 0) != self._head
        ):
            raise StorageError(
                f"{self._paths[0]} was overwritten or cut short while it was in use: it has "
                f"{os.fstat(self._data).st_size} bytes and had {self._size_bytes}. {_NOTHING_MORE}"
            )

    def _check_names(self) -> None:
        for name, identity in zip(self._paths, self._identities, strict=True):
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
        index = os.pread(self._index, 2 * _INDEX_HEADER_BYTES, 0)
        if len(index) < 2 * _INDEX_HEADER_BYTES:
            self._mend_index()
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
        frames, page_bytes = _frames_and_page(index)
        if not frames:
            return True
        salt = index[32:40]
        if os.pread(self._log, 8, 16) != salt:
            return False
        frame_bytes = _FRAME_HEADER_BYTES + page_bytes
        if not os.pread(self._log, 1, _LOG_HEADER_BYTES + frames * frame_bytes - 1):
            return False
        if salt == self._salt and self._last_frame:
            # Where it was cut short and has grown again, there is a hole.
            last = _LOG_HEADER_BYTES + (self._last_frame - 1) * frame_bytes
            if os.pread(self._log, 8, last + 8) != salt:
                return False
        self._salt, self._last_frame = salt, frames
        self._most_frames = max(self._most_frames, frames)
        return True

    def log_bytes(self) -> int:
        """Return how long the log is that has not been begun anew, in bytes."""
        frames, page_bytes = _frames_and_page(self._read_index())
        return frames * (_FRAME_HEADER_BYTES + page_bytes)

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


def _frames_and_page(index: bytes) -> tuple[int, int]:
    """Return how many frames a log's index counts, and the size of a page.

    What is no index, or only a part of one, counts none: SQLite makes it anew before it uses it.
    """
    copy = index[_INDEX_HEADER_BYTES:]
    if not index.startswith(copy) or int.from_bytes(copy[:4], sys.byteorder) != _INDEX_VERSION:
        return 0, 0
    page_bytes = int.from_bytes(index[14:16], sys.byteorder)
    return int.from_bytes(index[16:20], sys.byteorder), 65536 if page_bytes == 1 else page_bytes
