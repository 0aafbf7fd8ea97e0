"""What can be read from the registry; all of it is in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fakebus.registry.compatibility import checked_level
from fakebus.registry.contexts import (
    DEFAULT_CONTEXT,
    context_of,
    context_prefix,
    matches,
    qualified,
    scope,
)
from fakebus.registry.errors import (
    id_not_found,
    invalid_version,
    no_subject_level,
    no_subject_mode,
    schema_not_found,
    subject_not_found,
    version_not_found,
)
from fakebus.registry.metadata import properties_of
from fakebus.registry.model import MAX_NUMBER, RegisteredSchema
from fakebus.registry.schema_log import SchemaLog
from fakebus.registry.settings import Settings
from fakebus.registry.state import State

LATEST = -1


def version_number(version: int | str) -> int:
    """Return a version as a number; -1 is the latest.

    Raises:
        RegistryError: 42202.
    """
    try:
        number = LATEST if str(version).strip().lower() == "latest" else _whole(version)
    except ValueError:
        raise invalid_version(version) from None
    if number != LATEST and not 0 < number <= MAX_NUMBER:
        raise invalid_version(version)
    return number


def _whole(version: int | str) -> int:
    # Java has no underscores in numbers.
    if "_" in str(version):
        raise ValueError
    return int(version)


def everywhere(state: State, subject: str) -> Iterable[str]:
    """Yield a subject, and if it names no context, the same one in all other contexts."""
    yield subject
    if context_of(subject) == DEFAULT_CONTEXT:
        for context in state.known_contexts():
            if context != DEFAULT_CONTEXT:
                yield f":{context}:{subject}"


class RegistryReader:
    """The part of the registry that changes nothing.

    Args:
        log: gives the state.
        default_compatibility: the level where none is configured.

    Raises:
        RegistryError: 42203, there is no such level.
    """

    def __init__(self, log: SchemaLog, default_compatibility: str) -> None:
        self._log = log
        self._default_level = checked_level(default_compatibility)

    @property
    def _state(self) -> State:
        return self._log.state

    @property
    def _settings(self) -> Settings:
        return Settings(self._state, self._default_level)

    def _subject(self, subject: str) -> str:
        return self._settings.alias(subject)

    # Subjects and versions

    def subjects(
        self, *, prefix: str = ":*:", deleted: bool = False, deleted_only: bool = False
    ) -> list[str]:
        """Return the names of subjects, sorted.

        Args:
            prefix: what they begin with; without a context, those of the default one.
            deleted: those too of which only soft-deleted versions are left.
            deleted_only: only those.
        """
        return sorted(
            subject
            for subject, versions in self._state.subjects.items()
            if _is_listed(
                all(schema.deleted for schema in versions.values()), deleted, deleted_only
            )
            and matches(subject, prefix)
        )

    def versions(
        self,
        subject: str,
        *,
        deleted: bool = False,
        deleted_only: bool = False,
        negative: bool = False,
    ) -> list[int]:
        """Return a subject's versions in ascending order.

        Args:
            subject: its name.
            deleted: the soft-deleted ones too.
            deleted_only: only those.
            negative: those with a minus sign.

        Raises:
            RegistryError: 40401.
        """
        subject = self._subject(subject)
        found = self._state.versions(subject, deleted=True)
        if not deleted and not deleted_only and all(schema.deleted for schema in found):
            found = []
        if not found:
            raise subject_not_found(subject)
        return [
            -schema.version if negative and schema.deleted else schema.version
            for schema in found
            if _is_listed(schema.deleted, deleted, deleted_only)
        ]

    def version(
        self, subject: str, version: int | str, *, deleted: bool = False
    ) -> RegisteredSchema:
        """Return one version of a subject.

        Args:
            subject: its name; without a context, it is looked for in all of them.
            version: a number; ``latest`` or -1 is the latest that is not deleted.
            deleted: soft-deleted ones will do.

        Raises:
            RegistryError: 40401, 40402 or 42202.
        """
        number, subject, state = version_number(version), self._subject(subject), self._state
        for name in everywhere(state, subject):
            schema = (
                state.latest(name) if number == LATEST else state.subjects.get(name, {}).get(number)
            )
            if schema is not None and (deleted or not schema.deleted):
                return schema
        if not state.versions(subject, deleted=deleted):
            raise subject_not_found(subject)
        raise version_not_found(number)

    def latest_with_metadata(
        self, subject: str, pairs: Mapping[str, str], *, deleted: bool = False
    ) -> RegisteredSchema:
        """Return the latest version whose metadata has all these properties.

        Raises:
            RegistryError: 40401 or 40403.
        """
        subject = self._subject(subject)
        found = self._state.versions(subject, deleted=deleted)
        if not found:
            raise subject_not_found(subject)
        for schema in reversed(found):
            if pairs.items() <= properties_of(schema.metadata).items():
                return schema
        raise schema_not_found()

    def schemas(
        self, *, prefix: str = ":*:", deleted: bool = False, latest_only: bool = False
    ) -> list[RegisteredSchema]:
        """Return the versions of all subjects with a prefix, by subject and version."""
        found = list[RegisteredSchema]()
        for subject in sorted(name for name in self._state.subjects if matches(name, prefix)):
            everything = self._state.versions(subject, deleted=deleted)
            found += everything[-1:] if latest_only else everything
        return found

    def referenced_by(
        self, subject: str, version: int | str, *, deleted: bool = False
    ) -> list[int]:
        """Return the ids of the schemas that refer to a version, by context.

        Args:
            subject: whose version.
            version: which one, deleted or not.
            deleted: count soft-deleted ones too.

        Raises:
            RegistryError: 40401, 40402 or 42202.
        """
        schema = self.version(subject, version, deleted=True)
        found = self._state.referrers(schema.subject, schema.version)
        some = [other for other in found if deleted or not other.deleted]
        ids = {(context_of(other.subject), other.schema_id) for other in some}
        return [schema_id for _, schema_id in sorted(ids)]

    # Ids

    def schema_by_id(self, schema_id: int, *, subject: str = "") -> RegisteredSchema:
        """Return a schema; the subject is only a hint at the context, and need not exist.

        Without a context, a schema that the subject has anywhere comes first, then whatever has
        the id in the default context.

        Raises:
            RegistryError: 40403.
        """
        wanted, state = qualified(subject), self._state
        if wanted.context == DEFAULT_CONTEXT and wanted.name:
            for name in everywhere(state, wanted.name):
                schema = state.schema_of_id(context_of(name), schema_id, name)
                if schema is not None and schema.subject == name:
                    return schema
        schema = state.schema_of_id(wanted.context, schema_id, str(wanted))
        if schema is None:
            raise id_not_found(schema_id)
        return schema

    def max_id(self, *, subject: str = "") -> int:
        """Return the highest id that was handed out in a subject's context; 0 for none."""
        return self._state.max_id(context_of(subject))

    def subjects_of_id(
        self, schema_id: int, *, subject: str = "", deleted: bool = False
    ) -> list[str]:
        """Return the subjects of a schema, sorted; arguments as for :meth:`versions_of_id`."""
        pairs = self.versions_of_id(schema_id, subject=subject, deleted=deleted)
        return list(dict.fromkeys(name for name, _ in pairs))

    def versions_of_id(
        self, schema_id: int, *, subject: str = "", deleted: bool = False
    ) -> list[tuple[str, int]]:
        """Return the subjects and versions of a schema, sorted.

        Args:
            schema_id: its id.
            subject: in whose context to look.
            deleted: the soft-deleted ones too.

        Raises:
            RegistryError: 40403.
        """
        schema = self.schema_by_id(schema_id, subject=subject)
        found = self._state.holders(context_of(schema.subject), schema_id)
        return sorted((one.subject, one.version) for one in found if deleted or not one.deleted)

    def schema_by_guid(self, guid: str) -> RegisteredSchema:
        """Return a schema by the id that is the same everywhere.

        Raises:
            RegistryError: 40403.
        """
        context, schema_id = self.ids_of_guid(guid)[0]
        return self.schema_by_id(schema_id, subject=context_prefix(context))

    def ids_of_guid(self, guid: str) -> list[tuple[str, int]]:
        """Return the contexts and ids of a schema, that of the default context first.

        Raises:
            RegistryError: 40403.
        """
        found = sorted(self._state.ids_of_guid(guid).items())
        if not found:
            raise id_not_found(guid)
        return found

    def is_registered(self, schema_id: int, subject: str) -> bool:
        """Return whether a version of a subject that is not deleted has a schema."""
        return any(one.schema_id == schema_id for one in self._state.versions(subject))

    # Configs, modes, contexts

    def config(self, subject: str | None, *, default_to_global: bool = False) -> dict[str, object]:
        """Return a config.

        Args:
            subject: a subject, a context such as ``:.name:``, or ``None``.
            default_to_global: what holds for it, wherever that comes from.

        Raises:
            RegistryError: 40408, it has none of its own.
        """
        if default_to_global:
            return self._settings.config_in_scope(subject)
        found = self._settings.config(subject)
        if found is None:
            raise no_subject_level(str(scope(subject)))
        return found

    def mode(self, subject: str | None, *, default_to_global: bool = False) -> str:
        """Return a mode; arguments as for :meth:`config`.

        Raises:
            RegistryError: 40409, it has none of its own.
        """
        if default_to_global:
            return self._settings.mode_in_scope(subject)
        found = self._settings.mode(subject)
        if found is None:
            raise no_subject_mode(str(scope(subject)))
        return found

    def contexts(self) -> list[str]:
        """Return the names of the contexts, the default one ``.`` first."""
        return list(self._state.known_contexts())


def _is_listed(is_deleted: bool, deleted: bool, deleted_only: bool) -> bool:
    return is_deleted if deleted_only else deleted or not is_deleted
