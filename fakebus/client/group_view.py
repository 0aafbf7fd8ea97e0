"""View of a group of any cluster, from outside, and why it is stuck as far as that tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fakebus.broker.groups.history import CommitPoint
from fakebus.client.connection import Connection
from fakebus.client.groups import GroupDetails, group_details
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
        still = [
            part
            for part in group.partitions
            if part.log is not None
            and part.log.end > max(part.committed or 0, part.log.start)
            and len(points[part.topic_partition]) < 2
        ]
        is_settled = group.state in (STABLE.lower(), EMPTY.lower())
        if not group.members or (is_settled and not still) or now_ms() - began_ms > COMMIT_MS:
            break
        pause(_LOOK_AGAIN_S)
    view = _view(connection, group, points, began_ms)
    return explain(view) | {"not_told": list(NOT_TOLD)}


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
                stable_end=part.log.end,
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
