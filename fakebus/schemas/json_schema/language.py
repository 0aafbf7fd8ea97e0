"""The JSON Schema language of the registry."""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.schemas.interface import (
    MissingExtraError,
    ParsedSchema,
    ResolvedReference,
    SchemaError,
)
from fakebus.schemas.json_schema.json_text import JsonTextError, read_json

_LIBRARIES = ("jsonschema", "jsonschema_specifications", "referencing")


class JsonSchemaLanguage:
    """JSON Schema as Confluent's registry takes it; see :class:`SchemaLanguage`."""

    schema_type = "JSON"

    def parse(
        self, text: str, references: Sequence[ResolvedReference] = (), *, strict: bool = False
    ) -> ParsedSchema:
        """Return the schema of a text; see :meth:`SchemaLanguage.parse`.

        Without a ``$schema``, or with one that is no draft's, it is draft-07. ``strict`` makes
        no difference: no version of Confluent's registry is stricter about JSON Schema.

        Raises:
            SchemaError: the text is not JSON, not a schema of its draft, or a ``$ref`` leads
                neither into it nor into the references.
            MissingExtraError: ``jsonschema`` is not installed.
        """
        try:
            # Imported here, so that a process without JSON schemas starts without the library.
            from fakebus.schemas.json_schema.parsed_schema import parsed_schema
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] not in _LIBRARIES:
                raise
            raise MissingExtraError(
                "JSON Schema needs the extra json: pip install 'fakebus[json]'"
            ) from error
        try:
            return parsed_schema(
                read_json(text), {item.name: _reference(item) for item in references}
            )
        except JsonTextError as error:
            raise SchemaError(str(error), error.place) from error


def _reference(reference: ResolvedReference) -> object:
    try:
        return read_json(reference.text)
    except JsonTextError as error:
        raise SchemaError(f"reference {reference.name}: {error}") from error


LANGUAGE = JsonSchemaLanguage()
