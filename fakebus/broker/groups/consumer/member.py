"""A member of a consumer group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from fakebus.broker.groups.requests import GroupProtocol
from fakebus.broker.groups.sessions import Session
from fakebus.clock import Timer
from fakebus.types import TopicIdPartition

Epochs = Mapping[TopicIdPartition, int]
"""Partitions, each with the epoch at which the member got it."""

AWAY_EPOCH = -2
"""Member epoch of a static member that has left for a while."""


class MemberState(Enum):
    """State of a member on its way to its share of the target assignment."""

    STABLE = "stable"
    UNREVOKED = "unrevoked"
    """It has not yet said that it gave up what it was asked to."""
    UNRELEASED = "unreleased"
    """What it is to get is still with others."""


class ClassicSide(NamedTuple):
    """Classic protocol of a member that speaks it in a consumer group."""

    session_timeout_ms: int
    protocols: tuple[GroupProtocol, ...]


@dataclass(slots=True, eq=False, kw_only=True)
class ConsumerMember:
    """One consumer, as the group knows it."""

    member_id: str
    session: Session
    """Passes when nothing was heard of the member for too long."""
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    session_timeout_ms: int = 0
    rebalance_timeout_ms: int = -1
    topics: frozenset[str] = frozenset()
    regex: str = ""
    assignor: str | None = None
    epoch: int = 0
    previous_epoch: int = 0
    """The member may come with it once more: the answer with the new one may have been lost."""
    state: MemberState = MemberState.STABLE
    assigned: Epochs = field(default_factory=dict)
    revoking: Epochs = field(default_factory=dict)
    """What it is to give up, and owns until it says that it has."""
    connection: object | None = None
    """The connection of its last heartbeat."""
    classic: ClassicSide | None = None
    """For members that join with JoinGroup."""
    timer: Timer | None = None
    """Runs while it has to give up partitions, or to join or sync again."""

    def advance(self, epoch: int) -> None:
        """Go on to an epoch, or stay in it."""
        self.previous_epoch, self.epoch = self.epoch, epoch

    def stop_timers(self) -> None:
        """Do not wait for the member any more."""
        self.session.cancel()
        self.stop_timer()

    def stop_timer(self) -> None:
        """Do not wait any more for what it has to do."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
