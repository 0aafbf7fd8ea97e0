"""Reading a cluster page by page: merged over partitions, filtered, from either end, searched.

A :class:`Reading` merges partitions by time. It holds a few records of each partition and asks the
cluster for more when one has run out, so memory grows neither with the topics nor with a search.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

from fakebus.broker.turns import Pace, in_turns
from fakebus.client.offsets import LogRange, offset_of
from fakebus.client.positions import Position, PositionKind
from fakebus.cluster.events import Event
from fakebus.cluster.interface import Cluster, NotFoundError
from fakebus.cluster.text_tests import has_any, needles_of
from fakebus.fixture_files import LEDGER_TOPIC
from fakebus.fixture_files.parties import Parties
from fakebus.fixture_files.seeding.ledger import Ledger
from fakebus.real_time import monotonic
from fakebus.types import TopicPartition

Matches = Callable[[Event], bool]
"""Whether a record is wanted."""

MAX_SCANNED = 10_000
MAX_BYTES = 8 << 20
_MIN_WINDOW = 16
_FIRST_WINDOW = 64
"""Records that are read at once as long as it is not known how large they are."""
_MAX_WINDOW = 100_000
_SCAN_WINDOW = 1000
"""Records that are asked for at once, over all partitions, while others are passed over."""
_LARGE = 64 * 1024
"""Bytes of a record that is looked at beside the event loop."""
_EARLIEST = Position(kind=PositionKind.EARLIEST)
_LATEST = Position(kind=PositionKind.LATEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """Request for records of some topics."""

    topics: tuple[str, ...]
    partitions: frozenset[int] | None = None
    """Which partitions of each topic; all when left out."""
    start: Position | None = None
    """Where to begin. Going back in time, what lies before it comes. The end that comes first
    when left out."""
    newest_first: bool = False
    cursor: Mapping[TopicPartition, int] | None = None
    """Go on from where a page ended, instead of ``start``."""
    contains: str = ""
    """Only records that have this text in key, value or headers, in capitals or not."""
    ends: Mapping[TopicPartition, int] | None = None
    """Before which offsets to end, where that is before the ends that the topics have."""
    until: Position | None = None
    """Before which position in each partition to end, instead of ``ends``."""
    matches: Matches | None = None
    """Which records are wanted; all when left out."""
    takes_long: bool = False
    """Whether ``matches`` may take long, so that it is called beside the event loop."""
    limit: int = 50
    """Records of a page at most."""
    max_scanned: int = MAX_SCANNED
    """Offsets that are looked at for a page at most."""
    max_seconds: float | None = None
    """How long records are looked at for a page."""
    in_background: bool = False
    """Whether a search rests while others have requests."""
    max_bytes: int = MAX_BYTES
    """Bytes of keys, values and headers in a page; a single record may be larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPage:
    """Records that were found, and how to go on."""

    events: tuple[Event, ...]
    cursor: Mapping[TopicPartition, int]
    """Where the next page begins; also what is written meanwhile begins there, unless the newest
    came first."""
    scanned: int
    """How many offsets were looked at for this page."""
    left: int
    """Offsets that were not looked at yet; 0 says that this was all."""


class _Lane:
    """Lane of a reading: one partition, and what was read ahead of it.

    Args:
        log: the range that is read.
        at: the offset that the lane is at; going back, one past the next record.
        backwards: whether the newest record comes first.
    """

    def __init__(self, log: LogRange, at: int, *, backwards: bool) -> None:
        self._log = log
        self._backwards = backwards
        self._at = min(max(at, log.start), log.end)
        self.ahead: deque[Event] = deque()
        self._window = 0
        self._has_forgotten = False

    @property
    def position(self) -> int:
        """Where to go on behind what was taken."""
        if not self.ahead:
            return self._at
        return self.ahead[-1].offset + 1 if self._backwards else self.ahead[0].offset

    @property
    def left(self) -> int:
        """How many offsets come behind what was taken."""
        end = self._log.start if self._backwards else self._log.end
        return abs(end - self.position)

    def window(self, size: int, most: int) -> LogRange:
        """Return the offsets to read next: ``size``, or up to ``most`` where there was nothing."""
        self._window = min(max(size, 2 * self._window), _MAX_WINDOW, most)
        if self._backwards:
            start = max(self._log.start, self._at - self._window)
            return LogRange(start=start, end=self._at)
        return LogRange(start=self._at, end=min(self._at + self._window, self._log.end))

    def keep_newest(self) -> int:
        """Forget the oldest record that was read ahead; return its size in bytes."""
        self._has_forgotten = True
        return self.ahead.popleft().size_bytes

    def go_on(self, window: LogRange, *, complete: bool) -> None:
        """Be behind a window, or behind what was read of it."""
        if self.ahead:
            self._window = 0
        if self._backwards:
            self._at = self.ahead[0].offset if self._has_forgotten else window.start
            self._has_forgotten = False
        elif complete:
            self._at = window.end
        elif self.ahead:
            self._at = self.ahead[-1].offset + 1

    def take(self) -> Event:
        """Return the next record."""
        return self.ahead.pop() if self._backwards else self.ahead.popleft()

    @property
    def order(self) -> tuple[int, str, int]:
        """What the lane with the next record is found by."""
        event = self.ahead[-1] if self._backwards else self.ahead[0]
        moment = -event.timestamp_ms if self._backwards else event.timestamp_ms
        return moment, event.topic, event.partition


class Reading:
    """Reading of some topics, page by page, between the ends that they had at the beginning.

    Args:
        cluster: what is read.
        request: what is wanted.
    """

    def __init__(self, cluster: Cluster, request: ReadRequest) -> None:
        self._cluster = cluster
        self._request = request
        self._lanes: dict[TopicPartition, _Lane] = {}
        self._empty: dict[TopicPartition, _Lane] = {}
        """Those that go on and have nothing read ahead."""
        self._next: list[tuple[tuple[int, str, int], TopicPartition]] = []
        """Heap of those that have something."""
        self._cursor: dict[TopicPartition, int] = {}
        self._left = 0
        self._has_begun = False
        self._needles = needles_of(request.contains)
        self._is_search = request.matches is not None or bool(self._needles)
        self._pace = Pace() if request.in_background else Pace(rest_s=0)
        self._mean: float | None = None
        """Bytes of a record, of those that were read last."""
        self._scanned = self._budget = 0

    async def page(self) -> RecordPage:
        """Return the next page; an empty one that has nothing left comes at the end.

        Raises:
            NotFoundError: a topic is not there.
        """
        request = self._request
        if not self._has_begun:
            self._has_begun = True
            await self._begin()
        found: list[Event] = []
        size = self._scanned = 0
        self._budget = request.max_scanned
        end = None
        while len(found) < request.limit:
            if self._empty:
                # Nothing can be merged as long as one may have something older or newer.
                if end is None:
                    end = monotonic() + (request.max_seconds or inf)
                elif self._budget <= 0 or monotonic() > end:
                    break
                await self._refill(end)
                continue
            if not self._next:
                break
            place = self._next[0][1]
            lane = self._lanes[place]
            event = lane.ahead[-1] if request.newest_first else lane.ahead[0]
            size += event.size_bytes
            if found and size > request.max_bytes:
                break
            found.append(event)
            heappop(self._next)
            left = lane.left
            lane.take()
            self._sort_in(place, left)
            await self._pace.keep()
        return RecordPage(
            events=tuple(found),
            cursor=dict(self._cursor),
            scanned=self._scanned,
            left=self._left,
        )

    def _sort_in(self, place: TopicPartition, left: int) -> None:
        """Take note of a lane that has moved on, and of which so much was left before."""
        lane = self._lanes[place]
        self._left += lane.left - left
        self._scanned += left - lane.left
        self._cursor[place] = lane.position
        # The next time others come first.
        self._empty.pop(place, None)
        if lane.ahead:
            heappush(self._next, (lane.order, place))
        elif lane.left:
            self._empty[place] = lane

    async def _wanted(self, events: Sequence[Event], size: int) -> Sequence[Event]:
        if not self._is_search:
            return events
        if self._request.takes_long or size > _LARGE:
            return await asyncio.to_thread(lambda: list(filter(self._matches, events)))
        return list(filter(self._matches, events))

    def _matches(self, event: Event) -> bool:
        if self._needles and not has_any(event, self._needles):
            return False
        return self._request.matches is None or self._request.matches(event)

    async def _begin(self) -> None:
        request = self._request
        logs = await self._cluster.ranges(request.topics)
        if request.partitions is not None:
            logs = {p: log for p, log in logs.items() if p.partition in request.partitions}
        ends = request.ends or {}
        if request.until is not None:
            ends = await resolved(self._cluster, dict.fromkeys(logs, request.until), logs)
        ranges = {}
        async for place, log in in_turns(logs.items()):
            end = max(log.start, min(log.end, ends.get(place, log.end)))
            ranges[place] = LogRange(start=log.start, end=end)
        if request.cursor is None:
            start = request.start or (_LATEST if request.newest_first else _EARLIEST)
            at = await resolved(self._cluster, dict.fromkeys(ranges, start), ranges)
        else:
            at = {**{place: log.start for place, log in ranges.items()}, **request.cursor}
        async for place, log in in_turns(ranges.items()):
            self._lanes[place] = lane = _Lane(log, at[place], backwards=request.newest_first)
            self._left += lane.left
            self._sort_in(place, lane.left)

    async def _refill(self, end: float) -> None:
        """Read on where there is no record, at least once and else until a moment."""
        request = self._request
        empty = dict(self._empty)
        wanted = _SCAN_WINDOW if self._is_search else request.limit
        size = max(wanted // max(len(self._lanes), 1) + 1, _MIN_WINDOW)
        most = self._budget // len(empty)
        if request.newest_first:
            # To know the newest of a window, all of it has to be read.
            mean = request.max_bytes // _FIRST_WINDOW if self._mean is None else self._mean
            most = min(most, int(request.max_bytes / (mean + 1)) // len(empty))
        # A bus reads one partition after the other anyway, and may stop between any two of them.
        parts = [list(empty)] if self._cluster.is_external else [[place] for place in empty]
        room = float(request.max_bytes)
        for part in parts:
            left = {place: empty[place].left for place in part}
            windows = {place: empty[place].window(size, max(most, 1)) for place in part}
            room -= await self._fill(windows, room)
            for place in part:
                self._sort_in(place, left[place])
            self._budget -= sum(window.records for window in windows.values())
            if monotonic() > end or (room < 0 and not request.newest_first):
                break

    async def _fill(self, windows: Mapping[TopicPartition, LogRange], room: float) -> int:
        """Read windows; return the bytes of what is kept of them."""
        size, complete, count, total = 0, True, 0, 0
        async with aclosing(self._cluster.slices(windows, self._needles, self._pace)) as slices:
            async for events in slices:
                lane = self._lanes[TopicPartition(events[0].topic, events[0].partition)]
                read = sum(event.size_bytes for event in events)
                wanted = await self._wanted(events, read)
                lane.ahead.extend(wanted)
                count, total = count + len(events), total + read
                size += read if len(wanted) == len(events) else sum(e.size_bytes for e in wanted)
                if size > room and not self._request.newest_first:
                    complete = False
                    break
                while size > room and len(lane.ahead) > 1:
                    size -= lane.keep_newest()
        self._mean = total / max(count, 1)
        for place, window in windows.items():
            self._lanes[place].go_on(window, complete=complete)
        return size


async def read_page(cluster: Cluster, request: ReadRequest) -> RecordPage:
    """Return one page of records; NotFoundError if a topic is not there."""
    return await Reading(cluster, request).page()


async def record_at(cluster: Cluster, place: TopicPartition, offset: int) -> tuple[Event, LogRange]:
    """Return one record, and the range of its log.

    Raises:
        NotFoundError: it is not there; the message says what is.
    """
    name = f"{place.topic}[{place.partition}]@{offset}"
    log = (await cluster.ranges([place.topic])).get(place)
    if log is None:
        raise NotFoundError(f"{place.topic} has no partition {place.partition}")
    if log.start <= offset < log.end:
        wanted = {place: LogRange(start=offset, end=offset + 1)}
        async with aclosing(cluster.slices(wanted)) as slices:
            async for events in slices:
                for event in events:
                    return event, log
        raise NotFoundError(
            f"{name} is gone: it has been compacted away, or was the mark of a transaction"
        )
    what = f"has offsets {log.start} to {log.end - 1}" if log.records else "is empty"
    raise NotFoundError(f"there is no {name}: the partition {what}")


async def search(cluster: Cluster, request: ReadRequest) -> AsyncGenerator[RecordPage, None]:
    """Yield pages up to where the topics ended at the beginning; each tells how far it has come.

    Close the iterator to stop. A page may be empty: ``max_scanned`` says how much is looked at
    until something is told.
    """
    reading = Reading(cluster, request)
    while True:
        page = await reading.page()
        yield page
        if not page.left:
            return


async def resolved(
    cluster: Cluster,
    positions: Mapping[TopicPartition, Position],
    ranges: Mapping[TopicPartition, LogRange],
) -> dict[TopicPartition, int]:
    """Return the offsets that positions mean; those outside a log become its nearest end."""
    moments = await cluster.offsets_at(
        {
            place: position.number
            for place, position in positions.items()
            if position.kind is PositionKind.TIME
        }
    )
    return {
        place: offset_of(position, ranges[place], moments.get(place, -1))
        async for place, position in in_turns(positions.items())
    }


async def noted_parties_of(cluster: Cluster) -> Parties:
    """Return what the sets say of services and ids that a cluster was seeded from."""
    notes = []
    if any(topic.name == LEDGER_TOPIC for topic in await cluster.topics()):
        async with aclosing(cluster.slices(await cluster.ranges([LEDGER_TOPIC]))) as slices:
            async for events in slices:
                notes += [(event.key, event.value) for event in events]
    return Ledger(notes).parties
