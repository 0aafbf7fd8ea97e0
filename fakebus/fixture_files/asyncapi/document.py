"""An AsyncAPI document as a tree that follows references and knows where each part stands.

References may lead into the document and into files beside it. What lies on another machine is
not fetched, so that a build depends on nothing that may change behind its back.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote

from fakebus.fixture_files.problems import Position, ProblemList, quoted
from fakebus.fixture_files.sources import MAX_YAML_BYTES, FixtureDirectory
from fakebus.fixture_files.structure.yaml_tree import (
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    is_null,
    json_value,
    parse_yaml,
)

_MAX_STEPS = 32
"""How many references may lead from one to the next."""
_MAX_FILES = 200
_MAX_DIGITS = 18
_DEFINITIONS = "definitions"
_DRAFT_7 = "http://json-schema.org/draft-07/schema#"


class Place(NamedTuple):
    """Place in a document: a node, and the file that it stands in."""

    node: YamlNode
    file: str

    @property
    def position(self) -> Position:
        """Where it stands."""
        return self.node.position

    @property
    def text(self) -> str:
        """The text of a scalar; empty for null and anything else."""
        node = self.node
        return node.text if isinstance(node, YamlScalar) and not is_null(node) else ""


class Document:
    """An AsyncAPI document.

    Args:
        directory: the folder that it lies in; references stay inside.
        file: its name there.
        problems: where mistakes go.
    """

    def __init__(self, directory: FixtureDirectory, file: str, problems: ProblemList) -> None:
        self._directory = directory
        self._problems = problems
        self._files: dict[str, YamlNode | None] = {}
        self._file = file

    def root(self) -> Place | None:
        """Return the whole document; ``None`` after saying why it cannot be read."""
        node = self._read(self._file, Position(self._directory.display(self._file)))
        return None if node is None else Place(node, self._file)

    def wrong(self, place: Place, message: str, hint: str = "") -> None:
        """Tell a mistake."""
        self._problems.add(place.position, message, hint)

    def _read(self, file: str, named_at: Position) -> YamlNode | None:
        if file not in self._files:
            if len(self._files) >= _MAX_FILES:
                message = f"more than {_MAX_FILES} files are referred to"
                self._problems.add(named_at, message, "put what is needed into fewer files")
                return None
            text = self._directory.read_text(file, named_at, MAX_YAML_BYTES)
            display = self._directory.display(file)
            self._files[file] = (
                None
                if text is None
                else parse_yaml(text, display, self._problems, begin="asyncapi: 3.0.0")
            )
        return self._files[file]

    def field(self, place: Place | None, *names: str) -> Place | None:
        """Return a field, or a field of a field, with all references on the way followed."""
        for name in names:
            if place is None or not isinstance(place.node, YamlMapping):
                return None
            entry = place.node.entries.get(name)
            place = None if entry is None else self.followed(Place(entry.value, place.file))
        return place

    def fields(self, place: Place | None) -> Iterator[tuple[str, Place]]:
        """Yield the fields of an object by their names, with references followed.

        What stands in the place of an object is told.
        """
        if place is not None and self.is_object(place):
            assert isinstance(place.node, YamlMapping)  # noqa: S101 - as is_object has found
            for name, entry in place.node.entries.items():
                found = self.followed(Place(entry.value, place.file))
                if found is not None:
                    yield name, found

    def is_object(self, place: Place) -> bool:
        """Whether it is one; something else is told, but for null, which is nothing."""
        if isinstance(place.node, YamlMapping):
            return True
        if not (isinstance(place.node, YamlScalar) and is_null(place.node)):
            kind = "a list" if isinstance(place.node, YamlSequence) else quoted(place.text)
            self.wrong(place, f"{kind} stands where an object belongs", "write  NAME: …  below it")
        return False

    def items(self, place: Place | None) -> Iterator[Place]:
        """Yield the items of a list, with references followed; a single thing is one item."""
        if place is not None:
            is_list = isinstance(place.node, YamlSequence)
            nodes = place.node.items if isinstance(place.node, YamlSequence) else ()
            for each in nodes if is_list else (place.node,):
                found = self.followed(Place(each, place.file))
                if found is not None:
                    yield found

    def followed(self, place: Place) -> Place | None:
        """Return what a reference leads to in the end; ``None`` after saying that it is nothing."""
        for _ in range(_MAX_STEPS):
            reference = _reference(place)
            if reference is None:
                return place
            found = self.target(reference)
            if found is None:
                return None
            place = found
        message = f"more than {_MAX_STEPS} references lead from one to the next"
        self.wrong(place, message, "refer to the part itself")
        return None

    def target(self, reference: Place) -> Place | None:
        """Return what a reference names; ``None`` after saying that it is nothing."""
        text = reference.text
        name, _, pointer = text.partition("#")
        if "://" in name:
            hint = "put a copy beside the document and refer to it"
            self.wrong(reference, f"{quoted(text)} lies elsewhere and is not fetched", hint)
            return None
        file: str | None = reference.file
        if name:
            file = self._directory.resolve(reference.file, unquote(name), reference.position)
        node = None if file is None else self._read(file, reference.position)
        if file is None or node is None:
            return None
        for step in filter(None, pointer.split("/")):
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            inner = _step(node, key)
            if inner is None:
                hint = f"there is no {quoted(key)} on the way"
                self.wrong(reference, f"{quoted(text)} leads nowhere", hint)
                return None
            node = inner
        return Place(node, file)

    def schema(self, place: Place) -> dict[str, Any]:
        """Return a JSON Schema by itself: what it refers to becomes a part of it."""
        return _SchemaText(self).whole(place)


def whole_number(text: str) -> int | None:
    """Return the number that a text writes; ``None`` if it is none, or beyond all reason."""
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else None


def _reference(place: Place) -> Place | None:
    if isinstance(place.node, YamlMapping):
        entry = place.node.entries.get("$ref")
        if entry is not None and isinstance(entry.value, YamlScalar):
            return Place(entry.value, place.file)
    return None


def _step(node: YamlNode, key: str) -> YamlNode | None:
    if isinstance(node, YamlMapping):
        return node.entries[key].value if key in node.entries else None
    if isinstance(node, YamlSequence):
        index = whole_number(key)
        return None if index is None or index >= len(node.items) else node.items[index]
    return None


class _SchemaText:
    """Schema whose references are collected under its definitions."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._names: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._definitions: dict[str, Any] = {}
        self._waiting: list[tuple[str, Place]] = []

    def whole(self, place: Place) -> dict[str, Any]:
        found = self._converted(place)
        text = found if isinstance(found, dict) else {"not": {}} if found is False else {}
        # One after the other, since a chain of references may be longer than calls may nest.
        while self._waiting:
            name, target = self._waiting.pop()
            self._definitions[name] = self._converted(target)
        if self._definitions:
            own = text.get(_DEFINITIONS)
            own = own if isinstance(own, dict) else {}
            text = {**text, _DEFINITIONS: {**own, **self._definitions}}
        return {"$schema": _DRAFT_7, **text}

    def _converted(self, place: Place) -> Any:
        reference = _reference(place)
        if reference is not None:
            return self._referred(reference)
        node = place.node
        if isinstance(node, YamlMapping):
            return {
                name: self._converted(Place(entry.value, place.file))
                for name, entry in node.entries.items()
            }
        if isinstance(node, YamlSequence):
            return [self._converted(Place(item, place.file)) for item in node.items]
        return json_value(node)

    def _referred(self, reference: Place) -> Any:
        target = self._document.target(reference)
        if target is None:
            return {}
        name = self._names.get(id(target.node))
        if name is None:
            name = self._names[id(target.node)] = self._free_name(reference.text)
            self._waiting.append((name, target))
        return {"$ref": f"#/{_DEFINITIONS}/{name}"}

    def _free_name(self, reference: str) -> str:
        stem = PurePosixPath(reference.partition("#")[0]).stem
        last = reference.rpartition("/")[2] if "#/" in reference else stem
        name = "".join(each if each.isalnum() or each in "-_." else "_" for each in last) or "root"
        free = name
        while free in self._numbers:
            self._numbers[name] += 1
            free = f"{name}_{self._numbers[name]}"
        self._numbers[free] = 1
        return free
