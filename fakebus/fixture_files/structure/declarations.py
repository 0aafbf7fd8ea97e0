"""Declared objects of fixture files: their fields, how they are read, and what is said of them.

An object of a file is a :class:`Model`, a dataclass whose fields are declared with a kind and
with what they mean. From the declarations follow the reader, the JSON Schema and the tables of
the reference. Every mistake becomes a problem with its place, and reading goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

import yaml

from fakebus.fixture_files.problems import Position, ProblemList, did_you_mean, quoted
from fakebus.fixture_files.sources import FixtureDirectory
from fakebus.fixture_files.structure.yaml_tree import YamlMapping, YamlNode, is_null, kind_of

WRONG: Final[Any] = object()
"""Stands for a value that is wrong; what is wrong with it is told already."""

Schema = dict[str, Any]
M = TypeVar("M", bound="Model")


@dataclass(frozen=True, slots=True)
class Reading:
    """The reading of one file."""

    directory: FixtureDirectory
    problems: ProblemList
    relative: str
    """The file, from the root."""

    def wrong(self, position: Position, message: str, hint: str = "") -> Any:
        """Tell a mistake and return what stands for the value."""
        self.problems.add(position, message, hint)
        return WRONG


class Kind(NamedTuple):
    """Kind of a value."""

    read: Callable[[YamlNode, str, Reading], Any]
    """Returns the value of a node that is not null, or :data:`WRONG` after telling a mistake. The
    text is the node's name for messages, such as ``"partitions"`` in quotes."""
    schema: Callable[[], Schema]
    """Returns the JSON Schema of the values."""


class Origin(NamedTuple):
    """Places of an object and its fields."""

    position: Position
    places: Mapping[str, Position]
    relative: str
    """The file, from the root."""


NOWHERE = Origin(Position(""), {}, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Object of a file."""

    WHAT: ClassVar[str] = ""
    """Its name for messages; that of its place when empty."""
    HINT: ClassVar[str] = ""
    """What to write instead of something that is no object."""
    KEY: ClassVar[str] = ""
    """The field that the object's place is shown by."""
    IS_WHOLE: ClassVar[bool] = False
    """Whether an object with any mistake is left out."""

    origin: Origin = NOWHERE

    def at(self, name: str) -> Position:
        """Return where a field's value stands, or the object if it has no such field."""
        return self.origin.places.get(name, self.origin.position)

    @property
    def position(self) -> Position:
        """Where the object is, for messages."""
        return self.at(self.KEY)

    def finished(self: M, reading: Reading) -> M:
        """Return the object after looking at its fields together, or :data:`WRONG`."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Declaration of a field."""

    kind: Kind
    name: str
    attribute: str
    required: bool
    inner: type[Model] | None
    """The model whose fields stand in its place in tables."""
    missing: tuple[str, str] | None
    """What is said when it is missing, and the hint, if not the usual words."""


def declared(
    kind: Kind,
    *,
    name: str = "",
    default: Any = None,
    required: bool = False,
    inner: type[Model] | None = None,
    missing: tuple[str, str] | None = None,
) -> Any:
    """Declare a field of a model; see :class:`Declaration`. Its words are in ``words.yaml``.

    Args:
        kind: of its values.
        name: in the file, if the attribute has another one.
        default: the value without it; ``dict`` for an empty one.
        required: whether an object without it is left out.
        inner: the model whose fields stand in its place in tables.
        missing: what is said then, and the hint.
    """
    asked = {"required": required, "missing": missing}
    metadata = {"kind": kind, "name": name, "inner": inner, **asked}
    if default is dict:
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


_DECLARATIONS: dict[type[Model], dict[str, Declaration]] = {}


def declarations(model: type[Model]) -> Mapping[str, Declaration]:
    """Return the fields of a model by their names in files."""
    found = _DECLARATIONS.get(model)
    if found is None:
        found = _DECLARATIONS[model] = dict(_declarations(model))
    return found


def _declarations(model: type[Model]) -> Iterator[tuple[str, Declaration]]:
    for one in fields(model):
        if "kind" in one.metadata:
            name = one.metadata["name"] or one.name
            yield name, Declaration(**{**one.metadata, "name": name, "attribute": one.name})


def read_object(model: type[M], node: YamlNode, what: str, reading: Reading) -> M:
    """Return an object without the fields that are wrong, or :data:`WRONG`."""
    if not isinstance(node, YamlMapping):
        if model.HINT:
            return reading.wrong(node.position, f"{model.WHAT} must be an object", model.HINT)  # type: ignore[no-any-return]
        message = f"{what} must be an object, not {kind_of(node)}"
        return reading.wrong(node.position, message, "write  name: value")  # type: ignore[no-any-return]
    before = len(reading.problems)
    known = declarations(model)
    what = model.WHAT or what
    tell_unknown(node, what, known, reading)
    values: dict[str, Any] = {}
    for name, one in known.items():
        entry = node.entries.get(name)
        if entry is None or is_null(entry.value):
            if one.required or one.missing:
                default = (f'{what} needs the field "{name}"', f"add  {name}:")
                values[name] = reading.wrong(node.position, *(one.missing or default))
        else:
            values[name] = one.kind.read(entry.value, f'"{name}"', reading)
    right = {known[name].attribute: each for name, each in values.items() if each is not WRONG}
    if any(one.required and one.attribute not in right for one in known.values()):
        return WRONG  # type: ignore[no-any-return]
    if model.IS_WHOLE and len(reading.problems) > before:
        return WRONG  # type: ignore[no-any-return]
    places = {
        name: entry.value.position
        for name, entry in node.entries.items()
        if not is_null(entry.value)
    }
    origin = Origin(node.position, places, reading.relative)
    return model(origin=origin, **right).finished(reading)


def tell_unknown(
    node: YamlMapping, what: str, known: Sequence[str] | Mapping[str, Any], reading: Reading
) -> None:
    """Report the fields of an object that it may not have."""
    for name, entry in node.entries.items():
        if name not in known:
            reading.wrong(
                entry.key.position,
                f"{what} has no field {quoted(name)}",
                did_you_mean(name, known),
            )


def reference(name: str) -> Schema:
    """Return the JSON Schema that stands for one of the definitions."""
    return {"$ref": f"#/$defs/{name}"}


def object_schema(model: type[Model]) -> Schema:
    """Return the JSON Schema of a model."""
    known = declarations(model)
    properties = {
        name: {**one.kind.schema(), "description": words_of(model, name)[0]}
        for name, one in known.items()
    }
    required = [name for name, one in known.items() if one.required or one.missing]
    found: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**found, "required": required} if required else found


def table(model: type[Model]) -> str:
    """Return a model's fields as a table in Markdown."""
    lines = ["| field | meaning | default |", "|---|---|---|"]
    lines += [f"| `{name}` | {doc} | {default} |" for name, doc, default in _rows(model, "")]
    return "\n".join(lines) + "\n"


def _rows(model: type[Model], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, one in declarations(model).items():
        if one.inner is not None:
            yield from _rows(one.inner, f"{prefix}{name}.")
        else:
            needed = one.required or one.missing
            means, *without = words_of(model, name)
            yield prefix + name, means, "required" if needed else [*without, "none"][0]


@cache
def words() -> Mapping[str, Mapping[str, Any]]:
    """Return what ``words.yaml`` says."""
    text = Path(__file__).with_name("words.yaml").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, Any]] = yaml.safe_load(text)
    return found


def words_of(model: type[Model], name: str) -> list[str]:
    """Return what a field means and, if it is said, what holds without it."""
    known = (words().get(one.__name__, {}) for one in model.__mro__)
    found: list[str] = next(fields[name] for fields in known if name in fields)
    return found
