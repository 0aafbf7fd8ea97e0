"""What protoc gets: the texts of a schema and its references, under names and imports of ours.

The names come from outside: they are what a client calls its references. A file is therefore
compiled under a name of ours, and the imports in the texts are rewritten to it. Only the
files that come with protoc keep their names, so that a copy sent as a reference takes their
place for all that import them.

A registry asks less than protoc: every type must be defined somewhere among the schema, its
references and the well-known files, but an import may lead nowhere, a reference may do without
one, and options that nothing defines are taken as they are. Replacements keep their place, so
that the line and column of a complaint are those of the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

from fakebus.schemas.interface import SchemaError

PREFIX = "fakebus-given"

_HALF = re.compile("[\ud800-\udfff]")
_WORD = re.compile(
    r"//[^\n]*|/\*.*?\*/"
    r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    r"|[{}\[\]();,=<>]|[^\s{}\[\]();,=<>\"'/]+|/",
    re.DOTALL,
)
_MAX_PARTS = 20
_KINDS = ("public", "weak", "option")
_OPENING, _CLOSING = "{[(<", "}])>"


@dataclass(frozen=True, slots=True)
class Import:
    """Import statement: the file's name, how it is imported, and the statement's place."""

    name: str
    kind: str = ""
    """``public``, ``weak``, ``option``, or nothing."""
    start: int = 0
    end: int = 0


def import_statement(wanted: Import) -> str:
    """Return a statement, or nothing for a name that none can hold."""
    for quote in "\"'":
        statement = f"import {wanted.kind} {quote}{wanted.name}{quote};\n"
        if [one.name for one in imports_of(statement)] == [wanted.name]:
            return statement
    return ""


def imports_of(text: str) -> Iterator[Import]:
    """Yield what a text imports, in its order."""
    for statement in _statements(text):
        if statement[0][0] == "import" and len(statement) > 1:
            words = [word for word, _, _ in statement]
            kind = words[1] if words[1] in _KINDS else ""
            names = words[2:-1] if kind else words[1:-1]
            if names and all(word[0] in "\"'" for word in names):
                # Texts that follow each other are one.
                name = "".join(word[1:-1] for word in names)
                yield Import(name, kind, statement[0][1], statement[-1][2])


def declared_types(text: str) -> frozenset[str]:
    """Return the full names of the messages and enums of a file, without what is in them."""
    return frozenset(name for names in _declared(text).values() for name in names)


def first_type(text: str) -> str | None:
    """Return the full name of the first message of a file, or else of the first enum."""
    declared = _declared(text)
    return next(iter((*declared["message"], *declared["enum"])), None)


def _declared(text: str) -> dict[str, list[str]]:
    package = ""
    names: dict[str, list[str]] = {"message": [], "enum": []}
    for statement in _statements(text):
        words = [word for word, _, _ in statement[:2]]
        if words[0] == "package":
            package = f"{words[-1]}."
        elif words[0] in names:
            names[words[0]].append(words[-1])
    return {kind: [package + name for name in found] for kind, found in names.items()}


def without_comments(text: str) -> str:
    """Return a text without comments and empty lines."""
    bare = _WORD.sub(lambda found: " " if found[0].startswith(("//", "/*")) else found[0], text)
    return "".join(f"{line.rstrip()}\n" for line in bare.splitlines() if line.strip())


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
def known_files() -> Mapping[str, Path]:
    """Return the files that need no reference, by name."""
    return {
        prefix + path.relative_to(folder).as_posix(): path
        for prefix, folder in search_path()
        for path in sorted(folder.rglob("*.proto"))
    }


@cache
def _known_types() -> Mapping[str, frozenset[str]]:
    return {name: declared_types(path.read_text("utf-8")) for name, path in known_files().items()}


class Sources:
    """Texts to compile.

    Args:
        files: texts by the names that clients gave them, dependencies first.

    Raises:
        SchemaError: no descriptor can hold a name.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        for name in files:
            if "\0" in name or _HALF.search(name):
                raise SchemaError(f"{name!r} cannot be the name of a file")
        self._files = files
        known = known_files()
        self.names = {
            name: name if name in known else f"{PREFIX}/{number}.proto"
            for number, name in enumerate(files)
        }
        """The names under which the files are compiled, by those that clients gave them."""

    @cached_property
    def given_names(self) -> Mapping[str, str]:
        """The names that clients gave, by those under which the files are compiled."""
        return {ours: name for name, ours in self.names.items()}

    @cached_property
    def _types(self) -> Mapping[str, frozenset[str]]:
        return {name: declared_types(text) for name, text in self._files.items()}

    def texts(self, *, widened: bool, unknown: Collection[str] = ()) -> dict[str, str]:
        """Return the texts by the names under which they are compiled.

        Args:
            widened: every file may use the types of all files before it and of the well-known
                ones, imported or not.
            unknown: options to leave out, as protoc calls them.
        """
        found: dict[str, str] = {}
        earlier: list[str] = []
        for name, text in self._files.items():
            imports = [*imports_of(text)]
            changes = [(one.start, one.end, self._statement(one)) for one in imports]
            changes += [(start, end, "") for start, end in _options(text, unknown)]
            if widened:
                own = {one.name for one in imports}
                extra = "".join(
                    f'\nimport "{self.names.get(one, one)}";'
                    for one in self._missed(text, own, earlier)
                )
                changes.append((len(text), len(text), extra))
            found[self.names[name]] = _replaced(text, changes)
            earlier.append(name)
        return found

    def missing(self) -> list[str]:
        """Return the names of files that are imported and are not there."""
        known = known_files()
        return [
            one.name
            for text in self._files.values()
            for one in imports_of(text)
            if one.name not in self.names and one.name not in known
        ]

    def _statement(self, found: Import) -> str:
        ours = self.names.get(found.name, found.name if found.name in known_files() else None)
        if ours is None:
            return ""
        return f'import {found.kind} "{ours}";'

    def _missed(self, text: str, imported: set[str], earlier: Sequence[str]) -> Iterator[str]:
        """Yield the files whose types a text may mean without importing them."""
        words = {part for word in _WORD.findall(text) for part in _beginnings(word)}
        known = {
            name: types
            for name, types in _known_types().items()
            if any(end in words for one in types for end in _endings(one))
        }
        types = known | {name: self._types[name] for name in earlier}
        seen = declared_types(text).union(*(types.get(name, ()) for name in imported))
        for name in (*earlier, *known):
            # The same type may come under two names, which is no reason to refuse it.
            if name not in imported and not types[name] & seen:
                seen |= types[name]
                imported = imported | {name}
                yield name


def _beginnings(word: str) -> Iterator[str]:
    """Yield what a name begins with: that may be a type with another one in it."""
    parts = word.lstrip(".").split(".")[:_MAX_PARTS]
    return (".".join(parts[: end + 1]) for end in range(len(parts)))


def _endings(name: str) -> Iterator[str]:
    """Yield the ways to name a type, in its package and outside."""
    parts = name.split(".")
    return (".".join(parts[start:]) for start in range(len(parts)))


_Word = tuple[str, int, int]


def _words(text: str) -> Iterator[_Word]:
    for match in _WORD.finditer(text):
        if not match[0].startswith(("//", "/*")):
            yield match[0], match.start(), match.end()


def _statements(text: str) -> Iterator[list[_Word]]:
    """Yield the outermost statements up to their semicolon or the end of their block."""
    depth = 0
    statement: list[_Word] = []
    for word in _words(text):
        statement.append(word)
        depth += (word[0] in _OPENING) - (word[0] in _CLOSING)
        if depth <= 0 and word[0] in ";}":
            yield statement
            statement = []
            depth = 0


def _options(text: str, unknown: Collection[str]) -> Iterator[tuple[int, int]]:
    """Yield where options stand, and the commas that part them from others."""
    words = [*_words(text)] if unknown else []
    at = 0
    while at < len(words):
        end = at
        if words[at][0] == "option" and _name_at(words, at + 1) in unknown:
            end = _end(words, at, ";")
            yield words[at][1], words[end][2]
        elif words[at][0] == "[":
            commas = [at]
            while words[commas[-1]][0] in "[," and commas[-1] < len(words) - 1:
                commas.append(_end(words, commas[-1] + 1, ",]"))
            end = commas[-1]
            yield from _bracketed(words, commas, unknown)
        at = end + 1


def _bracketed(
    words: Sequence[_Word], commas: Sequence[int], unknown: Collection[str]
) -> Iterator[tuple[int, int]]:
    kept = [_name_at(words, at + 1) not in unknown for at in commas[:-1]]
    if not any(kept):
        yield words[commas[0]][1], words[commas[-1]][2]
        return
    for index, is_kept in enumerate(kept):
        if not is_kept:
            yield words[commas[index]][2], words[commas[index + 1]][1]
        if index and not (is_kept and any(kept[:index])):
            yield words[commas[index]][1:]


def _name_at(words: Sequence[_Word], at: int) -> str:
    """Return an option's name as protoc calls it unknown: without the fields in it."""
    if at < len(words) and words[at][0] == "(":
        return "".join(word for word, _, _ in words[at : at + 3]).replace("(.", "(")
    return words[at][0].partition(".")[0] if at < len(words) else ""


def _end(words: Sequence[_Word], at: int, ends: str) -> int:
    depth = 0
    for index in range(at, len(words)):
        word = words[index][0]
        if depth == 0 and word in ends:
            return index
        depth += (word in _OPENING) - (word in _CLOSING)
    return len(words) - 1


def _replaced(text: str, changes: list[tuple[int, int, str]]) -> str:
    parts: list[str] = []
    at = 0
    for start, end, new in sorted(changes):
        if start < at:
            continue
        # What follows in the same line keeps its column, and all lines stay.
        lost = text[start:end]
        blank = "".join("\n" if char == "\n" else " " for char in lost[len(new) :])
        parts += text[at:start], new, blank
        at = end
    return "".join((*parts, text[at:]))
