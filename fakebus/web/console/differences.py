"""Differences between two texts, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

MAX_LINES = 5_000
"""Lines of texts that are compared; of longer ones only whether they are the same."""
_AROUND = 3
"""Lines that stay the same and are shown around those that do not."""


class Line(NamedTuple):
    """Line of a comparison."""

    mark: str
    """``+``, ``-``, a blank for what is in both, ``…`` for what is left out."""
    text: str


def compared(before: str, after: str) -> list[Line]:
    """Return what is in two texts, with what both have left out where it is far from changes."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MAX_LINES:
        return [Line("…", "the texts are too long to be compared line by line")]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return list(_lines(matcher, old, new))


def _lines(matcher: SequenceMatcher[str], old: list[str], new: list[str]) -> Iterator[Line]:
    shown = 0
    for group in matcher.get_grouped_opcodes(_AROUND):
        if group[0][1] > shown:
            yield Line("…", f"{group[0][1] - shown} lines")
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                yield from (Line(" ", text) for text in old[i1:i2])
                continue
            yield from (Line("-", text) for text in old[i1:i2])
            yield from (Line("+", text) for text in new[j1:j2])
        shown = group[-1][2]
    if shown < len(old):
        yield Line("…", f"{len(old) - shown} lines")
