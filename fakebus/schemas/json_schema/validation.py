"""Validators for data: those of the library, with patterns matched in bounded time."""

from __future__ import annotations

from jsonschema.protocols import Validator

from fakebus.schemas.json_schema.schema_documents import SchemaDocuments


def data_validator(documents: SchemaDocuments) -> Validator:
    """Return what checks data against a schema; ``format`` is an annotation only."""
    return documents.draft.validator(documents.contents, registry=documents.registry)
