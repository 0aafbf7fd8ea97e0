"""The JSON Schema language of the registry."""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.errors import MissingExtraError
from fakebus.schemas.interface import (
    NEW,
    Checks,
    ParsedSchema,
    ResolvedReference,
    SchemaError,
)
from fakebus.schemas.json_schema.json_text import compact, read_json, sorted_text
from fakebus.schemas.unusable import UnusableSchema

_LIBRARIES = ("jsonschema", "re2", "jsonschema_specifications", "referencing")


class JsonSchemaLanguage:
    """JSON Schema as Confluent's registry takes it; see :class:`SchemaLanguage`."""

    schema_type = "JSON"

    def name_of(self, text: str) -> str | None:
        """Return the ``title``."""
        contents = read_json(text)
        title = contents.get("title") if isinstance(contents, dict) else None
        return title if isinstance(title, str) else None

    def parse(
        self, text: str, references: Sequence[ResolvedReference] = (), checks: Checks = NEW
    ) -> ParsedSchema:
        """Return the schema of a text; see :meth:`SchemaLanguage.parse`.

        Without a ``$schema``, or with one that is no draft's, it is draft-07. ``strict`` makes
        no difference: no version of Confluent's registry is stricter about JSON Schema.
        """
        try:
            # Imported here, so that a process without JSON schemas starts without the library.
            from fakebus.schemas.json_schema.parsed_schema import parsed_schema, restricted_property
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] not in _LIBRARIES:
                raise
            raise MissingExtraError("JSON Schema", "json") from error
        contents = read_json(text)
        if checks.fields and (name := restricted_property(contents)) is not None:
            raise SchemaError(f"the property {name} begins with $$, which is for the registry")
        try:
            return parsed_schema(contents, {item.name: _reference(item) for item in references})
        except SchemaError as error:
            if checks.new:
                raise
            return UnusableSchema("JSON", compact(contents), sorted_text(contents), str(error))


def _reference(reference: ResolvedReference) -> object:
    try:
        return read_json(reference.text)
    except SchemaError as error:
        raise SchemaError(f"reference {reference.name}: {error}") from error


LANGUAGE = JsonSchemaLanguage()
