"""``avro``, ``jsonschema`` and ``protobuf``: data coded with a schema, in Confluent's framing."""

from __future__ import annotations

from collections.abc import Mapping

from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.problems import DataError
from fakebus.schemas.framing import frame
from fakebus.schemas.interface import ParsedSchema, SchemaDataError
from fakebus.schemas.languages import LANGUAGES

FORMATS_BY_TYPE: Mapping[str, str] = {
    schema_type: LANGUAGES[schema_type].format_name for schema_type in sorted(LANGUAGES)
}
"""The name of the format by the type of the schema."""


def registered_format(name: str, schema: ParsedSchema, schema_id: int) -> Format:
    """Return the format of one registered schema.

    Args:
        name: one of :data:`FORMATS_BY_TYPE`.
        schema: codes the data.
        schema_id: goes in front of it.
    """

    def encode(data: object) -> bytes:
        try:
            return frame(schema_id, schema.encode(data))
        except SchemaDataError as error:
            raise DataError(str(error), "mend the data, or the schema") from None

    def decode(data: bytes) -> object:
        return schema.decode(data[5:])

    return Format(name=name, encode=encode, decode=decode, schema=schema)
