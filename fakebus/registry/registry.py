"""The schema registry's core: what its HTTP routes, fixtures and tests build on.

It behaves like Confluent's. Reading is done from memory; a change holds when its records are
committed in the ``_schemas`` topic, and changes are made one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

from fakebus.broker.activity import Origin
from fakebus.broker.broker import Broker
from fakebus.registry.contexts import (
    DEFAULT_CONTEXT,
    checked_subject,
    context_name,
    context_of,
    scope,
)
from fakebus.registry.deletion import delete_subject, delete_version
from fakebus.registry.errors import (
    RegistryError,
    context_not_empty,
    schema_not_found,
    store_failed,
    subject_not_found,
    version_not_found,
)
from fakebus.registry.log_records import NewLogRecord, context_record
from fakebus.registry.model import RegisteredSchema, SchemaRequest
from fakebus.registry.parsing import SchemaParser, name_of
from fakebus.registry.reading import LATEST, RegistryReader, everywhere, version_number
from fakebus.registry.registration import Registrar
from fakebus.registry.schema_log import ORIGIN, SchemaLog
from fakebus.registry.state import State
from fakebus.schemas.interface import ParsedSchema


class Registry(RegistryReader):
    """A schema registry over a broker's ``_schemas`` topic.

    Subjects may be aliases, and may name their context; see :mod:`fakebus.registry.contexts`.

    Args:
        broker: whose log holds the registry.
        default_compatibility: the level where none is configured.
        strict: refuse what only the newest Confluent registries refuse, unless a config says
            something else with ``validateNewSchemas``.

    Raises:
        RegistryError: 42203, there is no such level.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        default_compatibility: str = "BACKWARD",
        strict: bool = False,
    ) -> None:
        super().__init__(SchemaLog(broker), default_compatibility)
        self.activity = broker.activity
        """Where it is noted who has registered what."""
        self._strict = strict
        self._parser = SchemaParser()
        self._change = asyncio.Lock()
        self._locks = WeakValueDictionary[str, asyncio.Lock]()
        """By subject: its registrations are made one after the other."""

    async def start(self) -> None:
        """Replay the log, and follow it from then on.

        Raises:
            StorageError: the log cannot be read.
        """
        await self._log.start()

    async def close(self) -> None:
        """Stop following the log."""
        await self._log.close()
        self._parser.close()

    @property
    def _registrar(self) -> Registrar:
        return Registrar(self._log.state, self._settings, self._parser, strict=self._strict)

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[None]:
        """Let nothing else change, from a state that is all that the log says."""
        async with self._change:
            await self._log.caught_up()
            yield

    def _normalize(self, subject: str, normalize: bool) -> bool:
        return normalize or self._settings.config_in_scope(subject).get("normalize") is True

    async def _write(self, *records: NewLogRecord) -> None:
        if not records:
            return
        writing = asyncio.ensure_future(self._log.write(records))
        cancelled: asyncio.CancelledError | None = None
        # Whoever comes next must see this change, or an id would be given twice.
        while not writing.done():
            try:
                await asyncio.wait((writing,))
            except asyncio.CancelledError as error:
                cancelled = error
        writing.result()
        if cancelled is not None:
            raise cancelled

    # Registering and finding

    async def register(
        self,
        subject: str,
        request: SchemaRequest,
        *,
        normalize: bool = False,
        output_format: str = "",
        origin: Origin = ORIGIN,
    ) -> RegisteredSchema:
        """Register a schema under a subject, unless it is registered there already.

        Args:
            subject: its name.
            request: the schema. An empty text stands for the latest version's.
            normalize: bring the text into its stable form first.
            output_format: taken for completeness; :meth:`formatted` gives the text in it.
            origin: who does it.

        Returns:
            The version.

        Raises:
            RegistryError: 409, 42201, 42205, 42208, 42209 or 42210; 50001 if it could not be
                stored, 50002 if it could not be checked in time.
        """
        subject = checked_subject(self._subject(subject))
        # What takes long is done while other subjects change, on what this one is at the moment.
        async with self._lock_of(subject):
            while True:
                registrar = self._registrar
                basis = registrar.basis(subject, request)
                try:
                    outcome = await registrar.decide(
                        subject, request, normalize=self._normalize(subject, normalize)
                    )
                except RegistryError:
                    if self._registrar.basis(subject, request) == basis:
                        raise
                    continue
                if isinstance(outcome, RegisteredSchema):
                    return outcome
                async with self._changing():
                    registrar = self._registrar
                    if registrar.basis(subject, request) == basis:
                        schema, records = registrar.outcome(subject, outcome)
                        await self._write(*records)
                        return self._noted(self._stored(schema), origin)

    def _noted(self, schema: RegisteredSchema, origin: Origin) -> RegisteredSchema:
        detail = f"{schema.subject} version {schema.version}"
        self.activity.note("schema registered", origin, detail=detail)
        return schema

    def _lock_of(self, subject: str) -> asyncio.Lock:
        lock = self._locks.get(subject)
        if lock is None:
            lock = self._locks[subject] = asyncio.Lock()
        return lock

    def _stored(self, schema: RegisteredSchema) -> RegisteredSchema:
        """Return a version as the log has it: what the log does not give back is not stored."""
        found = self._log.state.subjects.get(schema.subject, {}).get(schema.version)
        if found is None or found.schema_id != schema.schema_id:
            raise store_failed(f"version {schema.version} of {schema.subject} is not in it")
        return found

    async def look_up(
        self,
        subject: str,
        request: SchemaRequest,
        *,
        normalize: bool = False,
        deleted: bool = False,
    ) -> RegisteredSchema:
        """Return the version under which a schema is registered.

        Args:
            subject: its name; without a context, it is looked for in all of them.
            request: the schema.
            normalize: bring the text into its stable form first.
            deleted: find soft-deleted versions too.

        Raises:
            RegistryError: 40401, 40403, 42201, 42208 or 42209.
        """
        subject = checked_subject(self._subject(subject))
        normalize = self._normalize(subject, normalize)
        state = self._log.state
        names = [
            name for name in everywhere(state, subject) if state.versions(name, deleted=deleted)
        ]
        if not names:
            raise subject_not_found(subject)
        for name in names:
            found = await self._registrar.look_up(
                name, request, normalize=normalize, deleted=deleted
            )
            if found is not None:
                return found
        raise schema_not_found()

    async def check_compatibility(
        self,
        subject: str,
        version: int | str | None,
        request: SchemaRequest,
        *,
        normalize: bool = False,
    ) -> list[str]:
        """Return why a schema does not fit to a subject; empty if it does.

        Args:
            subject: its name; one that does not exist takes everything.
            version: the version to compare with, or ``None`` for those that the level needs.
            request: the schema.
            normalize: bring the text into its stable form first.

        Raises:
            RegistryError: 40402, 42201, 42202 or 42209.
        """
        subject = self._subject(subject)
        earlier = self._log.state.versions(subject)
        if version is not None:
            number = version_number(version)
            if number == LATEST:
                earlier = earlier[-1:]
            else:
                earlier = [one for one in earlier if one.version == number]
                if not earlier:
                    raise version_not_found(number)
        return await self._registrar.compare(
            subject, request, earlier, normalize=self._normalize(subject, normalize)
        )

    # Deleting

    async def delete_subject(self, subject: str, *, permanent: bool = False) -> list[int]:
        """Delete a subject and return the versions that went.

        Raises:
            RegistryError: 40401, 40404, 40405, 42205 or 42206.
        """
        subject = self._subject(subject)
        async with self._changing():
            self._settings.check_writable(subject)
            versions, records = delete_subject(self._log.state, subject, permanent=permanent)
            await self._write(*records)
        return versions

    async def delete_version(
        self, subject: str, version: int | str, *, permanent: bool = False
    ) -> int:
        """Delete one version and return its number.

        Raises:
            RegistryError: 40401, 40402, 40406, 40407, 42202, 42205 or 42206.
        """
        subject, number = self._subject(subject), version_number(version)
        async with self._changing():
            self._settings.check_writable(subject)
            found, records = delete_version(self._log.state, subject, number, permanent=permanent)
            await self._write(*records)
        return found

    # Configs and modes

    async def set_config(
        self, subject: str | None, changes: Mapping[str, object]
    ) -> dict[str, object]:
        """Change a config and return it.

        Args:
            subject: as for :meth:`config`.
            changes: by name, as in Confluent's API (``compatibility`` is the same as
                ``compatibilityLevel``); ``None`` takes a setting away.

        Raises:
            RegistryError: 42203, 42205, 42208 or 42210.
        """
        async with self._changing():
            await self._write(self._settings.changed_config(subject, changes))
        return self._log.state.configs.get(scope(subject), {}).copy()

    async def delete_config(self, subject: str | None) -> dict[str, object]:
        """Delete a config and return what it was.

        Raises:
            RegistryError: 40401 or 42205.
        """
        async with self._changing():
            old, record = self._settings.deleted_config(subject)
            await self._write(record)
        return old

    async def set_mode(self, subject: str | None, mode: str, *, force: bool = False) -> str:
        """Change a mode and return it.

        Args:
            subject: as for :meth:`config`.
            mode: one of READWRITE, READONLY, READONLY_OVERRIDE, IMPORT, FORWARD.
            force: change to IMPORT even if there are schemas.

        Raises:
            RegistryError: 42204, 42205, 42206 or 42208.
        """
        async with self._changing():
            await self._write(*self._settings.changed_mode(subject, mode, force=force))
        return mode.upper()

    async def delete_mode(self, subject: str | None, *, recursive: bool = False) -> str:
        """Delete a mode and return what it was; an empty text if there was none.

        Args:
            subject: as for :meth:`config`.
            recursive: the modes of all subjects of the context too.

        Raises:
            RegistryError: 40401.
        """
        async with self._changing():
            old, records = self._settings.deleted_mode(subject, recursive=recursive)
            await self._write(*records)
        return old

    # Contexts

    async def delete_context(self, context: str) -> None:
        """Delete an empty context.

        Raises:
            RegistryError: 40401, 42211.
        """
        name = context_name(context)
        async with self._changing():
            state = self._log.state
            if any(context_of(subject) == name for subject in state.subjects):
                raise context_not_empty(context)
            if name not in state.contexts or name == DEFAULT_CONTEXT:
                raise subject_not_found(context)
            await self._write(context_record(name, deleted=True))

    # Schemas at work

    async def formatted(self, schema: RegisteredSchema, output_format: str) -> str:
        """Return a schema's text in another form; an unknown one is the text as it is.

        Raises:
            RegistryError: 42201, the schema was stored by others and is not valid.
        """
        if not output_format.strip():
            return schema.schema
        return (await self._registrar.parse(schema)).formatted(output_format)

    async def parsed(self, schema_id: int, *, subject: str = "") -> ParsedSchema:
        """Return a parsed schema, to code data with.

        Raises:
            RegistryError: 40403, or 42201 as for :meth:`formatted`.
        """
        return await self._registrar.parse(self.schema_by_id(schema_id, subject=subject))

    def record_name(self, schema_id: int) -> str | None:
        """Return a schema's name for the record name strategies; ``None`` if it has none.

        Raises:
            RegistryError: 40403, or 42201 as for :meth:`formatted`.
        """
        schema = self.schema_by_id(schema_id)
        return name_of(schema.schema_type, schema.schema)

    # Participation in snapshots

    name = "registry"

    def mark(self) -> State:
        """Return where everything stands."""
        return self._log.mark()

    async def roll_back(self, mark: State | None, new_ids: Mapping[UUID, UUID]) -> None:
        """Go back to a mark, after the topics went back to where they were at that moment.

        Ids that were handed out since are never given to other schemas.
        """
        async with self._changing():
            await self._log.roll_back(mark)
