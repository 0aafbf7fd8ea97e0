"""What can be read from the registry; all of it is in memory."""

from __future__ import annotations

from collections.abc import Mapping

from fakebus.registry import queries
from fakebus.registry.compatibility import checked_level
from fakebus.registry.contexts import context_of, context_prefix
from fakebus.registry.model import RegisteredSchema
from fakebus.registry.schema_log import SchemaLog
from fakebus.registry.settings import Settings, required_config, required_mode


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
    def _settings(self) -> Settings:
        return Settings(self._log.state, self._default_level)

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
        return queries.subjects(self._log.state, prefix, deleted=deleted, deleted_only=deleted_only)

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
        return queries.versions(
            self._log.state,
            self._subject(subject),
            deleted=deleted,
            deleted_only=deleted_only,
            negative=negative,
        )

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
        number = queries.version_number(version)
        return queries.version(self._log.state, self._subject(subject), number, deleted=deleted)

    def latest_with_metadata(
        self, subject: str, pairs: Mapping[str, str], *, deleted: bool = False
    ) -> RegisteredSchema:
        """Return the latest version whose metadata has all these properties.

        Raises:
            RegistryError: 40401 or 40403.
        """
        return queries.latest_with_metadata(
            self._log.state, self._subject(subject), pairs, deleted=deleted
        )

    def schemas(
        self, *, prefix: str = ":*:", deleted: bool = False, latest_only: bool = False
    ) -> list[RegisteredSchema]:
        """Return the versions of all subjects with a prefix, by subject and version."""
        return queries.schemas(self._log.state, prefix, deleted=deleted, latest_only=latest_only)

    def referenced_by(self, subject: str, version: int | str) -> list[int]:
        """Return the ids of the schemas that refer to a version.

        Raises:
            RegistryError: 40401, 40402 or 42202.
        """
        number = queries.version_number(version)
        return queries.referenced_by(self._log.state, self._subject(subject), number)

    # Ids

    def schema_by_id(self, schema_id: int, *, subject: str = "") -> RegisteredSchema:
        """Return a schema; the subject only says in which context to look.

        Raises:
            RegistryError: 40403.
        """
        return queries.schema_by_id(self._log.state, schema_id, subject)

    def max_id(self, *, subject: str = "") -> int:
        """Return the highest id that was handed out in a subject's context; 0 for none."""
        return self._log.state.max_id(context_of(subject))

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
        found = queries.holders_of_id(self._log.state, schema_id, subject, deleted=deleted)
        return [(schema.subject, schema.version) for schema in found]

    def schema_by_guid(self, guid: str) -> RegisteredSchema:
        """Return a schema by the id that is the same everywhere.

        Raises:
            RegistryError: 40403.
        """
        context, schema_id = self.ids_of_guid(guid)[0]
        return self.schema_by_id(schema_id, subject=context_prefix(context))

    def ids_of_guid(self, guid: str) -> list[tuple[str, int]]:
        """Return the contexts and ids of a schema.

        Raises:
            RegistryError: 40403.
        """
        return queries.ids_of_guid(self._log.state, guid)

    def is_registered(self, schema_id: int, subject: str) -> bool:
        """Return whether a version of a subject that is not deleted has a schema."""
        return any(one.schema_id == schema_id for one in self._log.state.versions(subject))

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
        return required_config(self._settings, subject)

    def mode(self, subject: str | None, *, default_to_global: bool = False) -> str:
        """Return a mode; arguments as for :meth:`config`.

        Raises:
            RegistryError: 40409, it has none of its own.
        """
        if default_to_global:
            return self._settings.mode_in_scope(subject)
        return required_mode(self._settings, subject)

    def contexts(self) -> list[str]:
        """Return the names of the contexts, the default one ``.`` first."""
        return list(self._log.state.known_contexts())
