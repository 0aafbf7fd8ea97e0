"""YAML as a tree that knows where each part stands.

PyYAML's composer gives nodes with marks and no values, so nothing is ever constructed
from a tag. Scalars keep their text: a config value ``1.0`` stays ``1.0``. Anchors and
aliases work, within limits on depth and on the number of nodes; merge keys, own tags and
a second document do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple, cast

import yaml

from fakebus.fixture_files.problems import Position, ProblemList, quoted
from fakebus.fixture_files.sources import position_in

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRUE = frozenset({"true", "yes", "on", "y"})
_MAX_DEPTH = 32
_MAX_NODES = 100_000
_TAG_PREFIX = "tag:yaml.org,2002:"
_SCALAR_KINDS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "value"})
_SYNTAX_HINTS = (
    ("cannot start any token", "indent with spaces, and quote texts that begin with a sign"),
    ("mapping values are not allowed", 'quote texts that contain ": "'),
    ("undefined alias", 'quote texts that begin with "*"'),
    ("expected a single document", 'keep one document in a file: remove the line "---"'),
    ("found another document", 'keep one document in a file: remove the line "---"'),
    ("block mapping", "indent all fields of an object alike"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlScalar:
    """A text, number, boolean or null, as written."""

    position: Position
    text: str
    kind: str
    """The part of YAML's tag behind the prefix: str, int, bool, null and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlSequence:
    """A list."""

    position: Position
    items: tuple[YamlNode, ...]


class YamlEntry(NamedTuple):
    """A field of an object."""

    key: YamlScalar
    value: YamlNode


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlMapping:
    """An object, by its keys' texts."""

    position: Position
    entries: dict[str, YamlEntry]


YamlNode = YamlScalar | YamlSequence | YamlMapping


class _TooMuch(Exception):  # noqa: N818 - a signal inside this module
    """A limit is exceeded; reported already."""


def parse_yaml(
    text: str, file: str, problems: ProblemList, *, begin: str = "version: 1"
) -> YamlNode | None:
    """Return the tree of a YAML text; ``None`` if it is empty or cannot be read.

    Args:
        text: the text.
        file: its file, as messages name it.
        problems: where mistakes go.
        begin: the first line of such files, which an empty one is told to have.
    """
    try:
        _check_depth(text)
        composed = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, UnicodeError) as error:
        _report_syntax(error, text, file, problems)
        return None
    if composed is None:
        problems.add(Position(file), "the file is empty", f"begin with the line  {begin}")
        return None
    builder = _TreeBuilder(file, problems)
    try:
        return builder.build(composed, 0)
    except _TooMuch:
        return None


def _check_depth(text: str) -> None:
    # Composing is recursive (in C as well), so depth is bounded on the flat event stream.
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise yaml.MarkedYAMLError(
                    problem=f"more than {_MAX_DEPTH} levels are nested",
                    problem_mark=cast(Any, event.start_mark),
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _report_syntax(error: Exception, text: str, file: str, problems: ProblemList) -> None:
    position = Position(file)
    what = str(error)
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            position = Position(file, mark.line + 1, mark.column + 1)
        what = error.problem or error.context or what
    elif isinstance(error, yaml.reader.ReaderError):
        position = position_in(file, text, error.position)
        what = error.reason
    whole = f"{what} {error}"
    hint = next((hint for sign, hint in _SYNTAX_HINTS if sign in whole), "")
    problems.add(position, f"this is not YAML: {what.removeprefix('but ')}", hint)


class _TreeBuilder:
    def __init__(self, file: str, problems: ProblemList) -> None:
        self._file = file
        self._problems = problems
        self._nodes = 0

    def build(self, node: yaml.Node, depth: int) -> YamlNode:
        position = self._position(node)
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            self._problems.add(
                position,
                f"aliases make the file larger than {_MAX_NODES} values or deeper than "
                f"{_MAX_DEPTH} levels",
                "write the values out instead",
            )
            raise _TooMuch
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, position)
        self._check_tag(node, position, ("seq", "map"))
        if isinstance(node, yaml.SequenceNode):
            items = tuple(self.build(item, depth + 1) for item in node.value)
            return YamlSequence(position=position, items=items)
        return self._mapping(node, position, depth)

    def _position(self, node: yaml.Node) -> Position:
        mark = node.start_mark
        return Position(self._file, mark.line + 1, mark.column + 1)

    def _check_tag(self, node: yaml.Node, position: Position, allowed: tuple[str, ...]) -> None:
        if node.tag.removeprefix(_TAG_PREFIX) not in allowed:
            self._problems.add(
                position,
                f"the tag {quoted(node.tag.replace(_TAG_PREFIX, '!!'))} is not supported",
                "remove the tag",
            )

    def _scalar(self, node: yaml.ScalarNode, position: Position) -> YamlScalar:
        kind = node.tag.removeprefix(_TAG_PREFIX)
        if kind == "merge":
            kind = "str"
        elif kind not in _SCALAR_KINDS:
            self._check_tag(node, position, ())
            kind = "str"
        return YamlScalar(position=position, text=node.value, kind=kind)

    def _mapping(self, node: yaml.Node, position: Position, depth: int) -> YamlMapping:
        entries: dict[str, YamlEntry] = {}
        for key_node, value_node in node.value:
            key = self.build(key_node, depth + 1)
            value = self.build(value_node, depth + 1)
            if not isinstance(key, YamlScalar):
                self._problems.add(
                    key.position, "the name of a field must be a text", "quote the name"
                )
            elif key_node.tag == _TAG_PREFIX + "merge":
                self._problems.add(
                    key.position, "merge keys are not supported", "write the fields out"
                )
            elif key.text in entries:
                first = entries[key.text].key.position.line
                self._problems.add(
                    key.position,
                    f"the field {quoted(key.text)} stands twice (first in line {first})",
                    "remove one of them",
                )
            else:
                entries[key.text] = YamlEntry(key, value)
        return YamlMapping(position=position, entries=entries)


def is_null(node: YamlNode) -> bool:
    """Whether nothing or ``null`` is written."""
    return isinstance(node, YamlScalar) and node.kind == "null"


def kind_of(node: YamlNode) -> str:
    """Return what a node is, for messages."""
    if isinstance(node, YamlMapping):
        return "an object"
    if isinstance(node, YamlSequence):
        return "a list"
    words = {"str": "a text", "int": "a number", "float": "a number", "bool": "a boolean"}
    return "nothing" if is_null(node) else words.get(node.kind, f"a {node.kind}")


def plain(node: YamlNode) -> object:
    """Return a tree as Python values: dicts, lists, texts as written, and ``None``."""
    if isinstance(node, YamlScalar):
        return None if is_null(node) else node.text
    if isinstance(node, YamlSequence):
        return [plain(item) for item in node.items]
    return {name: plain(entry.value) for name, entry in node.entries.items()}


def json_value(node: YamlNode) -> object:
    """Return a tree as JSON data: numbers, booleans and null where YAML has them.

    What JSON has no type for, such as a date, stays a text.
    """
    if isinstance(node, YamlScalar):
        return _json_scalar(node)
    if isinstance(node, YamlMapping):
        return {name: json_value(entry.value) for name, entry in node.entries.items()}
    return [json_value(item) for item in node.items]


def _json_scalar(node: YamlScalar) -> object:
    if is_null(node):
        return None
    if node.kind == "bool":
        return node.text.lower() in _TRUE
    try:
        if node.kind == "int":
            return int(node.text, 10)
        if node.kind == "float":
            number = float(node.text)
            # JSON has neither infinity nor NaN.
            return number if isfinite(number) else node.text
    except ValueError:
        # YAML has numbers in other bases and with colons; as a text nothing of them is lost.
        pass
    return node.text
