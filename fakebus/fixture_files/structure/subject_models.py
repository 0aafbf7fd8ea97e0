"""Subjects of a set: schemas in files of their own, as services use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fakebus.fixture_files.problems import quoted
from fakebus.fixture_files.structure.declarations import WRONG, Model, Reading, declared
from fakebus.fixture_files.structure.event_models import TEXTS
from fakebus.fixture_files.structure.kinds import (
    SCHEMA_FILE,
    SchemaFile,
    by_name,
    choice,
    integer,
    object_of,
    several,
    text,
)
from fakebus.schemas.languages import LANGUAGES
from fakebus.types import COMPATIBILITY_LEVELS

MAX_SCHEMA_ID = 2**31 - 1
_SCHEMA_TYPES = tuple(sorted(LANGUAGES))
_TYPES_BY_SUFFIX = {
    # What a subject names is a schema, so that .json is enough.
    f".{one.suffix.rpartition('.')[2]}": name
    for name, one in sorted(LANGUAGES.items())
}
LEVEL = choice(COMPATIBILITY_LEVELS, "there is no compatibility level {}", any_case=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference(Model):
    """A schema that another one builds on, by its subject in the same set."""

    WHAT: ClassVar[str] = "a reference"

    name: str = declared(text(), required=True)
    subject: str = declared(text(), required=True)
    version: int | None = declared(integer(1, MAX_SCHEMA_ID))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject(Model):
    """One version of a subject: a schema in a file of its own, as services use it."""

    WHAT: ClassVar[str] = "a subject"
    HINT: ClassVar[str] = "write  - {subject: orders-value, schema: schemas/order.avsc}"
    KEY: ClassVar[str] = "subject"

    subject: str = declared(text(), required=True)
    schema: SchemaFile = declared(SCHEMA_FILE, required=True)
    written_type: str | None = declared(
        choice(_SCHEMA_TYPES, "there is no schema type {}", any_case=True), name="type"
    )
    references: tuple[Reference, ...] = declared(
        several(object_of(Reference, "reference")), default=()
    )
    compatibility: str | None = declared(LEVEL)
    pinned_id: int | None = declared(integer(1, MAX_SCHEMA_ID), name="id")
    owner: str | None = declared(text())
    consumers: tuple[str, ...] = declared(TEXTS, default=())
    readers: Mapping[str, SchemaFile] = declared(by_name(SCHEMA_FILE), default=dict)

    @property
    def schema_type(self) -> str:
        """The language of the schema; empty if nothing says it."""
        by_name = (
            kind for end, kind in _TYPES_BY_SUFFIX.items() if self.schema.written.endswith(end)
        )
        return self.written_type or next(by_name, "")

    def finished(self, reading: Reading) -> Any:
        """Return the subject if the language of its schema is known."""
        if "type" in self.origin.places and self.written_type is None:
            return WRONG
        if self.schema_type:
            return self
        return reading.wrong(
            self.at("schema"),
            f"the name of {quoted(self.schema.written)} does not say what kind of schema it is",
            f"add  type: {_one_of(_SCHEMA_TYPES)}, or name it {_one_of(_TYPES_BY_SUFFIX)}",
        )


def _one_of(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}"
