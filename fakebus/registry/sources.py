"""The registry as a source of schemas for payloads."""

from __future__ import annotations

from dataclasses import dataclass

from fakebus.errors import MissingExtraError
from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry
from fakebus.schemas.framing import framed_id
from fakebus.schemas.interface import ParsedSchema


@dataclass(frozen=True, slots=True)
class RegistrySchema:
    """Schema of the registry, parsed."""

    schema_id: int
    parsed: ParsedSchema


class RegistrySource:
    """Source of the schemas that were looked up before; see :mod:`fakebus.schemas.payloads`.

    An id always stands for the same schema, so what was once looked up stays good.

    Args:
        registry: where the schemas are.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._schemas: dict[int, RegistrySchema] = {}

    async def prepare(self, *payloads: bytes | None) -> None:
        """Look up the schemas that keys and values name, if they name any."""
        for schema_id in map(framed_id, payloads):
            if schema_id is None or schema_id in self._schemas:
                continue
            try:
                parsed = await self._registry.parsed(schema_id)
            except (RegistryError, MissingExtraError):
                # It only looks framed, or its schema cannot be read here.
                continue
            self._schemas[schema_id] = RegistrySchema(schema_id, parsed)

    def __call__(self, schema_id: int, topic: str, is_key: bool) -> RegistrySchema | None:
        """Return a schema that was looked up."""
        return self._schemas.get(schema_id)
