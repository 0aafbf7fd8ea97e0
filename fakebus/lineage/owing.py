"""What a process has committed, and written nothing for yet: how it is seen to commit first.

A service that writes something for each record and commits then has never committed more than it
has written. One that commits before, or whose library does so by a timer while its program is at
the records, always has. Which it is shows only after some commits, as a service may also pass over
records.

Until then it cannot be known of a service that has committed more than it had written by then: it
may have passed some over, or be at them still.

One whose threads, or tasks, are at what was committed long ago, while more is committed, is seen by
this: it writes more than the last commit was of, and still not as much as it has committed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import count as counting

TIMES = 5
"""At so many commits in a row something has to be written late before that is believed."""
MOST_STEPS = 500
"""Of an account that are remembered, as it may turn out to be one with another."""
_turns = counting()


@dataclass(slots=True)
class Owing:
    """Account of what a process writes, against what it commits."""

    owed: int = 0
    """Records of the last commit for which nothing had been written by then."""
    written: int = 0
    """Since the last commit."""
    times: int = 0
    """At how many commits in a row something that was owed has been written later."""
    last: int = 0
    """Records of the last commit."""
    is_unsure: bool = False
    """Whether it has ever written something when it had committed more than it had written."""
    unpaid: int = 0
    """Records committed since it has written last, beyond what it had written before."""
    backlog: int = 0
    """Records committed so far that nothing was written for, if something is for each; below 0 if
    more was written since than was committed."""
    past: deque[tuple[int, int, int]] = field(default_factory=partial(deque, maxlen=MOST_STEPS))
    """In which turn of all processes it has written, and committed (below 0), how much, or was sent
    something again (0), and which of its clients."""

    def write(self, count: int, client: int) -> bool:
        """Note that records are written; return whether that was seen to be late often enough."""
        is_late = self.owed > self.written
        self.is_unsure = self.is_unsure or self.unpaid > 0
        self.unpaid = min(self.unpaid, 0) - count
        self.past.append((next(_turns), count, client))
        self.times += is_late and not self.written
        self.written += count
        self.backlog -= count
        return is_late and self.times >= TIMES

    def send_again(self, client: int) -> None:
        """Note that it is sent what it has not committed once more: it may write twice for it."""
        self.past.append((next(_turns), 0, client))
        self.unpaid = max(self.unpaid, 0)

    def commit(self, count: int, client: int) -> None:
        """Note that so many records are committed that the process was sent."""
        self.past.append((next(_turns), -count, client))
        if not self.written or self.owed <= 0:
            self.times = 0
        # What is written for more than it was sent is no credit for what comes.
        balance = max(self.owed - self.written, -count)
        self.owed, self.written = min(balance + count, count), 0
        self.backlog = max(self.backlog + count, 0)
        self.unpaid += count
        self.last = count

    @property
    def is_behind(self) -> bool:
        """Whether what was written last is due to what was committed before the last commit.

        So it is if the process has committed all that it was sent.
        """
        return (self.backlog >= 0 or self.is_unsure) and self.written > self.last

    def join(self, other: Owing, client: int) -> bool:
        """Take what a client has done for this process's, which stands in another account.

        That may be of several processes, as long as they cannot be told apart; what the others have
        written would be a credit for what this one commits.

        Args:
            other: where it stands.
            client: who was found to belong to this process.

        Returns:
            Whether the process was behind at any time, if it had committed all that it was sent.
        """
        own = [step for step in other.past if step[2] == client]
        if not own:
            return False
        was_behind, steps = False, sorted({*self.past, *own})
        joined = Owing()
        for _, count, by in steps:
            if count > 0:
                joined.write(count, by)
                was_behind = was_behind or joined.is_behind
            elif count:
                joined.commit(-count, by)
            else:
                joined.send_again(by)
        joined.is_unsure = joined.is_unsure or self.is_unsure or other.is_unsure
        joined.past = deque(steps, MOST_STEPS)
        for each in fields(self):
            setattr(self, each.name, getattr(joined, each.name))
        return was_behind
