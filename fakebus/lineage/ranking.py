"""Likeliest of several possible causes.

What is known for certain is that each of them is possible. The first are those that have the
effect's key, or whose payload holds an id that the effect's holds too and few others do; then
those that stand where the effect does, counted in the order in which they were sent.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

from fakebus.lineage.place import Place

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

    def ranking(self, effect: Contents, turn: int) -> Ranking:
        """Return how likely each cause is.

        Args:
            effect: what is compared of the effect.
            turn: where it stands among those of the process, counted as the causes are.
        """
        count = self._end - self._begin
        alike = Counter(() if effect.key is None else self._there(self._keys, effect.key, count))
        most = max(1, count // _TOO_COMMON)
        alike.update({at for each in effect.scalars for at in self._there(self._ids, each, most)})
        place = self._begin + max(0, min(turn, count - 1))
        return Ranking(self._causes, self._at, range(self._begin, self._end), alike, place)

    def _there(self, places: Mapping[Any, list[int]], value: object, most: int) -> Sequence[int]:
        """Return which of the causes have a value, none if more than some have it."""
        found = places.get(value, ())
        begin, end = bisect_left(found, self._begin), bisect_left(found, self._end)
        return found[begin:end] if end - begin <= most else ()


class Ranking(NamedTuple):
    """Ranking of the possible causes of one record."""

    causes: Sequence[Place]
    places: Mapping[Place, int]
    """Where the causes stand."""
    among: range
    """Where those stand that are meant."""
    alike: Mapping[int, int]
    """How much is alike of those that have anything in common with the record."""
    place: int
    """Where the record stands itself."""

    def order(self) -> list[Place]:
        """Return the causes, the likeliest first."""
        alike, place = self.alike, self.place
        ordered = sorted(self.among, key=lambda at: (-alike.get(at, 0), *_distance(at, place)))
        return [self.causes[at] for at in ordered]

    def rank(self, cause: Place) -> int:
        """Return at which place of :meth:`order` a cause is, from 1; 0 if it is none of them."""
        at = self.places.get(cause, -1)
        if at not in self.among:
            return 0
        alike, place = self.alike, self.place
        if own := alike.get(at, 0):
            before = sum(
                (-alike[other], *_distance(other, place)) < (-own, *_distance(at, place))
                for other in alike
            )
            return before + 1
        # All that are nearer stand before it, those that are alike wherever they are.
        first, last = self.among[0], self.among[-1]
        away = abs(at - place)
        nearer = max(0, min(last, place + away - 1) - max(first, place - away + 1) + 1)
        nearer += at < place and place + away <= last
        counted = sum(_distance(other, place) < _distance(at, place) for other in alike)
        return nearer - counted + len(alike) + 1


def _distance(at: int, place: int) -> tuple[int, int]:
    return abs(at - place), -at
