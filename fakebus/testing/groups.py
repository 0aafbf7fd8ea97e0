"""Consumer groups as tests see them: how far they are, and where their members have begun."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from fakebus.broker.activity import Activity
from fakebus.client.groups import GroupDetails
from fakebus.types import TopicPartition
from fakebus.wording import nearest

Until = Literal["committed", "fetched"]
"""What a group is waited for to have done with every record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionProgress:
    """Progress of a group in one partition."""

    committed: int | None
    """The committed offset, ``None`` if there is none."""
    start: int
    """The log start offset."""
    end: int
    """One past the last record."""
    fetched: int | None = None
    """Up to where its member has fetched it, -1 if it has not; ``None`` if it is not known."""
    member: str = ""
    """The client id of the member that it is assigned to."""

    @property
    def lag(self) -> int:
        """The number of offsets that are still to be committed."""
        return max(0, self.end - max(self.start, self.committed or 0))

    def __str__(self) -> str:
        fetched = "" if self.fetched is None else f"fetched up to {self.fetched}, "
        if self.fetched == -1:
            fetched = "fetched nothing, "
        committed = "nothing" if self.committed is None else f"offset {self.committed}"
        return f"{fetched}committed {committed}, the log ends at {self.end}"

    def is_done(self, until: Until) -> bool:
        """Whether everything is committed, or fetched if that is enough."""
        fetched = self.fetched if until == "fetched" else None
        reached = max(-1 if at is None else at for at in (self.committed, fetched))
        return reached >= self.end or self.end == self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupProgress:
    """A consumer group as it is at some moment."""

    state: str
    members: tuple[str, ...] = ()
    """The members' client ids."""
    partitions: dict[TopicPartition, PartitionProgress] = field(default_factory=dict)
    """All partitions that a member has or that the group has committed."""

    def has_caught_up(self, until: Until) -> bool:
        """Whether there are partitions, and all of them are done."""
        return bool(self.partitions) and all(p.is_done(until) for p in self.partitions.values())


def progress_of(
    details: GroupDetails, fetched: Callable[[str, TopicPartition], int] | None = None
) -> GroupProgress:
    """Return how far a group is.

    Args:
        details: what the cluster tells of it.
        fetched: returns up to where a client has fetched a partition, -1 for nothing; where that
            is known.
    """
    partitions = {}
    for each in details.partitions:
        if each.log is not None:
            place, member = each.topic_partition, each.member
            partitions[place] = PartitionProgress(
                committed=each.committed,
                start=each.log.start,
                end=each.log.end,
                fetched=fetched(member.client_id, place) if fetched and member else None,
                member=member.client_id if member else "",
            )
    return GroupProgress(
        state=details.state.replace("_", " ").capitalize(),
        members=tuple(member.client_id for member in details.members),
        partitions=partitions,
    )


class Start(NamedTuple):
    """Start of a group's member in a partition."""

    at: Activity
    group: str
    reset: str
    """``earliest`` or ``latest`` if the group had committed nothing there, else empty."""

    @property
    def how(self) -> str:
        """What has decided where it is."""
        if not self.reset:
            return "the committed offset"
        return f"{self.reset}, by auto.offset.reset, since nothing was committed"


def starts(activities: Iterable[Activity]) -> Iterator[Start]:
    """Return where members began: where their group had committed, else where they reset to.

    A reset is an offset looked up by a client that was told that nothing is committed. The
    request does not name the group, so it is taken to be for the one that was asked for last.
    """
    uncommitted: dict[tuple[str, str, int], str] = {}
    for each in activities:
        place = each.origin.client_id, each.topic, each.partition
        if each.verb == "found" and each.offset >= 0:
            yield Start(each, each.group, "")
        elif each.verb == "found":
            uncommitted[place] = each.group
        elif each.verb == "looked up" and place in uncommitted:
            yield Start(each, uncommitted.pop(place), each.detail)


def missing_topic(asked: Activity, topics: Iterable[str]) -> str:
    """Return who has asked for a topic that was not there, and what was probably meant."""
    if asked.detail:
        return f"created, as {asked.origin} has asked for it"
    others = (name for name in topics if name != asked.topic)
    return f"asked for by {asked.origin}, but was not there; {nearest(asked.topic, others)}"
