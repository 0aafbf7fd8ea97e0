"""How deeply data from outside is nested: JSON's readers take as much as their stack holds.

That is a thousand levels on Python 3.11 and some fifty thousand on 3.14; functions of Python that
walk over the data go down a thousand frames at most, on all of them. Laid out on lines, each begins
with as many blanks as its level has: 60 kB of brackets become gigabytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

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


def laid_out(data: object, default: Callable[[Any], object] = str) -> str:
    """Return data as JSON for people, on one line if it is nested more deeply than they read.

    Args:
        data: what is shown.
        default: what stands for a value that JSON does not have.

    Raises:
        RecursionError: it is nested more deeply than can be written.
    """
    indent = None if is_deeper(data) else 2
    return json.dumps(data, indent=indent, ensure_ascii=False, default=default)


def laid_out_text(text: str) -> str:
    """Return JSON on lines, such as a schema; text that is none, or nested too deeply, as it is."""
    try:
        data = json.loads(text)
        return text if is_deeper(data, WALKED) else json.dumps(data, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
