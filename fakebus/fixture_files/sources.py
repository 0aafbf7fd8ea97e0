"""Reading fixture files safely: no path leaves the directory, no file is too large.

Text is checked here once for all formats: UTF-8 without a byte order mark, no NUL bytes,
unless the tool that writes a format cannot help it.
Line ends may be LF or CRLF.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from pathlib import Path

from fakebus.fixture_files.problems import Position, ProblemList, quoted
from fakebus.input_files import read_at_most
from fakebus.output_files import misnamed

ROOT_FILE = "fakebus.yaml"
PACK_SUFFIX = ".fbpack"
_ASYNCAPI_SUFFIXES = (".yaml", ".yml", ".json")
MAX_YAML_BYTES = 1 << 20
MAX_EVENTS_BYTES = 64 << 20
MAX_SCHEMA_BYTES = 1 << 20

_WIDE_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|git@")
NOT_FETCHED = "nothing is fetched: download it, or bring it by git or pip, and write its path"
"""Hint where a path is wanted and :func:`is_remote`."""


def is_remote(text: str) -> bool:
    """Whether a text is a URL, or what git clones from, and no path."""
    return _REMOTE.match(text) is not None


class FixtureDirectory:
    """The root of a fixture set.

    Args:
        root: as the user gave it; problems show it in front of the file names.
        problems: where mistakes go.
    """

    def __init__(self, root: Path, problems: ProblemList) -> None:
        self._root = root
        self._problems = problems
        self._resolved: Path | None = None
        self.named: set[Path] = set()
        """The files that other files have named so far."""

    def display(self, relative: str) -> str:
        """Return the name of a file for problems."""
        return str(self._root / relative) if "\0" not in relative else relative

    def resolve(self, base: str, path: str, named_at: Position) -> str | None:
        """Return a path that a file names, relative to the root; ``None`` if it is refused.

        Args:
            base: the file that names it, relative to the root; its folder is where
                ``path`` begins.
            path: as written.
            named_at: where it is written.
        """
        hint = "write a path inside the fixture directory, relative to this file"
        if not path or "\0" in path:
            self._problems.add(named_at, f"{quoted(path)} is not a file name", hint)
            return None
        if is_remote(path):
            self._problems.add(named_at, f"{quoted(path)} is not a path", NOT_FETCHED)
            return None
        if os.path.isabs(path):
            self._problems.add(named_at, f"the path {quoted(path)} is absolute", hint)
            return None
        try:
            if self._resolved is None:
                self._resolved = self._root.resolve()
            root = self._resolved
            target = (root / base).parent.joinpath(path).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            self._problems.add(named_at, f"the path {quoted(path)} cannot be followed: {error}")
            return None
        if not target.is_relative_to(root):
            self._problems.add(
                named_at, f"the path {quoted(path)} leaves the fixture directory", hint
            )
            return None
        self.named.add(target)
        return target.relative_to(root).as_posix()

    def matching(self, base: str, pattern: str) -> list[str]:
        """Return the paths that a pattern with ``*`` stands for, relative to a file's folder.

        Args:
            base: the file that holds the pattern, relative to the root.
            pattern: as written; one without ``*`` is a path and comes back as it is.
        """
        if "*" not in pattern or "\0" in pattern or os.path.isabs(pattern):
            return [pattern]
        folder = (self._root / base).parent
        return sorted(
            path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_file()
        )

    def read_text(
        self,
        relative: str,
        named_at: Position,
        max_bytes: int,
        *,
        skip_mark: bool = False,
        keep_bytes: bool = False,
    ) -> str | None:
        """Return a file's text, or ``None`` after saying why it cannot be had.

        Args:
            relative: the file, from the root, as :meth:`resolve` returned it.
            named_at: where the file is named; problems with reaching it are shown there.
            max_bytes: a larger file is refused.
            skip_mark: whether a byte order mark is no mistake.
            keep_bytes: whether bytes that are not UTF-8 are no mistake; they become lone
                surrogates, as ``surrogateescape`` has it.
        """
        try:
            data = read_bounded(self._root / relative, max_bytes)
        except FileNotFoundError:
            other = misnamed(self._root / relative)
            self._problems.add(
                named_at,
                f"there is no file {quoted(relative)} in {self._root}",
                f"did you mean {quoted(other)}?" if other else "create it or mend the path",
            )
            return None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._problems.add(named_at, f"the file {quoted(relative)} cannot be read: {reason}")
            return None
        if skip_mark:
            data = data.removeprefix(codecs.BOM_UTF8)
        if keep_bytes:
            return data.decode(errors="surrogateescape")
        return self._decode(data, self.display(relative))

    def _decode(self, data: bytes, file: str) -> str | None:
        hint = "save the file as UTF-8 without a byte order mark"
        top = Position(file)
        if data.startswith(_WIDE_MARKS):
            self._problems.add(top, "the file is UTF-16 or UTF-32", hint)
            return None
        if data.startswith(codecs.BOM_UTF8):
            self._problems.add(top, "the file begins with a byte order mark (BOM)", hint)
            return None
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            before = data[: error.start].decode()
            self._problems.add(
                position_in(file, before, len(before)),
                f"byte 0x{data[error.start]:02x} is not UTF-8",
                "save the file as UTF-8",
            )
            return None
        nul = text.find("\0")
        if nul >= 0:
            self._problems.add(
                position_in(file, text, nul), "the file holds a NUL byte", "remove it"
            )
            return None
        return text


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file; a pipe or a device might never end.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no regular file, or larger than it may be.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a regular file")
    if found.st_size > max_bytes:
        raise ValueError(f"it has {found.st_size} bytes; at most {max_bytes} are allowed")
    return read_at_most(path, max_bytes)


def is_pack(path: Path) -> bool:
    """Whether a path names a pack and not a directory."""
    return path.suffix == PACK_SUFFIX and not path.is_dir()


def is_asyncapi(path: Path) -> bool:
    """Whether a path names a document of AsyncAPI and not a set of our own."""
    return path.suffix in _ASYNCAPI_SUFFIXES and path.name != ROOT_FILE and path.is_file()


def not_a_directory(root: Path) -> tuple[Position, str, str]:
    """Return the place, the problem and the way out for what is no fixture set."""
    if root.is_file():
        message = f"{root} is a file; a fixture set is a directory with a file {ROOT_FILE}"
        return Position(str(root)), message, f"write {root.parent}"
    message = f"there is no directory {root}"
    # A path has lost one of the slashes of a URL.
    hint = (
        NOT_FETCHED
        if is_remote(str(root))
        else f"create it with a file {ROOT_FILE}: fakebus fixtures init"
    )
    return Position(str(root / ROOT_FILE)), message, hint


def files_below(root: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files of a fixture set whose names end with one of the suffixes.

    What is hidden, and what belongs to another set below it, is left out.
    """
    found = []
    for name, folders, files in os.walk(root):
        folder = Path(name)
        folders[:] = [
            inner
            for inner in folders
            if not inner.startswith(".") and not (folder / inner / ROOT_FILE).exists()
        ]
        found += [folder / file for file in files if file.endswith(suffixes)]
    return sorted(found)


def position_in(file: str, text: str, index: int) -> Position:
    """Return the place of a character of a text."""
    line_start = text.rfind("\n", 0, index) + 1
    return Position(file, text.count("\n", 0, index) + 1, index - line_start + 1)
