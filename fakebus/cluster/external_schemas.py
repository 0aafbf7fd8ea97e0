"""A registry elsewhere, asked over HTTP in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from fakebus.client.connection import NotFoundError
from fakebus.client.reading import FetchedRecord
from fakebus.client.registry import (
    RegistryClient,
    RegistryClientError,
    RegistryRefusalError,
    SchemaDetails,
    registration,
)
from fakebus.cluster.interface import ClusterError, NewSchema
from fakebus.fixture_files.recording.reading import SourceSchema
from fakebus.schemas.framing import framed_id, framings_of
from fakebus.schemas.interface import SchemaDataError
from fakebus.schemas.payloads import encode
from fakebus.wording import nearest

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


class ExternalSchemas:
    """Schema registry that is asked through its client.

    Args:
        client: the client.
    """

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    def prepare(self, record: FetchedRecord) -> tuple[bytes, bytes]:
        """Look up the schemas that key, value and headers name; it blocks.

        Without an answer of the registry, what is not known yet stays so.

        Returns:
            What value and key would begin with if they were framed, where headers say so.
        """
        framings = b"", b""
        try:
            framings = framings_of(record.headers, self._client.id_of_guid)
            value, key = framings
            for data, is_key in ((key or record.key, True), (value or record.value, False)):
                if (schema_id := framed_id(data)) is not None:
                    self._client.schema(schema_id, record.topic, is_key)
        except RegistryClientError:
            pass
        return framings

    def known(self, schema_id: int, topic: str, is_key: bool) -> SourceSchema | None:
        """Return a schema that was looked up."""
        return self._client.known(schema_id, topic, is_key)

    @contextmanager
    def _asked(self, subject: str) -> Iterator[None]:
        """Turn the registry's refusals into errors that name what is there."""
        try:
            yield
        except RegistryRefusalError as error:
            if error.status != 404:
                raise ClusterError(f"{subject}: {error}") from None
            known = self._client.subjects("")
            if subject in known:
                raise NotFoundError(f"{subject}: {error}") from None
            raise NotFoundError(
                f"there is no subject {subject!r}; {nearest(subject, known)}"
            ) from None

    async def _ask(
        self, subject: str | None, call: Callable[[*Given], Result], *given: *Given
    ) -> Result:
        def work() -> Result:
            with self._asked(subject or "all subjects"):
                return call(*given)

        return await asyncio.to_thread(work)

    async def subjects(self) -> list[str]:
        """Return all subjects by name."""
        return sorted(await self._ask(None, self._client.subjects, ""))

    async def versions(self, subject: str) -> list[int]:
        """Return the versions of a subject, oldest first; NotFoundError if there are none."""
        found = await self._ask(subject, self._client.versions, subject)
        if not found:
            # Asked for one, the registry says what is the matter.
            await self.version(subject)
        return found

    async def version(self, subject: str, version: int | str = "latest") -> SchemaDetails:
        """Return one version of a subject; NotFoundError if it is not there."""
        return await self._ask(subject, self._client.details, subject, version)

    async def check(self, subject: str, schema: NewSchema) -> list[str]:
        """Return why a schema may not be a subject's next version; empty if it may."""
        return await self._ask(subject, self._client.check, subject, registration(schema))

    async def register(self, subject: str, schema: NewSchema) -> int:
        """Register a schema as a subject's next version, and return its id."""
        return await self._ask(subject, self._client.post_schema, subject, registration(schema))

    async def level(self, subject: str | None = None) -> str:
        """Return the compatibility level that holds for a subject, or for all without one."""
        return await self._ask(subject, self._client.level, subject)

    async def set_level(self, subject: str | None, level: str | None) -> None:
        """Set the level of a subject, or of all without one; ``None`` takes it back."""
        await self._ask(subject, self._client.set_level, subject, level)

    async def delete(self, subject: str) -> None:
        """Delete all versions of a subject; deletion is soft, their ids stay known."""
        await self._ask(subject, partial(self._client.delete, subject, for_good=False))

    async def encode(self, subject: str, data: Any, version: int | str = "latest") -> bytes:
        """Return data in the framing of a schema of a subject; see :class:`Schemas`."""
        found = await self._ask(subject, self._client.version, subject, version)
        if found is None:
            raise ClusterError(f"{subject}: its latest schema cannot be read here")
        try:
            return await asyncio.to_thread(encode, found, data)
        except SchemaDataError as error:
            text = f"the data does not fit the schema of {subject}: {error}"
            raise ClusterError(text) from None
