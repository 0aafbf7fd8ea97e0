"""Delete subjects and versions: first softly, then for ever.

What another schema refers to stays. A schema keeps its id as long as one version has it, even
a soft-deleted one. Nothing is written here; the outcome is the records to write.
"""

from __future__ import annotations

from fakebus.registry.errors import (
    reference_exists,
    subject_not_found,
    subject_not_soft_deleted,
    subject_soft_deleted,
    version_not_found,
    version_not_soft_deleted,
    version_soft_deleted,
)
from fakebus.registry.log_records import (
    NewLogRecord,
    config_record,
    mode_record,
    schema_record,
    schema_tombstone,
    subject_deletion,
)
from fakebus.registry.model import RegisteredSchema
from fakebus.registry.state import State


def delete_subject(
    state: State, subject: str, *, permanent: bool
) -> tuple[list[int], list[NewLogRecord]]:
    """Return the versions that go, and the records by which they do.

    Raises:
        RegistryError: 40401, 40404, 40405 or 42206.
    """
    everything = state.versions(subject, deleted=True)
    if not everything:
        raise subject_not_found(subject)
    alive = [schema for schema in everything if not schema.deleted]
    if not permanent and not alive:
        raise subject_soft_deleted(subject)
    going = everything if permanent else alive
    for schema in going:
        if any(other.subject != subject for other in _referrers(state, schema, permanent)):
            raise reference_exists(subject, schema.version)
    versions = [schema.version for schema in going]
    if not permanent:
        return versions, [subject_deletion(subject, versions[-1])]
    if alive:
        raise subject_not_soft_deleted(subject)
    tombstones = [schema_tombstone(subject, version) for version in reversed(versions)]
    return versions, [*tombstones, *_forgotten_settings(state, subject)]


def delete_version(
    state: State, subject: str, version: int, *, permanent: bool
) -> tuple[int, list[NewLogRecord]]:
    """Return the version that goes, and the records by which it does.

    Args:
        state: what is registered.
        subject: whose version.
        version: which one; -1 is the latest.
        permanent: for ever.

    Raises:
        RegistryError: 40401, 40402, 40406, 40407 or 42206.
    """
    versions = state.subjects.get(subject)
    if not versions:
        raise subject_not_found(subject)
    schema = state.latest(subject) if version == -1 else versions.get(version)
    if schema is None:
        raise version_not_found(version)
    if schema.deleted and not permanent:
        raise version_soft_deleted(subject, schema.version)
    if _referrers(state, schema, permanent):
        raise reference_exists(subject, schema.version)
    if not permanent:
        return schema.version, [schema_record(schema, deleted=True)]
    if not schema.deleted:
        raise version_not_soft_deleted(subject, schema.version)
    records = [schema_tombstone(subject, schema.version)]
    if len(versions) == 1:
        records += _forgotten_settings(state, subject)
    return schema.version, records


def _referrers(state: State, schema: RegisteredSchema, deleted: bool) -> list[RegisteredSchema]:
    found = state.referrers(schema.subject, schema.version)
    return [other for other in found if deleted or not other.deleted]


def _forgotten_settings(state: State, subject: str) -> list[NewLogRecord]:
    records = list[NewLogRecord]()
    if subject in state.modes:
        records.append(mode_record(subject, None))
    if subject in state.configs:
        records.append(config_record(subject, None))
    return records
