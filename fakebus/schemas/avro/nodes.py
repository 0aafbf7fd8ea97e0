"""The types of an Avro schema, after names are looked up and checks are made.

Source: https://avro.apache.org/docs/1.12.0/specification/ (Schema Declaration).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

Properties: TypeAlias = Mapping[str, object]

PRIMITIVE_TYPES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
NO_DEFAULT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalType:
    """A logical type that is valid for the type it stands on."""

    name: str
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """The name of a type, in two parts."""

    simple: str
    namespace: str | None

    @property
    def full(self) -> str:
        """The name with its namespace."""
        return f"{self.namespace}.{self.simple}" if self.namespace else self.simple


@dataclass(slots=True, kw_only=True, eq=False)
class Primitive:
    """One of the eight types without parts."""

    kind: str
    properties: Properties
    logical: LogicalType | None


@dataclass(slots=True, kw_only=True, eq=False)
class Array:
    """Items of one type."""

    kind: ClassVar[str] = "array"
    items: Node
    properties: Properties


@dataclass(slots=True, kw_only=True, eq=False)
class Map:
    """Values of one type under text keys."""

    kind: ClassVar[str] = "map"
    values: Node
    properties: Properties


@dataclass(slots=True, kw_only=True, eq=False)
class Union:
    """One of several types."""

    kind: ClassVar[str] = "union"
    branches: tuple[Node, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class Enum:
    """One of several symbols."""

    kind: ClassVar[str] = "enum"
    name: Name
    doc: str | None
    symbols: tuple[str, ...]
    default: str | None
    aliases: tuple[Name, ...]
    properties: Properties


@dataclass(slots=True, kw_only=True, eq=False)
class Fixed:
    """So many bytes."""

    kind: ClassVar[str] = "fixed"
    name: Name
    doc: str | None
    size: int
    aliases: tuple[Name, ...]
    properties: Properties
    logical: LogicalType | None


@dataclass(slots=True, kw_only=True, eq=False)
class Field:
    """A field of a record."""

    name: str
    type: Node
    doc: str | None
    default: object
    """:data:`NO_DEFAULT` if there is none."""
    order: str
    aliases: tuple[str, ...]
    properties: Properties

    @property
    def has_default(self) -> bool:
        """Whether a reader can do without the field in the data."""
        return self.default is not NO_DEFAULT


@dataclass(slots=True, kw_only=True, eq=False)
class Record:
    """Named fields in an order."""

    kind: ClassVar[str] = "record"
    name: Name
    doc: str | None
    aliases: tuple[Name, ...]
    properties: Properties
    is_error: bool
    fields: tuple[Field, ...] = ()
    """Set once, after the fields are read: they may name the record itself."""
    by_name: dict[str, Field] = field(default_factory=dict, repr=False)
    is_complete: bool = False


Named: TypeAlias = Record | Enum | Fixed
Node: TypeAlias = Primitive | Array | Map | Union | Enum | Fixed | Record


def type_name(node: Node) -> str:
    """Return what a union or a message calls a type: the full name, or the kind."""
    return node.name.full if isinstance(node, Named) else node.kind
