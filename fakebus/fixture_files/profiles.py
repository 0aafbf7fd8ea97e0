"""``profiles``: named parts of a set, such as a demo or a small one for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from fakebus.fixture_files.group_specs import GroupSpec
from fakebus.fixture_files.problems import Position, ProblemList, did_you_mean, quoted
from fakebus.fixture_files.yaml_fields import FieldReader

_PROFILE_FIELDS = ("tags", "topics", "include", "untagged")
_Place = tuple[str, Position]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSpec:
    """A part of a set."""

    name: str
    tags: tuple[_Place, ...]
    """Events with one of them belong to it; none are all events."""
    topics: tuple[_Place, ...]
    """Names with ``*``; none are all topics."""
    include: tuple[_Place, ...]
    """Files that belong to no other profile unless it includes them too."""
    untagged: bool
    """Whether events without tags belong to it."""

    def keeps_topic(self, topic: str) -> bool:
        """Whether a topic belongs to the profile."""
        return not self.topics or any(fnmatchcase(topic, text) for text, _ in self.topics)

    def keeps_event(self, tags: Iterable[str]) -> bool:
        """Whether an event with these tags belongs to the profile, if its topic does."""
        if not self.tags:
            return True
        own = set(tags)
        return any(text in own for text, _ in self.tags) if own else self.untagged

    def groups(self, groups: Iterable[GroupSpec]) -> list[GroupSpec]:
        """Return the groups with their offsets in the topics of the profile."""
        found = []
        for group in groups:
            offsets = tuple(one for one in group.offsets if self.keeps_topic(one.topic))
            if offsets or not group.offsets:
                found.append(replace(group, offsets=offsets))
        return found


def read_profiles(fields: FieldReader, problems: ProblemList) -> dict[str, ProfileSpec]:
    """Return the profiles of a set by their names."""
    mapping = fields.mapping("profiles")
    if mapping is None:
        return {}
    found = {}
    for name, entry in mapping.entries.items():
        profile = fields.as_mapping(entry.value, f"the profile {quoted(name)}")
        if profile is None:
            continue
        inner = FieldReader(profile, f"the profile {quoted(name)}", _PROFILE_FIELDS, problems)
        untagged = inner.boolean("untagged")
        found[name] = ProfileSpec(
            name=name,
            tags=tuple(inner.texts("tags", or_one=True)),
            topics=tuple(inner.texts("topics", or_one=True)),
            include=tuple(inner.texts("include", or_one=True)),
            untagged=True if untagged is None else untagged,
        )
    return found


def chosen_profile(
    profiles: Mapping[str, ProfileSpec], name: str | None, at: Position, problems: ProblemList
) -> ProfileSpec | None:
    """Return the profile of a name; an unknown one is reported.

    Args:
        profiles: those of the set.
        name: the one that is asked for; ``None`` for the whole set.
        at: where the set says which profiles it has.
        problems: where mistakes go.
    """
    if name is None or name in profiles:
        return None if name is None else profiles[name]
    problems.add(
        at,
        f"the set has no profile {quoted(name)}",
        did_you_mean(name, profiles) if profiles else "add it under profiles",
    )
    return None


def check_profile(
    profile: ProfileSpec, topics: Sequence[str], tags: Iterable[str], problems: ProblemList
) -> None:
    """Report tags and topics of a profile that nothing has.

    Args:
        profile: one of the set.
        topics: the names of all topics that are loaded.
        tags: the tags of all events that are loaded.
        problems: where mistakes go.
    """
    known = set(tags)
    for text, position in profile.tags:
        if text not in known:
            problems.add(
                position,
                f"no event has the tag {quoted(text)}",
                did_you_mean(text, known) if known else "give events tags, or remove it",
            )
    for text, position in profile.topics:
        if not any(fnmatchcase(topic, text) for topic in topics):
            problems.add(
                position,
                f"no topic is called {quoted(text)}",
                did_you_mean(text, topics) if topics else "add it under topics",
            )
