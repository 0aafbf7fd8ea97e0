"""Keys and values that name the schema they were written with."""

from __future__ import annotations

from typing import Any

from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry
from fakebus.schemas.framing import HEADER_SIZE, framed_id
from fakebus.schemas.interface import MissingExtraError, ParsedSchema, SchemaDataError
from fakebus.testing.events import PLAIN


class SchemaDecoder:
    """Decodes what is framed with a schema id, and leaves the rest to the plain decoder.

    An id always stands for the same schema, so what was once looked up stays good.

    Args:
        registry: where the schemas are.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._schemas: dict[int, ParsedSchema | None] = {}

    async def prepare(self, data: bytes | None) -> None:
        """Look up the schema that some data names, if it names one.

        Args:
            data: a key or a value.
        """
        schema_id = framed_id(data)
        if schema_id is None or self._schemas.get(schema_id) is not None:
            return
        try:
            self._schemas[schema_id] = await self._registry.parsed(schema_id)
        except (RegistryError, MissingExtraError):
            # It only looks framed, or its schema cannot be read here: it stays as it is.
            self._schemas[schema_id] = None

    def decode(self, topic: str, data: bytes | None, *, is_key: bool) -> Any:
        """Return what the bytes stand for, or the bytes themselves if that is not known."""
        schema_id = framed_id(data)
        schema = None if schema_id is None else self._schemas.get(schema_id)
        if schema is None or data is None:
            return PLAIN.decode(topic, data, is_key=is_key)
        try:
            return schema.decode(data[HEADER_SIZE:])
        except SchemaDataError:
            return data
