"""Topology of a Streams application: its topics, and the tasks that follow from their sizes.

A task is a partition of a subtopology, which has as many as the largest of its source topics. Sizes
of repartition topics follow from what is written to them, those of changelogs from their
subtopologies. The rules are those of Kafka's ``InternalTopicManager``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from fakebus.broker.topic_names import is_internal, topic_name_problem

MAX_TASKS = 20_000
MAX_NAMES = 4000
"""Names of topics in a topology, with its subtopologies; large applications have a tenth of it."""


class TaskId(NamedTuple):
    """Partition of a subtopology."""

    subtopology_id: str
    partition: int


class StatusCode(IntEnum):
    """Status that members are told, by its number on the wire."""

    STALE_TOPOLOGY = 0
    MISSING_SOURCE_TOPICS = 1
    INCORRECTLY_PARTITIONED_TOPICS = 2
    MISSING_INTERNAL_TOPICS = 3
    SHUTDOWN_APPLICATION = 4
    ASSIGNMENT_DELAYED = 5


class Status(NamedTuple):
    """Status of a group, and what it is about."""

    code: StatusCode
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalTopic:
    """Repartition topic or changelog of an application."""

    name: str
    partitions: int
    """0 where it follows from others."""
    replication_factor: int = 0
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtopology:
    """Part of a topology that is connected to others by topics only."""

    subtopology_id: str
    source_topics: tuple[str, ...]
    repartition_sinks: tuple[str, ...] = ()
    repartition_sources: tuple[InternalTopic, ...] = ()
    changelogs: tuple[InternalTopic, ...] = ()
    copartitioned: tuple[tuple[str, ...], ...] = ()
    """Source topics that have to be of one size."""

    @property
    def sources(self) -> tuple[str, ...]:
        """All topics that it reads."""
        return *self.source_topics, *(topic.name for topic in self.repartition_sources)


SizeOf = Callable[[str], int | None]
"""Gives the number of partitions of a topic, ``None`` if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Subtopologies of an application."""

    epoch: int
    subtopologies: tuple[Subtopology, ...]

    @property
    def source_topics(self) -> frozenset[str]:
        """The topics that are not its own."""
        return frozenset(name for each in self.subtopologies for name in each.source_topics)

    @property
    def is_too_large(self) -> bool:
        """Whether it names more topics than are possible here."""
        count = len(self.subtopologies)
        for each in self.subtopologies:
            count += len(each.sources) + len(each.repartition_sinks) + len(each.changelogs)
            count += sum(map(len, each.copartitioned))
        return count > MAX_NAMES

    def internal_topics(self) -> Iterator[InternalTopic]:
        """Yield the topics that are its own."""
        for each in self.subtopologies:
            yield from (*each.repartition_sources, *each.changelogs)

    def name_problems(self) -> Iterator[str]:
        """Yield why topics that it names cannot be those of an application."""
        for each in self.subtopologies:
            changelogs = (topic.name for topic in each.changelogs)
            for name in (*each.sources, *each.repartition_sinks, *changelogs):
                problem = topic_name_problem(name)
                if problem is None and is_internal(name):
                    problem = f"{name} is a topic of Kafka's own"
                if problem is not None:
                    yield problem

    def sized_changelogs(self) -> Iterator[InternalTopic]:
        """Yield the changelogs that bring a size, which follows from others."""
        return (
            topic for each in self.subtopologies for topic in each.changelogs if topic.partitions
        )

    def encode(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    @classmethod
    def decode(cls, fields: dict[str, Any]) -> Topology:
        """Return what :meth:`encode` has made data of."""
        return cls(
            epoch=fields["epoch"],
            subtopologies=tuple(
                Subtopology(
                    subtopology_id=each["subtopology_id"],
                    source_topics=tuple(each["source_topics"]),
                    repartition_sinks=tuple(each["repartition_sinks"]),
                    repartition_sources=_internal(each["repartition_sources"]),
                    changelogs=_internal(each["changelogs"]),
                    copartitioned=tuple(map(tuple, each["copartitioned"])),
                )
                for each in fields["subtopologies"]
            ),
        )


def _internal(rows: list[dict[str, Any]]) -> tuple[InternalTopic, ...]:
    return tuple(InternalTopic(**row) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredTopology:
    """Topology with the sizes of its topics, as far as they are what they have to be."""

    tasks: Mapping[str, int] = field(default_factory=dict)
    """The number of tasks of each subtopology; of none while something is wrong."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """The sizes of its internal topics, by name."""
    missing: tuple[InternalTopic, ...] = ()
    """What has to be created, with its size."""
    status: Status | None = None
    """What is wrong."""

    @property
    def is_ready(self) -> bool:
        """Whether its tasks can be given out."""
        return self.status is None


class _WrongSizeError(Exception):
    """A topic has not the size that it has to have."""


def configure(topology: Topology, size_of: SizeOf) -> ConfiguredTopology:
    """Find out the tasks of a topology, and what keeps them from being given out.

    Args:
        topology: the topology.
        size_of: gives the sizes of the topics that there are.
    """
    absent = sorted(name for name in topology.source_topics if size_of(name) is None)
    if absent:
        names = ", ".join(absent)
        detail = f"Source topics {names} are missing."
        return ConfiguredTopology(status=Status(StatusCode.MISSING_SOURCE_TOPICS, detail))
    try:
        sizes = _sizes(topology, size_of)
    except _WrongSizeError as wrong:
        return ConfiguredTopology(
            status=Status(StatusCode.INCORRECTLY_PARTITIONED_TOPICS, str(wrong))
        )
    tasks = {
        each.subtopology_id: max((sizes[name] for name in each.sources), default=0)
        for each in topology.subtopologies
    }
    if sum(tasks.values()) > MAX_TASKS:
        detail = f"There are {sum(tasks.values())} tasks; {MAX_TASKS} are possible here."
        status = Status(StatusCode.INCORRECTLY_PARTITIONED_TOPICS, detail)
        return ConfiguredTopology(status=status)
    for each in topology.subtopologies:
        for changelog in each.changelogs:
            sizes[changelog.name] = tasks[each.subtopology_id]
    internal = {topic.name: topic for topic in topology.internal_topics()}
    own = {name: sizes[name] for name in internal}
    for name, size in sorted(own.items()):
        there = size_of(name)
        if there is not None and there != size:
            detail = (
                f"Existing internal topic {name} has invalid partitions: expected: {size}; "
                f"actual: {there}."
            )
            status = Status(StatusCode.INCORRECTLY_PARTITIONED_TOPICS, detail)
            return ConfiguredTopology(sizes=own, status=status)
    missing = tuple(
        InternalTopic(
            name=name,
            partitions=own[name],
            replication_factor=topic.replication_factor,
            configs=topic.configs,
        )
        for name, topic in sorted(internal.items())
        if size_of(name) is None
    )
    if missing:
        detail = "Internal topics are missing: " + ", ".join(topic.name for topic in missing)
        status = Status(StatusCode.MISSING_INTERNAL_TOPICS, detail)
        return ConfiguredTopology(sizes=own, missing=missing, status=status)
    return ConfiguredTopology(tasks=tasks, sizes=own)


def _sizes(topology: Topology, size_of: SizeOf) -> dict[str, int]:
    """Return the sizes of all source topics, also of those that are yet to be created.

    Raises:
        _WrongSizeError: they cannot be what the topology says.
    """
    sizes = {name: size_of(name) or 0 for name in topology.source_topics}
    open_ones: set[str] = set()
    for each in topology.subtopologies:
        for topic in each.repartition_sources:
            if topic.partitions > 0:
                sizes[topic.name] = topic.partitions
            else:
                open_ones.add(topic.name)
    writers: dict[str, list[Subtopology]] = {}
    for each in topology.subtopologies:
        for name in each.repartition_sinks:
            writers.setdefault(name, []).append(each)
    while open_ones:
        found = dict(_written(writers, sizes, open_ones))
        if not found:
            names = ", ".join(sorted(open_ones))
            raise _WrongSizeError(f"Nothing says how many partitions {names} have.")
        sizes |= found
        open_ones -= found.keys()
    for each in topology.subtopologies:
        for group in each.copartitioned:
            _even_out(each, group, sizes)
    return sizes


def _written(
    writers: Mapping[str, Iterable[Subtopology]], sizes: Mapping[str, int], open_ones: Iterable[str]
) -> Iterator[tuple[str, int]]:
    """Yield the sizes of repartition topics all of whose writers have a size."""
    for name in open_ones:
        read = [source for each in writers.get(name, ()) for source in each.sources]
        if read and all(source in sizes for source in read):
            yield name, max(sizes[source] for source in read)


def _even_out(subtopology: Subtopology, group: tuple[str, ...], sizes: dict[str, int]) -> None:
    free = {each.name for each in subtopology.repartition_sources if each.partitions <= 0}
    fixed = {name: sizes[name] for name in group if name not in free}
    if len(set(fixed.values())) > 1:
        found = ", ".join(f"{name}: {size}" for name, size in sorted(fixed.items()))
        problem = "Following topics do not have the same number of partitions"
        raise _WrongSizeError(f"{problem}: {found}")
    size = next(iter(fixed.values()), max(sizes[name] for name in group))
    sizes.update(dict.fromkeys(free.intersection(group), size))
