"""The names that topics and groups really have while a test runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from fakebus.fixture_files.model import FixtureSet


@dataclass(frozen=True, slots=True)
class Namespace:
    """Puts a prefix of the test's own before every name; none leaves names alone."""

    prefix: str = ""

    def real(self, name: str) -> str:
        """Return the name on the cluster; one that is real already stays as it is."""
        return name if name.startswith(self.prefix) else self.prefix + name

    def holds(self, real_name: str) -> bool:
        """Whether a topic or group belongs to this test."""
        return real_name.startswith(self.prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNames:
    """Names that are a test's own: they are in its namespace and were not there before."""

    namespace: Namespace
    topics: frozenset[str] = frozenset()
    """The topics that were there before."""
    groups: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()

    def topic(self, name: str) -> bool:
        """Whether a topic is the test's own."""
        return self.namespace.holds(name) and name not in self.topics

    def group(self, name: str) -> bool:
        """Whether a group is the test's own."""
        return self.namespace.holds(name) and name not in self.groups

    def subject(self, name: str) -> bool:
        """Whether a subject is the test's own."""
        return self.namespace.holds(name) and name not in self.subjects


def new_namespace() -> Namespace:
    """Return a namespace that nobody else has."""
    return Namespace(f"test-{uuid4().hex[:10]}-")


def renamed(fixture_set: FixtureSet, namespace: Namespace) -> FixtureSet:
    """Return a fixture set whose topics and groups have a test's names."""
    if not namespace.prefix:
        return fixture_set
    real = namespace.real
    topics = [topic.name for topic in fixture_set.topics]

    def subject(name: str) -> str:
        # Those that are named after a topic are looked for under the topic's name in the test.
        follows = any(name.startswith(f"{topic}-") for topic in topics)
        return real(name) if follows else name

    return replace(
        fixture_set,
        schemas=tuple(
            replace(
                schema,
                subject=subject(schema.subject),
                references=tuple((n, subject(of), at) for n, of, at in schema.references),
            )
            for schema in fixture_set.schemas
        ),
        topics=tuple(replace(t, name=real(t.name)) for t in fixture_set.topics),
        streams=tuple(replace(s, topic=real(s.topic)) for s in fixture_set.streams),
        groups=tuple(
            replace(
                group,
                group=real(group.group),
                offsets=tuple(replace(o, topic=real(o.topic)) for o in group.offsets),
            )
            for group in fixture_set.groups
        ),
    )
