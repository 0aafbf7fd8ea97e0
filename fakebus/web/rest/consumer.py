"""A consumer that lives here between requests, and is a real one of its group.

A subscribed one is a member of its group by the protocol of KIP-848, where the coordinator shares
out the partitions; so a group, its lag and what is told of it are those of any other client. One
that is assigned partitions only commits for its group, as Kafka's consumers do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from fakebus.broker.activity import Origin
from fakebus.broker.broker import Broker
from fakebus.broker.fetching import FetchTarget
from fakebus.broker.groups.answers import settle
from fakebus.broker.groups.requests import (
    ConsumerHeartbeat,
    HeartbeatResult,
    OffsetCommit,
    PartitionOffset,
)
from fakebus.broker.partition_log import PartitionLog
from fakebus.clock import keep_waiting
from fakebus.errors import BrokerError, ErrorCode
from fakebus.real_time import monotonic
from fakebus.records.batch import CONTROL_BIT, parse_header
from fakebus.records.codecs import CODEC_MASK
from fakebus.records.reader import read_records
from fakebus.records.record import Record
from fakebus.types import Buffer, TopicIdPartition, TopicPartition
from fakebus.web.errors import RequestError

IDLE_S = 300.0
"""After how long without a request a consumer is closed, as in Confluent's."""
MAX_BYTES = 1 << 20
"""Bytes of an answer at most; a single batch may be larger."""
LONGEST_WAIT_MS = 60_000
_BEAT_S = 3.0
_STEP_S = 0.5
"""How long a request waits for records before it looks whether the assignment has changed."""
_AUTO_COMMIT_S = 5.0
_REJOIN = (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH)
_TWO_WAYS = (
    "IllegalStateError: You must choose only one way to configure your consumer: "
    "(1) subscribe to specific topics by name, (2) subscribe to topics matching a regex pattern, "
    "(3) assign itself specific topic-partitions."
)
"""What clients are told by Karapace too, whose tests compare it."""


Placed = tuple[TopicPartition, Record]
"""A record, and where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerOptions:
    """Options that a consumer is created with."""

    format: str = "binary"
    reset: str = "latest"
    """Where to begin without a committed offset: earliest, latest or none."""
    auto_commit: bool = True
    min_bytes: int = 1
    """Of keys and values, for which a request waits."""
    timeout_ms: int = 1000
    """How long a request waits for them if it does not say."""


def no_consumer(name: str) -> RequestError:
    """Return the refusal of a consumer that is not there."""
    return RequestError(404, f"Consumer instance {name[:300]!r} not found.", error_code=40403)


def illegal_state(message: str = _TWO_WAYS) -> RequestError:
    """Return the refusal of what does not go with the state of a consumer."""
    return RequestError(409, message, error_code=40903)


class Consumer:
    """Consumer of a group.

    Args:
        broker: where it reads.
        group: its group.
        name: its name in the group, and its client id.
        options: what it was created with.
        origin: who it is for lineage.
    """

    def __init__(
        self, broker: Broker, group: str, name: str, options: ConsumerOptions, origin: Origin
    ) -> None:
        self._broker = broker
        self._coordinator = broker.group_coordinator
        self.group = group
        self.name = name
        self.options = options
        self.origin = origin
        self.lock = asyncio.Lock()
        """Held by the request that is being answered."""
        self.used_s = broker.clock.monotonic()
        """When the last request came."""
        self.closed = False
        self.topics: frozenset[str] = frozenset()
        """What it is subscribed to, by name or by what the pattern matches."""
        self.pattern: str | None = None
        self._named = False
        self.is_assigned = False
        self.beat_s = _BEAT_S
        """How often it tells the group that it is there."""
        self._member_id = str(uuid4())
        self._epoch = 0
        self._owned: dict[TopicPartition, TopicIdPartition | None] = {}
        self._next: dict[TopicPartition, int] = {}
        """Where the next fetch of a partition begins."""
        self._consumed: dict[TopicPartition, int] = {}
        """Positions to be committed, as in Kafka: past what was answered, sought, or reset to."""
        self._ahead: deque[Placed] = deque()
        """What was fetched and has found no room in an answer."""
        self._committed_s = self.used_s

    @property
    def assignment(self) -> list[TopicPartition]:
        """The partitions that it reads."""
        return sorted(self._owned)

    @property
    def is_subscribed(self) -> bool:
        """Whether it is a member of its group."""
        return self._named or self.pattern is not None

    # What it reads

    async def subscribe(self, topics: Iterable[str] | None, pattern: str | None) -> None:
        """Become a member of the group that reads topics, by name or by a pattern of RE2.

        Raises:
            RequestError: 40903, it does not go with what was chosen before.
            BrokerError: the group does not take it.
        """
        if (topics is None) == (pattern is None) or self.is_assigned:
            raise illegal_state()
        if self._named if pattern is not None else self.pattern is not None:
            raise illegal_state()
        before = self.topics, self.pattern, self._named
        self.topics, self.pattern = frozenset(topics or ()), pattern
        self._named = topics is not None
        try:
            await self.beat()
        except BrokerError:
            self.topics, self.pattern, self._named = before
            raise

    async def unsubscribe(self) -> None:
        """Read nothing any more, and leave the group."""
        await self.auto_commit()
        if self.is_subscribed and self._epoch > 0:
            await self._coordinator.consumer_heartbeat(self._heartbeat(epoch=-1))
            self._broker.activity.note(
                "left", self.origin, group=self.group, member=self._member_id
            )
        self.topics, self.pattern, self._named, self.is_assigned = frozenset(), None, False, False
        self._epoch = 0
        self._own({})

    async def assign(self, places: Iterable[TopicPartition]) -> None:
        """Read partitions, whatever the group reads; none are the end of it.

        Raises:
            RequestError: 40903, it is subscribed.
        """
        if self.is_subscribed:
            raise illegal_state()
        await self.auto_commit()
        self._own(dict.fromkeys(places))
        self.is_assigned = bool(self._owned)

    def _own(self, places: Mapping[TopicPartition, TopicIdPartition | None]) -> None:
        self._owned = dict(places)
        for kept in (self._next, self._consumed):
            for place in kept.keys() - places.keys():
                del kept[place]
        self._ahead = deque(each for each in self._ahead if each[0] in places)

    def _heartbeat(self, epoch: int) -> ConsumerHeartbeat:
        peer = self.origin.peer
        return ConsumerHeartbeat(
            group_id=self.group,
            member_id=self._member_id,
            member_epoch=epoch,
            rebalance_timeout_ms=int(IDLE_S * 1000),
            topics=self.topics if self._named else None,
            regex=self.pattern,
            owned=frozenset(each for each in self._owned.values() if each)
            if epoch
            else frozenset(),
            client_id=self.name,
            client_host=f"/{peer.host}" if peer else "",
        )

    async def beat(self) -> None:
        """Stay in the group, and take what it gives; of what it takes back, commit what was read.

        Raises:
            BrokerError: the group does not take it.
        """
        while self.is_subscribed:
            result = await self._coordinator.consumer_heartbeat(self._heartbeat(self._epoch))
            if result.error in _REJOIN and self._epoch:
                self._epoch = 0
                self._own({})
                continue
            if result.error is not ErrorCode.NONE:
                raise BrokerError(result.error, result.message)
            if not await self._taken(result):
                return

    async def _taken(self, result: HeartbeatResult) -> bool:
        """Be what an answer says; return whether something was given back, which is to be told."""
        activity = self._broker.activity
        if not self._epoch:
            detail = ", ".join(sorted(result.topics or ()))
            activity.note(
                "joined", self.origin, group=self.group, detail=detail, member=self._member_id
            )
        self._epoch = result.member_epoch
        self.beat_s = min(_BEAT_S, result.heartbeat_interval_ms / 1000)
        if self.pattern is not None and result.topics is not None:
            self.topics = result.topics
        if result.assignment is None:
            return False
        owned: dict[TopicPartition, TopicIdPartition | None] = {}
        for each in result.assignment:
            topic = self._broker.topics.by_id(each.topic_id)
            if topic is not None:
                owned[TopicPartition(topic.name, each.partition)] = each
        if owned.keys() == self._owned.keys():
            return False
        lost = self._owned.keys() - owned.keys()
        if lost:
            await self.auto_commit()
        self._own(owned)
        activity.note_assignment(self.origin, self.group, self._member_id, owned)
        return bool(lost)

    # Positions

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Go on from offsets; RequestError 40903 if one of the partitions is not its own."""
        for place in offsets:
            if place not in self._owned:
                told = f"No current assignment for partition {place}; assign it, or subscribe first"
                raise illegal_state(told)
        for place, offset in offsets.items():
            self._next[place] = self._consumed[place] = offset
            self._ahead = deque(each for each in self._ahead if each[0] != place)

    def log(self, place: TopicPartition) -> PartitionLog | None:
        """Return the log of a partition, ``None`` if it is gone."""
        return self._broker.topics.logs.get(place)

    async def _begin(self) -> None:
        """Find where partitions begin that are new to it."""
        new = [place for place in self._owned if place not in self._next]
        if not new:
            return
        await self._coordinator.offsets_settled(self.group)
        activity = self._broker.activity
        for place in new:
            log = self.log(place)
            if log is None or place in self._next:
                continue
            row = self._coordinator.fetch_offset(self.group, place)
            activity.note_committed_offsets(
                self.origin, self.group, place.topic, {place.partition: row}
            )
            if row is None:
                self._reset(place, log)
            else:
                self._next[place] = row.offset

    def _reset(self, place: TopicPartition, log: PartitionLog) -> None:
        if self.options.reset == "none":
            text = f"{self.group} has no offset of {place}, and auto.offset.reset is none"
            raise RequestError(404, text, error_code=40002)
        offset = log.log_start_offset if self.options.reset == "earliest" else log.high_watermark
        self._broker.activity.note_lookup(self.origin, place, self.options.reset, offset)
        # Committed too: the next consumer goes on from here, and not from where the log ends then.
        self._next[place] = self._consumed[place] = offset

    # Records

    async def records(
        self, timeout_ms: int, max_bytes: int, is_abandoned: Callable[[], bool] = lambda: False
    ) -> list[Placed]:
        """Return the next records, as soon as there are enough of them or the time is over.

        Args:
            timeout_ms: how long to wait.
            max_bytes: of keys and values; the first record may be larger.
            is_abandoned: says whether nobody waits any more; the next one gets the records then.

        Raises:
            RequestError: 40403, it was closed meanwhile.
            BrokerError: the group does not take it.
        """
        if self.options.auto_commit:
            await self.auto_commit()
        until = monotonic() + timeout_ms / 1000
        found: list[Placed] = []
        size, has_looked = 0, False
        while True:
            await self.beat()
            await self._begin()
            size, full = self._take(found, size, max_bytes)
            left_s = until - monotonic()
            is_over = has_looked and left_s <= 0
            if is_abandoned():
                self.put_back(found)
                return []
            if full or size >= max(self.options.min_bytes, 1) or is_over:
                return found
            await self._fetch(max(min(left_s, _STEP_S), 0), max_bytes)
            has_looked = True
            if self.closed:
                raise no_consumer(self.name)

    def _take(self, found: list[Placed], size: int, max_bytes: int) -> tuple[int, bool]:
        """Move what was fetched to an answer; return its size, and whether it is full."""
        while self._ahead:
            place, record = self._ahead[0]
            record_size = len(record.key or b"") + len(record.value or b"")
            if found and size + record_size > max_bytes:
                return size, True
            size += max(record_size, 1)
            found.append(self._ahead.popleft())
            self._consumed[place] = record.offset + 1
        return size, False

    def put_back(self, records: Sequence[Placed]) -> None:
        """Begin the next answer with the last records of one that is not sent."""
        self._ahead.extendleft(reversed(records))
        for place, record in reversed(records):
            self._consumed[place] = record.offset

    async def _fetch(self, wait_s: float, max_bytes: int) -> None:
        targets = [
            FetchTarget(log, self._next[place], min(max_bytes, MAX_BYTES))
            for place in self._owned
            if (log := self.log(place)) is not None and place in self._next
        ]
        if not targets:
            await keep_waiting(self._broker.clock, wait_s)
            return
        await self._broker.fetch(
            targets,
            max_wait_ms=int(wait_s * 1000),
            max_bytes=min(max_bytes, MAX_BYTES),
            origin=self.origin,
        )
        for target in targets:
            assert target.log is not None  # noqa: S101 - others were left out
            place = target.log.topic_partition
            if self._next.get(place) != target.fetch_offset:
                continue  # it was given back, or sought, meanwhile
            if target.error is ErrorCode.OFFSET_OUT_OF_RANGE:
                self._reset(place, target.log)
            for batch in target.single_batches():
                for record in await _records(batch, target.fetch_offset):
                    self._ahead.append((place, record))
                self._next[place] = target.last_offset + 1

    # Offsets

    async def commit(self, offsets: Mapping[TopicPartition, tuple[int, str]] | None) -> None:
        """Commit offsets, or those of all that was answered.

        Args:
            offsets: each the one to go on from, with the client's note.

        Raises:
            BrokerError: it is refused.
        """
        rows = dict(offsets or {})
        if offsets is None:
            rows = {place: (offset, "") for place, offset in self._consumed.items()}
        if not rows:
            return
        done: asyncio.Future[list[ErrorCode]] = asyncio.get_running_loop().create_future()
        commit = OffsetCommit(
            group_id=self.group,
            offsets=[
                PartitionOffset(*place, offset, metadata=note)
                for place, (offset, note) in rows.items()
            ],
            member_id=self._member_id if self.is_subscribed else "",
            generation_id=self._epoch if self.is_subscribed else -1,
        )
        self._broker.commit_offsets(commit, partial(settle, done), self.origin)
        for place, error in zip(rows, await done, strict=True):
            if error is not ErrorCode.NONE:
                raise BrokerError(error, f"{place}: {error.text}")
            if self._consumed.get(place) == rows[place][0]:
                del self._consumed[place]

    async def auto_commit(self) -> None:
        """Commit what was answered, if the consumer does that by itself."""
        self._committed_s = self._broker.clock.monotonic()
        if self.options.auto_commit:
            try:
                await self.commit(None)
            except BrokerError:
                # As Kafka's consumers: the partitions may be another member's by now.
                self._consumed.clear()

    async def live_on(self) -> None:
        """Do what is due between requests: heartbeats and automatic commits."""
        async with self.lock:
            if self._broker.clock.monotonic() - self._committed_s >= _AUTO_COMMIT_S:
                await self.auto_commit()
            try:
                await self.beat()
            except BrokerError:
                return  # the next request is told

    async def close(self) -> None:
        """Leave the group."""
        self.closed = True
        async with self.lock:
            await self.unsubscribe()
        self.origin.closed = True
        self._broker.activity.connection_closed(self.origin.connection_id)


async def _records(batch: Buffer, first_offset: int) -> list[Record]:
    attributes = parse_header(batch).attributes
    if attributes & CONTROL_BIT:
        return []

    def read() -> list[Record]:
        found = read_records(batch, first_offset=first_offset)
        # Of those that come before, not all was read.
        return [record for record in found if record.offset >= first_offset]

    return await asyncio.to_thread(read) if attributes & CODEC_MASK else read()
