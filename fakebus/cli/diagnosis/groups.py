"""The last part of the way: whether a consumer group gets the records of its topics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fakebus.cli.diagnosis.finding import Finding, fine, note, problem
from fakebus.client.connection import Connection
from fakebus.client.groups import REBALANCING, GroupDetails, group_details, list_groups
from fakebus.client.offsets import log_ranges, partitions_of
from fakebus.lineage.why.cause import COMMIT_MS, EARLIEST, reset_command
from fakebus.wording import counted, nearest

LOOK_AGAIN_S = 1.0
Why = Mapping[str, Any]
"""What ``fakebus why --json`` prints."""


def check_group(
    connection: Connection,
    name: str,
    topics: Sequence[str],
    why: Callable[[], Why | None],
) -> Iterator[Finding]:
    """Yield what is to be said of one group.

    Args:
        connection: a cluster that can be reached.
        name: the group as the user gave it.
        topics: the topics that it should read; empty for those it reads.
        why: what ``fakebus why`` says of the group; ``None`` if there is none.

    Raises:
        ClientError: the cluster does not answer.
    """
    told, group = why(), group_details(connection, name)
    if told is None or (group is None and told["well"]):
        names = [str(found.group_id) for found in list_groups(connection)]
        yield problem(
            f"there is no group {name!r}; {nearest(name, names)}",
            "a group appears when its first consumer joins: is the consumer running, with this "
            "group.id and this bootstrap address?",
            "consumers that call assign() instead of subscribe() are in no group until they commit",
        )
        return
    if group is not None and group.members:
        yield fine(f"group {name} has {counted(len(group.members), 'member')} ({group.state})")
    for cause in told["causes"]:
        # A group that is only slow gets on.
        say = note if cause["code"] == "slow" else problem
        yield say(cause["text"], *cause["remedies"])
    if group is not None:
        wanted = [topic for topic in topics if topic in connection.metadata.topics]
        yield from _subscriptions(group, wanted)
        # Members without a partition do not keep the others from reading.
        is_well = all(cause["code"] == "idle_members" for cause in told["causes"])
        yield from _progress(connection, group, wanted, is_well=is_well)


def watched(
    connection: Connection,
    name: str,
    why: Callable[[], Why | None],
    pause: Callable[[float], None] = time.sleep,
) -> Why | None:
    """Return what is said of a group; where records wait, when it has moved or had time to.

    What has just begun to hang shows only by what does not happen within some seconds.

    Args:
        connection: the cluster.
        name: of the group.
        why: what is said of it at a moment.
        pause: waits some seconds.
    """
    told, first = why(), group_details(connection, name)
    for _ in range(round(COMMIT_MS / 1000 / LOOK_AGAIN_S) + 1):
        if told is None or not told["well"] or group_details(connection, name) != first:
            break
        if not _waits(first):
            break
        pause(LOOK_AGAIN_S)
        told = why()
    return told


def _waits(group: GroupDetails | None) -> bool:
    """Whether records wait for members of a group."""
    return group is not None and any(
        part.member is not None
        and part.log is not None
        and bool(part.log.records if part.committed is None else part.lag)
        for part in group.partitions
    )


def _subscriptions(group: GroupDetails, topics: Sequence[str]) -> Iterator[Finding]:
    if not group.members or group.state in REBALANCING:
        return
    reads = sorted({place.topic for member in group.members for place in member.partitions})
    for topic in topics:
        if topic not in reads:
            yield problem(
                f"group {group.name} does not read {topic}; it reads "
                f"{', '.join(reads) or 'nothing'}",
                f"subscribe the consumer to {topic}: the name must be exactly this",
                "are two different applications using the same group.id? Give each its own",
            )


def _progress(
    connection: Connection, group: GroupDetails, topics: Sequence[str], *, is_well: bool
) -> Iterator[Finding]:
    """Yield how far a group is where nothing holds it up, and topics that it knows in vain."""
    known = dict.fromkeys(part.topic_partition.topic for part in group.partitions)
    for topic in topics or known:
        parts = [part for part in group.partitions if part.topic_partition.topic == topic]
        if parts and any(part.log is None for part in parts):
            yield problem(
                f"group {group.name} has committed offsets for {topic}, which no longer exists",
                "the topic was deleted, or the group is left over from another set of topics",
            )
            continue
        logs = log_ranges(connection, partitions_of(connection, [topic])) if not parts else {}
        records = sum(log.records for log in logs.values()) + sum(
            part.log.records for part in parts if part.committed is None and part.log
        )
        lag = sum(part.lag or 0 for part in parts)
        if records and (is_well or not parts):
            yield problem(
                f"group {group.name} has committed nothing for {topic}, where "
                f"{counted(records, 'record')} {'is' if records == 1 else 'are'}",
                *EARLIEST,
                f"or {reset_command(group.name, topic)}",
                "if the consumer does get records: does it commit? See enable.auto.commit",
            )
        elif lag and is_well:
            yield note(
                f"group {group.name} has {counted(lag, 'record')} of {topic} before it, and nothing"
                " was found that would hold it up",
                "run this again: if the number falls, the consumer is only busy (most clients "
                "commit every 5 seconds)",
            )
        elif not lag and parts and is_well:
            yield fine(
                f"group {group.name} has read {topic} to the end; it sees only what comes next. To "
                f"read all again, {reset_command(group.name, topic)}"
            )
