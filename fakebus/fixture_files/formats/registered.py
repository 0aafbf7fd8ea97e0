"""``avro``, ``jsonschema`` and ``protobuf``: data coded with a schema, in Confluent's framing."""

from __future__ import annotations

from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.problems import DataError
from fakebus.schemas.framing import HEADER_SIZE, frame
from fakebus.schemas.interface import ParsedSchema, PlainEncoding, SchemaDataError


def registered_format(name: str, schema: ParsedSchema, schema_id: int) -> Format:
    """Return the format of one registered schema.

    Args:
        name: one of :data:`fakebus.schemas.payloads.FORMATS`.
        schema: codes the data.
        schema_id: goes in front of it.
    """
    header = frame(schema_id, b"")

    def encode(data: object) -> bytes:
        try:
            return header + schema.encode(data)
        except SchemaDataError as error:
            raise DataError(str(error), "mend the data, or the schema") from None

    def decode(data: bytes) -> object:
        return schema.decode(data[HEADER_SIZE:])

    def encode_plain(data: object) -> bytes | None:
        payload = quick(data)
        return None if payload is None else header + payload

    if not isinstance(schema, PlainEncoding):
        return Format(name=name, encode=encode, decode=decode, schema=schema)
    quick = schema.encode_plain
    return Format(name=name, encode=encode, decode=decode, encode_plain=encode_plain, schema=schema)
