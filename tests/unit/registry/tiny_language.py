"""A schema language small enough to read: a JSON object of field names to default or null."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fakebus.schemas.interface import (
    NEW,
    Checks,
    Incompatibility,
    ParsedSchema,
    ResolvedReference,
    SchemaError,
)

LARGE = 8 * 1024
"""Characters that are too many to be parsed on the event loop."""


@dataclass(frozen=True)
class TinySchema:
    """``{"a": null, "b": 1}``: field a is required, field b has a default."""

    schema_type: str
    fields: dict[str, object]
    references: tuple[ResolvedReference, ...]

    @property
    def canonical(self) -> str:
        return json.dumps(self.fields, separators=(",", ":"))

    @property
    def normalized(self) -> str:
        return json.dumps(self.fields, separators=(",", ":"), sort_keys=True)

    @property
    def identity(self) -> str:
        return self.canonical

    @property
    def name(self) -> str | None:
        return "Tiny" if self.fields else None

    def formatted(self, output_format: str) -> str:
        if output_format == "resolved":
            return " ".join(one.name for one in self.references)
        return self.canonical

    def incompatibilities(self, writer: ParsedSchema) -> list[Incompatibility]:
        assert isinstance(writer, TinySchema)
        return [
            Incompatibility(
                kind="READER_FIELD_MISSING_DEFAULT_VALUE",
                path=field,
                message=f"{field} of the reader schema is not in the writer schema",
            )
            for field, default in self.fields.items()
            if default is None and field not in writer.fields
        ]

    def encode(self, data: object) -> bytes:
        return json.dumps(data).encode()

    def decode(self, payload: bytes) -> object:
        return json.loads(payload)


class TinyLanguage:
    """Parses JSON objects."""

    def __init__(self, schema_type: str = "AVRO") -> None:
        self.schema_type = schema_type
        self.parsed = 0
        self.before_large: Callable[[], object] = bool
        """Called before a large text is parsed."""

    def name_of(self, text: str) -> str | None:
        return self.parse(text).name

    def parse(
        self, text: str, references: Sequence[ResolvedReference] = (), checks: Checks = NEW
    ) -> ParsedSchema:
        self.parsed += 1
        if len(text) > LARGE:
            self.before_large()
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise SchemaError(str(error)) from error
        if not isinstance(fields, dict):
            raise SchemaError("it is no object")
        if checks.strict and "_" in fields:
            raise SchemaError("illegal name")
        if any("poison" in one.text for one in references):
            raise SchemaError("a reference is of no use")
        return TinySchema(self.schema_type, fields, tuple(references))
