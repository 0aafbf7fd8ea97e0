"""Candidates for the cause of a record: what a process was sent, as ranges of offsets."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from fakebus.lineage.known import is_former_name
from fakebus.storage.lineage_interface import NoteRow


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


@dataclass(frozen=True)
class Candidates:
    """Candidates for the cause of a record: ranges of offsets that a process was sent."""

    ranges: tuple[SentRange, ...]
    """The oldest first; no record is in two of them."""

    @cached_property
    def count(self) -> int:
        """How many records they are."""
        return sum(sent.last - sent.first + 1 for sent in self.ranges)

    @cached_property
    def has_former(self) -> bool:
        """Whether any is of a topic that another has the name of now, and so has no name."""
        return any(is_former_name(sent.topic) for sent in self.ranges)

    @cached_property
    def since_ms(self) -> int:
        """When the oldest of them was sent; there has to be one."""
        return min(sent.at_ms for sent in self.ranges)

    @cached_property
    def _by_partition(self) -> Mapping[tuple[str, int], list[tuple[int, int, int]]]:
        """Where each range ends and begins, and how many records were sent before it."""
        found: dict[tuple[str, int], list[tuple[int, int, int]]] = defaultdict(list)
        before = accumulate((sent.last - sent.first + 1 for sent in self.ranges), initial=0)
        for sent, count in zip(self.ranges, before, strict=False):
            found[sent.topic, sent.partition].append((sent.last, sent.first, count))
        for places in found.values():
            places.sort()
        return found

    def _find(self, topic: str, partition: int, offset: int) -> int | None:
        places = self._by_partition.get((topic, partition), ())
        at = bisect_left(places, (offset,))
        if at == len(places) or places[at][1] > offset:
            return None
        _, first, before = places[at]
        return before + offset - first

    def holds(self, topic: str, partition: int, offset: int) -> bool:
        """Whether a record is one of them."""
        return self._find(topic, partition, offset) is not None

    def place_of(self, topic: str, partition: int, offset: int) -> int:
        """Return where one of them stands in the order in which they were sent, from 0.

        A record that is none of them stands behind all.
        """
        found = self._find(topic, partition, offset)
        return self.count if found is None else found

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
            if len(found) >= most:
                break
        return found


def distinct(ranges: Sequence[SentRange]) -> Iterator[SentRange]:
    """Yield ranges without what was sent several times, for several groups."""
    # Of each partition what has come so far: where that begins and ends, in order, as far as
    # possible in one.
    seen: dict[tuple[str, int], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for sent in ranges:
        firsts, lasts = seen[sent.topic, sent.partition]
        begin, end = bisect_left(lasts, sent.first), bisect_right(firsts, sent.last)
        first = sent.first
        for at in range(begin, end):
            if first < firsts[at]:
                yield sent.part(first, firsts[at] - 1)
            first = lasts[at] + 1
        if first <= sent.last:
            yield sent.part(first, sent.last)
        if begin < end:
            whole = min(sent.first, firsts[begin]), max(sent.last, lasts[end - 1])
        else:
            whole = sent.first, sent.last
        firsts[begin:end], lasts[begin:end] = [whole[0]], [whole[1]]


def without(sent: SentRange, first: int, last: int) -> Iterator[SentRange]:
    """Yield what is left of a range when some offsets, both included, are taken out."""
    if first > sent.last or last < sent.first:
        yield sent
        return
    if sent.first < first:
        yield sent.part(sent.first, first - 1)
    if last < sent.last:
        yield sent.part(last + 1, sent.last)
