"""Checks across a whole set: topics against each other, groups and profiles against topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from fnmatch import fnmatchcase
from typing import TypeVar

from fakebus.broker.topic_names import metric_name
from fakebus.fixture_files.problems import ProblemList, did_you_mean, quoted
from fakebus.fixture_files.structure.declarations import Model
from fakebus.fixture_files.structure.lineage_models import Service
from fakebus.fixture_files.structure.models import Group, Offset, Profile, Topic

M = TypeVar("M", bound=Model)


def _once(named: Iterable[tuple[str, M]], said: str, hint: str, problems: ProblemList) -> list[M]:
    """Return the first of each name, after reporting the others."""
    seen: dict[str, M] = {}
    for name, one in named:
        first = seen.setdefault(name, one)
        if first is not one:
            message = f"{said.format(quoted(name))} twice (first in {first.position.where})"
            problems.add(one.position, message, hint)
    return list(seen.values())


def check_topics(topics: Sequence[Topic], problems: ProblemList) -> None:
    """Report topics that exist twice or whose names collide in Kafka's metrics."""
    named = ((topic.name, topic) for topic in topics)
    by_metric_name: dict[str, Topic] = {}
    for topic in _once(named, "the topic {} is defined", "remove one of them", problems):
        other = by_metric_name.setdefault(metric_name(topic.name), topic)
        if other is not topic:
            problems.add(
                topic.position,
                f"the topic names {quoted(topic.name)} and {quoted(other.name)} collide: "
                'Kafka takes "." and "_" for the same',
                "rename one of them",
            )


def check_services(services: Sequence[Service], named: Set[str], problems: ProblemList) -> None:
    """Report services that exist twice, and those whose names look like mistakes.

    Args:
        services: all services of the set that have rules.
        named: the services that its topics and subjects name.
        problems: where mistakes go.
    """
    each = ((one.name, one) for one in services)
    hint = "write all that it is known by in one place"
    described = _once(each, "the service {} is described", hint, problems)
    for service in described:
        hint = did_you_mean(service.name, named - {one.name for one in described})
        if service.name not in named and hint.startswith("did you mean"):
            problems.add(
                service.position,
                f"no topic and no subject names the service {quoted(service.name)}",
                f"{hint} If both exist, describe the other one, too: under services",
            )


def check_groups(
    groups: Sequence[Group],
    topics: Mapping[str, Topic],
    event_counts: Mapping[tuple[str, int], int] | None,
    problems: ProblemList,
) -> None:
    """Report groups that exist twice and offsets that no seeded log has.

    Args:
        groups: all groups of the set.
        topics: all topics by name.
        event_counts: the number of events by topic and partition; ``None`` if it is not
            known.
        problems: where mistakes go.
    """
    named = ((group.group, group) for group in groups)
    _once(named, "the group {} is defined", "write all its offsets in one place", problems)
    for group in groups:
        for offset in group.offsets:
            _check_offset(offset, topics, event_counts, problems)


def _check_offset(
    offset: Offset,
    topics: Mapping[str, Topic],
    event_counts: Mapping[tuple[str, int], int] | None,
    problems: ProblemList,
) -> None:
    topic = topics.get(offset.topic)
    if topic is None:
        problems.add(
            offset.topic_position,
            f"there is no topic {quoted(offset.topic)}",
            did_you_mean(offset.topic, topics) if topics else "add it under topics",
        )
        return
    if offset.partition is not None and offset.partition >= topic.partitions:
        problems.add(
            offset.partition_position,
            f"there is no partition {offset.partition}: {topic.name} has {topic.partitions}",
            f"write a number from 0 to {topic.partitions - 1}",
        )
        return
    if not isinstance(offset.start, int) or event_counts is None:
        return
    wanted = range(topic.partitions) if offset.partition is None else (offset.partition,)
    shortest = min(event_counts.get((topic.name, partition), 0) for partition in wanted)
    if offset.start > shortest:
        where = f"a partition of {topic.name}"
        if offset.partition is not None:
            where = f"{topic.name}-{offset.partition}"
        problems.add(
            offset.start_position,
            f"the offset {offset.start} lies beyond the end of {where}, which is {shortest}",
            'write "latest" for the end',
        )


def check_profile(
    profile: Profile, topics: Sequence[str], tags: Iterable[str], problems: ProblemList
) -> None:
    """Report tags and topics of a profile that nothing has."""
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
