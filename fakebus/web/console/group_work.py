"""What members of share groups have in flight, and what those of Streams groups run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from fakebus.broker.broker import Broker
from fakebus.broker.groups.group import SHARE, STREAMS
from fakebus.broker.groups.streams.topology import TaskId
from fakebus.client.groups import GroupDetails
from fakebus.types import TopicPartition

_MOST_RUNS = 500


class InFlight(NamedTuple):
    """Run of records in flight to a share group that are in one state."""

    place: TopicPartition
    first: int
    last: int
    state: str
    """``available``, ``acquired``, ``acknowledged`` or ``archived``, as KIP-932 calls them."""
    deliveries: int
    member: str
    """Client id, or member id, of who has acquired them."""
    left_s: float | None
    """Until the lock times out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedWork:
    """Records in flight to a share group."""

    runs: Sequence[InFlight] = ()
    counts: dict[str, int] = field(default_factory=dict)
    """How many records are in each state."""
    left: int = 0
    """Runs that are not among them."""
    delivery_limit: int = 0


def shared_work(broker: Broker, group: GroupDetails) -> SharedWork | None:
    """Return what a share group has in flight; ``None`` for other groups."""
    if group.kind != SHARE:
        return None
    names = {each.member_id: each.client_id or each.member_id for each in group.members}
    all_ = [
        (place, run)
        for place, partition in broker.shares.in_flight(group.name).items()
        for run in partition.runs
    ]
    counts: dict[str, int] = {}
    for _, run in all_:
        name = run.state.name.lower()
        counts[name] = counts.get(name, 0) + run.last - run.first + 1
    now_s = broker.clock.monotonic()
    return SharedWork(
        runs=[
            InFlight(
                place,
                run.first,
                run.last,
                run.state.name.lower(),
                run.deliveries,
                names.get(run.member_id, run.member_id),
                max(run.due_s - now_s, 0) if run.member_id else None,
            )
            for place, run in islice(all_, _MOST_RUNS)
        ],
        counts=counts,
        left=max(len(all_) - _MOST_RUNS, 0),
        delivery_limit=broker.shares.config_of(group.name).get_int("share.delivery.count.limit"),
    )


class MemberTasks(NamedTuple):
    """Tasks of one member of a Streams group, as Kafka Streams writes them: ``0_1``."""

    client_id: str
    process_id: str
    active: Sequence[str]
    standby: Sequence[str]
    revoking: Sequence[str]
    """Those that it is to give up, and still runs."""


class Part(NamedTuple):
    """Subtopology of a Streams application."""

    name: str
    tasks: int
    reads: Sequence[str]
    writes: Sequence[str]
    """Its repartition topics; what else it writes only the application knows."""
    changelogs: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsWork:
    """Tasks of a Streams group, and the topology that they follow from."""

    members: Sequence[MemberTasks]
    parts: Sequence[Part]
    waiting: Sequence[str]
    """Tasks that no member runs."""
    problem: str
    """Why the tasks cannot be given out."""


def streams_work(broker: Broker, group: GroupDetails) -> StreamsWork | None:
    """Return what the members of a Streams group run; ``None`` for other groups."""
    found = broker.group_coordinator.streams_group(group.name)
    if group.kind != STREAMS or found is None:
        return None
    running = {
        task for each in found.members.values() for task in each.tasks.active | each.revoking.active
    }
    every = (TaskId(name, n) for name, size in found.configured.tasks.items() for n in range(size))
    status = found.configured.status
    return StreamsWork(
        members=[
            MemberTasks(
                each.client_id,
                each.process_id,
                list(_names(each.tasks.active)),
                list(_names(each.tasks.standby)),
                list(_names(each.revoking.active)),
            )
            for each in found.members.values()
        ],
        parts=[
            Part(
                each.subtopology_id,
                found.configured.tasks.get(each.subtopology_id, 0),
                each.sources,
                each.repartition_sinks,
                [topic.name for topic in each.changelogs],
            )
            for each in (found.topology.subtopologies if found.topology is not None else ())
        ],
        waiting=list(_names(task for task in every if task not in running)),
        problem="" if status is None else status.detail,
    )


def _names(tasks: Iterable[TaskId]) -> Iterator[str]:
    return (f"{task.subtopology_id}_{task.partition}" for task in sorted(tasks))
