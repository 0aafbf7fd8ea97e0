"""Transactions of one partition's log: which are open, and which were aborted.

The *last stable offset* is where the oldest open transaction begins: what lies behind may still be
taken back. Readers of committed records stop there, and leave out what was aborted before.

Source: KIP-98; Kafka's ProducerStateManager and TransactionIndex.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from fakebus.storage.interface import AbortedTransaction


class _Aborted(NamedTuple):
    """Aborted transaction, and the smallest offset that any with a later marker begins at."""

    transaction: AbortedTransaction
    next_start: int


class LogTransactions:
    """Open and aborted transactions of a log.

    Args:
        aborted: those that are stored, in the order of their markers.
        opened: first offset and producer id of those that are open.
    """

    __slots__ = ("_aborted", "expected", "open")

    def __init__(
        self,
        aborted: Iterable[AbortedTransaction] = (),
        opened: Iterable[tuple[int, int]] = (),
    ) -> None:
        self.open = dict(sorted(opened))
        """Producer ids by first offset, in that order: batches begin one behind the other."""
        self.expected: dict[int, bool] = {}
        """Producers that the coordinator lets begin a transaction in this log.

        And whether their first sequence number has to be 0.
        """
        self._aborted: list[_Aborted] = []
        known = list(aborted)
        # What is aborted later is open now, or begins behind the last marker.
        next_start = self.first_unstable_offset(known[-1].last_offset + 1 if known else 0)
        for each in reversed(known):
            self._aborted.append(_Aborted(each, next_start))
            next_start = min(next_start, each.first_offset)
        self._aborted.reverse()

    def end(self, producer_id: int, first_offset: int, marker_offset: int, *, abort: bool) -> None:
        """Note that the marker of a transaction is stored, be there records of it or not."""
        if self.open.pop(first_offset, None) is not None and abort:
            aborted = AbortedTransaction(producer_id, first_offset, marker_offset)
            self._aborted.append(_Aborted(aborted, self.first_unstable_offset(marker_offset + 1)))

    def first_unstable_offset(self, end: int) -> int:
        """Return where the oldest open transaction begins, ``end`` if that is before it."""
        return min(next(iter(self.open)), end) if self.open else end

    def aborted(self, from_offset: int, upto_offset: int) -> list[AbortedTransaction]:
        """Return the aborted transactions that reach into a range of offsets."""
        found: list[AbortedTransaction] = []
        place = bisect_left(
            self._aborted, from_offset, key=lambda each: each.transaction.last_offset
        )
        for index in range(place, len(self._aborted)):
            transaction, next_start = self._aborted[index]
            if transaction.first_offset < upto_offset:
                found.append(transaction)
            if next_start >= upto_offset:
                break
        return found

    def forget_before(self, offset: int) -> None:
        """Forget aborted transactions that lie wholly before the log's new start."""
        del self._aborted[
            : bisect_left(self._aborted, offset, key=lambda each: each.transaction.last_offset)
        ]

    def up_to(self, offset: int) -> LogTransactions:
        """Return what is known of the log when it is cut off at an offset."""
        return LogTransactions(
            (each for each, _ in self._aborted if each.last_offset < offset),
            ((first, producer_id) for first, producer_id in self.open.items() if first < offset),
        )
