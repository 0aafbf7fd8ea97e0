"""How records are delivered that were given back often: fewer at a time, the last time alone.

Where one record of a batch fails its consumers, all of the batch comes again and again, and would
be given up together. So from half of the deliveries on a batch is halved with each, and a record
whose last delivery it is comes by itself: what is good is accepted, and what fails is found.

Source: SharePartition of Kafka 4.3.
"""

from __future__ import annotations

FEWEST = 2
"""Deliveries that are as large as they come, at least."""


def threshold(max_deliveries: int) -> int:
    """Return after how many deliveries a batch is divided."""
    return max(FEWEST, -(-max_deliveries // 2))


class Portion:
    """Portion of one batch in flight that a member gets.

    Args:
        size: how many offsets the batch had when it was delivered first.
        max_deliveries: how often a record is delivered.
    """

    def __init__(self, size: int, max_deliveries: int) -> None:
        self._size, self._max_deliveries = size, max_deliveries
        self._most: int | None = None
        self._taken = 0
        self.is_full = False
        """Whether nothing more belongs to it."""

    def take(self, count: int, deliveries: int) -> int:
        """Add records, and return how many of them fit.

        Args:
            count: how many there are.
            deliveries: how often each was delivered until now.
        """
        is_last = deliveries == self._max_deliveries - 1 and self._max_deliveries > FEWEST
        if is_last:
            self.is_full = True
            fits = 0 if self._taken else 1
        else:
            first = threshold(self._max_deliveries)
            if self._most is None and deliveries >= first:
                self._most = max(1, self._size >> (deliveries - first + 1))
            room = count if self._most is None else self._most - self._taken
            # What came before it was divided may be more than that: then there is no end to it.
            fits = min(count, room) if room > 0 else count
            self._taken += fits
            self.is_full = self._taken == self._most
        return fits
