"""A transactional producer in front of a broker."""

from __future__ import annotations

import asyncio
from typing import Any

from fakebus.broker.appending import LogAppendInfo
from fakebus.broker.broker import Broker
from fakebus.broker.groups.requests import OffsetCommit, PartitionOffset
from fakebus.broker.tail import LogCursor
from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.broker.transactions.writing import TransactionalWrite, commit_offsets
from fakebus.errors import ErrorCode
from fakebus.types import TopicPartition
from tests.unit.broker.batches import T0, batch

TIMEOUT_MS = 60_000


class TransactionalProducer:
    """Producer that does what it is told, and remembers what it signs with.

    Args:
        broker: where it writes.
        name: its transactional id.
        second: whether it knows KIP-890.
    """

    def __init__(self, broker: Broker, name: str = "p", *, second: bool = True) -> None:
        self.broker, self.name, self.second = broker, name, second
        self.identity = ProducerIdAndEpoch(-1, -1)
        self.sequences: dict[TopicPartition, int] = {}

    async def init(self, timeout_ms: int = TIMEOUT_MS) -> TransactionalProducer:
        self.identity = await self.broker.transactions.init_producer_id(self.name, timeout_ms, None)
        self.sequences.clear()
        return self

    async def write(
        self, *values: bytes, to: TopicPartition = T0, key: bytes = b"k"
    ) -> LogAppendInfo:
        if not self.second:
            self.broker.transactions.add_partitions(self.name, self.identity, (to,))
        data = batch(
            *values,
            key=key,
            producer_id=self.identity.producer_id,
            producer_epoch=self.identity.epoch,
            base_sequence=self.sequences.get(to, 0),
            transactional=True,
        )
        write = TransactionalWrite(self.name, self.second)
        info = await self.broker.produce(to, data, transaction=write)
        self.sequences[to] = self.sequences.get(to, 0) + len(values)
        return info

    async def commit_offset(
        self, group: str, offset: int, of: TopicPartition = T0, **member: Any
    ) -> ErrorCode:
        told: asyncio.Future[list[ErrorCode]] = asyncio.get_running_loop().create_future()
        commit = OffsetCommit(
            group_id=group, offsets=[PartitionOffset(*of, offset)], transactional=True, **member
        )
        write = TransactionalWrite(self.name, True)
        commit_offsets(write, self.identity, commit, self.broker.transactions, told.set_result)
        [error] = await told
        return error

    async def end(self, *, commit: bool) -> None:
        before = self.identity
        self.identity = await self.broker.transactions.end(
            self.name, before, commit=commit, bumps_epoch=self.second
        )
        if self.identity != before:
            self.sequences.clear()


async def committed(broker: Broker, partition: TopicPartition = T0) -> list[bytes | None]:
    """Return the values that a reader of committed records sees."""
    cursor = LogCursor(broker.partition_log(partition), committed=True)
    values = []
    while cursor.has_more():
        values += [record.value for record in await cursor.records(100)]
    return values
