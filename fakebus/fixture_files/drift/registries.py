"""A set's subjects against those of a schema registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from fakebus.fixture_files.drift.comparison import ahead, behind, stale
from fakebus.fixture_files.drift.findings import BREAKING, DRIFT, NOTE, DriftFinding
from fakebus.fixture_files.drift.set_subjects import SetSubject
from fakebus.fixture_files.recording.reading import SourceSchema


class Registry(Protocol):
    """Registry to compare with; it is only read."""

    @property
    def url(self) -> str:
        """Where it is, without a password."""

    def versions(self, subject: str) -> list[int]:
        """Return the versions of a subject, oldest first; none if there is no such subject."""

    def version(self, subject: str, version: int | str) -> SourceSchema | None:
        """Return one version; ``None`` if it cannot be parsed here."""

    def level(self, subject: str) -> str:
        """Return the compatibility level that holds for a subject."""


def against_registry(
    subjects: Mapping[str, SetSubject], registry: Registry
) -> Iterator[DriftFinding]:
    """Compare a set with a registry, in both directions.

    A newer schema in the registry means that the set is behind; a schema that the registry
    does not have has to be one that it would accept.
    """
    for subject in subjects.values():
        numbers = registry.versions(subject.name)
        if numbers:
            yield from _against(subject, registry, numbers)
        else:
            yield subject.finding(NOTE, f"{registry.url} has no subject {subject.name} yet")


def _against(subject: SetSubject, registry: Registry, numbers: list[int]) -> Iterator[DriftFinding]:
    there = []
    for number in reversed(numbers):
        version = registry.version(subject.name, number)
        if version is None:
            message = (
                f"version {number} of {subject.name} in {registry.url} cannot be read as a schema"
            )
            yield subject.finding(BREAKING, message)
            return
        there.append(version.parsed)
    level = registry.level(subject.name)
    wanted = subject.latest.schema.compatibility
    if wanted is not None and wanted != level:
        yield subject.finding(
            DRIFT,
            f"{registry.url} holds {subject.name} to {level}, the set asks for {wanted}",
        )
    ours = [one.parsed.canonical for one in subject.versions]
    theirs = [one.canonical for one in there]
    if ours[-1] == theirs[0]:
        return
    if ours[-1] in theirs:
        where = f"{registry.url} (version {numbers[-1]})"
        yield from behind(subject, there[0], where, level)
        return
    yield from ahead(subject, there, registry.url, level)
    if theirs[0] not in ours:
        # Each has what the other has not: events of the set may be out of date as well.
        yield from stale(subject, there[0], registry.url)
