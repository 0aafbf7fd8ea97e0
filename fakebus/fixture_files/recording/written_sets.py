"""Directories that commands write: ``fixtures record``, ``openedx export`` and ``catalogue``.

At the end of its root file, ``fakebus.yaml`` in a fixture set, such a directory lists its files,
with checksums. Only these are replaced or removed when it is written again, and only as long as
nobody has changed them; what else lies there is left alone or, where it would be overwritten,
refused. All of it is looked at before anything is written. While the files are written, the list
knows those before and after, so that a run that was interrupted can be repeated.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from fakebus.errors import FakebusError
from fakebus.output_files import OutputRefusedError, read_regular, remove_output, write_output

ROOT_FILE = "fakebus.yaml"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_STEM = 230
_DEVICES = re.compile(r"^(con|prn|aux|nul|(com|lpt)[0-9])(\.|$)", re.IGNORECASE)
"""What no file may be called under Windows, where sets come by git."""
_EXPLANATION = """\
# The files of this set with checksums. Writing the set again replaces what is listed here and
# has not been changed; a file with - may be changed. Other files are left alone.
"""
_LINE = re.compile(r"#   (\S+) (-?(?:[0-9a-f]{16}(?:,[0-9a-f]{16})*)?)\n")
_EDITABLE = "-"
"""In front of the checksum of a file that may be changed by hand; older lists have nothing else."""

Editable = Callable[[str], bool]


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """Return names of files, without suffix, for names that may hold any letters.

    No two are equal, also where a file system takes large and small letters for the same, and
    none leads to another directory. Only names that would be too long or equal to another are
    changed beyond their unsafe letters.
    """
    stems = {name: _DEVICES.sub(r"_\g<0>", _UNSAFE.sub("-", name)) for name in sorted(set(names))}
    while True:
        counts = Counter(stem.lower() for stem in stems.values())
        unfit = [
            name
            for name, stem in stems.items()
            if counts[stem.lower()] > 1 or len(stem) > _MAX_STEM
        ]
        if not unfit:
            return stems
        for name in unfit:
            digest = hashlib.sha256(name.encode()).hexdigest()[:16]
            stems[name] = f"{stems[name][: _MAX_STEM - 20]}-{digest}"


class WrittenSet:
    """Directory of a set that a command writes.

    Args:
        directory: where the set is, or will be.
        made_by: the command, such as ``fakebus fixtures record``.
        root_file: the file that lists the others.
    """

    def __init__(self, directory: Path, made_by: str, root_file: str = ROOT_FILE) -> None:
        self._directory = directory
        self._made_by = made_by
        self._root_file = root_file

    @property
    def mark(self) -> str:
        """What the root file begins with."""
        return f"# Written by: {self._made_by}"

    def listed(self) -> dict[str, str]:
        """Return the files that the set lists, with their checksums; empty if there is no set.

        Raises:
            FakebusError: another set is there, or somebody has changed the root file.
        """
        root = self._directory / self._root_file
        text = (read_regular(root) or b"").decode(errors="replace").replace("\r\n", "\n")
        if not text:
            return {}
        if not text.startswith(self.mark):
            raise OutputRefusedError(
                f"{root} was not written by {self._made_by} and would be overwritten; "
                "choose another directory, or remove the file"
            )
        above, explanation, table = text.partition(_EXPLANATION)
        if not explanation:
            raise OutputRefusedError(
                f"{root} does not list the files of its set, so nothing of it can be replaced; "
                "choose another directory, or remove the set"
            )
        entries = dict(_LINE.findall(table))
        entries.pop(self._root_file, None)
        if table != self._table(entries, above):
            raise OutputRefusedError(
                f"{root} has been changed since {self._made_by} wrote it and would be overwritten; "
                "choose another directory and take over from there, or remove the set"
            )
        return entries

    def write(self, files: Mapping[str, str], *, editable: Editable = lambda path: False) -> None:
        """Replace the set.

        Args:
            files: content by path from the directory; the root file is one of them.
            editable: which files may be changed by hand and are replaced all the same.

        Raises:
            FakebusError: a file is there that this did not write, or nothing can be written;
                in the first case nothing has changed.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FakebusError(f"{self._directory} cannot be made: {error.strerror}") from None
        with self._alone():
            self._replace(files, editable)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            handle = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise FakebusError(f"{self._directory} cannot be read: {error.strerror}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise FakebusError(
                f"another command is writing to {self._directory}; wait until it has ended"
            ) from None
        finally:
            os.close(handle)

    def _replace(self, files: Mapping[str, str], editable: Editable) -> None:
        listed = self.listed()
        stale = [path for path in listed if path not in files]
        for path in [*files, *stale]:
            if path != self._root_file:
                self._check(path, files.get(path), listed.get(path))
        others = {path: text for path, text in files.items() if path != self._root_file}
        entries = {
            path: _EDITABLE * editable(path) + _checksum(text) for path, text in others.items()
        }
        try:
            for folder in sorted({(self._directory / path).parent for path in files}):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FakebusError(f"{self._directory} cannot be written: {error.strerror}") from None
        above = files[self._root_file]
        self._write(self._root_file, self._with_table(above, _both(listed, entries)))
        for path, text in others.items():
            self._write(path, text)
        for path in stale:
            remove_output(self._directory / path, is_ours=_looked_at, made_by=self._made_by)
        self._write(self._root_file, self._with_table(above, entries))

    def _write(self, path: str, text: str) -> None:
        write_output(
            self._directory / path, text.encode(), is_ours=_looked_at, made_by=self._made_by
        )

    def _check(self, path: str, text: str | None, listed: str | None) -> None:
        """Refuse a file that may not be replaced by a text, or removed."""
        for folder in self._folders(path):
            if folder.is_symlink():
                raise OutputRefusedError(
                    f"{folder} is a symbolic link, and nothing is written or removed through one; "
                    "choose another directory, or remove the link"
                )
            if folder.exists() and not folder.is_dir():
                raise OutputRefusedError(f"{folder} is no directory; choose another directory")
        file = self._directory / path
        present = read_regular(file)
        if not present or present == (text or "").encode():
            return
        if listed is None:
            raise OutputRefusedError(
                f"{file} was not written by {self._made_by} and would be overwritten; "
                "choose another directory, or move the file"
            )
        is_editable, sums = listed.startswith(_EDITABLE), listed.removeprefix(_EDITABLE)
        if is_editable and text is not None:
            return
        if sums:
            changed = _checksum(present.decode(errors="replace")) not in sums.split(",")
        else:
            root = self._directory / self._root_file
            changed = file.stat().st_mtime_ns > root.stat().st_mtime_ns
        if changed:
            raise OutputRefusedError(
                f"{file} has been changed since {self._made_by} wrote it and would be lost; "
                "choose another directory and take over from there, or remove the file"
            )

    def _folders(self, path: str) -> Iterator[Path]:
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or PurePosixPath(path).is_absolute():
            raise OutputRefusedError(
                f"{path!r} would lie outside of {self._directory}; nothing was written"
            )
        folder = self._directory
        for part in parts[:-1]:
            folder /= part
            yield folder

    def _with_table(self, above: str, entries: Mapping[str, str]) -> str:
        return above + _EXPLANATION + self._table(entries, above)

    def _table(self, entries: Mapping[str, str], above: str) -> str:
        """Return the list of files; its last line is the root file's own checksum."""
        lines = "".join(f"#   {path} {checksum}\n" for path, checksum in sorted(entries.items()))
        return lines + f"#   {self._root_file} {_checksum(above + _EXPLANATION + lines)}\n"


def _looked_at(content: bytes) -> bool:
    """Take what :meth:`WrittenSet._check` let pass."""
    return True


def _checksum(text: str) -> str:
    # Git may have changed the ends of the lines.
    return hashlib.sha256(text.replace("\r\n", "\n").encode(errors="replace")).hexdigest()[:16]


def _both(listed: Mapping[str, str], entries: Mapping[str, str]) -> dict[str, str]:
    """Return a list in which files are known by what they were and by what they will be."""
    both = dict(listed)
    for path, entry in entries.items():
        # Repeated runs that are interrupted again need no more than the last two.
        before = listed.get(path, "").removeprefix(_EDITABLE).rpartition(",")[2]
        both[path] = f"{entry},{before}" if before and before not in entry else entry
    return both
