"""What the bytes of a key or a value stand for.

:func:`decode` is the one place that answers this: for tests, recordings, comparisons, consoles and
whoever else shows a record. Bytes in Confluent's framing are decoded with the schema that they
name, if there is a source that knows it. Everything else is JSON, text or just bytes:

    found = decode(record.value, client.schema, topic="orders")
    found.format      # "avro", "jsonschema", "protobuf", "json", "string", "binary" or "null"
    found.data        # plain data; text for "string", the bytes themselves for "binary"
    found.problem     # None, or why framed bytes do not fit their schema, with the place in them

A source is called with a schema id, the topic, and whether it is the key, and returns the schema
or ``None``. Topic and key only matter to sources that tell under which subject they found it.
A source must not wait for anything; where schemas have to be fetched or parsed first, that is
done before, as :class:`fakebus.registry.sources.RegistrySource` does it.

:func:`encode` is the way back for framed data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from fakebus.schemas.framing import HEADER_SIZE, frame, framed_id
from fakebus.schemas.interface import ParsedSchema, SchemaDataError
from fakebus.schemas.languages import LANGUAGES

FORMATS: Mapping[str, str] = {name: LANGUAGES[name].format_name for name in sorted(LANGUAGES)}
"""The name of the format by the type of the schema."""


class KnownSchema(Protocol):
    """Schema with the id that a registry gave it."""

    @property
    def schema_id(self) -> int:
        """What stands in front of data that is coded with it."""

    @property
    def parsed(self) -> ParsedSchema:
        """What codes the data."""


_HALF_OF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")

Known = TypeVar("Known", bound=KnownSchema)

SchemaSource = Callable[[int, str, bool], Known | None]
"""Gives the schema of an id, a topic, and whether it is for the key."""


class Payload(NamedTuple, Generic[Known]):
    """Bytes of a key or a value, understood as far as they can be."""

    format: str
    data: Any
    schema_id: int | None = None
    """What the bytes name, if they look framed; the schema need not be known."""
    schema: Known | None = None
    problem: str | None = None


def decode(
    data: bytes | None,
    schemas: SchemaSource[Known] | None = None,
    *,
    topic: str = "",
    is_key: bool = False,
) -> Payload[Known]:
    """Return what bytes stand for.

    Args:
        data: a key or a value.
        schemas: where schemas are found; without it, none is known.
        topic: where the record is.
        is_key: whether it is the key. A key is JSON only as an object or an array, for numbers
            and words in quotes are meant as they are.
    """
    if data is None:
        return Payload(format="null", data=None)
    schema_id = framed_id(data)
    schema = None
    if schema_id is not None and schemas is not None:
        schema = schemas(schema_id, topic, is_key)
    if schema is None:
        return _plain(data, schema_id, is_key=is_key)
    try:
        found = schema.parsed.decode(data[HEADER_SIZE:])
    except SchemaDataError as error:
        return Payload(
            format="binary", data=data, schema_id=schema_id, schema=schema, problem=str(error)
        )
    name = FORMATS[schema.parsed.schema_type]
    return Payload(format=name, data=found, schema_id=schema_id, schema=schema)


def encode(schema: KnownSchema, data: object) -> bytes:
    """Return data in the framing of its schema.

    Raises:
        SchemaDataError: the data does not fit; the message names the place.
    """
    return frame(schema.schema_id, schema.parsed.encode(data))


def _plain(data: bytes, schema_id: int | None, *, is_key: bool) -> Payload[Any]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Payload(format="binary", data=data, schema_id=schema_id)
    if not is_key or text[:1] in ("{", "["):
        try:
            found = json.loads(text)
            if _HALF_OF_A_PAIR.search(text):
                # It may stand for half of a surrogate pair, which nothing can be written with.
                json.dumps(found, ensure_ascii=False).encode()
            return Payload(format="json", data=found, schema_id=schema_id)
        except (ValueError, RecursionError):
            pass
    return Payload(format="string", data=text, schema_id=schema_id)
