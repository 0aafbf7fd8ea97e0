"""A schema that is stored and cannot be used.

A registry that was copied, or that schemas were imported into, may hold what nothing can read:
a reference is missing, or a draft's rules are broken. Such a schema is served, found and told
from others like any; only comparing it and coding data with it is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from fakebus.schemas.interface import (
    Incompatibility,
    ParsedSchema,
    SchemaDataError,
    SchemaError,
)


@dataclass(frozen=True, slots=True)
class UnusableSchema:
    """Schema of which only the text is known; see :class:`ParsedSchema`."""

    schema_type: str
    canonical: str
    normalized: str
    problem: str

    @property
    def identity(self) -> str:
        """The canonical text."""
        return self.canonical

    @property
    def name(self) -> None:
        """Always ``None``."""

    def formatted(self, output_format: str) -> str:
        """Return the canonical text."""
        del output_format
        return self.canonical

    def incompatibilities(self, writer: ParsedSchema) -> list[Incompatibility]:
        """Return nothing for itself; raise what is wrong with the schema for others."""
        if writer == self:
            return []
        raise SchemaError(self.problem)

    def encode(self, data: object) -> bytes:
        """Raise what is wrong with the schema."""
        del data
        self._refuse()

    def decode(self, payload: bytes) -> object:
        """Raise what is wrong with the schema."""
        del payload
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise SchemaDataError(f"the schema cannot be used: {self.problem}")
