"""What the registry holds, as its log says: subjects, ids, configs, modes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fakebus.registry.contexts import DEFAULT_CONTEXT, context_of, relative
from fakebus.registry.identity import Identity, identity_of
from fakebus.registry.log_records import LogKey, read_value, schema_of
from fakebus.registry.model import MODES, RegisteredSchema
from fakebus.types import COMPATIBILITY_LEVELS

SubjectVersion = tuple[str, int]
_ContextId = tuple[str, int]


@dataclass(slots=True)
class _Schema:
    schema: RegisteredSchema
    """One registration of it, perhaps one that is gone."""
    holders: dict[SubjectVersion, None] = field(default_factory=dict)
    """The subjects and versions that have it, in the order in which they got it."""

    def copy(self) -> _Schema:
        return _Schema(self.schema, dict(self.holders))


class State:
    """The registry at one offset of its log; changed by :meth:`apply` alone.

    An id may have no subject: it was handed out, and what it was handed out for was taken
    back by a test. It is kept so that nothing else ever gets it.
    """

    def __init__(self) -> None:
        self.subjects: dict[str, dict[int, RegisteredSchema]] = {}
        """By subject and version, soft-deleted ones too."""
        self.configs: dict[str | None, dict[str, object]] = {}
        self.modes: dict[str | None, str] = {}
        self.contexts: set[str] = set()
        """All but the default one."""
        self.max_ids: dict[str, int] = {}
        """The highest id that was ever handed out, by context."""
        self.revision = 0
        """Changes with every record."""
        self._schemas: dict[_ContextId, _Schema] = {}
        self._ids: dict[tuple[str, Identity], int] = {}
        self._contexts_of_guid: dict[str, dict[str, int]] = {}
        self._referrers: dict[SubjectVersion, dict[SubjectVersion, None]] = {}

    def copy(self) -> State:
        """Return a state that does not change with this one."""
        other = State()
        other.subjects = {name: dict(versions) for name, versions in self.subjects.items()}
        other.configs, other.modes = dict(self.configs), dict(self.modes)
        other.contexts, other.max_ids = set(self.contexts), dict(self.max_ids)
        other.revision = self.revision
        other._schemas = {key: found.copy() for key, found in self._schemas.items()}
        other._ids = dict(self._ids)
        other._contexts_of_guid = {one: dict(ids) for one, ids in self._contexts_of_guid.items()}
        other._referrers = {key: dict(found) for key, found in self._referrers.items()}
        return other

    def keep_ids_of(self, other: State) -> None:
        """Never give an id that was handed out in ``other`` to another schema."""
        for key, found in other._schemas.items():
            if key not in self._schemas:
                self._schemas[key] = _Schema(found.schema)
                self._index(key[0], found.schema, overwrite=False)
        self.raise_max_ids(other.max_ids)

    def raise_max_ids(self, max_ids: dict[str, int]) -> None:
        """Take notice of ids that were handed out."""
        for context, schema_id in max_ids.items():
            self.max_ids[context] = max(schema_id, self.max_ids.get(context, 0))

    # Questions

    def max_id(self, context: str) -> int:
        """Return the highest id that was ever handed out; 0 for none."""
        return self.max_ids.get(context, 0)

    def id_of(self, context: str, identity: Identity) -> int | None:
        """Return the id of a schema."""
        return self._ids.get((context, identity))

    def schema_of_id(self, context: str, schema_id: int, name: str = "") -> RegisteredSchema | None:
        """Return a registration of a schema, that of the given subject if there is one."""
        found = self._schemas.get((context, schema_id))
        if found is None:
            return None
        for schema in self.subjects.get(name, {}).values():
            if schema.schema_id == schema_id:
                return schema
        if not found.holders:
            return found.schema
        subject, version = next(iter(found.holders))
        return self.subjects[subject][version]

    def holders(self, context: str, schema_id: int) -> list[RegisteredSchema]:
        """Return all registrations of a schema, soft-deleted ones too."""
        found = self._schemas.get((context, schema_id))
        holders = () if found is None else found.holders
        return [self.subjects[subject][version] for subject, version in holders]

    def ids_of_guid(self, guid: str) -> dict[str, int]:
        """Return the ids of a schema by context."""
        return self._contexts_of_guid.get(guid, {})

    def referrers(self, subject: str, version: int) -> list[RegisteredSchema]:
        """Return the schemas that refer to a version, soft-deleted ones too."""
        found = self._referrers.get((subject, version), {})
        return [self.subjects[name][number] for name, number in found]

    def versions(self, subject: str, *, deleted: bool = False) -> list[RegisteredSchema]:
        """Return the versions of a subject in ascending order."""
        found = self.subjects.get(subject)
        if not found:
            return []
        return [found[number] for number in sorted(found) if deleted or not found[number].deleted]

    def latest(self, subject: str) -> RegisteredSchema | None:
        """Return the latest version that is not deleted."""
        alive = [found for found in self.subjects.get(subject, {}).values() if not found.deleted]
        return max(alive, key=lambda schema: schema.version, default=None)

    def known_contexts(self) -> Iterator[str]:
        """Yield the contexts, the default one first."""
        yield DEFAULT_CONTEXT
        yield from sorted(self.contexts)

    # Changes

    def apply(self, key: LogKey, value: bytes | None, timestamp_ms: int) -> None:
        """Take over a record.

        Raises:
            ValueError: it cannot be understood; nothing was changed.
        """
        self.revision += 1
        match key.kind:
            case "SCHEMA":
                self._apply_schema(key, value, timestamp_ms)
            case "CONFIG":
                self._apply_config(key.subject, value)
            case "MODE":
                self._apply_mode(key.subject, value)
            case "DELETE_SUBJECT" if value is not None and key.subject is not None:
                self._soft_delete(key.subject, read_value(value).get("version"))
            case "CLEAR_SUBJECT" if value is not None:
                self._clear(key.subject)
            case "CONTEXT" if value is not None:
                self.contexts.add(key.context)
            case "CONTEXT":
                self.contexts.discard(key.context)

    def _apply_schema(self, key: LogKey, value: bytes | None, timestamp_ms: int) -> None:
        if value is not None:
            self._put(schema_of(key, read_value(value), timestamp_ms))
        elif key.subject is not None:
            self._remove(key.subject, key.version)

    def _apply_config(self, subject: str | None, value: bytes | None) -> None:
        if value is None:
            self.configs.pop(subject, None)
        else:
            config = {
                name: found
                for name, found in read_value(value).items()
                if found is not None and name != "subject"
            }
            if (
                config.get("compatibilityLevel", COMPATIBILITY_LEVELS[0])
                not in COMPATIBILITY_LEVELS
            ):
                raise ValueError("there is no such compatibility level")
            self.configs[subject] = config

    def _apply_mode(self, subject: str | None, value: bytes | None) -> None:
        mode = None if value is None else read_value(value).get("mode")
        if mode is None:
            self.modes.pop(subject, None)
        elif mode in MODES:
            self.modes[subject] = str(mode)
        else:
            raise ValueError("there is no such mode")

    def _put(self, schema: RegisteredSchema) -> None:
        subject, version = schema.subject, schema.version
        versions = self.subjects.setdefault(subject, {})
        old = versions.get(version)
        context = context_of(subject)
        if context != DEFAULT_CONTEXT:
            self.contexts.add(context)
        if old is not None and old.schema_id != schema.schema_id:
            self._remove(subject, version)
            versions = self.subjects.setdefault(subject, {})
        versions[version] = schema
        entry = self._schemas.get((context, schema.schema_id))
        if entry is None:
            entry = self._schemas[context, schema.schema_id] = _Schema(schema)
        entry.holders[subject, version] = None
        self._index(context, schema, overwrite=True)
        if schema.schema_id > self.max_ids.get(context, 0):
            self.max_ids[context] = schema.schema_id
        for reference in schema.references:
            target = relative(reference.subject, subject), reference.version
            self._referrers.setdefault(target, {})[subject, version] = None

    def _index(self, context: str, schema: RegisteredSchema, *, overwrite: bool) -> None:
        key = context, identity_of(schema)
        if overwrite or key not in self._ids:
            self._ids[key] = schema.schema_id
            self._contexts_of_guid.setdefault(schema.guid, {})[context] = schema.schema_id

    def _remove(self, subject: str, version: int) -> None:
        versions = self.subjects.get(subject, {})
        schema = versions.pop(version, None)
        if schema is None:
            return
        if not versions:
            del self.subjects[subject]
        for reference in schema.references:
            target = relative(reference.subject, subject), reference.version
            self._referrers.get(target, {}).pop((subject, version), None)
        context = context_of(subject)
        entry = self._schemas[context, schema.schema_id]
        del entry.holders[subject, version]
        if entry.holders:
            return
        del self._schemas[context, schema.schema_id]
        key = context, identity_of(schema)
        if self._ids.get(key) == schema.schema_id:
            del self._ids[key]
            self._contexts_of_guid.get(schema.guid, {}).pop(context, None)

    def _soft_delete(self, subject: str, upto_version: object) -> None:
        if type(upto_version) is not int:
            raise ValueError("version must be a whole number")
        versions = self.subjects.get(subject, {})
        for number, schema in versions.items():
            if number <= upto_version and not schema.deleted:
                versions[number] = schema._replace(deleted=True)

    def _clear(self, subject: str | None) -> None:
        for name in [name for name in self.subjects if subject is None or name == subject]:
            for schema in self.versions(name, deleted=True):
                if schema.deleted:
                    self._remove(name, schema.version)
