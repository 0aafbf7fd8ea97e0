"""A member of a consumer group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from fakebus.broker.groups.coordinated import CoordinatedMember
from fakebus.broker.groups.requests import GroupProtocol
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
class ConsumerMember(CoordinatedMember):
    """One consumer, as the group knows it."""

    topics: frozenset[str] = frozenset()
    regex: str = ""
    assignor: str | None = None
    state: MemberState = MemberState.STABLE
    assigned: Epochs = field(default_factory=dict)
    revoking: Epochs = field(default_factory=dict)
    """What it is to give up, and owns until it says that it has."""
    classic: ClassicSide | None = None
    """For members that join with JoinGroup."""
