"""The registry of a bus of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fakebus.broker.activity import Origin
from fakebus.cluster.interface import ClusterError, NewSchema, NotFoundError, SchemaDetails
from fakebus.registry.errors import RegistryError
from fakebus.registry.model import Reference, SchemaRequest
from fakebus.registry.registry import Registry
from fakebus.registry.sources import RegistrySchema
from fakebus.schemas.interface import SchemaDataError
from fakebus.schemas.payloads import encode
from fakebus.wording import nearest


class EmbeddedSchemas:
    """Schema registry that is asked without HTTP.

    Args:
        registry: the bus's registry.
        origin: who asks.
    """

    def __init__(self, registry: Registry, origin: Origin) -> None:
        self._registry = registry
        self._origin = origin

    @contextmanager
    def _asked(self, subject: str) -> Iterator[None]:
        """Turn the registry's refusals into errors for people."""
        try:
            yield
        except RegistryError as error:
            if error.status == 404 and subject not in self._registry.subjects():
                near = nearest(subject, self._registry.subjects())
                raise NotFoundError(f"there is no subject {subject!r}; {near}") from None
            kind = NotFoundError if error.status == 404 else ClusterError
            raise kind(f"{subject}: {error.message}") from None

    async def subjects(self) -> list[str]:
        """Return all subjects by name."""
        return self._registry.subjects()

    async def versions(self, subject: str) -> list[int]:
        """Return the versions of a subject, oldest first; NotFoundError if there are none."""
        with self._asked(subject):
            return self._registry.versions(subject)

    async def version(self, subject: str, version: int | str = "latest") -> SchemaDetails:
        """Return one version of a subject; NotFoundError if it is not there."""
        with self._asked(subject):
            found = self._registry.version(subject, version)
        return SchemaDetails(
            subject=found.subject,
            version=found.version,
            schema_id=found.schema_id,
            schema_type=found.schema_type,
            text=found.schema,
            references=tuple((each.name, each.subject, each.version) for each in found.references),
        )

    async def check(self, subject: str, schema: NewSchema) -> list[str]:
        """Return why a schema may not be a subject's next version; empty if it may."""
        with self._asked(subject):
            return await self._registry.check_compatibility(subject, None, _request(schema))

    async def register(self, subject: str, schema: NewSchema) -> int:
        """Register a schema as a subject's next version, and return its id."""
        with self._asked(subject):
            request, origin = _request(schema), self._origin
            return (await self._registry.register(subject, request, origin=origin)).schema_id

    async def level(self, subject: str | None = None) -> str:
        """Return the compatibility level that holds for a subject, or for all without one."""
        found = self._registry.config(subject, default_to_global=True)
        return str(found["compatibilityLevel"])

    async def set_level(self, subject: str | None, level: str | None) -> None:
        """Set the level of a subject, or of all without one; ``None`` takes it back."""
        with self._asked(subject or ""):
            if level is None:
                await self._registry.delete_config(subject)
            else:
                await self._registry.set_config(subject, {"compatibility": level})

    async def delete(self, subject: str) -> None:
        """Delete all versions of a subject; deletion is soft, their ids stay known."""
        with self._asked(subject):
            await self._registry.delete_subject(subject)

    async def encode(self, subject: str, data: Any, version: int | str = "latest") -> bytes:
        """Return data in the framing of a schema of a subject; see :class:`Schemas`."""
        with self._asked(subject):
            found = self._registry.version(subject, version)
            parsed = await self._registry.parsed(found.schema_id, subject=subject)
        try:
            return encode(RegistrySchema(found.schema_id, parsed), data)
        except SchemaDataError as error:
            text = f"the data does not fit the schema of {subject}: {error}"
            raise ClusterError(text) from None


def _request(schema: NewSchema) -> SchemaRequest:
    return SchemaRequest(
        schema=schema.text,
        schema_type=schema.schema_type,
        references=tuple(Reference(*each) for each in schema.references),
    )
