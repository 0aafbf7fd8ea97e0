"""Likeliest of several possible causes.

What is known for certain is that each of them is possible. The first are those that have the
effect's key, or whose payload holds an id that the effect's holds too and few others do; then
those that stand where the effect does, counted in the order in which they were sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
        self._causes = causes
        self._at = {cause: at for at, cause in enumerate(causes)}
        self._keys: dict[bytes, list[int]] = {}
        self._ids: dict[object, list[int]] = {}
        for at, cause in enumerate(causes):
            key, scalars = contents.get(cause, NOTHING)
            if key is not None:
                self._keys.setdefault(key, []).append(at)
            for value in scalars:
                self._ids.setdefault(value, []).append(at)
        most = max(1, len(causes) // _TOO_COMMON)
        self._ids = {value: found for value, found in self._ids.items() if len(found) <= most}

    def order(self, effect: Contents, turn: int) -> list[Place]:
        """Return the causes, the likeliest first.

        Args:
            effect: what is compared of the effect.
            turn: where it stands among those of the process, counted as the causes are.
        """
        alike, place = self._alike(effect), self._place(turn)
        ordered = sorted(
            range(len(self._causes)), key=lambda at: (-alike.get(at, 0), *_distance(at, place))
        )
        return [self._causes[at] for at in ordered]

    def rank(self, effect: Contents, turn: int, cause: Place) -> int:
        """Return at which place of :meth:`order` a cause is, from 1; 0 if it is none of them."""
        at = self._at.get(cause)
        if at is None:
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
        away, last = abs(at - place), len(self._causes) - 1
        nearer = max(0, min(last, place + away - 1) - max(0, place - away + 1) + 1)
        nearer += at < place and place + away <= last
        counted = sum(_distance(other, place) < _distance(at, place) for other in alike)
        return nearer - counted + len(alike) + 1

    def _place(self, turn: int) -> int:
        return max(0, min(turn, len(self._causes) - 1))

    def _alike(self, effect: Contents) -> dict[int, int]:
        """Return how much is alike of those causes that have anything in common with an effect."""
        alike = Counter(() if effect.key is None else self._keys.get(effect.key, ()))
        alike.update({at for value in effect.scalars for at in self._ids.get(value, ())})
        return alike


def _distance(at: int, place: int) -> tuple[int, int]:
    return abs(at - place), -at
