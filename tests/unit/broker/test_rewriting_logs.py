"""Logs whose end is rewritten between tests, and what clients are told about it."""

from __future__ import annotations

import asyncio

import pytest

from fakebus.broker.appending import AppendResult
from fakebus.broker.broker import Broker
from fakebus.broker.fetching import EpochEnd, FetchTarget
from fakebus.broker.log_rewriting import LogContent, cut_off, replace_logs
from fakebus.broker.partition_log import PartitionLog
from fakebus.errors import ErrorCode
from tests.unit.broker.batches import T0, batch, filled, keep, put_back, read


@pytest.fixture
async def log(broker: Broker) -> PartitionLog:
    topic = await broker.topics.create("t", 1, {})
    for value in (b"a", b"b", b"c"):
        await broker.produce(T0, batch(value))
    return topic.partitions[0]


async def values(broker: Broker, offset: int = 0) -> list[tuple[int, bytes | None]]:
    return [(record.offset, record.value) for record in await read(broker, offset)]


async def test_an_epoch_ends_where_the_log_was_cut_off(broker: Broker, log: PartitionLog) -> None:
    assert log.end_of_epoch(0) == 3
    await cut_off(log, 2, log_start_offset=0, log_end_offset=2)
    await broker.produce(T0, batch(b"d"))
    await broker.produce(T0, batch(b"e"))
    assert await values(broker) == [(0, b"a"), (1, b"b"), (2, b"d"), (3, b"e")]
    assert (log.leader_epoch, log.end_of_epoch(0), log.end_of_epoch(1)) == (1, 2, 4)
    await cut_off(log, 1, log_start_offset=0, log_end_offset=1)
    assert [log.end_of_epoch(epoch) for epoch in (-1, 0, 1, 2, 3)] == [None, 1, 1, 1, None]
    (found,) = await broker.fetch([FetchTarget(log, 1, 1000, current_leader_epoch=1)])
    assert found.error is ErrorCode.FENCED_LEADER_EPOCH


async def test_a_reader_of_what_was_cut_off_is_given_nothing_of_what_came_instead(
    broker: Broker, log: PartitionLog
) -> None:
    await cut_off(log, 1, log_start_offset=0, log_end_offset=1)
    for value in (b"x", b"y", b"z"):
        await broker.produce(T0, batch(value))
    (found,) = await broker.fetch([FetchTarget(log, 3, 1000, last_fetched_epoch=0)])
    assert (found.diverging_epoch, list(found.batches)) == (EpochEnd(0, 1), [])
    (found,) = await broker.fetch([FetchTarget(log, 3, 1000, last_fetched_epoch=1)])
    assert (found.diverging_epoch, len(found.batches)) == (None, 1)


async def test_what_was_deleted_is_put_back_with_its_offsets(
    broker: Broker, log: PartitionLog
) -> None:
    kept = await keep(broker, await log.read(0, 3, 10_000))
    await log.delete_records(2)
    await broker.produce(T0, batch(b"d"))
    await put_back(broker, log, 0, kept, 1, 3)
    assert (log.log_start_offset, log.high_watermark) == (1, 3)
    assert await values(broker, 1) == [(1, b"b"), (2, b"c")]
    assert (await broker.produce(T0, batch(b"e"))).base_offset == 3


async def test_an_empty_log_keeps_its_place(broker: Broker, log: PartitionLog) -> None:
    await cut_off(log, 0, log_start_offset=7, log_end_offset=7)
    assert (await broker.produce(T0, batch(b"x"))).base_offset == 7
    assert await values(broker, 7) == [(7, b"x")]


async def test_what_is_appended_meanwhile_comes_behind(broker: Broker, log: PartitionLog) -> None:
    topic = broker.topics.get("t")
    assert topic is not None
    log_id = await filled(broker, await keep(broker, await log.read(0, 3, 10_000)))
    content = LogContent(log_id, 0, 0, 3)
    rewriting = asyncio.ensure_future(replace_logs(broker.topics, topic, {log: content}))
    await asyncio.sleep(0)
    appended = broker.produce(T0, batch(b"new"))
    await rewriting
    assert (await appended).base_offset == 3
    assert [value for _, value in await values(broker)] == [b"a", b"b", b"c", b"new"]


async def test_a_producer_whose_batches_are_gone_may_go_on(
    broker: Broker, log: PartitionLog
) -> None:
    def numbered(producer_id: int, sequence: int) -> bytearray:
        return batch(b"x", producer_id=producer_id, producer_epoch=0, base_sequence=sequence)

    for sequence in range(2):
        await broker.produce(T0, numbered(7, sequence))
    await broker.produce(T0, numbered(8, 0))
    end = log.high_watermark
    await broker.produce(T0, numbered(7, 2))
    await cut_off(log, end, log_start_offset=0, log_end_offset=end)
    # One has lost a batch: whatever it sends next is the first that is heard of it.
    assert (await broker.produce(T0, numbered(7, 3))).base_offset == end
    # The other one has lost nothing, so what it repeats is a duplicate still.
    assert (await broker.produce(T0, numbered(8, 0))).base_offset == end - 1
    assert (await broker.produce(T0, numbered(8, 1))).base_offset == end + 1


async def test_epochs_and_their_ends_are_known_after_a_restart(
    broker: Broker, log: PartitionLog
) -> None:
    await cut_off(log, 2, log_start_offset=0, log_end_offset=2)
    await broker.produce(T0, batch(b"d"))
    await cut_off(log, 1, log_start_offset=0, log_end_offset=1)
    await broker.produce(T0, batch(b"e"))
    again = Broker(broker._storage)
    await again.start()
    found = again.partition_log(T0)
    assert found.leader_epoch == 2
    assert [found.end_of_epoch(epoch) for epoch in range(4)] == [1, 1, 2, None]
    (fenced,) = await again.fetch([FetchTarget(found, 0, 1000, current_leader_epoch=1)])
    assert fenced.error is ErrorCode.FENCED_LEADER_EPOCH
    await again.close()


async def test_the_epochs_of_a_deleted_topic_are_forgotten(
    broker: Broker, log: PartitionLog
) -> None:
    await cut_off(log, 2, log_start_offset=0, log_end_offset=2)
    assert [state.epoch_starts for state in await broker._storage.load_logs()] == [(2,)]
    topic = broker.topics.get("t")
    assert topic is not None
    await broker.topics.delete(topic)
    await broker.topics.create("t", 1, {})
    assert [state.epoch_starts for state in await broker._storage.load_logs()] == [()]
    assert broker.partition_log(T0).leader_epoch == 0


async def test_what_is_under_way_is_taken_back_and_acknowledged(
    broker: Broker, log: PartitionLog
) -> None:
    under_way = broker.produce(T0, batch(b"d"))
    rewriting = asyncio.create_task(cut_off(log, 2, log_start_offset=0, log_end_offset=2))
    await asyncio.sleep(0)
    after = broker.produce(T0, batch(b"e"))
    await rewriting
    assert (await under_way).base_offset == 3
    assert (await after).base_offset == 2
    assert (log.high_watermark, log.log_end_offset) == (3, 3)
    assert await values(broker) == [(0, b"a"), (1, b"b"), (2, b"e")]


async def test_a_duplicate_waits_for_its_own_first_copy_and_not_for_one_taken_back(
    broker: Broker, log: PartitionLog
) -> None:
    def write() -> AppendResult:
        return broker.produce(T0, batch(b"d", producer_id=7, producer_epoch=0, base_sequence=0))

    write()
    rewriting = cut_off(log, 3, log_start_offset=0, log_end_offset=3)
    # Up to where it waits for storage.
    rewriting.send(None)
    first, again = write(), write()
    rewriting.close()
    assert (await first).base_offset == (await again).base_offset == 3
    assert log.high_watermark == 4
