"""History of one process: which records it had in its hands when it produced another one.

What a broker sees is less than what happened. A client fetches ahead of its program, and commits
before or after it is done, or by a timer; so nothing here guesses. A record that was sent to a
process is a *candidate* for the cause of what the process produces

- from when it was sent,
- until it is committed or acknowledged, and for the time of a window after that, or
- until the same client is sent a newer one when it has committed all it had, if that is earlier,
  and the process is not one that commits first: that has produced to the topic while it had nothing
  else in its hands, and
- all that the last commit was of until the next one, where a client has more in its hands or
  commits first: a library that commits by a timer has its program still at it, however long that
  takes.

A process that has ever written when it had committed more than it had written is *unsure*: nobody
can tell one that passes records over from one that commits first. What it has committed stays
possible when it is sent newer ones, until it commits those; after the window only beside something
else, and for a longer window.

A process whose threads are at what was committed long ago, while it commits more, has all of it in
its hands for a longer window.

All candidates are told, and how many there are where they are too many to be told.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import chain, islice, takewhile
from operator import attrgetter

from fakebus.broker.activity import READ_UNCOMMITTED
from fakebus.lineage.candidates import Candidates, SentRange, distinct
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
BEHIND = 60
"""How many times as long the window is for a process that works behind what it commits."""
_ALWAYS = 1 << 63
_MOST_APART = 4
"""Ranges that a client holds as it was sent them: the order of all partitions is seen by these."""
_Key = tuple[int, str]
"""A client, and the group that it was sent something for."""


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
    number: int = 0
    """Where it stands among all that the process was sent; parts of one stand together."""
    commits: deque[tuple[int, int]] = field(default_factory=deque)
    """Up to where it has committed, and when; of those that may still be causes."""
    followed: int = -1
    """Up to where it was sent a newer one after the commit."""
    is_passed: bool = False
    """Whether the client has committed newer ones of the partition."""
    committed_from: int = -1
    """Where the last commit began."""
    committed_ms: int = -1
    """When that was."""

    @property
    def is_committed(self) -> bool:
        """Whether the client has committed all of it."""
        return self.open > self.sent.last

    @property
    def is_doubtful(self) -> bool:
        """Whether it was committed that long ago that its program should be done with it."""
        return self.is_committed and not self.commits

    def expire(self, before_ms: int, *, but_last: bool = False) -> None:
        """Take what was committed before a time out of its hands.

        Args:
            before_ms: the time.
            but_last: whether the client's program may be at what the last commit was of still.
        """
        while self.commits and self.commits[0][1] < before_ms:
            self.begin, _ = self.commits.popleft()
        last_from = self.open if self.committed_from < 0 else self.committed_from
        if not self.commits and self.begin >= last_from:
            kept = but_last and not self.is_passed
            self.begin = max(last_from if kept else self.open, self.sent.first)

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
            if note.until_ms != self.committed_ms:
                # Otherwise it is one commit, in as many notes as it was sent in parts.
                self.committed_from, self.committed_ms = first, note.until_ms
            self.open = last + 1
            self.commits.append((last + 1, note.until_ms))
            return [self]
        passed = _Held(sent.part(first, last), waits_for, first, first, self.number)
        if not waits_for:
            passed.commit(note)
        behind = last + 1
        rest = _Held(sent.part(behind, sent.last), self.waits_for, behind, behind, self.number)
        self.sent = sent._replace(last=first - 1)
        return [held for held in (self, passed, rest) if held.begin <= held.sent.last]


def _joined(held: Iterable[_Held]) -> Iterator[_Held]:
    """Yield what a client holds, as one what is committed and was sent in parts behind each other.

    It has to be the same client's, and for the same group.
    """
    whole: dict[tuple[str, int], _Held] = {}
    for each in held:
        place = each.sent.topic, each.sent.partition
        before = whole.pop(place, None)
        if each.is_committed:
            whole[place] = each
        if before is None or not each.is_committed or before.sent.last + 1 != each.sent.first:
            yield each
            continue
        before.sent = before.sent._replace(last=each.sent.last)
        before.open, before.followed = each.open, max(before.followed, each.followed)
        before.commits += each.commits
        if before.committed_ms != each.committed_ms:
            # Otherwise one commit was of both.
            before.committed_from, before.committed_ms = each.committed_from, each.committed_ms
        before.is_passed = each.is_passed
        whole[place] = before


class History:
    """History of a process, which is told in pieces.

    Args:
        window_ms: for how long a committed record may still be the cause of another one.
        late: the clients that commit first, and the topics that they write to.
        is_behind: whether it works at what it has committed while it commits more.
        is_unsure: whether it cannot be known that it is done with what it commits.
    """

    def __init__(
        self,
        window_ms: int = WINDOW_MS,
        late: Collection[tuple[int, str]] = (),
        *,
        is_behind: bool = False,
        is_unsure: bool = False,
    ) -> None:
        self._window_ms = window_ms * BEHIND if is_behind else window_ms
        self._late = late
        self._is_behind = is_behind
        self._is_unsure = is_unsure
        self._commits_first = is_behind or bool(late)
        self._held: dict[_Key, list[_Held]] = {}
        """What it has in its hands, by whom it was sent to; nobody has an empty list."""
        self._changed: set[_Key] = set()
        """Those of whom something may have gone out of its hands, whatever time it is."""
        self._due: list[tuple[int, _Key]] = []
        """After when something of whom goes out of its hands, as a heap."""
        self._last: tuple[bool, Candidates] | None = None
        """What it had in its hands when it last produced something, if nothing has changed."""
        self._count = 0
        """How often it was sent something."""
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
    ) -> Iterator[tuple[NoteRow, Candidates, int] | None]:
        """Go on; yield each note of what was produced with the candidates for its cause.

        With them comes which of them the first record is due to if each caused one, from 0. Of
        each other note ``None`` is yielded, as others may want their turn in between.

        Args:
            notes: what its clients did next, in order.
            ahead: what they did after that, and are told about later.
        """
        for note in chain(notes, ahead):
            if note.verb in _PASSED:
                self._groups[note.client, note.topic].add(note.group)
            if note.verb in _ONE_BY_ONE:
                self._one_by_one.add(note.group)
        self._changed.update(self._held)
        for at, note in enumerate(notes):
            if note.verb == LOST_TRACK:
                self._lose_track()
                yield None
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
                continue
            yield None

    def _lose_track(self) -> None:
        """Take nothing for a cause before it is sure again what the process has in its hands.

        What it was sent and has committed just before the bus was killed is not noted. It is done
        with that when it commits what it was sent since.
        """
        self._held.clear()
        self._changed.clear()
        self._due.clear()
        self._last = None
        if not self._is_new:
            self._unsure_until = _ALWAYS

    def _sent(self, note: NoteRow) -> None:
        if note.first > note.last:
            return
        key = note.client, note.group
        self._expire(key, note.at_ms)
        mine = self._held.get(key, [])
        # A library that commits by a timer commits what it has given to its program, which may be
        # at it still, whenever more comes.
        is_done = note.group in self._one_by_one or all(each.is_committed for each in mine)
        kept: list[_Held] = []
        for held in mine:
            sent = held.sent
            if is_done and self._commits_first:
                held.followed = held.open
            elif is_done and not self._is_unsure:
                held.follow()
            is_again = note.first <= held.open and sent.last <= note.last
            if is_again and sent.is_in(note):
                held.sent = sent = sent._replace(last=held.open - 1)
            if held.begin <= sent.last:
                kept.append(held)
        groups = {note.group} if note.group else self._groups.get((note.client, note.topic), ())
        self._count += 1
        place = note.first, note.first, self._count
        if self._is_behind or len(kept) > _MOST_APART:
            kept = list(_joined(kept))
        self._change(key, [*kept, _Held(_sent_range(note), frozenset(groups), *place)])

    def _commit(self, note: NoteRow) -> None:
        """Note in what is in flight that some of it is committed, which may divide a range."""
        for key in {(note.client, ""), (note.client, note.group)} & self._held.keys():
            self._expire(key, note.at_ms)
            held: list[_Held] = []
            for each in self._held.get(key, ()):
                if not each.sent.is_in(note):
                    held.append(each)
                elif each.is_committed:
                    # What was sent in parts is committed in as many notes at once.
                    is_later = note.at_ms > each.committed_ms
                    each.is_passed = each.is_passed or (is_later and note.last >= each.open)
                    held.append(each)
                elif each.open <= note.last and note.first <= each.sent.last:
                    held += each.commit(note)
                    self._unsure_until = min(self._unsure_until, note.until_ms + self._window_ms)
                else:
                    held.append(each)
            self._change(key, held)

    def _change(self, key: _Key, held: list[_Held]) -> None:
        """Put something else into its hands, for a client and group."""
        if held:
            self._held[key] = held
            self._changed.add(key)
        self._last = None

    def _expire(self, key: _Key, now_ms: int) -> None:
        """Take out of its hands what it has committed long ago, for a client and group."""
        self._changed.discard(key)
        held = self._held.pop(key, [])
        may_be_at_it = self._commits_first or not all(each.is_committed for each in held)
        may_be_at_it = may_be_at_it or self._is_unsure
        for each in held:
            begin = each.begin
            but_last = may_be_at_it
            if self._one_by_one:
                but_last = may_be_at_it and not self._is_one_by_one(each.sent)
            each.expire(now_ms - self._window_ms, but_last=but_last)
            if each.begin != begin:
                self._last = None
        if left := [each for each in held if each.begin <= each.sent.last]:
            self._held[key] = left
        if waiting := [each.commits[0][1] for each in left if each.commits]:
            heappush(self._due, (min(waiting) + self._window_ms, key))

    def _is_one_by_one(self, sent: SentRange) -> bool:
        groups = {sent.group} if sent.group else self._groups.get((sent.client, sent.topic), set())
        return not self._one_by_one.isdisjoint(groups)

    def _candidates(self, note: NoteRow, later: Iterable[NoteRow]) -> Candidates:
        if note.at_ms <= self._unsure_until:
            return Candidates(())
        is_late = self._is_behind or (note.client, note.topic) in self._late
        while self._due and self._due[0][0] < note.at_ms:
            self._changed.add(heappop(self._due)[1])
        for key in list(self._changed):
            self._expire(key, note.at_ms)
        # A note of several records says when the first and the last one came: what was sent
        # in between was sent before some of them.
        more = [
            _sent_range(other)
            for other in takewhile(lambda other: other.at_ms <= note.until_ms, later)
            if other.verb == SENT and other.first <= other.last
        ]
        if self._last is not None and self._last[0] == is_late and not more:
            return self._last[1]
        in_hands = sorted(chain.from_iterable(self._held.values()), key=attrgetter("number"))
        # What should be done with long ago is possible only beside something else.
        may_be = self._is_unsure and not is_late
        doubtful = [held for held in in_hands if may_be and held.is_doubtful]
        if doubtful and not more and len(doubtful) == len(in_hands):
            return Candidates(())
        since_ms = note.at_ms - self._window_ms * BEHIND
        gone = {id(held) for held in doubtful if held.committed_ms < since_ms}
        found = []
        for held in in_hands:
            is_all = is_late or self._is_unsure
            begin = held.begin if is_all else max(held.begin, held.followed)
            if begin <= held.sent.last and id(held) not in gone:
                found.append(held.sent.part(begin, held.sent.last))
        candidates = Candidates(tuple(distinct([*found, *more])))
        self._last = None if more or doubtful else (is_late, candidates)
        return candidates

    def _turn(self, note: NoteRow, candidates: Candidates) -> int:
        times, counts = self._produced[note.topic]
        turn = 0
        if candidates.ranges:
            since = bisect_left(times, candidates.since_ms)
            turn = counts[-1] - counts[since] - candidates.passed
        times.append(max(note.at_ms, times[-1] if times else 0))
        counts.append(counts[-1] + note.last - note.first + 1)
        return turn


def _sent_range(note: NoteRow) -> SentRange:
    where = note.topic, note.partition, note.first, note.last
    sees_aborted = note.detail == READ_UNCOMMITTED
    return SentRange(*where, note.client, note.group, note.at_ms, sees_aborted)
