"""The data file before SQLite sees it: is it ours, may we write it, is it in use?

Whatever is refused here has not been touched: no byte of it is changed and no ``-wal`` or
``-shm`` file appears beside it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from pathlib import Path

from fakebus.errors import StorageError
from fakebus.storage.migrations import APPLICATION_ID, MIGRATIONS, check_version

_HEADER_SIZE = 100
_MAGIC = b"SQLite format 3\0"


class FileLock:
    """Keeps other processes away from a data file, with a lock file beside it.

    SQLite's own locks let several processes write in turn, but each would assign the same
    offsets. The lock is flock's: it goes away with the process, however that ends.

    Args:
        path: the data file.

    Raises:
        StorageError: another process has the lock, or the lock file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        while True:
            self._descriptor = self._open(path)
            try:
                self._acquire(path)
                self._check_content(path)
                if self._is_current():
                    self._sign()
                    break
            except OSError as error:
                os.close(self._descriptor)
                raise StorageError(f"cannot lock {path}: {error.strerror}") from error
            except BaseException:
                os.close(self._descriptor)
                raise
            # The owner has just let go and removed the file we were waiting for.
            os.close(self._descriptor)

    def _open(self, path: Path) -> int:
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            return os.open(self._path, flags, 0o644)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise self._foreign(path) from None
            raise StorageError(
                f"cannot use {path}: no lock file can be made in {path.parent} "
                f"({error.strerror}); the directory has to exist and be writable"
            ) from error

    def _acquire(self, path: Path) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(self._descriptor, 32).decode(errors="replace").strip()
            raise StorageError(
                f"{path} is in use by another fakebus (process {owner or 'unknown'}), which "
                "holds its lock: stop that one or choose another file"
            ) from error

    def _check_content(self, path: Path) -> None:
        """Refuse a file of somebody's that has the name of the lock file."""
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise self._foreign(path)
        if not re.fullmatch(rb"\d*\n?", os.pread(self._descriptor, 32, 0)):
            raise self._foreign(path)

    def _foreign(self, path: Path) -> StorageError:
        return StorageError(
            f"cannot use {path}: its lock file would be {self._path}, and something that is no "
            "lock of fakebus has that name; it was left as it is. Choose another data file."
        )

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False

    def _sign(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let others in and remove the lock file."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def check_data_file(path: Path) -> None:
    """Refuse what is not a data file of ours, or not one that can be written.

    A file that does not exist and an empty one are fine.

    Raises:
        StorageError: says what is wrong and what to do.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot use {path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StorageError(f"cannot use {path}: it is not a regular file")
        header = os.read(descriptor, _HEADER_SIZE)
        size_bytes = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    if header:
        if header[: len(_MAGIC)] == _MAGIC and len(header) < _HEADER_SIZE:
            raise StorageError(_cut_short(path, size_bytes, _HEADER_SIZE))
        _check_header(header, path)
        _check_size(header, size_bytes, path)


def _check_header(header: bytes, path: Path) -> None:
    # Offsets are those of the SQLite file format: user_version 60, application_id 68.
    application_id = int.from_bytes(header[68:72], "big")
    if not header.startswith(_MAGIC) or application_id != APPLICATION_ID:
        what = (
            "an SQLite database of another program" if header.startswith(_MAGIC) else "no database"
        )
        raise StorageError(
            f"{path} is {what}, not a data file of fakebus; it was left as it is. "
            "Choose another file."
        )
    check_version(int.from_bytes(header[60:64], "big"), len(MIGRATIONS), str(path))


def _check_size(header: bytes, size_bytes: int, path: Path) -> None:
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        return  # the rest of the file is in its write-ahead log, and is copied from there
    page_bytes = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    expected = pages * (65536 if page_bytes == 1 else page_bytes)
    if size_bytes < expected:
        raise StorageError(_cut_short(path, size_bytes, expected))


def _cut_short(path: Path, size_bytes: int, expected: int) -> str:
    return (
        f"{path} is cut short: of at least {expected} bytes it has {size_bytes}, and everything "
        "behind them is missing. It was left as it is. Put a backup in its place, choose another "
        f"file, or save what can be read: sqlite3 {path} .recover | sqlite3 NEW_FILE"
    )
