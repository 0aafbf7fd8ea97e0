"""The schema languages by their type; their libraries are imported when first used."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import NamedTuple, cast

from fakebus.schemas.interface import SchemaLanguage


class Entry(NamedTuple):
    """Schema language as the list of all of them has it."""

    module: str
    format_name: str
    """What fixture files call data that is written with it."""
    suffix: str
    """How its files are named."""


LANGUAGES: Mapping[str, Entry] = {
    "JSON": Entry("fakebus.schemas.json_schema.language", "jsonschema", "schema.json"),
    "PROTOBUF": Entry("fakebus.schemas.protobuf.language", "protobuf", "proto"),
    "AVRO": Entry("fakebus.schemas.avro.language", "avro", "avsc"),
}
"""By type, in the order in which Confluent's registry lists them."""
SCHEMA_TYPES = tuple(LANGUAGES)


@cache
def language(schema_type: str) -> SchemaLanguage:
    """Return a language; its module has a ``LANGUAGE``.

    Args:
        schema_type: one of :data:`SCHEMA_TYPES`.

    Raises:
        KeyError: there is no such language.
    """
    return cast(SchemaLanguage, import_module(LANGUAGES[schema_type].module).LANGUAGE)
