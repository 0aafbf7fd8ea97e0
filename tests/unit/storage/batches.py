"""Batches to store, and appending them with an answer that can be awaited."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

from fakebus.storage.interface import Storage, StoredBatch, TopicRow

END = 1 << 44


_RAMP = bytes(range(251))


def batch(
    base_offset: int,
    records: int = 1,
    *,
    timestamp: int = 1000,
    size: int = 10,
    producer_id: int = -1,
    sequence: int = -1,
) -> StoredBatch:
    begin = base_offset % len(_RAMP)
    data = (_RAMP * (size // len(_RAMP) + 2))[begin : begin + size]
    epoch = 0 if producer_id >= 0 else -1
    return StoredBatch(
        base_offset,
        base_offset + records - 1,
        timestamp,
        producer_id,
        epoch,
        sequence,
        0,
        data,
    )


def append(storage: Storage, log_id: int, *batches: StoredBatch) -> asyncio.Future[None]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(failure: BaseException | None) -> None:
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)

    storage.append_batches(log_id, batches, done)
    return future


async def new_log(storage: Storage, name: str = "orders") -> int:
    return (await new_topic(storage, name)).log_ids[0]


async def new_topic(storage: Storage, name: str = "orders", partitions: int = 1) -> TopicRow:
    log_ids = tuple(storage.next_log_id() for _ in range(partitions))
    topic = TopicRow(name=name, topic_id=uuid4(), log_ids=log_ids)
    await storage.save_topic(topic)
    return topic


async def offsets(storage: Storage, log_id: int) -> list[int]:
    return [found.base_offset for found in await storage.read_batches(log_id, 0, END, 1 << 30)]


def topic_id(number: int) -> UUID:
    return UUID(int=number)
