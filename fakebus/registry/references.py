"""Find the schemas that a schema builds on."""

from __future__ import annotations

from fakebus.registry.contexts import relative
from fakebus.registry.errors import invalid_schema
from fakebus.registry.model import Reference, RegisteredSchema
from fakebus.registry.state import State
from fakebus.schemas.interface import ResolvedReference

MAX_DEPTH = 100
MAX_COUNT = 1000
_LATEST = -1


def resolve(
    state: State, subject: str, references: tuple[Reference, ...], *, deleted: bool
) -> tuple[tuple[Reference, ...], tuple[ResolvedReference, ...]]:
    """Return the references with real versions, and everything they lead to.

    Args:
        state: where to look.
        subject: whose schema it is; its context is that of unqualified references.
        references: as the schema states them.
        deleted: whether soft-deleted versions will do, as for schemas that are registered.

    Returns:
        The references with the latest version in place of -1; the schemas, every name once,
        dependencies before what depends on them.

    Raises:
        RegistryError: 42201, a reference is incomplete, leads nowhere or into a circle.
    """
    if not references:
        return (), ()
    search = _Search(state, deleted=deleted)
    pinned = tuple(search.follow(subject, reference, ()) for reference in references)
    return pinned, tuple(search.found.values())


class _Search:
    def __init__(self, state: State, *, deleted: bool) -> None:
        self._state = state
        self._deleted = deleted
        self.found: dict[str, ResolvedReference] = {}

    def follow(
        self, subject: str, reference: Reference, path: tuple[tuple[str, int], ...]
    ) -> Reference:
        if not reference.name or not reference.subject:
            raise invalid_schema(f"Invalid reference: {reference}")
        target = self._schema(relative(reference.subject, subject), reference.version)
        place = target.subject, target.version
        if place in path:
            raise invalid_schema(
                f'The references of subject "{target.subject}" and version {target.version} '
                "lead back to it"
            )
        if reference.name not in self.found:
            if len(path) >= MAX_DEPTH or len(self.found) >= MAX_COUNT:
                raise invalid_schema("The references lead too deep or to too many schemas")
            for inner in target.references:
                self.follow(target.subject, inner, (*path, place))
            self.found[reference.name] = ResolvedReference(name=reference.name, text=target.schema)
        return reference._replace(version=target.version)

    def _schema(self, subject: str, version: int) -> RegisteredSchema:
        if version == _LATEST:
            target = self._state.latest(subject)
        else:
            target = self._state.subjects.get(subject, {}).get(version)
        if target is None or (target.deleted and not self._deleted):
            raise invalid_schema(
                f'No schema reference found for subject "{subject}" and version {version}'
            )
        return target
