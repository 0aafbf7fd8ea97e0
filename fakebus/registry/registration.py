"""Register schemas, look them up, and compare them with what is registered.

Nothing is written here: the outcome of a registration is the records to write.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from fakebus.registry.candidates import Candidate, Config, completed
from fakebus.registry.compatibility import is_transitive, messages, not_comparable
from fakebus.registry.contexts import DEFAULT_CONTEXT, context_of, context_prefix
from fakebus.registry.errors import (
    RegistryError,
    incompatible,
    invalid_schema,
    not_permitted,
    used_up,
)
from fakebus.registry.identity import guid, identity_of
from fakebus.registry.log_records import (
    NewLogRecord,
    context_record,
    schema_record,
    schema_tombstone,
)
from fakebus.registry.metadata import (
    canonical_metadata,
    canonical_rules,
    properties_of,
)
from fakebus.registry.model import (
    MAX_NUMBER,
    READWRITE,
    Reference,
    RegisteredSchema,
    SchemaRequest,
)
from fakebus.registry.parsing import SchemaParser
from fakebus.registry.references import resolve
from fakebus.registry.settings import ADDITIONS, Settings
from fakebus.registry.state import State
from fakebus.schemas.interface import STORED, Checks, ParsedSchema


class Decision(NamedTuple):
    """Registration that nothing speaks against."""

    candidate: Candidate
    version: int
    wanted_id: int
    """-1 for any."""


class Registrar:
    """Works on one state of the registry.

    Args:
        state: what is registered.
        settings: of the same state.
        parser: shared by all.
        strict: the default of ``validateNewSchemas``.
    """

    def __init__(
        self, state: State, settings: Settings, parser: SchemaParser, *, strict: bool
    ) -> None:
        self._state = state
        self._settings = settings
        self._parser = parser
        self._strict = strict

    # Registering

    def basis(self, subject: str, request: SchemaRequest) -> object:
        """Return what :meth:`decide` depends on, to see whether that has changed since."""
        config = self._settings.config_in_scope(subject)
        mode = self._settings.mode_in_scope(subject)
        versions = self._state.versions(subject, deleted=True)
        references = [request.references, *(one.references for one in versions)]
        referred = [self._referred(subject, one) for one in references if one]
        return versions, config, mode, referred

    def _referred(self, subject: str, references: tuple[Reference, ...]) -> object:
        try:
            return resolve(self._state, subject, references, deleted=False)
        except RegistryError as error:
            return error.message

    async def decide(
        self, subject: str, request: SchemaRequest, *, normalize: bool
    ) -> RegisteredSchema | Decision:
        """Return the version that a schema has, or what it takes to register it.

        Raises:
            RegistryError: 409, 42201, 42205, 42209 or 42210.
        """
        try:
            return await self._decide(subject, request, normalize=normalize)
        except RegistryError:
            # What is there already is held to no rule, and nothing is written.
            known = await self._known(subject, request, normalize=normalize)
            if known is None:
                raise
            return known

    async def _known(
        self, subject: str, request: SchemaRequest, *, normalize: bool
    ) -> RegisteredSchema | None:
        config = self._settings.config_in_scope(subject)
        if request.version > 0 or any(config.get(name) for name in ADDITIONS):
            return None
        try:
            found = await self.look_up(subject, request, normalize=normalize, deleted=False)
        except RegistryError:
            return None
        is_it = found is not None and request.schema_id in (-1, found.schema_id)
        return found if is_it else None

    async def _decide(
        self, subject: str, request: SchemaRequest, *, normalize: bool
    ) -> RegisteredSchema | Decision:
        mode = self._settings.check_registrable(subject, with_id=request.schema_id >= 0)
        config = self._settings.config_in_scope(subject)
        everything = self._state.versions(subject, deleted=True)
        alive = [schema for schema in everything if not schema.deleted]
        next_version = everything[-1].version + 1 if everything else 1
        if mode == READWRITE:
            request = completed(request, config, alive[-1] if alive else None, next_version)
        candidate = await self._candidate(
            subject,
            request,
            normalize=normalize and mode == READWRITE,
            checks=self._checks(config, request),
        )
        known = await self._registered(subject, candidate, request, alive)
        if known is not None:
            return known
        if mode == READWRITE:
            found = await self._misfits(candidate, config, alive)
            if found:
                raise incompatible(subject, found)
        version = self._version(request, next_version, mode)
        if version > MAX_NUMBER:
            raise used_up("version", f"subject {subject}")
        return Decision(candidate=candidate, version=version, wanted_id=request.schema_id)

    def outcome(
        self, subject: str, decision: Decision
    ) -> tuple[RegisteredSchema, list[NewLogRecord]]:
        """Return the version that a schema gets, and the records that make it so.

        Raises:
            RegistryError: 42205, the id is another schema's; 42201, a reference is gone.
        """
        resolve(self._state, subject, decision.candidate.references, deleted=False)
        schema = self._new(subject, decision.version, decision.candidate, decision.wanted_id)
        return schema, self._records(schema, self._state.versions(subject, deleted=True))

    async def _registered(
        self,
        subject: str,
        candidate: Candidate,
        request: SchemaRequest,
        alive: Sequence[RegisteredSchema],
    ) -> RegisteredSchema | None:
        if request.version > 0:
            return None
        known_id = self._state.id_of(context_of(subject), candidate.identity)
        for schema in reversed(alive):
            if request.schema_id not in (-1, schema.schema_id):
                continue
            if schema.schema_id == known_id or await self._is_like(candidate, schema):
                return schema
        return None

    @staticmethod
    def _version(request: SchemaRequest, next_version: int, mode: str) -> int:
        if request.version <= 0:
            return next_version
        if mode == READWRITE and request.version != next_version:
            raise invalid_schema("Version is not one more than previous version")
        return request.version

    def _new(
        self, subject: str, version: int, candidate: Candidate, wanted_id: int
    ) -> RegisteredSchema:
        context = context_of(subject)
        schema_id = self._state.id_of(context, candidate.identity)
        if wanted_id >= 0:
            held = self._state.schema_of_id(context, wanted_id)
            if held is not None and identity_of(held) != candidate.identity:
                raise not_permitted(
                    f"Overwrite new schema with id {wanted_id} in context "
                    f"{context_prefix(context)} is not permitted."
                )
            schema_id = wanted_id
        elif schema_id is None:
            schema_id = self._state.max_id(context) + 1
            if schema_id > MAX_NUMBER:
                raise used_up("id", f"context {context_prefix(context)}")
        return RegisteredSchema(
            subject=subject,
            version=version,
            schema_id=schema_id,
            guid=guid(candidate.text, candidate.references, candidate.metadata, candidate.rule_set),
            schema_type=candidate.schema_type,
            schema=candidate.text,
            references=candidate.references,
            metadata=candidate.metadata,
            rule_set=candidate.rule_set,
            deleted=False,
            timestamp_ms=-1,
        )

    def _records(
        self, schema: RegisteredSchema, everything: Sequence[RegisteredSchema]
    ) -> list[NewLogRecord]:
        records = list[NewLogRecord]()
        context = context_of(schema.subject)
        if context != DEFAULT_CONTEXT and context not in self._state.contexts:
            records.append(context_record(context))
        # A deleted version comes back under a new number: the old one would be a second copy.
        records += [
            schema_tombstone(old.subject, old.version)
            for old in everything
            if old.deleted
            and old.schema_id == schema.schema_id
            and old.version < schema.version
            and not self._state.referrers(old.subject, old.version)
        ]
        return [*records, schema_record(schema)]

    # Looking up

    async def look_up(
        self, subject: str, request: SchemaRequest, *, normalize: bool, deleted: bool
    ) -> RegisteredSchema | None:
        """Return the version of a subject that has a schema.

        Raises:
            RegistryError: 42201 or 42209.
        """
        versions = self._state.versions(subject, deleted=deleted)
        if not versions or not request.schema.strip():
            return None
        found = await self._find(subject, request, versions, normalize=normalize)
        latest = self._state.latest(subject)
        if found is not None or latest is None:
            return found
        # What registering would add from the config and from the latest version.
        config = self._settings.config_in_scope(subject)
        complete = completed(request, config, latest, None)
        if complete == request:
            return None
        return await self._find(subject, complete, versions, normalize=normalize)

    async def _find(
        self,
        subject: str,
        request: SchemaRequest,
        versions: Sequence[RegisteredSchema],
        *,
        normalize: bool,
    ) -> RegisteredSchema | None:
        candidate = await self._candidate(
            subject, request, normalize=normalize, checks=STORED, deleted=True
        )
        for schema in reversed(versions):
            if await self._is_like(candidate, schema):
                return schema
        return None

    async def _is_like(self, candidate: Candidate, schema: RegisteredSchema) -> bool:
        if not candidate.may_be_like(schema):
            return False
        try:
            parsed = await self.parse(schema)
        except RegistryError:
            # What others stored may be beyond reading, and is then like nothing.
            return False
        return candidate.is_like(schema, parsed)

    # Comparing

    async def compare(
        self,
        subject: str,
        request: SchemaRequest,
        earlier: Sequence[RegisteredSchema],
        *,
        normalize: bool,
    ) -> list[str]:
        """Return why a schema does not fit to versions, which are in ascending order.

        Raises:
            RegistryError: 42201 or 42209.
        """
        config = self._settings.config_in_scope(subject)
        candidate = await self._candidate(
            subject, request, normalize=normalize, checks=self._checks(config, request)
        )
        return await self._misfits(candidate, config, earlier)

    async def _misfits(
        self,
        candidate: Candidate,
        config: Config,
        earlier: Sequence[RegisteredSchema],
    ) -> list[str]:
        level = str(config["compatibilityLevel"])
        group = config.get("compatibilityGroup")
        if isinstance(group, str):
            own = properties_of(candidate.metadata).get(group)
            earlier = [one for one in earlier if properties_of(one.metadata).get(group) == own]
        if level == "NONE" or not earlier:
            return []
        if not is_transitive(level):
            earlier = earlier[-1:]
        compared = [(one.version, await self._earlier(one)) for one in reversed(earlier)]
        size = len(candidate.text) + sum(len(one.schema) for one in earlier)
        fields = config.get("validateFields") is True
        compare = partial(messages, level, candidate.parsed, compared, validate_fields=fields)
        return await self._parser.run(compare, candidate.schema_type, size)

    async def _earlier(self, schema: RegisteredSchema) -> ParsedSchema:
        try:
            return await self.parse(schema)
        except RegistryError as error:
            raise not_comparable(schema.version, error) from error

    # Parsing

    async def parse(self, schema: RegisteredSchema) -> ParsedSchema:
        """Return a registered schema, parsed.

        Raises:
            RegistryError: 42201, it was stored by others and is not valid.
        """
        _, resolved = resolve(self._state, schema.subject, schema.references, deleted=True)
        return await self._parser.parse(schema.schema_type, schema.schema, resolved, STORED)

    async def _candidate(
        self,
        subject: str,
        request: SchemaRequest,
        *,
        normalize: bool,
        checks: Checks,
        deleted: bool = False,
    ) -> Candidate:
        if not request.schema.strip():
            raise invalid_schema("Empty schema")
        metadata = canonical_metadata(request.metadata)
        rule_set = canonical_rules(request.rule_set)
        references, resolved = resolve(self._state, subject, request.references, deleted=deleted)
        if normalize:
            references = tuple(sorted(dict.fromkeys(references), key=lambda one: one.name))
        parsed = await self._parser.parse(request.schema_type, request.schema, resolved, checks)
        if normalize:
            text = parsed.normalized
            parsed = await self._parser.parse(request.schema_type, text, resolved, STORED)
        return Candidate(
            parsed=parsed,
            schema_type=parsed.schema_type,
            text=parsed.canonical,
            references=references,
            metadata=metadata,
            rule_set=rule_set,
        )

    def _checks(self, config: Config, request: SchemaRequest) -> Checks:
        wanted = config.get("validateNewSchemas")
        # A schema that comes with its id comes from another registry, which has it.
        new = wanted is not False and request.schema_id < 0
        return Checks(
            new=new,
            strict=new and (self._strict or wanted is True),
            fields=config.get("validateFields") is True and request.schema_id < 0,
        )
