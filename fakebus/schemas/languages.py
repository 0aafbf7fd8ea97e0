"""The schema languages by their type; their libraries are imported when first used."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from fakebus.schemas.interface import SchemaLanguage

_MODULES = {
    "AVRO": "fakebus.schemas.avro.language",
    "JSON": "fakebus.schemas.json_schema.language",
    "PROTOBUF": "fakebus.schemas.protobuf.language",
}

SCHEMA_TYPES = ("JSON", "PROTOBUF", "AVRO")
"""In the order in which Confluent's registry lists them."""


@cache
def language(schema_type: str) -> SchemaLanguage:
    """Return a language; its module has a ``LANGUAGE``.

    Args:
        schema_type: one of :data:`SCHEMA_TYPES`.

    Raises:
        KeyError: there is no such language.
    """
    return cast(SchemaLanguage, import_module(_MODULES[schema_type]).LANGUAGE)
