"""Volume of a topic over time, as a drawing whose bars lead to the records of their time."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from fakebus.client.offsets import LogRange
from fakebus.cluster.interface import Cluster
from fakebus.types import TopicPartition

MAX_LOOKUPS = 480
"""Look-ups of offsets by time for a drawing."""
_MOST_BARS = 48
_FEWEST_BARS = 8
_STEPS_MS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(second * 1000 for second in (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)),
    *(hour * 3_600_000 for hour in (1, 2, 6, 12, 24, 48, 168, 720, 2160, 8760, 87_600)),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """Bar of the drawing."""

    begin_ms: int
    end_ms: int
    records: int
    height: float
    """From 0 to 1."""


async def volume(cluster: Cluster, topic: str) -> list[Bar]:
    """Return how many records a topic has got over time; nothing for one moment or none.

    Nothing, too, where there are so many partitions that it would take long. Bars begin and end at
    round times. Where timestamps do not rise with offsets, a record counts where the first one of
    its time or later is.
    """
    ranges = {p: log for p, log in (await cluster.ranges([topic])).items() if log.records}
    if not ranges or len(ranges) > MAX_LOOKUPS:
        return []
    first, last = await _span(cluster, ranges)
    most = max(_FEWEST_BARS, min(_MOST_BARS, MAX_LOOKUPS // len(ranges)))
    step = next((each for each in _STEPS_MS if (last - first) // each < most), _STEPS_MS[-1])
    begin = first // step * step
    if first == last or (last - begin) // step >= 2 * most:
        return []
    counts = []
    at = {place: log.start for place, log in ranges.items()}
    moments = range(begin, last + 1, step)
    for moment in moments:
        found = await cluster.offsets_at(dict.fromkeys(ranges, moment + step))
        count = 0
        for place, log in ranges.items():
            end = log.end if found.get(place, -1) < 0 else min(found[place], log.end)
            count += max(end - at[place], 0)
            at[place] = max(at[place], end)
        counts.append(count)
    highest = max(counts, default=0) or 1
    return [
        Bar(moment, moment + step, count, count / highest)
        for moment, count in zip(moments, counts, strict=True)
    ]


async def _span(cluster: Cluster, ranges: dict[TopicPartition, LogRange]) -> tuple[int, int]:
    """Return the timestamps of the first and the last records."""
    moments: list[int] = []
    for ends in (
        {place: LogRange(start=log.start, end=log.start + 1) for place, log in ranges.items()},
        {place: LogRange(start=log.end - 1, end=log.end) for place, log in ranges.items()},
    ):
        async with aclosing(cluster.slices(ends)) as slices:
            moments += [event.timestamp_ms async for events in slices for event in events]
    return min(moments, default=0), max(moments, default=0)
