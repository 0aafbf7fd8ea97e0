"""Where seeded and replayed records come from, as the detail of a note holds it.

``orders.ndjson:3 +1*40 +2`` is file and line of the first record, and how many lines on each
further one is; ``*40`` stands for forty times the same. ``orders[0]@3 +1*40`` are records by their
offsets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby, pairwise

_DETAIL = re.compile(r"(.*[:@])(\d+)((?: [+-]\d+(?:\*\d+)?)*)", re.DOTALL)


def lines_detail(place: str, lines: Iterable[int]) -> str:
    """Return where records come from.

    Args:
        place: the file that has them and a colon, or a partition's name and an ``@``.
        lines: the lines or offsets, in the order of the records' offsets; there is one at least.
    """
    first, *others = lines
    steps = groupby(after - before for before, after in pairwise([first, *others]))
    runs = ((step, sum(1 for _ in same)) for step, same in steps)
    return f"{place}{first}" + "".join(
        f" {step:+}*{count}" if count > 1 else f" {step:+}" for step, count in runs
    )


def line_place(detail: str, index: int) -> str:
    """Return ``FILE:LINE``, or the name of the record, that one record of a note comes from.

    Args:
        detail: the note's; one of another form is returned as it is.
        index: the record's offset, counted from the first one of the note.
    """
    found = _DETAIL.fullmatch(detail)
    if found is None:
        return detail
    line = int(found[2])
    for run in found[3].split():
        step, _, count = run.partition("*")
        taken = min(index, int(count or 1))
        line, index = line + int(step) * taken, index - taken
    return f"{found[1]}{line}"
