"""What a schema registry knows, of any make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fakebus.catalogue.subjects import Landscape, Subject, Version, declared
from fakebus.fixture_files.parties import Parties
from fakebus.fixture_files.recording.reading import SourceSchema


class Registry(Protocol):
    """Registry that is read."""

    @property
    def url(self) -> str:
        """Where it is, without a password."""

    def subjects(self, prefix: str) -> list[str]:
        """Return the subjects whose names begin so."""

    def versions(self, subject: str) -> list[int]:
        """Return the versions of a subject, oldest first."""

    def version(self, subject: str, version: int | str) -> SourceSchema | None:
        """Return one version; ``None`` if it cannot be parsed here."""

    def level(self, subject: str) -> str:
        """Return the compatibility level that holds for a subject."""


def registry_landscape(registry: Registry, topics: Sequence[str] = ()) -> Landscape:
    """Return the subjects of a registry.

    Args:
        registry: where they are.
        topics: those of the cluster that it serves, as far as they are known.
    """
    found = {}
    for name in registry.subjects(""):
        versions = []
        for number in registry.versions(name):
            schema = registry.version(name, number)
            if schema is not None:
                versions.append(_version(schema))
        if versions:
            known = declared(name, Parties(), topics)
            known["place"] = f"{registry.url}/subjects/{name}"
            level = registry.level(name)
            found[name] = Subject(name=name, versions=versions, level=level, **known)
    return Landscape(subjects=found)


def _version(schema: SourceSchema) -> Version:
    return Version(
        number=schema.version,
        parsed=schema.parsed,
        text=schema.text,
        references=schema.references,
        resolved=tuple(schema.resolved().values()),
    )
