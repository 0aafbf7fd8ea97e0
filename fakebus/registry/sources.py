"""The registry as a source of schemas for payloads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from fakebus.errors import MissingExtraError
from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry
from fakebus.schemas.framing import framed_id, framings_of
from fakebus.schemas.interface import ParsedSchema
from fakebus.schemas.payloads import decode


@dataclass(frozen=True, slots=True)
class RegistrySchema:
    """Schema of the registry, parsed."""

    schema_id: int
    parsed: ParsedSchema
    subject: str = ""
    """A subject that it is registered under, the topic's own if there is one; empty if none is."""
    version: int = 0
    """There."""


def best_subject(
    versions: Iterable[tuple[str, int]], topic: str, is_key: bool
) -> tuple[str, int] | None:
    """Return the subject and version to name for a topic, of all that hold a schema.

    The topic's own name comes first, then subjects that begin with it.
    """
    own = topic + ("-key" if is_key else "-value")
    return min(
        versions,
        key=lambda each: (each[0] != own, not each[0].startswith(f"{topic}-"), each[0]),
        default=None,
    )


def id_of_guid(registry: Registry, guid: str) -> int | None:
    """Return an id of the schema with a guid, ``None`` if there is none."""
    try:
        return registry.ids_of_guid(guid)[0][1]
    except RegistryError:
        return None


class RegistrySource:
    """Source of the schemas that were looked up before; see :mod:`fakebus.schemas.payloads`.

    An id always stands for the same schema, so what was once looked up stays good.

    Args:
        registry: where the schemas are.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._parsed: dict[int, ParsedSchema] = {}
        self._schemas: dict[tuple[int, str, bool], RegistrySchema] = {}

    async def prepare(self, *payloads: bytes | None) -> None:
        """Look up the schemas that keys and values name, if they name any."""
        for schema_id in map(framed_id, payloads):
            if schema_id is None or schema_id in self._parsed:
                continue
            try:
                parsed = await self._registry.parsed(schema_id)
            except (RegistryError, MissingExtraError):
                # It only looks framed, or its schema cannot be read here.
                continue
            self._parsed[schema_id] = parsed

    async def framings(self, headers: Sequence[tuple[str, bytes | None]]) -> tuple[bytes, bytes]:
        """Return what value and key would begin with if they were framed.

        It is empty where no header names a schema that the registry has.
        """
        framings = framings_of(headers, partial(id_of_guid, self._registry))
        await self.prepare(*framings)
        return framings

    def __call__(self, schema_id: int, topic: str, is_key: bool) -> RegistrySchema | None:
        """Return a schema that was looked up."""
        key = (schema_id, topic, is_key)
        if key not in self._schemas and schema_id in self._parsed:
            self._schemas[key] = self._named(*key)
        return self._schemas.get(key)

    def _named(self, schema_id: int, topic: str, is_key: bool) -> RegistrySchema:
        try:
            versions = self._registry.versions_of_id(schema_id)
        except RegistryError:
            versions = []
        subject, version = best_subject(versions, topic, is_key) or ("", 0)
        return RegistrySchema(schema_id, self._parsed[schema_id], subject, version)

    async def data_of(self, topic: str, value: bytes | None) -> object:
        """Return what a value stands for, as far as it can be told."""
        await self.prepare(value)
        return decode(value, self, topic=topic).data
