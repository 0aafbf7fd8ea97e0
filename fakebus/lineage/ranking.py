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


def ranked(
    effect: Contents, turn: int, causes: Sequence[Place], contents: Mapping[Place, Contents]
) -> list[Place]:
    """Return possible causes, the likeliest first.

    Args:
        effect: what is compared of the effect.
        turn: how many effects the process has had since it was sent the first of the causes.
        causes: in the order in which they were sent.
        contents: what is compared of the causes.
    """
    most = max(1, len(causes) // _TOO_COMMON)
    frequent = Counter(value for each in causes for value in contents.get(each, NOTHING).scalars)
    ids = {value for value in effect.scalars if 0 < frequent[value] <= most}
    place = min(turn, len(causes) - 1)

    def likeness(each: tuple[int, Place]) -> tuple[int, int, int]:
        at, cause = each
        key, scalars = contents.get(cause, NOTHING)
        same = (key is not None and key == effect.key) + (not ids.isdisjoint(scalars))
        return -same, abs(at - place), -at

    return [cause for _, cause in sorted(enumerate(causes), key=likeness)]
