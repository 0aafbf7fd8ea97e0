"""Why a group's records are not committed, told from what a fakebus knows of its members."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fakebus.cli.diagnosis.clients import ClientView
from fakebus.cli.diagnosis.finding import Finding, note, problem
from fakebus.client.groups import GroupDetails, GroupPartition
from fakebus.client.offsets import LogRange
from fakebus.wording import counted

WATCH_S = 1.2
"""How long members are watched; clients fetch at least twice a second."""
EVICT = (
    "a consumer that was killed counts as a member until its session.timeout.ms is over: wait, or "
    "let consumers call close(). On a fakebus members can go with their connection:  fakebus up "
    "--set fakebus.evict.on.disconnect=true"
)
_SOON = (
    "run this again after some seconds: if the offset moves, the consumer only waits for its next "
    "commit (most clients commit every 5 seconds)"
)


def from_earliest(group: str, topic: str) -> tuple[str, ...]:
    """Return what to do if a group is to read what was there before it."""
    return (
        "a group that has committed nothing begins where its client's auto.offset.reset says, and "
        "the usual default is latest: only what is written after the consumer has joined. Set "
        "auto.offset.reset=earliest in the consumer",
        "or let the broker decide for every new group (fakebus only):  fakebus up --set "
        "fakebus.new.groups=earliest",
        f"or stop the consumer and run  fakebus groups {group} --reset {topic}=earliest",
    )


class Watched(NamedTuple):
    """Group whose members were watched for ``WATCH_S``."""

    before: GroupDetails
    view: ClientView
    """What the bus told afterwards."""

    def causes(self, parts: Sequence[GroupPartition]) -> Iterator[Finding]:
        """Yield why records of one topic are not committed, each reason only once.

        Args:
            parts: the group's progress in the topic, as it is after the watch.
        """
        told = set[str]()
        for part in parts:
            if part.log is None or part.member is None:
                continue
            if part.log.records if part.committed is None else part.lag:
                reason, finding = self._cause(part, part.member.client_id, part.log)
                if reason not in told:
                    told.add(reason)
                    yield finding

    def _cause(self, part: GroupPartition, client: str, log: LogRange) -> tuple[str, Finding]:
        place, committed, group = part.topic_partition, part.committed, self.before.name
        position = self.view.positions.get((client, place))
        start = self.view.starts.get((client, group, place))
        earlier = {each.topic_partition: each.committed for each in self.before.partitions}
        if committed is not None and committed != earlier.get(place):
            text = f"group {group} is busy: its offset in {place} moves, and is {committed} now"
            return "busy", note(f"{text}; the log ends at {log.end}")
        if position is None:
            return "silent", problem(
                f"group {group} hangs: {client} has {place}, and has not fetched anything from it "
                f"for {WATCH_S:g} s",
                "look for what holds the consumer up in its own code: it does not call poll(), or "
                "has paused the partition",
                EVICT,
            )
        began = None if start is None else start.at.offset
        at_end = start is not None and start.reset == "latest" and position == began
        if committed is None and at_end:
            skipped = position - log.start
            return "latest", problem(
                f"group {group} starts at latest: {client} began {place} at its end, offset "
                f"{position}, and {counted(skipped, 'record')} before that "
                f"{'is' if skipped == 1 else 'are'} not read",
                *from_earliest(group, place.topic),
            )
        if position > (log.start if committed is None else committed):
            return _uncommitted(part, client, group, position, began)
        return "stuck", problem(
            f"group {group} hangs: {client} asks for offset {position} of {place} again and again, "
            f"and the log ends at {log.end}",
            "does the client log that it cannot read the record? Look at it:  fakebus tail "
            f"{place.topic} --partition {place.partition} --from {position} --count 1",
        )


def _uncommitted(
    part: GroupPartition, client: str, group: str, position: int, began: int | None
) -> tuple[str, Finding]:
    place, committed = part.topic_partition, part.committed
    fetched = f"{client} has fetched {place} up to {position}"
    if committed is None or committed == began:
        since = "nothing" if committed is None else f"nothing since it began at {committed}"
        return "uncommitted", problem(
            f"group {group} does not commit: {fetched}, and has committed {since}",
            _SOON,
            "set enable.auto.commit=true in the consumer, or let it call commit() when it has "
            "processed a record",
            "or it hangs in its own code with the first record",
        )
    return "stopped", problem(
        f"group {group} hangs: {fetched}, but its committed offset stays at {committed}",
        _SOON,
        "else the record there takes long, or fails and is tried for ever:  fakebus tail "
        f"{place.topic} --partition {place.partition} --from {committed} --count 1",
    )
