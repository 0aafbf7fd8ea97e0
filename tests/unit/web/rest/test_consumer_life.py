"""Consumers between requests: heartbeats, commits, and an end when they are idle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fakebus.broker.activity import LIBRARY
from fakebus.broker.broker import Broker
from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition
from fakebus.web.errors import RequestError
from fakebus.web.rest.consumer import IDLE_S, Consumer, ConsumerOptions
from fakebus.web.rest.consumers import Consumers
from fakebus.web.rest.producing import Producing
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import T0, batch
from tests.unit.broker.conftest import broker, clock

__all__ = ["broker", "clock"]


@pytest.fixture
async def consumers(broker: Broker) -> AsyncIterator[Consumers]:
    await broker.topics.create("t", 2, {})
    await broker.produce(T0, batch(b"a", b"b", b"c"))
    kept = Consumers(broker)
    yield kept
    await kept.close()


async def reading(consumers: Consumers, name: str = "me", *, commits: bool = True) -> Consumer:
    options = ConsumerOptions(reset="earliest", auto_commit=commits)
    consumer = consumers.create("g", name, options, None)
    await consumer.subscribe(["t"], None)
    return consumer


async def pass_by(clock: ManualClock, consumers: Consumers, seconds: int) -> None:
    """Let time pass second by second, and with each let be done what is due."""
    for _ in range(seconds):
        clock.advance(1)
        # What is stored takes a time of its own.
        await asyncio.gather(*consumers._tasks)
        for _ in range(5):
            await asyncio.sleep(0)


async def read(consumer: Consumer, clock: ManualClock) -> list[bytes | None]:
    """Return the values that are there."""
    reading = asyncio.ensure_future(consumer.records(0, 1000))
    while not reading.done():
        clock.advance(0.001)
        await asyncio.sleep(0)
    return [record.value for _, record in await reading]


def members(broker: Broker) -> int:
    found = broker.group_coordinator.describe("g")
    return 0 if found is None else len(found.members)


async def test_a_consumer_stays_in_its_group_as_long_as_it_is_used(
    broker: Broker, clock: ManualClock, consumers: Consumers
) -> None:
    consumer = await reading(consumers)
    session_s = broker.config.get_int("group.consumer.session.timeout.ms") // 1000
    await pass_by(clock, consumers, 2 * session_s)
    assert members(broker) == 1
    assert await read(consumer, clock) == [b"a", b"b", b"c"]


async def test_one_that_nobody_uses_is_closed_and_its_partitions_go_to_others(
    broker: Broker, clock: ManualClock, consumers: Consumers
) -> None:
    await reading(consumers, "idle")
    other = await reading(consumers, "used")
    await pass_by(clock, consumers, int(IDLE_S) - 10)
    assert consumers.get("g", "used") is other
    await pass_by(clock, consumers, 20)
    with pytest.raises(RequestError, match="not found"):
        consumers.get("g", "idle")
    assert members(broker) == 1
    await pass_by(clock, consumers, 10)
    assert len(other.assignment) == 2


@pytest.mark.parametrize(("commits", "offset"), [(True, 3), (False, None)])
async def test_what_was_read_is_committed_after_a_while(
    broker: Broker, clock: ManualClock, consumers: Consumers, commits: bool, offset: int | None
) -> None:
    consumer = await reading(consumers, commits=commits)
    assert len(await read(consumer, clock)) == 3
    assert broker.group_coordinator.committed_offset("g", T0) is None
    await pass_by(clock, consumers, 10)
    assert broker.group_coordinator.committed_offset("g", T0) == offset


async def test_a_member_that_was_taken_out_joins_again(
    broker: Broker, clock: ManualClock, consumers: Consumers
) -> None:
    consumer = await reading(consumers, commits=False)
    assert len(await read(consumer, clock)) == 3
    broker.group_coordinator.dismiss("g", "a test wants it")
    assert members(broker) == 0
    await pass_by(clock, consumers, 10)
    assert members(broker) == 1
    # What it had read and could not commit any more comes again.
    assert len(await read(consumer, clock)) == 3


async def test_an_offset_that_is_gone_is_reset_and_a_deleted_topic_has_no_more(
    broker: Broker, clock: ManualClock, consumers: Consumers
) -> None:
    consumer = consumers.create("h", "me", ConsumerOptions(reset="earliest"), None)
    await consumer.assign([T0])
    consumer.seek({T0: 99})
    assert await read(consumer, clock) == []
    await consumer.commit(None)
    assert broker.group_coordinator.committed_offset("h", T0) == 0
    assert len(await read(consumer, clock)) == 3
    topic = broker.topics.get("t")
    assert topic is not None
    await broker.topics.delete(topic)
    assert await read(consumer, clock) == []
    with pytest.raises(BrokerError) as refused:
        await consumer.commit({TopicPartition("t", 0): (1, "")})
    assert refused.value.error_code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_a_request_that_waits_ends_when_its_consumer_is_closed(
    clock: ManualClock, consumers: Consumers
) -> None:
    consumer = await reading(consumers)
    await read(consumer, clock)
    waiting = asyncio.ensure_future(consumer.records(60_000, 1000))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(consumers.delete("g", "me"))
    while not waiting.done():
        clock.advance(0.1)
        await asyncio.sleep(0)
    with pytest.raises(RequestError, match="not found"):
        await waiting
    await closing


async def test_records_for_which_nobody_waits_any_more_are_left_for_the_next_request(
    clock: ManualClock, consumers: Consumers
) -> None:
    consumer = await reading(consumers)
    waiting = asyncio.ensure_future(consumer.records(60_000, 1000, lambda: True))
    while not waiting.done():
        clock.advance(0.1)
        await asyncio.sleep(0)
    assert await waiting == []
    assert await read(consumer, clock) == [b"a", b"b", b"c"]


async def test_a_consumer_whose_request_takes_long_is_not_idle(
    clock: ManualClock, consumers: Consumers
) -> None:
    consumer = await reading(consumers)
    async with consumer.lock:
        for _ in range(int(IDLE_S)):
            clock.advance(2)
            await asyncio.sleep(0)
    assert consumers.get("g", "me") is consumer


async def test_a_consumer_is_closed_as_soon_as_its_time_is_over(
    broker: Broker, clock: ManualClock, consumers: Consumers
) -> None:
    await reading(consumers)
    await pass_by(clock, consumers, int(IDLE_S) - 1)
    assert members(broker) == 1
    await pass_by(clock, consumers, 1)
    assert members(broker) == 0


async def test_a_subscription_that_is_refused_leaves_a_consumer_as_it_was(
    consumers: Consumers,
) -> None:
    consumer = consumers.create("g", "me", ConsumerOptions(), None)
    with pytest.raises(BrokerError):
        await consumer.subscribe(None, "(")
    await consumer.assign([T0])
    assert consumer.assignment == [T0]


async def test_what_was_read_of_a_partition_is_committed_before_it_is_given_back(
    broker: Broker, clock: ManualClock, consumers: Consumers
) -> None:
    consumer = await reading(consumers)
    await broker.produce(TopicPartition("t", 1), batch(b"d", b"e"))
    assert len(await read(consumer, clock)) == 5
    owned = consumer.assignment
    await reading(consumers, "other")
    # The next heartbeat by itself, and the next commit, come later than that.
    await pass_by(clock, consumers, 2)
    await consumer.beat()
    [lost] = set(owned) - set(consumer.assignment)
    offset = broker.group_coordinator.committed_offset("g", lost)
    assert offset == broker.partition_log(lost).high_watermark


async def test_where_a_group_began_is_committed_though_nothing_was_read(
    broker: Broker, clock: ManualClock, consumers: Consumers
) -> None:
    consumer = consumers.create("new", "me", ConsumerOptions(reset="latest"), None)
    await consumer.assign([T0])
    assert await read(consumer, clock) == []
    await consumer.close()
    await broker.produce(T0, batch(b"d"))
    next_one = consumers.create("new", "me again", ConsumerOptions(reset="latest"), None)
    await next_one.assign([T0])
    assert await read(next_one, clock) == [b"d"]


async def test_what_is_committed_after_a_seek_is_where_it_leads_to(
    broker: Broker, clock: ManualClock, consumers: Consumers
) -> None:
    consumer = await reading(consumers, commits=False)
    await read(consumer, clock)
    for offset in (3, 1):
        consumer.seek({T0: offset})
        await consumer.commit(None)
        assert broker.group_coordinator.committed_offset("g", T0) == offset


async def test_what_a_fetch_brings_from_before_a_seek_is_not_answered(
    broker: Broker, clock: ManualClock, consumers: Consumers
) -> None:
    consumer = await reading(consumers, commits=False)
    await read(consumer, clock)
    waiting = asyncio.ensure_future(consumer.records(60_000, 1000))
    for _ in range(10):
        await asyncio.sleep(0)
    consumer.seek({T0: 0})
    await broker.produce(T0, batch(b"d"))
    while not waiting.done():
        clock.advance(0.1)
        await asyncio.sleep(0)
    assert [record.value for _, record in await waiting] == [b"a", b"b", b"c", b"d"]


async def test_records_that_are_put_back_are_neither_committed_nor_lost(
    broker: Broker, clock: ManualClock, consumers: Consumers
) -> None:
    consumer = await reading(consumers, commits=False)
    found = asyncio.ensure_future(consumer.records(0, 1000))
    while not found.done():
        clock.advance(0.001)
        await asyncio.sleep(0)
    consumer.put_back((await found)[1:])
    await consumer.commit(None)
    assert broker.group_coordinator.committed_offset("g", T0) == 1
    assert await read(consumer, clock) == [b"b", b"c"]


async def test_what_could_not_be_committed_by_itself_is_not_tried_again(
    broker: Broker, clock: ManualClock, consumers: Consumers
) -> None:
    consumer = await reading(consumers)
    await read(consumer, clock)
    broker.group_coordinator.dismiss("g", "a test wants it")
    await consumer.auto_commit()
    await consumer.commit(None)
    assert broker.group_coordinator.committed_offset("g", T0) is None


async def test_records_that_may_be_sent_again_are_not_tried_one_by_one(
    broker: Broker, consumers: Consumers, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = list[TopicPartition]()

    def refuse(place: TopicPartition, *arguments: object, **named: object) -> None:
        tried.append(place)
        raise BrokerError(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    monkeypatch.setattr(broker, "produce", refuse)
    topic = broker.topics.get("t")
    assert topic is not None
    records = [(0, NewRecord(None, value)) for value in (b"a", b"b", b"c")]
    outcomes = await Producing(broker).write(topic, records, LIBRARY)
    assert [type(each) for each in outcomes] == [BrokerError] * 3
    assert tried == [T0]
