"""Bring a registry to what a fixture set says: subjects, their levels and their versions.

The set's records are framed with the ids that the registry gives. They are known only now,
so a set whose ids were guessed wrong is encoded again; see :func:`register_schemas`.
"""

from __future__ import annotations

from collections.abc import Callable

from fakebus.fixture_files.model import FixtureSchema, FixtureSet
from fakebus.fixture_files.problems import FixtureError, FixtureProblem, Position
from fakebus.fixture_files.structure.schema_set import SchemaIds
from fakebus.registry.errors import RegistryError
from fakebus.registry.model import Reference, SchemaRequest
from fakebus.registry.registry import Registry

Reload = Callable[[SchemaIds], FixtureSet]
"""Encodes the set again with other schema ids."""


def refusal(schema: FixtureSchema, registry: str, reason: str) -> FixtureError:
    """Return the error for a schema that a registry does not take."""
    message = f"{registry} refuses version {schema.version} of {schema.subject}: {reason}"
    hint = "mend the schema, its compatibility or its id"
    return FixtureError([FixtureProblem.at(Position(schema.display_file), message, hint)])


async def register_schemas(
    registry: Registry, fixture_set: FixtureSet, reload: Reload
) -> FixtureSet:
    """Register the set's schemas and return the set with the ids that they have.

    Registering what is registered changes nothing, so this may be done on every start.

    Args:
        registry: a started registry.
        fixture_set: the set.
        reload: called if the ids differ from those that the set was encoded with.

    Raises:
        FixtureError: the registry refuses a schema; those before it are registered.
    """
    ids: dict[tuple[str, int], int] = {}
    for schema in fixture_set.schemas:
        try:
            ids[schema.subject, schema.version] = await register_schema(registry, schema)
        except RegistryError as error:
            raise refusal(schema, "the registry", error.message) from error
    guessed = {(schema.subject, schema.version): schema.schema_id for schema in fixture_set.schemas}
    return fixture_set if ids == guessed else reload(ids)


async def register_schema(registry: Registry, schema: FixtureSchema) -> int:
    """Return the id of a schema, which is registered if it is not yet; may raise RegistryError."""
    request = SchemaRequest(
        schema=schema.text,
        schema_type=schema.schema_type,
        references=tuple(
            Reference(name=name, subject=subject, version=version)
            for name, subject, version in schema.references
        ),
    )
    if schema.compatibility is not None:
        await _set_level(registry, schema.subject, schema.compatibility)
    known = await _known_id(registry, schema.subject, request)
    if known is not None and schema.pinned_id in (None, known):
        return known
    if schema.pinned_id is None:
        return (await registry.register(schema.subject, request)).schema_id
    return await _import(registry, schema.subject, request, schema.pinned_id)


def schema_type_of(registry: Registry, subject: str) -> str | None:
    """Return the type of the newest schema of a subject; ``None`` if there is no such subject."""
    try:
        return registry.version(subject, registry.versions(subject)[-1]).schema_type
    except RegistryError:
        return None


async def _known_id(registry: Registry, subject: str, request: SchemaRequest) -> int | None:
    try:
        return (await registry.look_up(subject, request)).schema_id
    except RegistryError as error:
        if error.status == 404:
            return None
        raise


async def _set_level(registry: Registry, subject: str, level: str) -> None:
    try:
        current = registry.config(subject).get("compatibilityLevel")
    except RegistryError as error:
        if error.status != 404:
            raise
        current = None
    if current != level:
        await registry.set_config(subject, {"compatibility": level})


async def _import(registry: Registry, subject: str, request: SchemaRequest, schema_id: int) -> int:
    # Only a subject in this mode takes an id from outside.
    await registry.set_mode(subject, "IMPORT", force=True)
    try:
        pinned = request._replace(schema_id=schema_id)
        return (await registry.register(subject, pinned)).schema_id
    finally:
        await registry.delete_mode(subject)
