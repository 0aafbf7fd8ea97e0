"""The imports of ``.proto`` texts, and the names under which protoc gets the files.

The names come from outside: they are what a client calls its references. A file is therefore
compiled under a name of ours, and the imports in the texts are rewritten to it. Only the
files that come with protoc keep their names, so that a copy sent as a reference takes their
place for all that import them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fakebus.schemas.interface import SchemaError

PREFIX = "fakebus-given"

_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/"
    r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    r"|[{};]|[^\s{};\"'/]+|/",
    re.DOTALL,
)
_HALF = re.compile("[\ud800-\udfff]")
_KINDS = frozenset({"public", "weak", "option"})


@dataclass(frozen=True, slots=True)
class Import:
    """Name in an import statement, and where it stands with its quotes."""

    name: str
    start: int
    end: int


def imports_of(text: str) -> Iterator[Import]:
    """Yield what a text imports, in its order."""
    depth, at_start, waiting = 0, True, False
    name, start, end = "", -1, -1
    for match in _TOKEN.finditer(text):
        word = match[0]
        if word.startswith(("//", "/*")):
            continue
        if waiting and word[0] in "\"'":
            # Texts that follow each other are one.
            name, start, end = (
                name + word[1:-1],
                match.start() if start < 0 else start,
                match.end(),
            )
            continue
        if waiting and word not in _KINDS:
            if start >= 0 and word == ";":
                yield Import(name, start, end)
            waiting = False
        if at_start and depth == 0 and word == "import":
            waiting, name, start, end = True, "", -1, -1
        depth += (word == "{") - (word == "}")
        at_start = word in {";", "}"}


@cache
def search_path() -> tuple[tuple[str, Path], ...]:
    """Return the folders with the files that need no reference, each with its prefix."""
    import grpc_tools

    protoc = Path(grpc_tools.__file__).parent / "_proto"
    folders = [("", protoc), ("", Path(__file__).parent / "well_known")]
    found = find_spec("google.type")
    locations = () if found is None else found.submodule_search_locations or ()
    # The other packages of Google's common types are not known to registries.
    return (*folders, *(("google/type/", Path(each)) for each in locations))


@cache
def known_files() -> frozenset[str]:
    """Return the names of the files that need no reference."""
    return frozenset(
        prefix + path.relative_to(folder).as_posix()
        for prefix, folder in search_path()
        for path in folder.rglob("*.proto")
    )


def safe_names(files: Mapping[str, str]) -> dict[str, str]:
    """Return the names under which files are compiled, by the names that clients gave them.

    Raises:
        SchemaError: no descriptor can hold a name.
    """
    for name in files:
        if "\0" in name or (not name.isascii() and _HALF.search(name)):
            raise SchemaError(f"{name!r} cannot be the name of a file")
    known = known_files()
    return {
        name: name if name in known else f"{PREFIX}/{number}.proto"
        for number, name in enumerate(files)
    }


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Return a text that imports files by other names; the rest stays where it was."""
    parts: list[str] = []
    at = 0
    for found in imports_of(text):
        if found.name in names:
            parts += text[at : found.start], f'"{names[found.name]}"'
            at = found.end
    return "".join((*parts, text[at:]))
