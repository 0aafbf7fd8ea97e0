"""What goes into the registry and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

READWRITE = "READWRITE"
READ_ONLY_MODES = ("READONLY", "READONLY_OVERRIDE")
IMPORT = "IMPORT"
FORWARD = "FORWARD"
MODES = (READWRITE, *READ_ONLY_MODES, IMPORT, FORWARD)

MAX_NUMBER = 2**31 - 1
"""The highest id and version."""

JsonObject = Mapping[str, object]
"""A JSON object as the client sent it."""


class Reference(NamedTuple):
    """A schema that another one builds on."""

    name: str
    """How the schema names it: an Avro full name, a ``$ref`` URI, a ``.proto`` import path."""
    subject: str
    version: int
    """-1 is the latest; what is stored always names a version."""


class SchemaRequest(NamedTuple):
    """A schema to register, to look up or to compare."""

    schema: str
    schema_type: str = "AVRO"
    references: tuple[Reference, ...] = ()
    metadata: JsonObject | None = None
    """``{"tags": …, "properties": …, "sensitive": …}``."""
    rule_set: JsonObject | None = None
    """``{"migrationRules": …, "domainRules": …, "encodingRules": …}``."""
    schema_id: int = -1
    """The id to register under, in IMPORT mode only; -1 to be given one."""
    version: int = -1
    """The version to register under; -1 to be given one."""


class RegisteredSchema(NamedTuple):
    """One version of a subject."""

    subject: str
    version: int
    schema_id: int
    guid: str
    """The same in every registry that holds the same schema."""
    schema_type: str
    schema: str
    """The canonical text."""
    references: tuple[Reference, ...]
    metadata: JsonObject | None
    rule_set: JsonObject | None
    deleted: bool
    """Whether it was soft-deleted."""
    timestamp_ms: int
    """When it was registered."""
