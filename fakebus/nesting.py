"""How deeply data from outside is nested: JSON's readers take as much as their stack holds.

That is a thousand levels on Python 3.11 and some fifty thousand on 3.14; functions of Python that
walk over the data go down a thousand frames at most, on all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

READABLE = 32
"""Levels that people write, and still look through."""
WALKED = 100
"""Levels that functions which call themselves go down, whatever they were called from."""


def is_deeper(data: object, levels: int = READABLE) -> bool:
    """Return whether data has lists and objects within each other on more levels than so many."""
    around = [data] if isinstance(data, Mapping | list | tuple) else []
    for _ in range(levels):
        around = [
            inner
            for each in around
            for inner in (each.values() if isinstance(each, Mapping) else each)
            if isinstance(inner, Mapping | list | tuple)
        ]
        if not around:
            return False
    return bool(around)
