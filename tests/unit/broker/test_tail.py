"""Cursors over logs and topics: what they hand out, what they do not, and in what portions."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.log_rewriting import cut_off
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.tail import SLICE_BYTES, LogCursor, Tail
from fakebus.records.batch import CONTROL_BIT
from fakebus.records.codecs import Codec
from fakebus.storage.interface import StoredBatch
from fakebus.types import TopicPartition
from tests.unit.broker.batches import T0, batch, keep, put_back

_ATTRIBUTES_AT = 21


@pytest.fixture
async def log(broker: Broker) -> PartitionLog:
    topic = await broker.topics.create("t", 1, {})
    return topic.partitions[0]


async def put(broker: Broker, *values: bytes, partition: TopicPartition = T0) -> None:
    for value in values:
        await broker.produce(partition, batch(value))


async def rest(cursor: LogCursor | Tail, most: int = 100) -> list[bytes | None]:
    found: list[bytes | None] = []
    while True:
        if isinstance(cursor, LogCursor):
            records = await cursor.records(most)
        else:
            read = await cursor.read(most)
            records = [] if read is None else list(read.records)
        if not records:
            return found
        found += [record.value for record in records]


async def test_no_record_comes_twice(broker: Broker, log: PartitionLog) -> None:
    await broker.produce(T0, batch(b"a", b"b", b"c"))
    cursor = LogCursor(log)
    assert [record.value for record in await cursor.records(2)] == [b"a", b"b"]
    assert await rest(cursor) == [b"c"]
    await put(broker, b"d")
    assert await rest(cursor) == [b"d"]
    assert cursor.position == 4


async def test_a_cursor_may_begin_inside_a_batch(broker: Broker, log: PartitionLog) -> None:
    await broker.produce(T0, batch(b"a", b"b", b"c"))
    assert await rest(LogCursor(log, 1)) == [b"b", b"c"]
    slice_ = await LogCursor(log, 1).read()
    assert slice_ is not None
    assert slice_.first_offset == 1
    assert len(slice_.batches) == 1


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
async def test_a_cursor_may_end_inside_a_batch(
    broker: Broker, log: PartitionLog, codec: Codec
) -> None:
    await broker.produce(T0, batch(b"a", b"b", b"c", b"d", codec=codec))
    cursor = LogCursor(log, end=2)
    assert await rest(cursor) == [b"a", b"b"]
    assert cursor.position == 2
    cursor.end = 3
    assert await rest(cursor) == [b"c"]
    cursor.end = None
    assert await rest(cursor) == [b"d"]


async def test_a_cursor_stops_at_its_end_and_goes_on_when_that_moves(
    broker: Broker, log: PartitionLog
) -> None:
    await put(broker, b"a", b"b", b"c")
    cursor = LogCursor(log, end=2)
    assert await rest(cursor) == [b"a", b"b"]
    cursor.end = 3
    assert await rest(cursor) == [b"c"]


async def test_what_is_not_committed_is_not_read(broker: Broker, log: PartitionLog) -> None:
    cursor = LogCursor(log)
    result = broker.produce(T0, batch(b"a"))
    assert log.log_end_offset == 1
    assert not cursor.has_more()
    await result
    assert await rest(cursor) == [b"a"]


@pytest.mark.parametrize("is_cached", [True, False])
async def test_a_slice_is_bounded(broker: Broker, log: PartitionLog, is_cached: bool) -> None:
    large = bytes(SLICE_BYTES // 3)
    await put(broker, *[large] * 7)
    if not is_cached:
        broker.topics._tail_cache.forget(log._tail)
    counts, cursor = [], LogCursor(log)
    while records := await cursor.records():
        counts.append(len(records))
    assert counts == [2, 2, 2, 1]


async def test_a_batch_of_many_records_comes_in_portions(broker: Broker, log: PartitionLog) -> None:
    await broker.produce(T0, batch(*[b"x"] * 20_000))
    cursor, turns = LogCursor(log, 19_900), 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    assert len(await cursor.records(60)) == 60
    task.cancel()
    assert turns >= 4
    assert len(await cursor.records(60)) == 40


async def test_records_that_are_deleted_before_they_are_read_do_not_come(
    broker: Broker, log: PartitionLog
) -> None:
    await broker.produce(T0, batch(b"a", b"b", b"c", b"d"))
    cursor = LogCursor(log)
    await cursor.records(1)
    await log.delete_records(3)
    assert await rest(cursor) == [b"d"]


class _SlowReads:
    """Storage of a log whose reads wait until they may go on."""

    def __init__(self, log: PartitionLog, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reading, self.go_on = asyncio.Event(), asyncio.Event()
        self._read = log.read
        monkeypatch.setattr(log, "read", self.read)

    async def read(self, *arguments: int) -> Sequence[StoredBatch]:
        batches = await self._read(*arguments)
        self.reading.set()
        await self.go_on.wait()
        return batches


async def test_what_is_cut_off_while_it_is_read_does_not_come(
    broker: Broker, log: PartitionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(broker, b"a", b"b")
    slow = _SlowReads(log, monkeypatch)
    reading = asyncio.create_task(rest(LogCursor(log)))
    await slow.reading.wait()
    await cut_off(log, 1, log_start_offset=0, log_end_offset=1)
    await put(broker, b"c")
    slow.go_on.set()
    assert await reading == [b"a", b"c"]


async def test_what_is_cut_off_while_it_is_unpacked_does_not_come(
    broker: Broker, log: PartitionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(broker, b"a")
    await broker.produce(T0, batch(os.urandom(50_000), codec=Codec.GZIP))
    unpacking, go_on = asyncio.Event(), asyncio.Event()

    async def slow(work: Callable[..., object], *arguments: object) -> object:
        unpacking.set()
        await go_on.wait()
        return work(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", slow)
    reading = asyncio.create_task(rest(LogCursor(log)))
    await unpacking.wait()
    await cut_off(log, 1, log_start_offset=0, log_end_offset=1)
    await put(broker, b"c")
    go_on.set()
    assert await reading == [b"a", b"c"]


async def test_what_is_deleted_while_it_is_read_does_not_come(
    broker: Broker, log: PartitionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(broker, b"a", b"b")
    slow = _SlowReads(log, monkeypatch)
    reading = asyncio.create_task(LogCursor(log).read())
    await slow.reading.wait()
    await log.delete_records(1)
    slow.go_on.set()
    found = await reading
    assert found is not None
    assert [each.base_offset for each in found.batches] == [1]


async def test_a_topic_that_is_deleted_while_it_is_read_is_at_its_end(
    broker: Broker, log: PartitionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(broker, b"a")
    slow = _SlowReads(log, monkeypatch)
    reading = asyncio.create_task(LogCursor(log).read())
    await slow.reading.wait()
    topic = broker.topics.get("t")
    assert topic is not None
    await broker.topics.delete(topic)
    slow.go_on.set()
    assert await reading is None


async def test_after_a_rollback_a_cursor_goes_back_to_where_the_log_is_what_it_was(
    broker: Broker, log: PartitionLog
) -> None:
    await put(broker, b"a", b"b", b"c")
    cursor = LogCursor(log)
    assert await rest(cursor) == [b"a", b"b", b"c"]
    await cut_off(log, 1, log_start_offset=0, log_end_offset=1)
    await put(broker, b"x")
    assert await rest(cursor) == [b"x"]


async def test_a_cursor_notices_the_deepest_of_several_rollbacks(
    broker: Broker, log: PartitionLog
) -> None:
    await put(broker, b"a", b"b", b"c")
    cursor = LogCursor(log)
    await rest(cursor)
    await cut_off(log, 1, log_start_offset=0, log_end_offset=1)
    await put(broker, b"x", b"y")
    await cut_off(log, 2, log_start_offset=0, log_end_offset=2)
    assert cursor.settle()
    assert not cursor.settle()
    assert await rest(cursor) == [b"x"]


async def test_a_rollback_behind_a_cursor_takes_nothing_back(
    broker: Broker, log: PartitionLog
) -> None:
    await put(broker, b"a", b"b")
    cursor = LogCursor(log)
    await cursor.records(1)
    await cut_off(log, 1, log_start_offset=0, log_end_offset=1)
    assert not cursor.settle()
    await put(broker, b"x")
    assert await rest(cursor) == [b"x"]


async def test_a_rollback_does_not_lead_to_what_lies_before_a_cursors_beginning(
    broker: Broker, log: PartitionLog
) -> None:
    await put(broker, b"a", b"b", b"c")
    kept = await keep(broker, await log.read(0, 3, 10_000))
    await log.delete_records(2)
    cursor = LogCursor(log, 2)
    assert await rest(cursor) == [b"c"]
    await put_back(broker, log, 0, kept, 0, 3)
    assert await rest(cursor) == [b"c"]


async def test_offsets_that_hold_nothing_are_passed_over(broker: Broker, log: PartitionLog) -> None:
    await cut_off(log, 0, log_start_offset=0, log_end_offset=5)
    cursor = LogCursor(log)
    assert await rest(cursor) == []
    assert cursor.position == 5
    assert not cursor.has_more()


async def test_control_batches_hold_no_records(broker: Broker, log: PartitionLog) -> None:
    await put(broker, b"a")
    (stored,) = await log.read(0, 1, 1000)
    control = stored._replace(attributes=stored.attributes | CONTROL_BIT)
    await put_back(broker, log, 0, await keep(broker, [control]), 0, 1)
    await put(broker, b"b")
    assert await rest(LogCursor(log)) == [b"b"]


async def test_a_batch_that_cannot_be_read_is_passed_over_with_a_warning(
    broker: Broker, log: PartitionLog, caplog: pytest.LogCaptureFixture
) -> None:
    await put(broker, b"a", b"b", b"c")
    batches = list(await log.read(0, 3, 10_000))
    damaged = bytearray(batches[1].data)
    damaged[-1] ^= 1
    damaged[_ATTRIBUTES_AT + 1] |= Codec.GZIP.value
    batches[1] = batches[1]._replace(data=damaged)
    kept = await keep(broker, batches)
    await put_back(broker, log, 0, kept, 0, 3)
    with caplog.at_level(logging.WARNING):
        assert await rest(LogCursor(log)) == [b"a", b"c"]
    assert "t-0 at offset 1" in caplog.text


async def test_batches_come_from_memory_only_if_they_are_there(
    broker: Broker, log: PartitionLog
) -> None:
    await put(broker, b"a", b"b")
    cursor = LogCursor(log)
    cached = cursor.read_cached()
    assert cached is not None
    assert len(cached.batches) == 2
    broker.topics._tail_cache.forget(log._tail)
    assert LogCursor(log).read_cached() is None
    assert await rest(LogCursor(log)) == [b"a", b"b"]


async def test_a_tail_follows_topics_partitions_and_topics_to_come(broker: Broker) -> None:
    first = await broker.topics.create("a", 1, {})
    with Tail(broker.topics, ["a", "b"]) as tail:
        await put(broker, b"1", partition=TopicPartition("a", 0))
        assert await rest(tail) == [b"1"]
        await broker.topics.add_partitions(first, 2)
        await put(broker, b"2", partition=TopicPartition("a", 1))
        await broker.topics.create("b", 1, {})
        await put(broker, b"3", partition=TopicPartition("b", 0))
        await broker.topics.create("c", 1, {})
        await put(broker, b"4", partition=TopicPartition("c", 0))
        assert await rest(tail) == [b"2", b"3"]
        await broker.topics.delete(first)
        await broker.topics.create("a", 1, {})
        await put(broker, b"5", partition=TopicPartition("a", 0))
        assert await rest(tail) == [b"5"]


async def test_a_tail_begins_where_it_is_told_to(broker: Broker, log: PartitionLog) -> None:
    await put(broker, b"a", b"b")
    with Tail(broker.topics, ["t"], lambda log: 1) as tail:
        assert await rest(tail) == [b"b"]
        assert tail.positions == {T0: 2}


async def test_a_pass_ends_where_the_logs_ended_when_it_began(
    broker: Broker, log: PartitionLog
) -> None:
    await put(broker, b"a", b"b")
    with Tail(broker.topics, ["t"]) as tail:
        values = []
        while (read := await tail.read(1)) is not None:
            values += [record.value for record in read.records]
            # A producer that is as fast as the reader does not keep it for ever.
            await put(broker, b"more")
        assert values == [b"a", b"b"]
        assert len(await rest(tail)) == 2


async def test_the_partitions_take_turns(broker: Broker) -> None:
    await broker.topics.create("t", 2, {})
    for index in (0, 1):
        await put(broker, *[b"%d" % index] * 2, partition=TopicPartition("t", index))
    with Tail(broker.topics, ["t"]) as tail:
        assert await rest(tail, most=1) == [b"0", b"1", b"0", b"1"]


async def test_a_tail_reads_only_logs_that_have_changed(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.topics.create("t", 100, {})
    looked_at: list[LogCursor] = []
    records = LogCursor.records

    async def counted(cursor: LogCursor, most: int) -> object:
        looked_at.append(cursor)
        return await records(cursor, most)

    with Tail(broker.topics, ["t"]) as tail:
        await rest(tail)
        monkeypatch.setattr(LogCursor, "records", counted)
        await put(broker, b"a", partition=TopicPartition("t", 7))
        assert await rest(tail) == [b"a"]
    assert {cursor.log.topic_partition.partition for cursor in looked_at} == {7}


async def test_a_tail_is_woken_by_records_by_new_topics_and_by_rollbacks(broker: Broker) -> None:
    async def is_woken(tail: Tail) -> bool:
        waiting = asyncio.create_task(tail.wait(60))
        for _ in range(5):
            await asyncio.sleep(0)
        woken = waiting.done()
        waiting.cancel()
        return woken

    with Tail(broker.topics, ["t"]) as tail:
        assert not await is_woken(tail)
        topic = await broker.topics.create("t", 1, {})
        assert await is_woken(tail)
        await rest(tail)
        assert not await is_woken(tail)
        await put(broker, b"a")
        # Until it is read, there is something to read.
        assert await is_woken(tail)
        assert await is_woken(tail)
        await rest(tail)
        assert not await is_woken(tail)
        await cut_off(topic.partitions[0], 0, log_start_offset=0, log_end_offset=0)
        assert await is_woken(tail)
        await rest(tail)
        await tail.wait(0)


async def test_nothing_holds_on_to_a_tail_that_has_ended(broker: Broker, log: PartitionLog) -> None:
    with Tail(broker.topics, ["t"]):
        assert log._waiters
    assert not log._waiters
    listening = [*broker.topics.on_changed, *broker.topics.on_deleted]
    assert not any(isinstance(getattr(each, "__self__", None), Tail) for each in listening)


async def test_bytes_that_are_looked_for_are_found_across_pieces(
    broker: Broker, log: PartitionLog
) -> None:
    # The batches are looked through piece by piece; one of these has a boundary in its middle.
    for at in range(32_670, 32_710):
        await put(broker, bytes(at) + b"NeeDle" + bytes(100))
    await put(broker, bytes(40_000))
    cursor, found = LogCursor(log, having=[b"needle", b"none"]), 0
    while cursor.has_more():
        found += len(await cursor.records())
    assert (found, cursor.position) == (40, 41)


async def test_a_log_that_is_taken_back_while_it_is_looked_through_is_read_anew(
    broker: Broker, log: PartitionLog
) -> None:
    await put(broker, bytes(100_000) + b"old")
    mark = await broker.snapshots.take()
    await put(broker, bytes(100_000) + b"gone")
    cursor = LogCursor(log, having=[b"new", b"gone"])
    reading = asyncio.ensure_future(cursor.records())
    await asyncio.sleep(0)
    await broker.snapshots.roll_back(mark)
    await put(broker, b"new")
    found = await reading
    while cursor.has_more():
        found += await cursor.records()
    assert [record.value for record in found] == [b"new"]
