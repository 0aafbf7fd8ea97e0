"""The last part of the way: whether a consumer group gets the records of its topics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from fakebus.cli.diagnosis.clients import ClientView
from fakebus.cli.diagnosis.finding import Finding, fine, problem
from fakebus.cli.diagnosis.watching import EVICT, WATCH_S, Watched, from_earliest
from fakebus.client.connection import Connection
from fakebus.client.groups import (
    REBALANCING,
    GroupDetails,
    GroupPartition,
    group_details,
    list_groups,
)
from fakebus.client.offsets import log_ranges, partitions_of
from fakebus.wording import counted, nearest

PATIENCE_S = 3.0
"""How long a group may rebalance before that is called stuck."""
LOOK_AGAIN_S = 0.3


def check_group(
    connection: Connection,
    name: str,
    topics: Sequence[str],
    look: Callable[[], ClientView | None] = lambda: None,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Finding]:
    """Yield what is to be said of one group.

    Args:
        connection: a cluster that can be reached.
        name: the group as the user gave it.
        topics: the topics that it should read; empty for those it reads.
        look: tells what the bus knows of its clients, if it is one that does.
        pause: waits some seconds, while a group rebalances or its members are watched.

    Raises:
        ClientError: the cluster does not answer.
    """
    group = _settled(connection, name, pause)
    if group is None:
        names = [str(found.group_id) for found in list_groups(connection)]
        yield problem(
            f"there is no group {name!r}; {nearest(name, names)}",
            "a group appears when its first consumer joins: is the consumer running, with this "
            "group.id and this bootstrap address?",
            "consumers that call assign() instead of subscribe() are in no group until they commit",
        )
        return
    watched = None
    if group.members and group.state not in REBALANCING and look() is not None:
        pause(WATCH_S)
        view = look()
        if view is not None:
            watched, group = Watched(group, view), group_details(connection, name) or group
    yield from _members(group)
    wanted = [topic for topic in topics if topic in connection.metadata.topics]
    for topic in wanted:
        yield from _subscription(group, topic)
    yield from _progress(connection, group, wanted, watched)


def _settled(
    connection: Connection, name: str, pause: Callable[[float], None]
) -> GroupDetails | None:
    """Look until the group no longer rebalances, or patience is at an end."""
    group = group_details(connection, name)
    for _ in range(round(PATIENCE_S / LOOK_AGAIN_S)):
        if group is None or group.state not in REBALANCING:
            break
        pause(LOOK_AGAIN_S)
        group = group_details(connection, name)
    return group


def _members(group: GroupDetails) -> Iterator[Finding]:
    members = counted(len(group.members), "member")
    if group.state in REBALANCING:
        yield problem(
            f"group {group.name} is stuck rebalancing ({group.state}, {members}): nobody gets "
            "records until every member has joined again",
            "a member that does not call poll() holds the others up, for at most its "
            "max.poll.interval.ms: look for a consumer that hangs in its own code",
            EVICT,
        )
    elif not group.members:
        yield problem(
            f"group {group.name} has no members: no consumer of it is running",
            "start the consumer; if it runs, compare its group.id and bootstrap address",
            "a consumer that does not call poll() within max.poll.interval.ms is thrown out",
        )
    else:
        yield fine(f"group {group.name} has {members} ({group.state})")
        yield from _idle_members(group)


def _idle_members(group: GroupDetails) -> Iterator[Finding]:
    idle = [member for member in group.members if not member.partitions]
    if not idle:
        return
    assigned = sum(len(member.partitions) for member in group.members)
    names = ", ".join(sorted({member.client_id for member in idle}))
    members = counted(len(group.members), "member")
    yield problem(
        f"group {group.name}: {len(idle)} of {members} have no partition ({names}); all "
        f"members together have {assigned}",
        "a partition goes to one member only: with more members than partitions the rest wait. "
        "Stop some, or create the topic with more partitions",
        "with no partitions at all, the subscribed topic does not exist or its name is misspelt",
        "consumers that should all see every record need a group.id each",
    )


def _subscription(group: GroupDetails, topic: str) -> Iterator[Finding]:
    reads = sorted({partition.topic for member in group.members for partition in member.partitions})
    if group.members and group.state not in REBALANCING and topic not in reads:
        yield problem(
            f"group {group.name} does not read {topic}; it reads {', '.join(reads) or 'nothing'}",
            f"subscribe the consumer to {topic}: the name must be exactly this",
            "are two different applications using the same group.id? Give each its own",
        )


def _progress(
    connection: Connection, group: GroupDetails, topics: Sequence[str], watched: Watched | None
) -> Iterator[Finding]:
    known = {found.topic_partition: found for found in group.partitions}
    silent = [topic for topic in topics if not any(part.topic == topic for part in known)]
    for topic in silent:
        logs = log_ranges(connection, partitions_of(connection, [topic]))
        yield from _never_committed(group.name, topic, sum(log.records for log in logs.values()))
    relevant = [
        part for part in group.partitions if not topics or part.topic_partition.topic in topics
    ]
    for topic in dict.fromkeys(part.topic_partition.topic for part in relevant):
        parts = [part for part in relevant if part.topic_partition.topic == topic]
        yield from _topic_progress(group, topic, parts, watched)


def _topic_progress(
    group: GroupDetails, topic: str, partitions: list[GroupPartition], watched: Watched | None
) -> Iterator[Finding]:
    if any(part.log is None for part in partitions):
        yield problem(
            f"group {group.name} has committed offsets for {topic}, which no longer exists",
            "the topic was deleted, or the group is left over from another set of topics",
        )
        return
    yield from _outside(group, topic, partitions)
    causes = list(watched.causes(partitions)) if watched is not None else []
    if causes:
        yield from causes
        return
    uncommitted = sum(
        part.log.records for part in partitions if part.committed is None and part.log
    )
    if uncommitted:
        yield from _never_committed(group.name, topic, uncommitted)
    lag = sum(part.lag or 0 for part in partitions)
    if lag:
        yield _lagging(group, topic, lag)
    elif not uncommitted and any(part.committed is not None for part in partitions):
        yield fine(
            f"group {group.name} has read {topic} to the end; it sees only what comes next. To "
            f"read all again, stop it and run  fakebus groups {group.name} --reset {topic}=earliest"
        )


def _outside(
    group: GroupDetails, topic: str, partitions: list[GroupPartition]
) -> Iterator[Finding]:
    """Yield committed offsets that no longer lie in the log."""
    for part in partitions:
        if part.committed is None or part.log is None:
            continue
        if part.committed > part.log.end:
            why = f"the log ends at {part.log.end}: was the topic deleted and made anew?"
        elif part.committed < part.log.start:
            why = f"the log begins at {part.log.start}: the records before were deleted"
        else:
            continue
        yield problem(
            f"group {group.name} has committed {part.committed} for {part.topic_partition}, but "
            f"{why}",
            "the client goes on where its auto.offset.reset says; the usual default, latest, "
            "skips what is there",
            f"put it right:  fakebus groups {group.name} --reset {topic}=earliest",
        )


def _never_committed(group: str, topic: str, records: int) -> Iterator[Finding]:
    if records:
        yield problem(
            f"group {group} has committed nothing for {topic}, where "
            f"{counted(records, 'record')} {'is' if records == 1 else 'are'}",
            *from_earliest(group, topic),
            "if the consumer does get records: does it commit? See enable.auto.commit",
        )


def _lagging(group: GroupDetails, topic: str, lag: int) -> Finding:
    records = f"{counted(lag, 'record')} {'waits' if lag == 1 else 'wait'}"
    if not group.members:
        return problem(
            f"group {group.name}: {records} in {topic}", "start the consumer; nobody reads them now"
        )
    return problem(
        f"group {group.name} lags behind: {records} in {topic}",
        "run this again: if the number falls, the consumer is only busy (most clients commit "
        "every 5 seconds)",
        "if it does not fall, the consumer hangs, fails on a record and tries it for ever, or "
        f"does not commit:  fakebus groups {group.name}",
    )
