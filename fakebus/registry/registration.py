"""Register schemas, look them up, and compare them with what is registered.

Nothing is written here: the outcome of a registration is the records to write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from fakebus.registry.compatibility import is_transitive, messages
from fakebus.registry.contexts import DEFAULT_CONTEXT, context_of, context_prefix
from fakebus.registry.errors import incompatible, invalid_schema, not_permitted
from fakebus.registry.identity import Identity, guid, identity, identity_of
from fakebus.registry.log_records import (
    NewLogRecord,
    context_record,
    schema_record,
    schema_tombstone,
)
from fakebus.registry.metadata import (
    VERSION_PROPERTY,
    canonical_metadata,
    canonical_rules,
    merged_metadata,
    merged_rules,
    properties_of,
    with_version,
    without_version,
)
from fakebus.registry.model import READWRITE, Reference, RegisteredSchema, SchemaRequest
from fakebus.registry.parsing import INLINE_CHARACTERS, SchemaParser
from fakebus.registry.references import resolve
from fakebus.registry.settings import Settings
from fakebus.registry.state import State
from fakebus.schemas.interface import ParsedSchema, ResolvedReference

Config = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A schema of a request, complete and in canonical form."""

    parsed: ParsedSchema
    schema_type: str
    text: str
    references: tuple[Reference, ...]
    metadata: Config | None
    rule_set: Config | None

    @property
    def identity(self) -> Identity:
        """What the same id is given for."""
        return identity(self.schema_type, self.text, self.references, self.metadata, self.rule_set)

    def is_like(self, schema: RegisteredSchema) -> bool:
        """Return whether the schema is the same but for the version in its metadata."""
        metadata = schema.metadata
        if VERSION_PROPERTY not in properties_of(self.metadata):
            metadata = without_version(metadata)
        return (
            self.schema_type == schema.schema_type
            and self.text == schema.schema
            and self.references == schema.references
            and (self.metadata or None) == (metadata or None)
            and self.rule_set == schema.rule_set
        )


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

    async def prepare(self, subject: str, request: SchemaRequest) -> None:
        """Parse a large text, so that registering it finds it parsed.

        Raises:
            RegistryError: as :meth:`register`.
        """
        if len(request.schema) <= INLINE_CHARACTERS:
            return
        self._settings.check_registrable(subject, with_id=request.schema_id >= 0)
        strict = self._is_strict(self._settings.config_in_scope(subject)) and request.schema_id < 0
        await self._candidate(subject, request, normalize=False, strict=strict)

    async def register(
        self, subject: str, request: SchemaRequest, *, normalize: bool
    ) -> tuple[RegisteredSchema, list[NewLogRecord]]:
        """Return the version that a schema gets or has, and the records that make it so.

        Raises:
            RegistryError: 409, 42201, 42205, 42209 or 42210.
        """
        mode = self._settings.check_registrable(subject, with_id=request.schema_id >= 0)
        config = self._settings.config_in_scope(subject)
        everything = self._state.versions(subject, deleted=True)
        alive = [schema for schema in everything if not schema.deleted]
        next_version = everything[-1].version + 1 if everything else 1
        if mode == READWRITE:
            request = _completed(request, config, alive[-1] if alive else None, next_version)
        strict = self._is_strict(config) and request.schema_id < 0
        candidate = await self._candidate(
            subject, request, normalize=normalize and mode == READWRITE, strict=strict
        )
        known = self._registered(subject, candidate, request, alive)
        if known is not None:
            return known, []
        if mode == READWRITE:
            found = await self._misfits(candidate, config, alive)
            if found:
                raise incompatible(subject, found)
        version = self._version(request, next_version, mode)
        schema = self._new(subject, version, candidate, request.schema_id)
        return schema, self._records(schema, everything)

    def _registered(
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
            if schema.schema_id == known_id or candidate.is_like(schema):
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
        if not versions:
            return None
        found = await self._find(subject, request, versions, normalize=normalize)
        latest = self._state.latest(subject)
        if found is not None or latest is None:
            return found
        # What registering would add from the config and from the latest version.
        config = self._settings.config_in_scope(subject)
        completed = _completed(request, config, latest, latest.version)
        if completed == request:
            return None
        return await self._find(subject, completed, versions, normalize=normalize)

    async def _find(
        self,
        subject: str,
        request: SchemaRequest,
        versions: Sequence[RegisteredSchema],
        *,
        normalize: bool,
    ) -> RegisteredSchema | None:
        candidate = await self._candidate(
            subject, request, normalize=normalize, strict=False, deleted=True
        )
        return next((one for one in reversed(versions) if candidate.is_like(one)), None)

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
            subject, request, normalize=normalize, strict=self._is_strict(config)
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
        compared = [(one.version, await self.parse(one)) for one in reversed(earlier)]
        size = len(candidate.text) + sum(len(one.schema) for one in earlier)
        return await self._parser.run(
            partial(messages, level, candidate.parsed, compared), inline=size <= INLINE_CHARACTERS
        )

    # Parsing

    async def parse(self, schema: RegisteredSchema) -> ParsedSchema:
        """Return a registered schema, parsed.

        Raises:
            RegistryError: 42201, it was stored by others and is not valid.
        """
        _, resolved = resolve(self._state, schema.subject, schema.references, deleted=True)
        return await self._parser.parse(schema.schema_type, schema.schema, resolved)

    def parse_now(self, schema: RegisteredSchema) -> ParsedSchema:
        """Do the same without giving way to others, for those who cannot wait."""
        _, resolved = resolve(self._state, schema.subject, schema.references, deleted=True)
        return self._parser.parse_now(schema.schema_type, schema.schema, resolved)

    async def _candidate(
        self,
        subject: str,
        request: SchemaRequest,
        *,
        normalize: bool,
        strict: bool,
        deleted: bool = False,
    ) -> Candidate:
        if not request.schema.strip():
            raise invalid_schema("Empty schema")
        metadata = canonical_metadata(request.metadata)
        rule_set = canonical_rules(request.rule_set)
        references, resolved = self._resolve(subject, request, deleted=deleted)
        if normalize:
            references = tuple(sorted(dict.fromkeys(references), key=lambda one: one.name))
        parsed = await self._parser.parse(
            request.schema_type, request.schema, resolved, strict=strict
        )
        return Candidate(
            parsed=parsed,
            schema_type=parsed.schema_type,
            text=parsed.normalized if normalize else parsed.canonical,
            references=references,
            metadata=metadata,
            rule_set=rule_set,
        )

    def _resolve(
        self, subject: str, request: SchemaRequest, *, deleted: bool
    ) -> tuple[tuple[Reference, ...], tuple[ResolvedReference, ...]]:
        return resolve(self._state, subject, request.references, deleted=deleted)

    def _is_strict(self, config: Config) -> bool:
        return config.get("validateNewSchemas", self._strict) is True


def _completed(
    request: SchemaRequest, config: Config, latest: RegisteredSchema | None, version: int
) -> SchemaRequest:
    """Return a request with what the latest version and the config add to it."""
    if not request.schema.strip() and latest is not None:
        request = replace(
            request,
            schema=latest.schema,
            schema_type=latest.schema_type,
            references=latest.references,
        )
    metadata, rule_set = request.metadata, request.rule_set
    if latest is not None:
        metadata = latest.metadata if metadata is None else metadata
        rule_set = latest.rule_set if rule_set is None else rule_set
    own_metadata, own_rules = canonical_metadata(metadata), canonical_rules(rule_set)
    complete = merged_metadata(
        merged_metadata(_part(config, "defaultMetadata"), own_metadata),
        _part(config, "overrideMetadata"),
    )
    rules = merged_rules(
        merged_rules(canonical_rules(_part(config, "defaultRuleSet")), own_rules),
        canonical_rules(_part(config, "overrideRuleSet")),
    )
    return replace(request, metadata=with_version(complete, version), rule_set=rules)


def _part(config: Config, name: str) -> Config | None:
    found = config.get(name)
    return found if isinstance(found, dict) else None
