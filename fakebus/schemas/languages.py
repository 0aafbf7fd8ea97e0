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
    title: str
    """How people call it."""
    smallest: str
    """The shortest schema."""
    written_in: str
    """What its schemas are written in, as Markdown calls it: ``json`` or something else."""
    schema_media_type: str
    """What AsyncAPI calls its schemas."""
    media_type: str
    """What data is called that is written with it."""


LANGUAGES: Mapping[str, Entry] = {
    "JSON": Entry(
        module="fakebus.schemas.json_schema.language",
        format_name="jsonschema",
        suffix="schema.json",
        title="JSON Schema",
        smallest="{}",
        written_in="json",
        schema_media_type="application/schema+json;version=draft-07",
        media_type="application/json",
    ),
    "PROTOBUF": Entry(
        module="fakebus.schemas.protobuf.language",
        format_name="protobuf",
        suffix="proto",
        title="Protobuf",
        smallest="",
        written_in="protobuf",
        schema_media_type="application/vnd.google.protobuf;version=3",
        media_type="application/x-protobuf",
    ),
    "AVRO": Entry(
        module="fakebus.schemas.avro.language",
        format_name="avro",
        suffix="avsc",
        title="Avro",
        smallest='"null"',
        written_in="json",
        schema_media_type="application/vnd.apache.avro+json;version=1.9.0",
        media_type="application/avro",
    ),
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
