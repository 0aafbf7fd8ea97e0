"""History of one process: which records it had in its hands when it produced another one.

What a broker sees is less than what happened. A client fetches ahead of its program, and commits
before or after it is done, or by a timer; so nothing here guesses. A record that was sent to a
process is a *candidate* for the cause of what the process produces

- from when it was sent,
- until it is committed, and for the time of a window after that, or
- until the same client is sent a newer one after the commit, if that is earlier, and the process is
  not one that commits first: that has produced to the topic while it had nothing else in its hands.

All candidates are told, and how many there are where they are too many to be told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice, pairwise

from fakebus.broker.activity import READ_UNCOMMITTED
from fakebus.storage.lineage_interface import NoteRow

SENT, COMMITTED, SKIPPED, PRODUCED = "fetched", "committed", "skipped", "produced"
VERBS = (SENT, COMMITTED, SKIPPED, PRODUCED)
_PASSED = (COMMITTED, SKIPPED)
"""A commit of what nobody seemed to have been sent is one of what was sent before it was known that
two connections belong to one process."""
WINDOW_MS = 1000


@dataclass(frozen=True)
class Candidates:
    """Candidates for the cause of a record: ranges of offsets that a process was sent."""

    ranges: tuple[SentRange, ...]
    """The oldest first."""

    @cached_property
    def count(self) -> int:
        """How many records they are."""
        return sum(sent.last - sent.first + 1 for sent in self.ranges)

    def holds(self, topic: str, partition: int, offset: int) -> bool:
        """Whether a record is one of them."""
        for sent in self.ranges:
            if sent.first <= offset <= sent.last:
                if sent.partition == partition and sent.topic == topic:
                    return True
        return False

    def place_of(self, topic: str, partition: int, offset: int) -> int:
        """Return where one of them stands in the order in which they were sent, from 0."""
        before = 0
        for sent in self.ranges:
            is_there = (sent.topic, sent.partition) == (topic, partition)
            if is_there and sent.first <= offset <= sent.last:
                return before + offset - sent.first
            before += sent.last - sent.first + 1
        return before

    @property
    def passed(self) -> int:
        """How many that were sent together with the oldest of them are none any more."""
        return self.ranges[0].passed if self.ranges else 0

    def begin_around(self, turn: int, most: int) -> int:
        """Return where those begin that stand around a place; for neighbours often the same.

        Args:
            turn: the place, from 0, in the order in which they were sent.
            most: how many are wanted.
        """
        step = max(1, most // 4)
        return max(0, min((turn - most // 2) // step * step, self.count - most))

    def some(self, begin: int, most: int) -> list[tuple[str, int, int]]:
        """Return topic, partition and offset of some, in the order in which they were sent.

        Args:
            begin: the place of the first one in this order.
            most: how many; there may be fewer.
        """
        left = begin
        found: list[tuple[str, int, int]] = []
        for sent in self.ranges:
            count = sent.last - sent.first + 1
            if left >= count:
                left -= count
                continue
            first, left = sent.first + left, 0
            last = min(sent.last, first + most - len(found) - 1)
            found += [(sent.topic, sent.partition, at) for at in range(first, last + 1)]
        return found


@dataclass(slots=True)
class SentRange:
    """Records of a partition that a client was sent together, and what it has committed of them."""

    topic: str
    partition: int
    first: int
    last: int
    client: int
    group: str
    """The group that it was sent for, as far as that is known."""
    at_ms: int
    waits_for: frozenset[str] = frozenset()
    """The groups that the client commits the partition for and has not yet."""
    committed_ms: int | None = None
    is_followed: bool = False
    """Whether the client was sent a newer one after the commit."""
    passed: int = 0
    """How many records that were sent together with it came before it."""
    sees_aborted: bool = False
    """Whether the client is given what transactions have taken back."""


@dataclass(slots=True)
class History:
    """History of a process.

    Args:
        notes: what its clients did, in order.
        window_ms: for how long a committed record may still be the cause of another one.
        late: the clients that commit first, and the topics that they write to.
    """

    notes: Sequence[NoteRow]
    window_ms: int = WINDOW_MS
    late: Collection[tuple[int, str]] = ()
    _groups: dict[tuple[int, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        for note in self.notes:
            if note.verb in _PASSED:
                self._groups[note.client, note.topic].add(note.group)

    def candidates(self, since_seq: int = 0) -> Iterator[tuple[NoteRow, Candidates]]:
        """Yield each note of what was produced with the candidates for its cause.

        Args:
            since_seq: the first note that counts; others of several records may go on after it.
        """
        in_flight: list[SentRange] = []
        for at, note in enumerate(self.notes):
            if note.verb == SENT:
                in_flight = self._sent(in_flight, note)
            elif note.verb in _PASSED:
                self._commit(in_flight, note)
            elif note.verb == PRODUCED and (note.seq >= since_seq or note.at_ms < note.until_ms):
                yield note, self._candidates(in_flight, at, note)

    def _sent(self, in_flight: list[SentRange], note: NoteRow) -> list[SentRange]:
        if note.first > note.last:
            return in_flight
        groups = {note.group} if note.group else self._groups.get((note.client, note.topic), ())
        client, group, topic, partition = note.client, note.group, note.topic, note.partition
        kept = []
        # Each note is held against all that is in flight.
        for sent in in_flight:
            if sent.client == client and sent.group == group:
                if sent.committed_ms is None:
                    is_again = note.first <= sent.first and sent.last <= note.last
                    if is_again and (sent.topic, sent.partition) == (topic, partition):
                        continue
                elif not self.late or note.at_ms - sent.committed_ms > self.window_ms:
                    continue
                else:
                    sent = replace(sent, is_followed=True)
            kept.append(sent)
        where = topic, partition, note.first, note.last
        sent = SentRange(*where, client, group, note.at_ms, frozenset(groups))
        sent.sees_aborted = note.detail == READ_UNCOMMITTED
        return [*kept, sent]

    def _candidates(self, in_flight: list[SentRange], at: int, note: NoteRow) -> Candidates:
        is_late = (note.client, note.topic) in self.late
        found = [
            sent
            for sent in in_flight
            if sent.committed_ms is None
            or (note.at_ms - sent.committed_ms <= self.window_ms and is_late >= sent.is_followed)
        ]
        # A note of several records says when the first and the last one came: what was sent
        # in between was sent before some of them.
        for later in islice(self.notes, at + 1, None) if note.at_ms < note.until_ms else ():
            if later.at_ms > note.until_ms:
                break
            if later.verb == SENT and later.first <= later.last:
                found += self._sent([], later)
        return Candidates(tuple(_joined(distinct(found))))

    def _commit(self, in_flight: list[SentRange], note: NoteRow) -> None:
        """Note in what is in flight that some of it is committed, which may divide a range."""
        old = 0
        for sent in in_flight:
            if sent.committed_ms is None or note.at_ms - sent.committed_ms <= self.window_ms:
                break
            old += 1
        del in_flight[:old]
        for at in range(len(in_flight) - 1, -1, -1):
            sent = in_flight[at]
            # Of many there is one that is meant, and the others were before or come later.
            if sent.committed_ms is None and sent.first <= note.last and note.first <= sent.last:
                in_flight[at : at + 1] = _committed(sent, note)


def _joined(ranges: Iterable[SentRange]) -> Iterator[SentRange]:
    """Yield ranges, those that were sent together and are neighbours as one."""
    first, last = None, -1
    for sent in ranges:
        if first is not None and _is_next(first, last, sent):
            last = sent.last
            continue
        if first is not None:
            yield first if last == first.last else replace(first, last=last)
        first, last = sent, sent.last
    if first is not None:
        yield first if last == first.last else replace(first, last=last)


def _is_next(before: SentRange, last: int, sent: SentRange) -> bool:
    return (
        sent.first == last + 1
        and (sent.topic, sent.partition) == (before.topic, before.partition)
        and (sent.client, sent.group, sent.at_ms) == (before.client, before.group, before.at_ms)
        and sent.sees_aborted == before.sees_aborted
    )


def distinct(ranges: Sequence[SentRange]) -> Iterable[SentRange]:
    """Return ranges without what was sent several times, for several groups."""
    order = sorted((sent.topic, sent.partition, sent.first, sent.last) for sent in ranges)
    overlap = (one[:2] == other[:2] and one[3] >= other[2] for one, other in pairwise(order))
    return _without_copies(ranges) if any(overlap) else ranges


def _without_copies(ranges: Iterable[SentRange]) -> Iterator[SentRange]:
    seen: dict[tuple[str, int], list[SentRange]] = defaultdict(list)
    for sent in ranges:
        known = seen[sent.topic, sent.partition]
        parts = [sent]
        for other in known:
            if other.first <= sent.last and sent.first <= other.last:
                parts = [rest for part in parts for rest in without(part, other.first, other.last)]
        known += parts
        yield from parts


def without(sent: SentRange, first: int, last: int) -> Iterator[SentRange]:
    """Yield what is left of a range when some offsets, both included, are taken out."""
    if first > sent.last or last < sent.first:
        yield sent
        return
    if sent.first < first:
        yield _part(sent, sent.first, first - 1)
    if last < sent.last:
        yield _part(sent, last + 1, sent.last)


def _committed(sent: SentRange, note: NoteRow) -> Iterator[SentRange]:
    """Yield the parts of a range after a commit."""
    first, last = max(sent.first, note.first), min(sent.last, note.last)
    same = (sent.topic, sent.partition, sent.client) == (note.topic, note.partition, note.client)
    if not same or (sent.group and sent.group != note.group):
        yield sent
        return
    if sent.first < first:
        yield _part(sent, sent.first, first - 1)
    passed = _part(sent, first, last)
    passed.waits_for = sent.waits_for - {note.group}
    if not passed.waits_for:
        passed.committed_ms = note.until_ms
    yield passed
    if last < sent.last:
        yield _part(sent, last + 1, sent.last)


def _part(sent: SentRange, first: int, last: int) -> SentRange:
    return replace(sent, first=first, last=last, passed=sent.passed + first - sent.first)
