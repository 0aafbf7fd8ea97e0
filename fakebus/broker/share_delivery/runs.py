"""Runs of records in flight to a share group, which stand together as they are in one state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

Range = tuple[int, int]
"""First and last offset."""
NO_BATCH: Range = (0, -1)
"""Of runs that are not compared by what was delivered with them."""


class RecordState(Enum):
    """State of a record; the value is its letter where it is stored."""

    AVAILABLE = "a"
    ACQUIRED = "l"
    """Locked: a member has it, until its lock times out."""
    ACKNOWLEDGED = "d"
    ARCHIVED = "x"
    """Nobody gets it any more: it was rejected, or delivered too often, or is no record."""

    @property
    def is_final(self) -> bool:
        """Whether the group is done with the record."""
        return self in (RecordState.ACKNOWLEDGED, RecordState.ARCHIVED)


@dataclass(slots=True, kw_only=True)
class Run:
    """Run of offsets in one state."""

    first: int
    last: int
    state: RecordState = RecordState.AVAILABLE
    deliveries: int = 0
    member_id: str = ""
    due_s: float = 0.0
    """When the lock times out, on the monotonic clock."""
    batch: Range = NO_BATCH
    """What was first delivered together with it."""

    def continues(self, before: Run) -> bool:
        """Whether it says of its offsets what another run says of those just before."""
        return (self.first - 1, self.state, self.deliveries, self.member_id, self.due_s) == (
            *(before.last, before.state, before.deliveries, before.member_id, before.due_s),
        ) and (self.state.is_final or self.batch == before.batch)


def cut_undelivered(runs: list[Run], end: int) -> None:
    """Leave out behind an offset what no member ever got."""
    while runs and runs[-1].state is RecordState.AVAILABLE and not runs[-1].deliveries:
        if runs[-1].first <= end:
            runs[-1].last = min(runs[-1].last, end)
            return
        runs.pop()


def joined_runs(runs: Iterable[Run]) -> list[Run]:
    """Join runs that say the same."""
    joined: list[Run] = []
    for run in runs:
        if joined and run.continues(joined[-1]):
            joined[-1].last = run.last
        else:
            joined.append(run)
    return joined
