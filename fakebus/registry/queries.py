"""What can be asked of the registry's state, with the errors that belong to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fakebus.registry.contexts import DEFAULT_CONTEXT, context_of, matches, qualified
from fakebus.registry.errors import (
    invalid_version,
    schema_not_found,
    subject_not_found,
    version_not_found,
)
from fakebus.registry.metadata import properties_of
from fakebus.registry.model import MAX_NUMBER, RegisteredSchema
from fakebus.registry.state import State

LATEST = -1


def version_number(version: int | str) -> int:
    """Return a version as a number; -1 is the latest.

    Raises:
        RegistryError: 42202.
    """
    try:
        number = LATEST if str(version).strip().lower() == "latest" else int(version)
    except ValueError:
        raise invalid_version(version) from None
    if number != LATEST and not 0 < number <= MAX_NUMBER:
        raise invalid_version(version)
    return number


def everywhere(state: State, subject: str) -> Iterable[str]:
    """Yield a subject, and if it names no context, the same one in all other contexts."""
    yield subject
    if context_of(subject) == DEFAULT_CONTEXT:
        for context in state.known_contexts():
            if context != DEFAULT_CONTEXT:
                yield f":{context}:{subject}"


def subjects(state: State, prefix: str, *, deleted: bool, deleted_only: bool) -> list[str]:
    """Return the names of subjects, sorted."""
    return sorted(
        subject
        for subject, versions in state.subjects.items()
        if _is_listed(
            all(schema.deleted for schema in versions.values()),
            deleted=deleted,
            deleted_only=deleted_only,
        )
        and matches(subject, prefix)
    )


def _is_listed(is_deleted: bool, *, deleted: bool, deleted_only: bool) -> bool:
    return is_deleted if deleted_only else deleted or not is_deleted


def versions(
    state: State, subject: str, *, deleted: bool, deleted_only: bool, negative: bool
) -> list[int]:
    """Return a subject's versions in ascending order.

    Raises:
        RegistryError: 40401.
    """
    found = state.versions(subject, deleted=True)
    if not deleted and not deleted_only and all(schema.deleted for schema in found):
        found = []
    if not found:
        raise subject_not_found(subject)
    return [
        -schema.version if negative and schema.deleted else schema.version
        for schema in found
        if _is_listed(schema.deleted, deleted=deleted, deleted_only=deleted_only)
    ]


def version(state: State, subject: str, number: int, *, deleted: bool) -> RegisteredSchema:
    """Return a version of a subject.

    Raises:
        RegistryError: 40401 or 40402.
    """
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
    state: State, subject: str, pairs: Mapping[str, str], *, deleted: bool
) -> RegisteredSchema:
    """Return the latest version whose metadata has all these properties.

    Raises:
        RegistryError: 40401 or 40403.
    """
    found = state.versions(subject, deleted=deleted)
    if not found:
        raise subject_not_found(subject)
    for schema in reversed(found):
        if pairs.items() <= properties_of(schema.metadata).items():
            return schema
    raise schema_not_found()


def schema_by_id(state: State, schema_id: int, subject: str) -> RegisteredSchema:
    """Return a schema; the subject is only a hint at the context, and need not exist.

    Without a context, a schema that the subject has anywhere comes first, then whatever has
    the id in the default context.

    Raises:
        RegistryError: 40403.
    """
    wanted = qualified(subject)
    if wanted.context == DEFAULT_CONTEXT and wanted.name:
        for name in everywhere(state, wanted.name):
            schema = state.schema_of_id(context_of(name), schema_id, name)
            if schema is not None and schema.subject == name:
                return schema
    schema = state.schema_of_id(wanted.context, schema_id, str(wanted))
    if schema is None:
        raise schema_not_found(schema_id)
    return schema


def holders_of_id(
    state: State, schema_id: int, subject: str, *, deleted: bool
) -> list[RegisteredSchema]:
    """Return the versions that have a schema, by subject.

    Raises:
        RegistryError: 40403.
    """
    schema = schema_by_id(state, schema_id, subject)
    found = state.holders(context_of(schema.subject), schema_id)
    return sorted(
        (one for one in found if deleted or not one.deleted),
        key=lambda one: (one.subject, one.version),
    )


def ids_of_guid(state: State, guid: str) -> list[tuple[str, int]]:
    """Return the contexts and ids of a schema, that of the default context first.

    Raises:
        RegistryError: 40403.
    """
    found = sorted(state.ids_of_guid(guid).items())
    if not found:
        raise schema_not_found(guid)
    return found


def schemas(
    state: State, prefix: str, *, deleted: bool, latest_only: bool
) -> list[RegisteredSchema]:
    """Return the versions of all subjects with a prefix, by subject and version."""
    found = list[RegisteredSchema]()
    for subject in sorted(name for name in state.subjects if matches(name, prefix)):
        everything = state.versions(subject, deleted=deleted)
        found += everything[-1:] if latest_only else everything
    return found


def referenced_by(state: State, subject: str, number: int) -> list[int]:
    """Return the ids of the schemas that refer to a version.

    Raises:
        RegistryError: 40401 or 40402.
    """
    schema = version(state, subject, number, deleted=True)
    found = state.referrers(schema.subject, schema.version)
    return sorted({other.schema_id for other in found if not other.deleted})
