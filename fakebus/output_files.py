"""Writing files without harm: only what fakebus wrote itself is replaced or removed.

A path that a user names, or that follows from names which a cluster or a registry holds, may lead
to anything. So every file that fakebus replaces is looked at first: it has to be a regular file,
no symbolic link, and carry the mark of what would be written there. Everything else is refused
before a byte has changed.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from fakebus.errors import FakebusError

IsOurs = Callable[[bytes], bool]
"""Says whether the content of a file shows that the same command wrote it."""


class OutputRefusedError(FakebusError):
    """A file that would be replaced or removed is not one that fakebus wrote."""


def write_output(path: Path, data: bytes, *, is_ours: IsOurs, made_by: str) -> None:
    """Replace a file, or create it, in one step; readers never see half of it.

    Args:
        path: the file. Its directory has to exist.
        data: the new content.
        is_ours: recognises what may be replaced.
        made_by: the command that writes, for messages.

    Raises:
        OutputRefusedError: another file lies there; it is as it was.
        FakebusError: the file cannot be written.
    """
    check_output(path, data, is_ours=is_ours, made_by=made_by)
    _replace(path, data)


def check_output(path: Path, data: bytes | None, *, is_ours: IsOurs, made_by: str) -> None:
    """Refuse a path where something lies that :func:`write_output` would not replace.

    Args:
        path: the file.
        data: the new content; a file that has it already is fine. ``None`` if there is none.
        is_ours: recognises what may be replaced.
        made_by: the command that writes, for messages.

    Raises:
        OutputRefusedError: something else lies there.
    """
    present = read_regular(path)
    # In an empty file there is nothing to lose; mktemp makes them.
    if present and present != data and not is_ours(present):
        raise OutputRefusedError(
            f"{path} was not written by {made_by} and would be overwritten; "
            "choose another file, or remove this one"
        )


def remove_output(path: Path, *, is_ours: IsOurs, made_by: str) -> None:
    """Remove a file that fakebus wrote, if it is there.

    Raises:
        OutputRefusedError: something else lies there; it is as it was.
    """
    check_output(path, None, is_ours=is_ours, made_by=made_by)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FakebusError(f"{path} cannot be removed: {error.strerror}") from None


def read_regular(path: Path) -> bytes | None:
    """Return the content of a regular file; ``None`` if nothing is there.

    Raises:
        OutputRefusedError: a symbolic link, a directory, a device or a pipe lies there, or it
            cannot be read.
    """
    try:
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputRefusedError(f"{path} cannot be read: {error.strerror}") from None
    if stat.S_ISLNK(mode):
        raise OutputRefusedError(
            f"{path} is a symbolic link, and nothing is written or removed through one; "
            "name the file that it leads to, or remove the link"
        )
    what = "a directory" if stat.S_ISDIR(mode) else "no regular file"
    raise OutputRefusedError(f"{path} is {what}; choose another path")


def _replace(path: Path, data: bytes) -> None:
    with replacing(path) as beside:
        beside.write_bytes(data)


@contextlib.contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Path of an empty file beside, which takes the place of a file when the block is done.

    Readers see the old file or the new one. If the block fails, the file is as it was.

    Args:
        path: the file. Its directory has to exist.
        mode: its permissions; left out, those that it has, or the usual ones.

    Raises:
        FakebusError: the file cannot be written.
    """
    # The end of a name says to some what the file holds.
    beside = path.with_name(f".fakebus-{os.urandom(8).hex()}{path.suffix}")
    try:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode or 0o666))
        try:
            if mode is None:
                with contextlib.suppress(FileNotFoundError):
                    beside.chmod(stat.S_IMODE(path.stat().st_mode))
            yield beside
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FakebusError(f"{path} cannot be written: {error.strerror}") from None


def write_new(files: Mapping[Path, bytes]) -> None:
    """Write files where nothing is, and their directories: all of them, or none if one fails.

    Args:
        files: content by path.

    Raises:
        OutputRefusedError: something lies there.
        FakebusError: one of them cannot be written.
    """
    if there := [str(path) for path in files if os.path.lexists(path)]:
        raise OutputRefusedError(
            f"{', '.join(sorted(there))}: there already, and nothing is overwritten; "
            "choose another directory"
        )
    written: list[Path] = []
    try:
        for path, data in files.items():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FakebusError(f"{path} cannot be written: {error.strerror}") from None
            _replace(path, data)
            written.append(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def misnamed(path: Path) -> str | None:
    """Return the file that has nearly the name of one that is not there, in the same folder."""
    from difflib import get_close_matches

    try:
        names = [] if path.exists() else os.listdir(path.parent)
    except OSError:
        names = []
    by_lower = {name.lower(): name for name in names}
    near = get_close_matches(path.name.lower(), by_lower, 1, cutoff=0.93)
    return by_lower[near[0]] if near else None
