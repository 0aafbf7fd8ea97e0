"""View of a group of any cluster, from outside, and why it is stuck as far as that tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fakebus.broker.groups.history import CommitPoint
from fakebus.client.connection import ClientError, Connection
from fakebus.client.groups import GroupDetails, GroupPartition, group_details
from fakebus.client.offsets import stable_ends
from fakebus.client.reading import Reader
from fakebus.lineage.why.cause import COMMIT_MS
from fakebus.lineage.why.explanation import explain
from fakebus.lineage.why.view import EMPTY, STABLE, GroupView, Member, Program, Progress
from fakebus.real_time import now_ms
from fakebus.types import TopicPartition

NOT_TOLD = (
    "what clients fetch and where they began",
    "what became of members, refused commits and rebalances that are over",
    "who asked for topics that are not there, or for a coordinator that cannot be reached",
    "processes and services of clients",
    "faults on purpose",
)
"""What only a fakebus knows."""
_STATES = {
    "stable": STABLE,
    "empty": EMPTY,
    "preparing_rebalancing": "PreparingRebalance",
    "completing_rebalancing": "CompletingRebalance",
    "assigning": "Assigning",
    "reconciling": "Reconciling",
}
_LOOK_AGAIN_S = 1.0
_MOST_BETWEEN = 1000
"""Offsets before the end that are looked through for a record: behind what transactions leave there
no group commits."""


def explain_from_outside(
    connection: Connection, name: str, pause: Callable[[float], None] = time.sleep
) -> dict[str, Any] | None:
    """Return what is the matter with a group, as far as its cluster tells; ``None`` for no group.

    A group that has members and lags is watched until it commits, for as long as that may take.

    Args:
        connection: to the cluster.
        name: of the group.
        pause: waits some seconds.

    Raises:
        ClientError: the cluster does not tell.
    """
    points: dict[TopicPartition, list[CommitPoint]] = {}
    began_ms = now_ms()
    while True:
        group = group_details(connection, name)
        if group is None:
            return None
        _note(points, group)
        still = [each for each in _behind(group) if len(points[each.topic_partition]) < 2]
        is_settled = group.state in (STABLE.lower(), EMPTY.lower())
        if not group.members or (is_settled and not still) or now_ms() - began_ms > COMMIT_MS:
            break
        pause(_LOOK_AGAIN_S)
    view = _view(connection, group, points, began_ms)
    return explain(view) | {"not_told": list(NOT_TOLD)}


def _behind(group: GroupDetails) -> list[GroupPartition]:
    """Return the partitions in which there are offsets that a group has not come to."""
    return [
        part
        for part in group.partitions
        if part.log is not None and part.log.end > max(part.committed or 0, part.log.start)
    ]


def _given_from(
    connection: Connection, group: GroupDetails, ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Return where the first record is that a group is given, of the partitions it is behind in.

    Without one it is the end of what is committed. Who may not read is told nothing.
    """
    starts = {
        part.topic_partition: max(part.committed, part.log.start)
        for part in _behind(group)
        if part.committed is not None and part.log is not None
    }
    starts = {at: first for at, first in starts.items() if ends[at] - first <= _MOST_BETWEEN}
    found: dict[TopicPartition, int] = {}
    if not starts:
        return found
    try:
        with Reader(connection) as reader:
            for records in reader.read(starts):
                for each in records:
                    found.setdefault(TopicPartition(each.topic, each.partition), each.offset)
                if found.keys() == starts.keys():
                    break
    except ClientError:
        return {}
    return {at: found.get(at, ends[at]) for at in starts}


def _note(points: dict[TopicPartition, list[CommitPoint]], group: GroupDetails) -> None:
    for part in group.partitions:
        known = points.setdefault(part.topic_partition, [])
        if part.committed is None or part.log is None:
            continue
        if not known or known[-1].offset != part.committed:
            known.append(CommitPoint(now_ms(), part.committed, part.log.end))


def _view(
    connection: Connection,
    group: GroupDetails,
    points: Mapping[TopicPartition, Sequence[CommitPoint]],
    began_ms: int,
) -> GroupView:
    members = {
        each.member_id: Member(
            member_id=each.member_id,
            program=Program(client_id=each.client_id),
            host=each.host,
            partitions=each.partitions,
        )
        for each in group.members
    }
    ends = stable_ends(connection, [each.topic_partition for each in _behind(group)])
    given = _given_from(connection, group, ends)
    return GroupView(
        name=group.name,
        state=_STATES.get(group.state, group.state),
        now_ms=now_ms(),
        since_ms=began_ms,
        members=list(members.values()),
        partitions=[
            Progress(
                place=part.topic_partition,
                committed=part.committed,
                start=part.log.start,
                end=part.log.end,
                stable_end=ends.get(part.topic_partition, part.log.end),
                given_from=given.get(part.topic_partition, -1),
                member=None if part.member is None else members[part.member.member_id],
                commits=points[part.topic_partition],
            )
            for part in group.partitions
            if part.log is not None
        ],
        # How many records they have is asked for nothing here.
        topics=dict.fromkeys(connection.metadata.topics, 1),
        sees_fetches=False,
    )
