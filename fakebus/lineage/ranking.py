"""Likeliest of several possible causes.

What is known for certain is that each of them is possible. The first are those that have the
effect's key, or whose payload holds an id that the effect's holds too and few others do; then
those that stand where the effect does, counted in the order in which they were sent.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

from fakebus.lineage.history import Candidates
from fakebus.lineage.place import Place
from fakebus.storage.lineage_interface import NoteRow

_MOST_SCALARS = 200
_SHORTEST_ID = 3
_TOO_COMMON = 10
"""A value that more than one in so many candidates have is no id."""


class Contents(NamedTuple):
    """Contents of a record that are compared."""

    key: bytes | None
    scalars: frozenset[object]


NOTHING = Contents(None, frozenset())


def contents_of(key: bytes | None, data: Any) -> Contents:
    """Return what is compared of a record.

    Args:
        key: as it is.
        data: the decoded value.
    """
    return Contents(key, frozenset(_scalars(data)))


def _scalars(data: Any) -> Iterator[object]:
    """Yield the first texts and numbers of data that may be ids."""
    left, seen = [data], 0
    while left and seen < _MOST_SCALARS:
        each = left.pop()
        seen += 1
        if isinstance(each, Mapping):
            left.extend(list(each.values())[:_MOST_SCALARS])
        elif isinstance(each, list | tuple):
            left.extend(each[:_MOST_SCALARS])
        elif isinstance(each, str | bytes):
            if _SHORTEST_ID <= len(each) <= 256:
                yield each
        elif type(each) is int and abs(each) >= 10:
            yield each


class Likeness:
    """Likeness of the possible causes of some records that one process has produced.

    Args:
        causes: in the order in which they were sent.
        contents: what is compared of them.
    """

    def __init__(self, causes: Sequence[Place], contents: Mapping[Place, Contents]) -> None:
        self._causes = list(causes)
        self._begin, self._end = 0, len(causes)
        self._at = {cause: at for at, cause in enumerate(causes)}
        self._keys: dict[bytes, list[int]] = {}
        self._ids: dict[object, list[int]] = {}
        for at, cause in enumerate(causes):
            key, scalars = contents.get(cause, NOTHING)
            if key is not None:
                self._keys.setdefault(key, []).append(at)
            for value in scalars:
                self._ids.setdefault(value, []).append(at)

    def part(self, causes: Sequence[tuple[str, int, int]]) -> Likeness | None:
        """Return that of some of the causes, which stand together here; ``None`` if they do not.

        What one process writes has nearly the same possible causes, one record after the other.
        """
        begin = self._at.get(Place(*causes[0]), -1) if causes else 0
        end = begin + len(causes)
        if begin < 0 or self._causes[begin:end] != causes:
            return None
        found = copy(self)
        found._begin, found._end = begin, end
        return found

    def order(self, effect: Contents, turn: int) -> list[Place]:
        """Return the causes, the likeliest first.

        Args:
            effect: what is compared of the effect.
            turn: where it stands among those of the process, counted as the causes are.
        """
        alike, place = self._alike(effect), self._place(turn)
        ordered = sorted(
            range(self._begin, self._end),
            key=lambda at: (-alike.get(at, 0), *_distance(at, place)),
        )
        return [self._causes[at] for at in ordered]

    def rank(self, effect: Contents, turn: int, cause: Place) -> int:
        """Return at which place of :meth:`order` a cause is, from 1; 0 if it is none of them."""
        at = self._at.get(cause, -1)
        if not self._begin <= at < self._end:
            return 0
        alike, place = self._alike(effect), self._place(turn)
        own = alike.get(at, 0)
        if own:
            before = sum(
                (-alike[other], *_distance(other, place)) < (-own, *_distance(at, place))
                for other in alike
            )
            return before + 1
        # All that are nearer stand before it, those that are alike wherever they are.
        away, last = abs(at - place), self._end - 1
        nearer = max(0, min(last, place + away - 1) - max(self._begin, place - away + 1) + 1)
        nearer += at < place and place + away <= last
        counted = sum(_distance(other, place) < _distance(at, place) for other in alike)
        return nearer - counted + len(alike) + 1

    def _place(self, turn: int) -> int:
        return self._begin + max(0, min(turn, self._end - self._begin - 1))

    def _alike(self, effect: Contents) -> dict[int, int]:
        """Return how much is alike of those causes that have anything in common with an effect."""
        count = self._end - self._begin
        alike = Counter(() if effect.key is None else self._there(self._keys, effect.key, count))
        most = max(1, count // _TOO_COMMON)
        alike.update({at for each in effect.scalars for at in self._there(self._ids, each, most)})
        return alike

    def _there(self, places: Mapping[Any, list[int]], value: object, most: int) -> Sequence[int]:
        """Return which of the causes have a value, none if more than some have it."""
        found = places.get(value, ())
        begin, end = bisect_left(found, self._begin), bisect_left(found, self._end)
        return found[begin:end] if end - begin <= most else ()


class Turns:
    """Places of what a process has produced among what it had then, one for each sent."""

    def __init__(self, notes: Iterable[NoteRow]) -> None:
        self._by_topic: dict[str, tuple[list[int], list[int], list[int]]] = {}
        for note in notes:
            if note.verb == "produced":
                seqs, times, counts = self._by_topic.setdefault(note.topic, ([], [], [0]))
                seqs.append(note.seq)
                times.append(max(note.at_ms, times[-1] if times else 0))
                counts.append(counts[-1] + note.last - note.first + 1)

    def of(self, effect: NoteRow, candidates: Candidates) -> int:
        """Return the place of the first record of a note."""
        if not candidates.ranges:
            return 0
        seqs, times, counts = self._by_topic[effect.topic]
        since = bisect_left(times, min(sent.at_ms for sent in candidates.ranges))
        produced = counts[bisect_left(seqs, effect.seq)] - counts[since]
        return max(0, produced) - candidates.passed


def _distance(at: int, place: int) -> tuple[int, int]:
    return abs(at - place), -at
