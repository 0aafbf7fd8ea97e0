"""Replay: records are written once more, to their topic or to another one.

A replay is made in steps, each bounded in time, so that it can be shown, stopped and asked for over
HTTP. A step knows everything from the request and from the cursor of the step before: nothing is
kept between them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from fakebus.client.offsets import LogRange
from fakebus.client.positions import (
    POSITION_HELP,
    Position,
    PositionKind,
    check_order,
    parse_position,
)
from fakebus.cluster.browsing import Matches, Reading, ReadRequest, record_at, resolved
from fakebus.cluster.events import Event
from fakebus.cluster.filters import event_filter
from fakebus.cluster.header_policies import POLICIES, copied_headers
from fakebus.cluster.interface import (
    Cluster,
    Copy,
    NotFoundError,
    is_internal_topic,
)
from fakebus.errors import ConfigError, FakebusError
from fakebus.lineage.place import Place
from fakebus.real_time import monotonic
from fakebus.records.partitioner import PartitionChooser
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition
from fakebus.wording import counted

STEP_S = 2.0
"""How long one step writes at most."""
MOST_TOLD = 1000
"""Records of a replay that are told one by one; those beyond are counted only."""
MOST_RANGES = 1000
_PAGE = 500
_RANGE = re.compile(r"([^\[\]@\s]{1,249})(?:\[([0-9]{1,9})\])?(?:@(\S*))?", re.ASCII)
RANGE_HELP = (
    "TOPIC, TOPIC[PARTITION], with @OFFSET for one record or @FROM..TO for those between, "
    f"both included; each is {POSITION_HELP}, and what is left out is an end of the log"
)

Cursor = dict[str, Any]
_Left = tuple[str, dict[str, list[int]]]
"""What is left of a range: its topic, and by partition the next offset and the end."""


class Range(NamedTuple):
    """Range of records of a topic, as people write it."""

    topic: str
    partition: int | None
    start: Position
    end: Position | None
    """Included if it is an offset; ``None`` for the end of the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """Request to write records once more."""

    ranges: Sequence[str] = ()
    """What is read; see ``RANGE_HELP``."""
    since: str = ""
    """A snapshot: instead of ranges, what has come since."""
    until: str = ""
    """The later snapshot; this moment when left out."""
    to: str = ""
    """The topic that is written to; that of each record when left out."""
    filter: str = ""
    headers: str = "new"
    """One of ``POLICIES``."""
    speed: float = 0.0
    """How many times as fast as the records were written; 0 for as fast as it can be done."""
    dry_run: bool = False
    """Whether nothing is written, only told."""


@dataclass(slots=True, kw_only=True)
class ReplayStep:
    """Step of a replay, when it is done."""

    replayed: int = 0
    scanned: int = 0
    """How many records were looked at."""
    matched: int = 0
    """How many of them were wanted, and written unless nothing is."""
    records: list[dict[str, str]] = field(default_factory=list)
    """Names of the records and of their copies; of the partitions only if nothing is written."""
    cursor: Cursor | None = None
    """Where the next step begins; ``None`` at the end."""
    wait_s: float = 0.0
    """How long the next step has to wait, as the records were written."""
    problem: str | None = None
    """Why it ended before its end."""

    def json(self) -> dict[str, Any]:
        """Return it as HTTP answers it."""
        return {name: getattr(self, name) for name in self.__slots__}


def parse_range(text: str, now_ms: int) -> Range:
    """Return the range that a text names.

    Args:
        text: as ``RANGE_HELP`` says.
        now_ms: the present, in milliseconds since the epoch.

    Raises:
        ConfigError: it is none.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"{text!r} is no range of records: write {RANGE_HELP}")
    topic, partition, offsets = found[1], found[2], found[3]
    first, dots, last = (offsets or "..").partition("..")
    if not dots:
        last = first
    start = parse_position(first or PositionKind.EARLIEST.value, now_ms)
    if not dots and start.kind is not PositionKind.OFFSET:
        raise ConfigError(f"{text!r} is no range of records: {first!r} is no offset")
    end = parse_position(last, now_ms) if last else None
    try:
        check_order(start, end)
    except ConfigError as error:
        raise ConfigError(f"{text!r} is no range of records: {error}") from None
    return Range(topic, None if partition is None else int(partition), start, end)


def ranges_of(events: Iterable[Event]) -> list[str]:
    """Return ranges that hold just these records."""
    found: dict[tuple[str, int], list[int]] = {}
    for event in events:
        found.setdefault((event.topic, event.partition), []).append(event.offset)
    ranges = []
    for (topic, partition), offsets in sorted(found.items()):
        runs: list[list[int]] = []
        for offset in sorted(offsets):
            if runs and offset == runs[-1][1] + 1:
                runs[-1][1] = offset
            else:
                runs.append([offset, offset])
        for first, last in runs:
            ranges.append(f"{topic}[{partition}]@{first}" + (f"..{last}" if last > first else ""))
    return ranges


async def replay_step(
    cluster: Cluster, request: ReplayRequest, cursor: Cursor | None = None
) -> ReplayStep:
    """Write some records once more, and return what was done and how to go on.

    Args:
        cluster: where they are.
        request: which, and how.
        cursor: of the step before.

    Raises:
        ConfigError: the request says what cannot be.
        NotFoundError: a topic, a partition or a snapshot is not there.
        NotOnThisCluster: snapshots are only had from a bus.
        ClusterError: the records of a snapshot are too many, or a topic is not written to.
    """
    if request.headers not in POLICIES:
        raise ConfigError(f"headers are one of {', '.join(POLICIES)}, not {request.headers!r}")
    if not 0 <= request.speed < float("inf"):
        raise ConfigError(f"a speed is a number above 0, not {request.speed:g}")
    if bool(request.ranges) == bool(request.since):
        raise ConfigError("a replay is of ranges of records, or of what has come since a snapshot")
    matches = event_filter(request.filter) if request.filter else None
    last_ms, index, left = _parts(cursor or {})
    source: _Ranges | _Emitted
    if request.since:
        source = _Emitted(await _emitted(cluster, request), matches, index)
    else:
        if cursor is None:
            left = await _resolved(cluster, request.ranges)
        source = _Ranges(cluster, matches, left)
    return await _Writer(cluster, request).run(source, last_ms)


def _parts(cursor: Cursor) -> tuple[int | None, int, list[_Left]]:
    """Return what a cursor says, which may have come from outside."""
    try:
        last_ms = cursor.get("last_ms")
        left = [
            (str(topic), {str(int(n)): [int(start), int(end)] for n, (start, end) in at.items()})
            for topic, at in cursor.get("left", ())
        ]
        return None if last_ms is None else int(last_ms), max(int(cursor.get("index", 0)), 0), left
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise ConfigError("the cursor is that of the step before, as it was answered") from None


async def _resolved(cluster: Cluster, texts: Iterable[str]) -> list[_Left]:
    """Return the offsets of ranges: those that are there now, and none that a replay adds."""
    now_ms = cluster.now_ms()
    ranges = [parse_range(text, now_ms) for text in texts]
    if len(ranges) > MOST_RANGES:
        raise ConfigError(f"a replay has {MOST_RANGES} ranges at most, not {len(ranges)}")
    logs = await cluster.ranges(dict.fromkeys(each.topic for each in ranges))
    left = []
    for each in ranges:
        own = {
            place: log
            for place, log in logs.items()
            if place.topic == each.topic and each.partition in (None, place.partition)
        }
        if not own:
            raise NotFoundError(f"{each.topic} has no partition {each.partition}")
        if each.end == each.start and each.start.kind is PositionKind.OFFSET:
            await _check_record(cluster, each, own)
        starts = await resolved(cluster, dict.fromkeys(own, each.start), own)
        ends = {place: log.end for place, log in own.items()}
        if each.end is not None:
            end = each.end
            if end.kind is PositionKind.OFFSET:
                end = Position(kind=end.kind, number=end.number + 1)
            ends = await resolved(cluster, dict.fromkeys(own, end), own)
        left.append((each.topic, {str(p.partition): [starts[p], ends[p]] for p in own}))
    return left


async def _check_record(
    cluster: Cluster, record: Range, logs: Mapping[TopicPartition, LogRange]
) -> None:
    """Raise NotFoundError if what a range names as one record is not there."""
    offset = record.start.number
    there = [place for place, log in logs.items() if log.start <= offset < log.end]
    if record.partition is None and not there:
        raise NotFoundError(f"no partition of {record.topic} has a record at offset {offset}")
    if record.partition is not None:
        await record_at(cluster, TopicPartition(record.topic, record.partition), offset)


async def _emitted(cluster: Cluster, request: ReplayRequest) -> list[Event]:
    # Few replays are of snapshots, and on another Kafka none is.
    from fakebus.broker.saved_snapshots import UnknownSnapshotError
    from fakebus.cluster.snapshot_diff import emitted_events

    bus = cluster.bus("what has come since a snapshot")
    try:
        async with bus.broker.saved_snapshots.pair(request.since, request.until or None) as pair:
            return await emitted_events(bus, pair)
    except UnknownSnapshotError as error:
        raise NotFoundError(str(error)) from None


class _Ranges:
    """Ranges that are read one after the other, each merged over its partitions by time.

    Args:
        cluster: where they are.
        matches: which records are wanted.
        left: what is left of each; the first is the one that is read.
    """

    def __init__(self, cluster: Cluster, matches: Matches | None, left: Iterable[_Left]) -> None:
        self._cluster = cluster
        self._matches = matches
        self._left = list(left)
        self._reading: Reading | None = None

    async def page(self) -> tuple[Sequence[Event], int] | None:
        """Return some events and how many were looked at; ``None`` at the end."""
        self._drop_read()
        if not self._left:
            return None
        topic, at = self._left[0]
        if self._reading is None:
            request = ReadRequest(
                topics=(topic,),
                partitions=frozenset(map(int, at)),
                cursor={TopicPartition(topic, int(n)): start for n, (start, _) in at.items()},
                ends={TopicPartition(topic, int(n)): end for n, (_, end) in at.items()},
                matches=self._matches,
                limit=_PAGE,
            )
            self._reading = Reading(self._cluster, request)
        page = await self._reading.page()
        for number, both in at.items():
            # At the end all is done, also what a log has lost meanwhile.
            end = both[1]
            both[0] = page.cursor.get(TopicPartition(topic, int(number)), end) if page.left else end
        return page.events, page.scanned

    def _drop_read(self) -> None:
        while self._left and all(start >= end for start, end in self._left[0][1].values()):
            self._left.pop(0)
            self._reading = None

    def cursor(self, unwritten: Sequence[Event]) -> Cursor | None:
        """Return where to go on, before some records of the last page; ``None`` at the end."""
        for event in reversed(unwritten):
            self._left[0][1][str(event.partition)][0] = event.offset
        self._drop_read()
        return {"left": self._left} if self._left else None


class _Emitted:
    """Records that only the later of two snapshots has.

    Args:
        events: all of them.
        matches: which are wanted.
        index: how many were written before.
    """

    def __init__(self, events: Sequence[Event], matches: Matches | None, index: int) -> None:
        self._scanned = 0 if index else len(events)
        self._events = [each for each in events if matches is None or matches(each)]
        self._index = index

    async def page(self) -> tuple[Sequence[Event], int] | None:
        """Return some events and how many were looked at; ``None`` at the end."""
        events = self._events[self._index : self._index + _PAGE]
        self._index += len(events)
        scanned, self._scanned = self._scanned, 0
        return (events, scanned) if events or scanned else None

    def cursor(self, unwritten: Sequence[Event]) -> Cursor | None:
        """Return where to go on, before some records of the last page; ``None`` at the end."""
        index = self._index - len(unwritten)
        return {"index": index} if index < len(self._events) else None


class _Writer:
    """Writer of copies.

    Args:
        cluster: where to.
        request: how.
    """

    def __init__(self, cluster: Cluster, request: ReplayRequest) -> None:
        self._cluster = cluster
        self._request = request
        self._chooser = PartitionChooser()
        self._counts: dict[str, int] = {}
        """The partitions of topics that are written to."""
        self._done = ReplayStep()

    async def run(self, source: _Ranges | _Emitted, last_ms: int | None) -> ReplayStep:
        """Write what a source gives, for as long as a step may take."""
        done, until, is_slow = self._done, monotonic() + STEP_S, self._request.speed > 0
        while (page := await source.page()) is not None:
            events, scanned = page
            done.scanned += scanned
            written = 0
            for part in [[each] for each in events] if is_slow else [events]:
                if is_slow and not self._request.dry_run and part[0].timestamp_ms >= 0:
                    done.wait_s, last_ms = self._wait_s(part[0], last_ms), part[0].timestamp_ms
                    if monotonic() + done.wait_s > until:
                        break
                    await asyncio.sleep(done.wait_s)
                    done.wait_s = 0.0
                await self._write(part)
                if done.problem is not None:
                    return done
                written += len(part)
            rest = events[written:]
            if rest or monotonic() > until:
                done.cursor = source.cursor(rest)
                if done.cursor is not None and last_ms is not None:
                    done.cursor["last_ms"] = last_ms
                return done
        return done

    def _wait_s(self, event: Event, last_ms: int | None) -> float:
        if last_ms is None:
            return 0.0
        return max(0, event.timestamp_ms - last_ms) / 1000 / self._request.speed

    async def _write(self, events: Sequence[Event]) -> None:
        for topic, found in groupby(events, lambda event: self._request.to or event.topic):
            copies = [await self._copy(topic, event) for event in found]
            if self._request.dry_run:
                for copy in copies:
                    self._tell(copy, f"{topic}[{copy.partition}]")
                continue
            count = self._done.replayed
            try:
                async with aclosing(self._cluster.replay(topic, copies)) as stored:
                    async for copy, offset in stored:
                        self._done.replayed += 1
                        self._tell(copy, str(Place(topic, copy.partition, offset)))
            except FakebusError as error:
                left = len(copies) - (self._done.replayed - count)
                self._done.problem = f"{topic} does not take {counted(left, 'record')}: {error}"
                return

    async def _copy(self, topic: str, event: Event) -> Copy:
        if topic not in self._counts:
            if is_internal_topic(topic):
                raise ConfigError(f"{topic} is an internal topic, which a replay does not write to")
            self._counts[topic] = len(await self._cluster.ranges([topic]))
        count, partition = self._counts[topic], event.partition
        if partition >= count:
            partition = self._chooser.choose(event.key, count)
        now_ms = self._cluster.now_ms()
        until = self._request.until
        # What stands at its place may be another record by now.
        headers = copied_headers(event, self._request.headers, now_ms, is_there=not until)
        source = f"{event.topic}[{event.partition}]@"
        return Copy(
            f"snapshot {until}: {source}" if until else source,
            event.offset,
            partition,
            NewRecord(event.key, event.value, tuple(headers), now_ms),
        )

    def _tell(self, copy: Copy, to: str) -> None:
        self._done.matched += 1
        if len(self._done.records) < MOST_TOLD:
            self._done.records.append({"from": f"{copy.source}{copy.offset}", "to": to})
