"""Tests that load a fixture set, found by what pytest's ini files, markers and test cases say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from fakebus.fixture_files.sources import read_bounded

_INI_FILES = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_MOST_FILES = 5_000
_MAX_BYTES = 1 << 20
_SET = re.compile(r"fakebus_fixtures\s*=|fakebus\(.*fixtures\s*=|--fakebus-fixtures")
_NAME = re.compile(r"""[\w./:~-]+""")
_SKIPPED = frozenset(("node_modules", "site-packages", "__pycache__", "build", "dist"))


def loading_tests(root: Path) -> list[str]:
    """Return the places, as file and line, that make tests load a set.

    They are looked for in the project that the set lies in: up to the directory that has one of
    pytest's ini files, or is a repository.

    Args:
        root: the directory of the set.
    """
    if not root.is_dir():
        return []
    whole = root.resolve()
    project = next((each for each in whole.parents if _is_project(each)), None)
    if project is None:
        return []
    found = []
    for path in islice(_candidates(project), _MOST_FILES):
        for number, line in _lines(path):
            names = _NAME.findall(line) if _SET.search(line) else ()
            if any(_leads_to(path.parent, name, whole) for name in names):
                found.append(f"{os.path.relpath(path)}:{number}")
    return found


def _is_project(directory: Path) -> bool:
    return any((directory / name).exists() for name in (*_INI_FILES, ".git"))


def _candidates(project: Path) -> Iterator[Path]:
    for directory, folders, files in os.walk(project):
        folders[:] = sorted(
            each for each in folders if each not in _SKIPPED and not each.startswith(".")
        )
        for name in sorted(files):
            is_test = name.endswith(".py") and ("test" in name or name == "conftest.py")
            if is_test or name in _INI_FILES:
                yield Path(directory, name)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = read_bounded(path, _MAX_BYTES).decode(errors="replace")
    except (OSError, ValueError):
        # It went while the project was walked, or is none that Python reads: no test is in it.
        return
    yield from enumerate(text.splitlines(), 1)


def _leads_to(folder: Path, name: str, root: Path) -> bool:
    try:
        return (folder / name).resolve() == root
    except (OSError, ValueError, RuntimeError):
        return False
