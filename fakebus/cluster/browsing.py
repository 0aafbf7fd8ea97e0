"""Reading a cluster page by page: merged over partitions, filtered, from either end, searched.

A :class:`Reading` merges partitions by time. It holds a few records of each partition and asks the
cluster for more when one has run out, so memory grows neither with the topics nor with a search.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from fakebus.client.groups import GroupDetails
from fakebus.client.offsets import LogRange, offset_of
from fakebus.client.positions import Position, PositionKind
from fakebus.cluster.events import Event
from fakebus.cluster.interface import Cluster, NotFoundError
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
_MAX_WINDOW = 100_000
_SCAN_WINDOW = 1000
"""Records that are asked for at once, over all partitions, while others are passed over."""
_TURN_S = 0.001
"""How long records are looked at before others get their turn."""
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
    matches: Matches | None = None
    """Which records are wanted; all when left out."""
    limit: int = 50
    """Records of a page at most."""
    max_scanned: int = MAX_SCANNED
    """Records that are looked at for a page at most."""
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
    """How many records were looked at for this page."""
    left: int
    """Offsets that were not looked at yet; 0 says that this was all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetMove:
    """Move of a group's committed offset, as a reset would make it."""

    topic_partition: TopicPartition
    before: int | None
    """``None`` if nothing was committed."""
    after: int
    log: LogRange


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

    def window(self, size: int) -> LogRange:
        """Return the offsets to read next: ``size``, or more where there was nothing."""
        self._window = min(max(size, 2 * self._window), _MAX_WINDOW)
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
        self._lanes: dict[TopicPartition, _Lane] | None = None

    async def page(self) -> RecordPage:
        """Return the next page; an empty one that has nothing left comes at the end.

        Raises:
            NotFoundError: a topic is not there.
        """
        request = self._request
        if self._lanes is None:
            self._lanes = await self._begun()
        lanes = self._lanes
        found: list[Event] = []
        scanned = size = 0
        until = monotonic() + _TURN_S
        while len(found) < request.limit and scanned < request.max_scanned:
            await self._refill()
            lane = min((each for each in lanes.values() if each.ahead), key=_order, default=None)
            if lane is None:
                break
            event = lane.ahead[-1] if request.newest_first else lane.ahead[0]
            if request.matches is None or request.matches(event):
                size += event.size_bytes
                if found and size > request.max_bytes:
                    break
                found.append(event)
            lane.take()
            scanned += 1
            if monotonic() > until:
                await asyncio.sleep(0)
                until = monotonic() + _TURN_S
        return RecordPage(
            events=tuple(found),
            cursor={place: lane.position for place, lane in lanes.items()},
            scanned=scanned,
            left=sum(lane.left for lane in lanes.values()),
        )

    async def _begun(self) -> dict[TopicPartition, _Lane]:
        request = self._request
        ranges = {
            place: log
            for place, log in (await self._cluster.ranges(request.topics)).items()
            if request.partitions is None or place.partition in request.partitions
        }
        if request.cursor is None:
            start = request.start or (_LATEST if request.newest_first else _EARLIEST)
            at = await resolved(self._cluster, dict.fromkeys(ranges, start), ranges)
        else:
            at = {**{place: log.start for place, log in ranges.items()}, **request.cursor}
        return {
            place: _Lane(log, at[place], backwards=request.newest_first)
            for place, log in ranges.items()
        }

    async def _refill(self) -> None:
        """See to it that every lane that goes on has its next record."""
        assert self._lanes is not None  # noqa: S101 - the order of the calls
        request = self._request
        wanted = request.limit if request.matches is None else _SCAN_WINDOW
        size = max(wanted // max(len(self._lanes), 1) + 1, _MIN_WINDOW)
        while True:
            empty = {p: lane for p, lane in self._lanes.items() if not lane.ahead and lane.left}
            if not empty:
                return
            await self._fill({place: lane.window(size) for place, lane in empty.items()})

    async def _fill(self, windows: Mapping[TopicPartition, LogRange]) -> None:
        assert self._lanes is not None  # noqa: S101 - the order of the calls
        request, size, complete = self._request, 0, True
        async with aclosing(self._cluster.slices(windows)) as slices:
            async for events in slices:
                lane = self._lanes[TopicPartition(events[0].topic, events[0].partition)]
                lane.ahead.extend(events)
                size += sum(event.size_bytes for event in events)
                if size > request.max_bytes and not request.newest_first:
                    complete = False
                    break
                while size > request.max_bytes and len(lane.ahead) > 1:
                    size -= lane.keep_newest()
        for place, window in windows.items():
            self._lanes[place].go_on(window, complete=complete)


def _order(lane: _Lane) -> tuple[int, str, int]:
    return lane.order


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
        for place, position in positions.items()
    }


async def preview_reset(
    cluster: Cluster, group: str, wanted: Mapping[TopicPartition, Position]
) -> list[OffsetMove]:
    """Return what a reset of a group would commit; ``set_offsets`` with it makes the reset.

    Args:
        cluster: where the group is, or will be.
        group: its name; one that is not there has committed nothing.
        wanted: the position for each partition.

    Raises:
        NotFoundError: a topic or a partition is not there.
    """
    ranges = await cluster.ranges({place.topic for place in wanted})
    for place in wanted:
        if place not in ranges:
            raise NotFoundError(f"there is no partition {place}")
    try:
        committed = {
            p.topic_partition: p.committed for p in (await cluster.group(group)).partitions
        }
    except NotFoundError:
        committed = {}
    after = await resolved(cluster, wanted, ranges)
    return [
        OffsetMove(
            topic_partition=place,
            before=committed.get(place),
            after=offset,
            log=ranges[place],
        )
        for place, offset in sorted(after.items())
    ]


async def waiting_since(cluster: Cluster, group: GroupDetails) -> dict[TopicPartition, int]:
    """Return the timestamps of the first records that a group has still to read.

    ``cluster.now_ms()`` less these is the lag in time. Partitions without lag are left out.
    """
    found: dict[TopicPartition, int] = {}
    behind = {
        each.topic_partition: LogRange(
            start=max(each.committed or 0, each.log.start), end=each.log.end
        )
        for each in group.partitions
        if each.lag and each.log is not None
    }
    while behind:
        windows = {
            place: LogRange(start=log.start, end=min(log.start + _MIN_WINDOW, log.end))
            for place, log in behind.items()
        }
        async with aclosing(cluster.slices(windows)) as slices:
            async for events in slices:
                place = TopicPartition(events[0].topic, events[0].partition)
                found.setdefault(place, events[0].timestamp_ms)
        behind = {
            place: LogRange(start=windows[place].end, end=log.end)
            for place, log in behind.items()
            if place not in found and windows[place].end < log.end
        }
    return found


async def noted_parties_of(cluster: Cluster) -> Parties:
    """Return what the sets say of services and ids that a cluster was seeded from."""
    notes = []
    if any(topic.name == LEDGER_TOPIC for topic in await cluster.topics()):
        async with aclosing(cluster.slices(await cluster.ranges([LEDGER_TOPIC]))) as slices:
            async for events in slices:
                notes += [(event.key, event.value) for event in events]
    return Ledger(notes).parties
