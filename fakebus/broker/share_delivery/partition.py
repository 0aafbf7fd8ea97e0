"""Delivery of one partition's records to a share group: who has which, and which are done.

What is in flight lies between the *share-partition start offset*, before which everything is
done, and the *end offset*, from which on nothing was delivered yet (KIP-932). Records that are in
the same state stand together in a run, so that a record costs nothing of its own.
"""

from __future__ import annotations

import logging
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from enum import IntEnum
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from fakebus.broker.groups.group import SHARE_STATE_PREFIX
from fakebus.broker.share_delivery.careful import Portion, threshold
from fakebus.broker.share_delivery.runs import (
    NO_BATCH,
    Range,
    RecordState,
    Run,
    cut_undelivered,
    joined_runs,
)
from fakebus.errors import BrokerError, ErrorCode
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicPartition

logger = logging.getLogger("fakebus.broker.groups")


class Acknowledgement(IntEnum):
    """Word of a member about a record that it has, by its number on the wire."""

    GAP = 0
    """There is no record at the offset."""
    ACCEPT = 1
    RELEASE = 2
    REJECT = 3
    RENEW = 4
    """It needs more time (KIP-1222)."""


class AcknowledgedRange(NamedTuple):
    """Range of offsets, with one acknowledgement for all of them or one for each."""

    first: int
    last: int
    types: Sequence[int]

    def pieces(self) -> Iterator[tuple[int, int, Acknowledgement]]:
        """Yield parts of the range that are acknowledged alike."""
        if len(self.types) == 1:
            yield self.first, self.last, Acknowledgement(self.types[0])
            return
        first = self.first
        for index, each in enumerate(self.types):
            offset = self.first + index
            if offset == self.last or self.types[index + 1] != each:
                yield first, offset, Acknowledgement(each)
                first = offset + 1


Mark = tuple[int, list[Run]]
"""What :meth:`SharePartition.roll_back` goes back to."""


class AcquiredRange(NamedTuple):
    """Range of offsets that a member has got, and how often they were delivered by now."""

    first: int
    last: int
    delivery_count: int


class Lock(NamedTuple):
    """Terms on which records are delivered."""

    member_id: str
    due_s: float
    """When it times out, on the monotonic clock."""
    max_deliveries: int


_first, _last = attrgetter("first"), attrgetter("last")
_batch, _deliveries = attrgetter("batch"), attrgetter("deliveries")
_STORED = re.compile(r"(\d{1,19})-(\d{1,19})([adx])(\d{1,5})")


class SharePartition:
    """Records of one partition in flight to a share group.

    Args:
        start_offset: the first offset that the group is not done with.
        stored: what :meth:`encode` returned.

    Raises:
        ValueError: that cannot be read.
    """

    def __init__(self, start_offset: int, stored: str = SHARE_STATE_PREFIX) -> None:
        self.start_offset = start_offset
        self.is_gone = False
        """Whether this is not what counts any more."""
        self.is_read = False
        """Whether a fetch is about to acquire records, which no other one may do meanwhile."""
        self.queue: dict[Callable[[], None], None] = {}
        """Called when that one has come to its end."""
        self.waiting: dict[Callable[[], None], None] = {}
        """Called when records may have become available."""
        self._runs: list[Run] = []
        self._given_up: list[AcquiredRange] = []
        text = stored.removeprefix(SHARE_STATE_PREFIX)
        for part in text.split(",") if text else ():
            found = _STORED.fullmatch(part)
            if found is None or int(found[1]) != self.end_offset or int(found[2]) < int(found[1]):
                raise ValueError(f"{part!r} does not go on at offset {self.end_offset}")
            run = Run(first=int(found[1]), last=int(found[2]), state=RecordState(found[3]))
            run.deliveries, run.batch = int(found[4]), (run.first, run.last)
            self._runs.append(run)

    @classmethod
    def stored(cls, row: OffsetRow) -> SharePartition:
        """Return what was stored as an offset of a group; what cannot be read is left out."""
        try:
            return cls(row.offset, row.metadata)
        except ValueError as error:
            place = TopicPartition(row.topic, row.partition)
            logger.warning("what was delivered of %s to a group is forgotten: %s", place, error)
            return cls(row.offset)

    def encode(self) -> str:
        """Return what is known of records in flight, as it is stored.

        A lock is not kept: whoever has a record when the broker ends loses it.
        """
        kept = joined_runs(
            replace(run, state=RecordState.AVAILABLE, deliveries=run.deliveries - 1, batch=NO_BATCH)
            if run.state is RecordState.ACQUIRED
            else replace(run, batch=NO_BATCH)
            for run in self._runs
        )
        cut_undelivered(kept, -1)
        parts = (f"{run.first}-{run.last}{run.state.value}{run.deliveries}" for run in kept)
        return SHARE_STATE_PREFIX + ",".join(parts)

    def mark(self) -> Mark:
        """Return what is in flight now, for :meth:`roll_back`."""
        return self.start_offset, [replace(run) for run in self._runs]

    def roll_back(self, mark: Mark) -> None:
        """Let all be as it was at a mark: what came since could not be stored."""
        self.start_offset, self._runs = mark

    @property
    def end_offset(self) -> int:
        """One past the last offset that was delivered."""
        return self._runs[-1].last + 1 if self._runs else self.start_offset

    @property
    def next_offset(self) -> int:
        """The first offset that can be acquired; the end offset if nothing was given back."""
        for run in self._runs:
            if run.state is RecordState.AVAILABLE:
                return run.first
        return self.end_offset

    @property
    def has_available(self) -> bool:
        """Whether records were given back that nobody has got since."""
        return self.next_offset < self.end_offset

    @property
    def unfinished(self) -> int:
        """How many records in flight the group is not done with."""
        return sum(run.last - run.first + 1 for run in self.unfinished_runs())

    @property
    def runs(self) -> Sequence[Run]:
        """The records in flight, in order."""
        return tuple(self._runs)

    def unfinished_runs(self) -> Iterator[Run]:
        """Yield the records in flight that the group is not done with, in order."""
        return (run for run in self._runs if not run.state.is_final)

    @property
    def finished(self) -> int:
        """How many records in flight the group is done with."""
        return self.end_offset - self.start_offset - self.unfinished

    def is_done(self, offset: int) -> bool:
        """Whether nobody of the group gets a record any more."""
        return offset < self.start_offset or any(
            run.state.is_final for run in self._between(offset, offset)
        )

    @property
    def next_due_s(self) -> float | None:
        """When the next lock times out, ``None`` if there is none."""
        return min((run.due_s for run in self._locked()), default=None)

    def _locked(self) -> Iterator[Run]:
        return (run for run in self._runs if run.state is RecordState.ACQUIRED)

    def acquire(
        self,
        first: int,
        last: int,
        lock: Lock,
        most: int,
        most_new: int,
        dropped: Iterable[Range],
        ends: Iterable[int] = (),
    ) -> list[AcquiredRange]:
        """Give a member what is available in a range of offsets, and say what it has got.

        Args:
            first: the first offset.
            last: the last one.
            lock: whose and for how long.
            most: how many records it gets.
            most_new: how many records may be in flight from now on that were not.
            dropped: offsets that nobody is to get, of transactions that were aborted and such.
            ends: the last offsets of batches; those behind the last record that the member gets are
                not in flight.
        """
        new = max(first, self.end_offset)
        if last >= new and most_new > 0:
            self._begin(first, last, most_new)
        for begin, end in dropped:
            for run in self._cut_out(begin, end):
                if run.state is RecordState.AVAILABLE:
                    run.state = RecordState.ARCHIVED
        acquired = self._acquire(self._cut_out(first, last), lock, most)
        reached = acquired[-1].last if acquired else last
        cut_undelivered(
            self._runs, min((each for each in ends if each >= reached), default=self.end_offset)
        )
        for run in self._between(new, self.end_offset):
            run.batch = (new, self.end_offset - 1)
        self._tidy()
        return acquired

    def _acquire(self, runs: list[Run], lock: Lock, most: int) -> list[AcquiredRange]:
        """Give a member what is available of some runs, batch by batch."""
        acquired: list[AcquiredRange] = []
        available = (run for run in runs if run.state is RecordState.AVAILABLE)
        for (first, last), of_batch in groupby(available, key=_batch):
            portion, parts = None, list(of_batch)
            if max(map(_deliveries, parts)) >= threshold(lock.max_deliveries):
                if acquired:
                    break
                portion = Portion(last - first + 1, lock.max_deliveries)
            for run in parts:
                count = min(run.last - run.first + 1, most)
                count = count if portion is None else portion.take(count, run.deliveries)
                if count > 0:
                    acquired.append(self._give(run, count, lock))
                    most -= count
                if portion is not None and portion.is_full:
                    break
            if most <= 0 or (portion is not None and acquired):
                break
        return acquired

    def _give(self, run: Run, count: int, lock: Lock) -> AcquiredRange:
        """Give a member the first records of a run, and say what it has got."""
        self._cut_out(run.first, run.first + count - 1)
        run.state, run.member_id, run.due_s = RecordState.ACQUIRED, lock.member_id, lock.due_s
        run.deliveries += 1
        return AcquiredRange(run.first, run.last, run.deliveries)

    def _begin(self, first: int, last: int, most: int) -> None:
        """Let offsets behind the end be in flight, as far as they are in a range."""
        if first > self.end_offset:
            # Where batches are missing that compaction or retention has dropped, nothing is lost.
            gap = Run(first=self.end_offset, last=first - 1, state=RecordState.ARCHIVED)
            self._runs.append(gap)
        end = min(last, self.end_offset + most - 1)
        self._runs.append(Run(first=self.end_offset, last=end))

    def acknowledge(self, ranges: Iterable[AcknowledgedRange], lock: Lock) -> None:
        """Take in what a member says of records that it has; nothing of it if some are wrong.

        Args:
            ranges: what it says, in the order of the offsets.
            lock: whose, and the terms on which locks are renewed.

        Raises:
            BrokerError: INVALID_RECORD_STATE, or INVALID_REQUEST for what was never delivered.
        """
        pieces: list[tuple[int, int, Acknowledgement]] = []
        for each in ranges:
            of_range = [
                (max(first, self.start_offset), last, kind)
                for first, last, kind in each.pieces()
                if last >= self.start_offset
            ]
            behind = max((last for _, last, _ in of_range), default=-1)
            if behind >= self.end_offset:
                raise BrokerError(
                    ErrorCode.INVALID_REQUEST,
                    f"offsets up to {behind} are acknowledged, of which those from "
                    f"{self.end_offset} on were not delivered",
                )
            for first, last, _ in of_range:
                self._check_owner(first, last, lock.member_id)
            pieces += of_range
        for first, last, kind in pieces:
            for run in self._cut_out(first, last):
                if kind is Acknowledgement.RENEW:
                    run.due_s = lock.due_s
                elif kind is Acknowledgement.RELEASE:
                    self._give_back(run, lock.max_deliveries)
                else:
                    accepts = kind is Acknowledgement.ACCEPT
                    self._end(run, RecordState.ACKNOWLEDGED if accepts else RecordState.ARCHIVED)
        self._tidy()

    def _check_owner(self, first: int, last: int, member_id: str) -> None:
        for run in self._between(first, last):
            if run.state is not RecordState.ACQUIRED or run.member_id != member_id:
                raise BrokerError(
                    ErrorCode.INVALID_RECORD_STATE,
                    f"member {member_id} does not have the records from offset "
                    f"{max(first, run.first)} on (any more)",
                )

    def release(self, gives_back: Callable[[Run], bool], max_deliveries: int) -> bool:
        """Take acquired records from their members.

        Args:
            gives_back: tells of which runs.
            max_deliveries: how often a record is delivered.

        Returns:
            Whether there were any.
        """
        found = [run for run in self._locked() if gives_back(run)]
        for run in found:
            self._give_back(run, max_deliveries)
        self._tidy()
        return bool(found)

    def move_start(self, offset: int) -> None:
        """Let nothing be in flight before an offset, where the log begins now."""
        if offset <= self.start_offset:
            return
        self._runs = [run for run in self._runs if run.last >= offset]
        for run in self._runs[:1]:
            run.first = max(run.first, offset)
        self.start_offset = offset
        self._tidy()

    def wake(self, *, gone: bool = False) -> None:
        """Tell those that wait to look again."""
        self.is_gone = self.is_gone or gone
        for wake in tuple(self.waiting):
            wake()

    def _give_back(self, run: Run, max_deliveries: int) -> None:
        if run.deliveries >= max_deliveries:
            self._give_up(run)
        else:
            self._end(run, RecordState.AVAILABLE)

    def _give_up(self, run: Run) -> None:
        self._end(run, RecordState.ARCHIVED)
        self._given_up.append(AcquiredRange(run.first, run.last, run.deliveries))

    def take_given_up(self) -> list[AcquiredRange]:
        """Return what nobody gets any more as it was delivered too often, each once."""
        found, self._given_up = self._given_up, []
        return found

    @staticmethod
    def _end(run: Run, state: RecordState) -> None:
        run.state, run.member_id, run.due_s = state, "", 0.0

    def _between(self, first: int, last: int) -> list[Run]:
        begin = bisect_left(self._runs, first, key=_last)
        return self._runs[begin : bisect_right(self._runs, last, begin, key=_first)]

    def _cut_out(self, first: int, last: int) -> list[Run]:
        """Cut runs at both ends of a range, and return those inside."""
        for offset in (first, last + 1):
            index = bisect_left(self._runs, offset, key=_last)
            if index < len(self._runs) and (run := self._runs[index]).first < offset:
                self._runs.insert(index + 1, replace(run, first=offset))
                run.last = offset - 1
        return self._between(first, last)

    def _tidy(self) -> None:
        """Go on behind what is done, and join what is alike."""
        done = 0
        for run in self._runs:
            if not run.state.is_final:
                break
            self.start_offset, done = run.last + 1, done + 1
        self._runs = joined_runs(self._runs[done:])
