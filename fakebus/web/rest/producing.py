"""Writing of records that come by HTTP: in batches, with the outcome of each record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from fakebus.broker.activity import Origin
from fakebus.broker.appending import AppendResult
from fakebus.broker.broker import Broker
from fakebus.broker.topics import Topic
from fakebus.broker.turns import in_turns
from fakebus.errors import BrokerError, ErrorCode, FakebusError
from fakebus.fixture_files.encoding.batching import batches_of
from fakebus.records.batch import NO_TIMESTAMP
from fakebus.records.partitioner import murmur2_random
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition
from fakebus.web.errors import RequestError

MOST_IN_LINE = 16
"""Large requests that may wait, with what was read of them."""
_SMALL_BYTES = 128 * 1024


class Stored(NamedTuple):
    """Place of a record that was written."""

    partition: int
    offset: int
    timestamp_ms: int


class _Placed(NamedTuple):
    at: int
    """Its place in the request."""
    partition: int
    record: NewRecord


class Producing:
    """Writer of records, with the partitions that a Java producer would choose.

    Args:
        broker: where to.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._turn = 0
        self._line = asyncio.Lock()
        self._in_line = 0

    @asynccontextmanager
    async def one_by_one(self, body_bytes: int) -> AsyncIterator[None]:
        """Let large requests be carried out one after the other: each takes thirty times its size.

        Raises:
            RequestError: 503, too many wait already.
        """
        if body_bytes <= _SMALL_BYTES:
            yield
            return
        if self._in_line >= MOST_IN_LINE:
            raise RequestError(503, "too many large requests come at once; try again")
        self._in_line += 1
        try:
            async with self._line:
                yield
        finally:
            self._in_line -= 1

    def _partition(self, topic: Topic, key: bytes | None) -> int:
        by_key = murmur2_random(key, len(topic.partitions))
        if by_key is not None:
            return by_key
        self._turn += 1
        return self._turn % len(topic.partitions)

    async def write(
        self, topic: Topic, records: Sequence[tuple[int | None, NewRecord]], origin: Origin
    ) -> list[Stored | FakebusError]:
        """Write records, and return where each is, or why it was refused.

        Args:
            topic: where to.
            records: each with its partition; by its key, or else in turns for ``None``.
            origin: whose they are.
        """
        outcomes: list[Stored | FakebusError] = []
        now_ms, placed = self._broker.clock.now_ms(), []
        async for index, (wanted, record) in in_turns(enumerate(records)):
            partition = self._partition(topic, record.key) if wanted is None else wanted
            if not 0 <= partition < len(topic.partitions):
                text = f"{topic.name} has no partition {partition}"
                outcomes.append(BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, text))
                continue
            if record.timestamp_ms == NO_TIMESTAMP:
                record = record._replace(timestamp_ms=now_ms)
            outcomes.append(Stored(partition, -1, record.timestamp_ms))
            placed.append(_Placed(index, partition, record))
        for index, outcome in await self._append(topic, placed, origin):
            outcomes[index] = outcome
        return outcomes

    async def _append(
        self, topic: Topic, placed: Sequence[_Placed], origin: Origin
    ) -> list[tuple[int, Stored | FakebusError]]:
        begun: list[tuple[list[_Placed], AppendResult]] = []
        found: list[tuple[int, Stored | FakebusError]] = []
        batches = batches_of(placed, topic.config.max_message_bytes)
        async for partition, batch, of_batch in in_turns(batches):
            place = TopicPartition(topic.name, partition)
            await self._broker.wait_for_room(len(batch))
            try:
                begun.append((of_batch, self._broker.produce(place, batch, origin=origin)))
            except BrokerError as error:
                found += await self._refused(topic, of_batch, origin, error)
        for of_batch, result in begun:
            try:
                stored = await result
            except BrokerError as error:
                found += await self._refused(topic, of_batch, origin, error)
                continue
            at_ms = stored.log_append_time_ms
            found += [
                (
                    each.at,
                    Stored(
                        each.partition,
                        stored.base_offset + at,
                        each.record.timestamp_ms if at_ms < 0 else at_ms,
                    ),
                )
                for at, each in enumerate(of_batch)
            ]
        return found

    async def _refused(
        self, topic: Topic, of_batch: Sequence[_Placed], origin: Origin, error: BrokerError
    ) -> list[tuple[int, Stored | FakebusError]]:
        """Return what becomes of the records of a refused batch: the others go without the bad."""
        if len(of_batch) == 1 or error.error_code.retriable:
            return [(each.at, error) for each in of_batch]
        found = []
        for each in of_batch:
            found += await self._append(topic, [each], origin)
        return found
