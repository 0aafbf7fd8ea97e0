"""A parsed JSON schema: its texts, its data, and what it can read."""

from __future__ import annotations

from collections.abc import Mapping

from jsonschema.exceptions import best_match
from referencing.exceptions import Unresolvable

from fakebus.schemas.interface import (
    Incompatibility,
    ParsedSchema,
    SchemaDataError,
    SchemaError,
)
from fakebus.schemas.json_schema.comparison import breaking_differences
from fakebus.schemas.json_schema.differences import BREAKING
from fakebus.schemas.json_schema.json_text import compact, read_json, sorted_text
from fakebus.schemas.json_schema.patterns import Unmatchable
from fakebus.schemas.json_schema.schema_documents import SchemaDocuments, schema_documents
from fakebus.schemas.json_schema.validation import TooManyStepsError, data_validator, errors_of
from fakebus.schemas.unusable import UnusableSchema


class JsonParsedSchema:
    """A valid JSON schema; see :class:`ParsedSchema`."""

    schema_type = "JSON"

    def __init__(self, documents: SchemaDocuments) -> None:
        self.documents = documents
        self._validator = data_validator(documents)
        self._checked: tuple[bytes, object] = b"", None
        """What was encoded last: who checks what was written reads it back at once."""

    @property
    def canonical(self) -> str:
        """The schema as compact JSON, its keys in the order in which they came."""
        return compact(self.documents.written)

    @property
    def normalized(self) -> str:
        """The schema as compact JSON with sorted keys."""
        return sorted_text(self.documents.written)

    @property
    def identity(self) -> str:
        """The canonical text: with its keys in another order, a schema is another one."""
        return self.canonical

    @property
    def name(self) -> str | None:
        """The ``title``, which is what Confluent's record name strategies take."""
        contents = self.documents.contents
        title = contents.get("title") if isinstance(contents, dict) else None
        return title if isinstance(title, str) else None

    def formatted(self, output_format: str) -> str:
        """Return the canonical text: JSON Schema has no other form."""
        del output_format
        return self.canonical

    def incompatibilities(self, writer: ParsedSchema) -> list[Incompatibility]:
        """Return why this schema could not read data written with ``writer``."""
        if writer.schema_type == self.schema_type and isinstance(writer, UnusableSchema):
            raise SchemaError(writer.problem)
        if not isinstance(writer, JsonParsedSchema):
            return [
                Incompatibility(
                    "SCHEMA_TYPE_CHANGED",
                    "#/",
                    f"The writer's schema is {writer.schema_type}, the reader's JSON.",
                )
            ]
        if writer.documents.same_as(self.documents):
            return []
        return [
            Incompatibility(
                difference.kind,
                difference.pointer,
                f"At {difference.pointer} {BREAKING[difference.kind]}.",
            )
            for difference in breaking_differences(writer.documents, self.documents)
        ]

    def encode(self, data: object) -> bytes:
        """Return data as compact UTF-8 JSON.

        Raises:
            SchemaDataError: the data is not JSON or does not fit; the message has its JSON path.
        """
        try:
            text = compact(data).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise SchemaDataError(f"not JSON data: {error}") from error
        self._validate(data, len(text))
        self._checked = text, data
        return text

    def decode(self, payload: bytes) -> object:
        """Return the data of a payload, checked against the schema.

        Raises:
            SchemaDataError: it is not UTF-8 JSON or does not fit.
        """
        try:
            data = read_json(payload.decode())
        except UnicodeDecodeError as error:
            raise SchemaDataError("the payload is not UTF-8") from error
        except SchemaError as error:
            raise SchemaDataError(f"the payload cannot be read: {error}") from error
        if self._checked != (payload, data):
            self._validate(data, len(payload))
        return data

    def _validate(self, data: object, size: int) -> None:
        try:
            error = best_match(errors_of(self._validator, data, size))
        except Unmatchable as unmatchable:
            raise SchemaDataError(f"a pattern cannot be matched: {unmatchable}") from unmatchable
        except TooManyStepsError:
            raise SchemaDataError("checking the data takes too many steps") from None
        except Unresolvable as unresolvable:
            raise SchemaDataError(
                f"the reference {unresolvable.ref} leads nowhere"
            ) from unresolvable
        except RecursionError as recursion:
            raise SchemaDataError("the data or the schema's references go too deep") from recursion
        if error is not None:
            raise SchemaDataError(f"{error.json_path}: {error.message[:500]}")


def parsed_schema(contents: object, references: Mapping[str, object]) -> JsonParsedSchema:
    """Return a checked schema; see :func:`schema_documents` for arguments and errors."""
    return JsonParsedSchema(schema_documents(contents, references))


def restricted_property(contents: object) -> str | None:
    """Return a property of a schema that begins with ``$$``, if it has one."""
    properties = contents.get("properties") if isinstance(contents, dict) else None
    names = properties if isinstance(properties, dict) else ()
    return next((name for name in names if name.startswith("$$")), None)
