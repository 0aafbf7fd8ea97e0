"""The states of a classic group, and which may follow which."""

from __future__ import annotations

from enum import Enum


class GroupState(Enum):
    """State of a group in its rebalance; the value is the name that clients are told."""

    EMPTY = "Empty"
    """No members; there may be committed offsets."""
    PREPARING_REBALANCE = "PreparingRebalance"
    """Members are to join; JoinGroup requests wait until all have, or the time is up."""
    COMPLETING_REBALANCE = "CompletingRebalance"
    """The members are fixed; SyncGroup requests wait for the leader's assignment."""
    STABLE = "Stable"
    """Every member can get its assignment."""
    DEAD = "Dead"
    """The group is deleted; nothing may change any more."""


PREDECESSORS = {
    GroupState.EMPTY: frozenset({GroupState.PREPARING_REBALANCE}),
    GroupState.PREPARING_REBALANCE: frozenset(
        {GroupState.EMPTY, GroupState.COMPLETING_REBALANCE, GroupState.STABLE}
    ),
    GroupState.COMPLETING_REBALANCE: frozenset({GroupState.PREPARING_REBALANCE}),
    GroupState.STABLE: frozenset({GroupState.COMPLETING_REBALANCE}),
    GroupState.DEAD: frozenset(GroupState),
}
"""For each state, the states that it may follow."""
