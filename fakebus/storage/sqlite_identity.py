"""Noticing that the data file is gone: deleted, replaced or cut short while it is in use.

SQLite goes on with the file that it has opened, wherever that is now. What it writes into a
file without a name, or one that another has taken the place of, is lost at the end.
"""

from __future__ import annotations

import os
from pathlib import Path

from fakebus.errors import StorageError

_NOTHING_MORE = (
    "Nothing more is stored. Move it back if it was moved; otherwise stop fakebus, and start it "
    "with a backup or a new file"
)


class FileIdentity:
    """Identity of the data file and its write-ahead log, as they were opened.

    Args:
        path: the data file; it is open.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._log_path = f"{path}-wal"
        found = os.stat(path)
        self._file = found.st_dev, found.st_ino
        self._log: tuple[int, int] | None = None
        self._size_bytes = 0

    def check(self) -> None:
        """Make sure that what is written now will be found at the next start.

        Raises:
            StorageError: the file is not there any more, or is not what it was.
        """
        try:
            found = os.stat(self._path)
            log_found = os.stat(self._log_path)
        except FileNotFoundError as error:
            raise StorageError(
                f"{error.filename} was deleted or moved away while it was in use. {_NOTHING_MORE}"
            ) from None
        log = log_found.st_dev, log_found.st_ino
        if self._log is None:
            self._log = log
        if (found.st_dev, found.st_ino) != self._file or log != self._log:
            path = self._log_path if log != self._log else self._path
            raise StorageError(
                f"{path} was replaced by another file while it was in use. {_NOTHING_MORE}"
            )
        # Pages that are free stay in the file, so it never shrinks by itself.
        if found.st_size < self._size_bytes:
            raise StorageError(
                f"{self._path} was overwritten or cut short while it was in use: it has "
                f"{found.st_size} bytes and had {self._size_bytes}. {_NOTHING_MORE}"
            )
        self._size_bytes = found.st_size
