"""History of one process: which records it had in its hands when it produced another one.

What a broker sees is less than what happened. A client fetches ahead of its program, and commits
before or after it is done, or by a timer; so nothing here guesses. A record that was sent to a
process is a *candidate* for the cause of what the process produces

- from when it was sent,
- until it is committed or acknowledged, and for the time of a window after that, or
- until the same client is sent a newer one when it has committed all it had, if that is earlier,
  and the process is not one that commits first: that has produced to the topic while it had nothing
  else in its hands, and
- the last that was committed until the next commit, where a client has more in its hands or commits
  first: a library that commits by a timer has its program still at it, however long that takes.

All candidates are told, and how many there are where they are too many to be told.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice, pairwise, takewhile
from typing import NamedTuple

from fakebus.broker.activity import READ_UNCOMMITTED
from fakebus.storage.lineage_interface import NoteRow

SENT, COMMITTED, SKIPPED, PRODUCED = "fetched", "committed", "skipped", "produced"
ACKNOWLEDGED, RELEASED = "acknowledged", "released"
"""What members say of single records who are done with them, or give them back."""
_ONE_BY_ONE = (ACKNOWLEDGED, RELEASED)
_PASSED = (COMMITTED, SKIPPED, *_ONE_BY_ONE)
"""A commit of what nobody seemed to have been sent is one of what was sent before it was known that
two connections belong to one process."""
VERBS = (SENT, PRODUCED, *_PASSED)
LOST_TRACK, ENDED = "lost track", "ended"
"""What is noted of the bus itself: that it was killed before it started, and that it was not."""
NEWEST = (1 << 63) - 1
"""No note has a higher number."""
WINDOW_MS = 1000
_ALWAYS = 1 << 63


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


class SentRange(NamedTuple):
    """Records of a partition that a client was sent together."""

    topic: str
    partition: int
    first: int
    last: int
    client: int
    group: str
    """The group that it was sent for, as far as that is known."""
    at_ms: int
    sees_aborted: bool = False
    """Whether the client is given what transactions have taken back."""
    passed: int = 0
    """How many records that were sent together with it came before it."""

    def is_in(self, note: NoteRow) -> bool:
        """Whether it is of the partition of a note."""
        return (self.topic, self.partition) == (note.topic, note.partition)

    def part(self, first: int, last: int) -> SentRange:
        """Return some of it."""
        if (first, last) == (self.first, self.last):
            return self
        topic, partition, begin, _, client, group, at_ms, sees_aborted, passed = self
        more = client, group, at_ms, sees_aborted, passed + first - begin
        return SentRange(topic, partition, first, last, *more)


@dataclass(slots=True)
class _Held:
    """Records that a client was sent together, and up to where it has committed them."""

    sent: SentRange
    waits_for: frozenset[str]
    """The groups that the client commits the partition for and has not yet."""
    begin: int
    """The first that is in its hands still."""
    open: int
    """The first that it has not committed."""
    commits: deque[tuple[int, int]] = field(default_factory=deque)
    """Up to where it has committed, and when; of those that may still be causes."""
    followed: int = -1
    """Up to where it was sent a newer one after the commit."""
    is_passed: bool = False
    """Whether the client has committed newer ones of the partition."""

    @property
    def is_committed(self) -> bool:
        """Whether the client has committed all of it."""
        return self.open > self.sent.last

    @property
    def key(self) -> tuple[int, str]:
        """The client that it was sent to, and the group that it was sent for."""
        return self.sent.client, self.sent.group

    def expire(self, before_ms: int, *, but_last: bool = False) -> None:
        """Take what was committed before a time out of its hands.

        Args:
            before_ms: the time.
            but_last: whether the client's program may be at the last of it still.
        """
        while self.commits and self.commits[0][1] < before_ms:
            self.begin, _ = self.commits.popleft()
        if not self.commits and self.begin >= self.open - 1:
            kept = but_last and not self.is_passed
            self.begin = max(self.open - kept, self.sent.first)

    def follow(self) -> None:
        """Take what is committed out of its hands."""
        self.begin = self.open
        self.commits.clear()

    def commit(self, note: NoteRow) -> list[_Held]:
        """Note what is committed of it; return it, in parts where that divides it."""
        sent, waits_for = self.sent, self.waits_for - {note.group}
        first, last = max(self.open, note.first), min(sent.last, note.last)
        if first == self.open and not waits_for:
            if not self.commits:
                self.begin = self.open
            self.open = last + 1
            self.commits.append((last + 1, note.until_ms))
            return [self]
        passed = _Held(sent.part(first, last), waits_for, first, first)
        if not waits_for:
            passed.commit(note)
        rest = _Held(sent.part(last + 1, sent.last), self.waits_for, last + 1, last + 1)
        self.sent = sent._replace(last=first - 1)
        return [held for held in (self, passed, rest) if held.begin <= held.sent.last]


class History:
    """History of a process, which is told in pieces.

    Args:
        window_ms: for how long a committed record may still be the cause of another one.
        late: the clients that commit first, and the topics that they write to.
    """

    def __init__(self, window_ms: int = WINDOW_MS, late: Collection[tuple[int, str]] = ()) -> None:
        self._window_ms = window_ms
        self._late = late
        self._held: list[_Held] = []
        self._is_new = True
        self._unsure_until = -1
        """Up to when it may have in its hands what is not noted."""
        self._groups: dict[tuple[int, str], set[str]] = defaultdict(set)
        self._one_by_one = set[str]()
        """The groups whose members acknowledge records, which no timer does."""
        self._produced: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], [0]))
        """When something was produced to a topic, and how much by then."""

    def go_on(
        self, notes: Sequence[NoteRow], ahead: Sequence[NoteRow] = ()
    ) -> Iterator[tuple[NoteRow, Candidates, int]]:
        """Go on; yield each note of what was produced with the candidates for its cause.

        With them comes which of them the first record is due to if each caused one, from 0.

        Args:
            notes: what its clients did next, in order.
            ahead: what they did after that, and are told about later.
        """
        for note in chain(notes, ahead):
            if note.verb in _PASSED:
                self._groups[note.client, note.topic].add(note.group)
            if note.verb in _ONE_BY_ONE:
                self._one_by_one.add(note.group)
        for at, note in enumerate(notes):
            if note.verb == LOST_TRACK:
                self._lose_track()
                continue
            self._is_new = False
            if note.verb == SENT:
                self._sent(note)
            elif note.verb in _PASSED:
                self._commit(note)
            elif note.verb == PRODUCED:
                is_long = note.at_ms < note.until_ms
                later = chain(islice(notes, at + 1, None), ahead) if is_long else ()
                candidates = self._candidates(note, later)
                yield note, candidates, self._turn(note, candidates)

    def _lose_track(self) -> None:
        """Take nothing for a cause before it is sure again what the process has in its hands.

        What it was sent and has committed just before the bus was killed is not noted. It is done
        with that when it commits what it was sent since.
        """
        self._held.clear()
        if not self._is_new:
            self._unsure_until = _ALWAYS

    def _sent(self, note: NoteRow) -> None:
        if note.first > note.last:
            return
        self._expire(note.at_ms)
        kept: list[_Held] = []
        mine = [each for each in self._held if each.key == (note.client, note.group)]
        # A library that commits by a timer commits what it has given to its program, which may be
        # at it still, whenever more comes.
        is_done = note.group in self._one_by_one or all(each.is_committed for each in mine)
        for held in self._held:
            sent = held.sent
            if held.key == (note.client, note.group):
                if is_done and self._late:
                    held.followed = held.open
                elif is_done:
                    held.follow()
                is_again = note.first <= held.open and sent.last <= note.last
                if is_again and sent.is_in(note):
                    held.sent = sent = sent._replace(last=held.open - 1)
                if held.begin > sent.last:
                    continue
            kept.append(held)
        groups = {note.group} if note.group else self._groups.get((note.client, note.topic), ())
        held = _Held(_sent_range(note), frozenset(groups), note.first, note.first)
        self._held = [*kept, held]

    def _commit(self, note: NoteRow) -> None:
        """Note in what is in flight that some of it is committed, which may divide a range."""
        self._expire(note.at_ms)
        held: list[_Held] = []
        for each in self._held:
            sent = each.sent
            is_its = sent.client == note.client and sent.is_in(note)
            if not is_its or sent.group not in ("", note.group):
                held.append(each)
            elif each.is_committed:
                each.is_passed = each.is_passed or note.last >= each.open
                held.append(each)
            elif each.open <= note.last and note.first <= sent.last:
                held += each.commit(note)
                self._unsure_until = min(self._unsure_until, note.until_ms + self._window_ms)
            else:
                held.append(each)
        self._held = held

    def _expire(self, now_ms: int) -> None:
        """Take out of its hands what it has committed long ago."""
        at_more = {each.key for each in self._held if not each.is_committed}
        for each in self._held:
            may_be_at_it = bool(self._late) or each.key in at_more
            but_last = may_be_at_it and not self._is_one_by_one(each.sent)
            each.expire(now_ms - self._window_ms, but_last=but_last)
        self._held = [each for each in self._held if each.begin <= each.sent.last]

    def _is_one_by_one(self, sent: SentRange) -> bool:
        groups = {sent.group} if sent.group else self._groups.get((sent.client, sent.topic), set())
        return not self._one_by_one.isdisjoint(groups)

    def _candidates(self, note: NoteRow, later: Iterable[NoteRow]) -> Candidates:
        if note.at_ms <= self._unsure_until:
            return Candidates(())
        is_late = (note.client, note.topic) in self._late
        found = []
        self._expire(note.at_ms)
        for held in self._held:
            begin = held.begin if is_late else max(held.begin, held.followed)
            if begin <= held.sent.last:
                found.append(held.sent.part(begin, held.sent.last))
        # A note of several records says when the first and the last one came: what was sent
        # in between was sent before some of them.
        for other in takewhile(lambda other: other.at_ms <= note.until_ms, later):
            if other.verb == SENT and other.first <= other.last:
                found.append(_sent_range(other))
        return Candidates(tuple(distinct(found)))

    def _turn(self, note: NoteRow, candidates: Candidates) -> int:
        times, counts = self._produced[note.topic]
        turn = 0
        if candidates.ranges:
            since = bisect_left(times, min(sent.at_ms for sent in candidates.ranges))
            turn = counts[-1] - counts[since] - candidates.passed
        times.append(max(note.at_ms, times[-1] if times else 0))
        counts.append(counts[-1] + note.last - note.first + 1)
        return turn


def _sent_range(note: NoteRow) -> SentRange:
    where = note.topic, note.partition, note.first, note.last
    sees_aborted = note.detail == READ_UNCOMMITTED
    return SentRange(*where, note.client, note.group, note.at_ms, sees_aborted)


def distinct(ranges: Sequence[SentRange]) -> Iterable[SentRange]:
    """Return ranges without what was sent several times, for several groups."""
    if len(ranges) < 2:
        return ranges
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
        yield sent.part(sent.first, first - 1)
    if last < sent.last:
        yield sent.part(last + 1, sent.last)
