"""Consumer group at one moment, with all that the causes of its being stuck are told from.

What a cluster cannot tell is ``None`` or empty, so that the same causes are found, as far as they
can be, on a cluster that is not ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fakebus.broker.activity import Activity
from fakebus.broker.fault import Fault
from fakebus.broker.fetch_positions import Beginning, FetchStream
from fakebus.broker.groups.history import CommitPoint, Search
from fakebus.lineage.transactions import OpenTransaction
from fakebus.lineage.why.cause import place_name
from fakebus.types import TopicPartition

STABLE = "Stable"
EMPTY = "Empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Program that a client belongs to, as far as the cluster tells."""

    client_id: str = ""
    service: str | None = None
    process: Mapping[str, Any] | None = None
    """Its pid, command and directory."""
    address: str = ""
    """Where it is; empty if that is not known."""
    is_idle: bool = False
    """Whether it is connected, and has to do with nothing but one group."""
    is_gone: bool = False
    """Whether all of its connections are closed."""

    def facts(self) -> dict[str, object]:
        """Return what evidence says of it."""
        return {"client_id": self.client_id, "service": self.service, "process": self.process}


UNKNOWN = Program()


class GroupEvent(NamedTuple):
    """Event in the life of a group."""

    at_ms: int
    verb: str
    """``joined``, ``was assigned``, ``left``, ``expelled``, ``commit refused``, of members; and
    ``rebalancing``."""
    member_id: str = ""
    detail: str = ""
    """The reason, or the name of the error."""
    program: Program = UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Member of a group."""

    member_id: str
    program: Program
    host: str
    topics: frozenset[str] | None = None
    """What it subscribes to; ``None`` if that is not known."""
    partitions: tuple[TopicPartition, ...] = ()
    is_missing: bool = False
    """Whether a rebalance under way waits for it."""
    silent_ms: int | None = None
    """How long ago something was heard of it; ``None`` if that is not known."""
    session_timeout_ms: int = 0
    rebalance_timeout_ms: int = 0

    @property
    def client_id(self) -> str:
        """What its client calls itself."""
        return self.program.client_id

    def facts(self) -> dict[str, object]:
        """Return what evidence says of a member."""
        return {"member": self.member_id, "address": self.host} | self.program.facts()


class Shared(NamedTuple):
    """State of a share group in one partition."""

    start: int
    """The first offset that it is not done with."""
    finished: int
    """How many records behind that it is done with."""
    available: int
    """How many records its members could be given now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of a group in one partition."""

    place: TopicPartition
    committed: int | None
    """The next offset to be read; ``None`` if nothing was committed."""
    start: int
    end: int
    """One past the last record."""
    stable_end: int
    """One past the last record that no open transaction can take back."""
    transaction: OpenTransaction | None = None
    """The one that is open there; ``None`` if there is none, or the cluster does not tell."""
    member: Member | None = None
    """The one that it is assigned to."""
    stream: FetchStream | None = None
    """The member's fetches; ``None`` if there are none, or the cluster does not tell."""
    last_stream: FetchStream | None = None
    """The group's newest fetches of which the connection is closed by now."""
    commits: Sequence[CommitPoint] = ()
    """Some of the newest that have moved the offset, oldest first."""
    lost_by: str = ""
    """What has deleted the record at the committed offset, as far as that is noted."""
    beginnings: Sequence[Beginning] = ()
    """Where clients of the group began anew, oldest first."""
    shared: Shared | None = None
    """Of a share group that has begun to read it."""
    given_from: int = -1
    """The first offset behind the committed one that the group is given a record of: markers of
    transactions are no records, and what was aborted is left out; -1 if it is not known."""

    @property
    def name(self) -> str:
        """The partition, as records are named after it."""
        return place_name(self.place)

    @property
    def lag(self) -> int | None:
        """How many records are still to be handled; ``None`` if nothing was committed."""
        if self.committed is None:
            return None
        finished = 0 if self.shared is None else self.shared.finished
        return max(self.end - max(self.committed, self.start) - finished, 0)

    @property
    def is_lost(self) -> bool:
        """Whether the committed offset does not lie in the log any more."""
        return self.committed is not None and not self.start <= self.committed <= self.end

    @property
    def handled_to(self) -> int:
        """The offset up to which the group has nothing to handle any more."""
        if self.committed is not None:
            return max(self.committed, self.start)
        began = -1 if self.stream is None else self.stream.began
        return max(began, self.start)

    @property
    def next_given(self) -> int:
        """Where the next record is that the group is to handle, or where it would be."""
        return max(self.handled_to, self.given_from)

    @property
    def waiting(self) -> int:
        """How many records wait to be handled, also if nothing was committed."""
        return max(self.end - self.next_given, 0)

    @property
    def to_handle(self) -> int | None:
        """How many of the lag can be records; ``None`` if nothing was committed."""
        return None if self.lag is None else min(self.lag, self.waiting)

    @property
    def moved_ms(self) -> int | None:
        """When the committed offset has moved last, as far as that is remembered."""
        return self.commits[-1].at_ms if self.commits else None

    def facts(self) -> dict[str, object]:
        """Return what evidence says of a partition."""
        found: dict[str, object] = {
            "partition": self.name,
            "committed": self.committed,
            "end": self.end,
            "waiting": self.waiting,
        }
        if self.member is not None:
            found |= self.member.facts()
        return found


class InFlight(NamedTuple):
    """Records that a share group has got and not handled."""

    place: TopicPartition
    first: int
    last: int
    deliveries: int
    member_id: str = ""
    """Who has them; empty if they were given back."""
    held_ms: int = 0
    """For how long."""

    @property
    def record(self) -> str:
        """The name of the first one."""
        return f"{place_name(self.place)}@{self.first}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """Group at one moment."""

    name: str
    state: str
    """By Kafka's name: ``Stable``, ``Empty``, ``PreparingRebalance`` and so on."""
    now_ms: int
    since_ms: int | None = None
    """Since when it is in its state; ``None`` if that is not known."""
    members: Sequence[Member] = ()
    partitions: Sequence[Progress] = ()
    """Those that are assigned or have a committed offset, in order."""
    topics: Mapping[str, int] = field(default_factory=dict)
    """All topics of the cluster, and how many records each has."""
    events: Sequence[GroupEvent] = ()
    """What became of it lately, oldest first."""
    missing_topics: Sequence[Activity] = ()
    """Which clients have asked for topics that were not there."""
    faults: Collection[Fault] = ()
    """Faults on purpose that concern it."""
    search: Search | None = None
    """Clients that were told where its coordinator is, and have not come there."""
    sees_fetches: bool = True
    """Whether the cluster tells what clients fetch."""
    shares: bool = False
    """Whether it is a share group, whose members acknowledge records one by one."""
    in_flight: Sequence[InFlight] = ()
    """What was delivered to it and is not handled, in order."""
    given_up: Sequence[InFlight] = ()
    """What nobody of it gets any more, since a record of the partition was accepted last."""
    asked_ms: Mapping[str, int] = field(default_factory=dict)
    """When members of a share group have last waited for records, by member id; of those that are
    connected and have done so."""
    delivery_limit: int = 0
    """How often a record is delivered to it."""

    @property
    def lag(self) -> int | None:
        """How many records are still to be handled; ``None`` if nothing was committed."""
        lags = [each.lag for each in self.partitions if each.lag is not None]
        return sum(lags) if lags else None

    @property
    def to_handle(self) -> int | None:
        """How many of the lag can be records; ``None`` if nothing was committed."""
        found = [each.to_handle for each in self.partitions if each.to_handle is not None]
        return sum(found) if found else None

    @property
    def is_stable(self) -> bool:
        """Whether members have their partitions."""
        return self.state == STABLE

    def by_topic(self) -> dict[str, list[Progress]]:
        """Return the partitions of each topic, in order."""
        found: dict[str, list[Progress]] = {}
        for part in self.partitions:
            found.setdefault(part.place.topic, []).append(part)
        return found

    def newest(self, *verbs: str) -> GroupEvent | None:
        """Return the newest event of some verbs, ``None`` if there is none."""
        return next((each for each in reversed(self.events) if each.verb in verbs), None)

    def ago_ms(self, at_ms: int) -> int:
        """Return how many milliseconds ago something was."""
        return max(self.now_ms - at_ms, 0)
