"""Share groups: why they are stuck, and what became of their records."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakebus.app import FakeBus
from fakebus.broker.broker import Broker
from fakebus.lineage.why.broker_view import explain_group
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.kafka.handlers.test_share_fetch import ACCEPT, RELEASE, ShareConsumer, produce
from tests.unit.lineage.test_flow import settings

REJECT = 3


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def bus(clock: ManualClock) -> AsyncIterator[FakeBus]:
    async with FakeBus(settings(), clock=clock) as bus:
        await bus.broker.topics.create("t", 1, {})
        yield bus


async def member(broker: Broker, begins: str = "earliest") -> ShareConsumer:
    broker.config.group_overrides["g"] = {"share.auto.offset.reset": begins}
    consumer = ShareConsumer(broker)
    await consumer.heartbeat()
    return consumer


async def causes(bus: FakeBus) -> list[dict[str, Any]]:
    found = await explain_group(bus.broker, bus.lineage, "g")
    assert found is not None
    told: list[dict[str, Any]] = found["causes"]
    return told


async def became(bus: FakeBus, offset: int) -> tuple[str, str]:
    flow = await bus.flows.of_record(f"t[0]@{offset}")
    [group] = flow["records"][0]["groups"]
    return group["state"], group["reason"]


async def test_what_no_member_has_ever_accepted_was_not_handled(bus: FakeBus) -> None:
    consumer = await member(bus.broker)
    await produce(bus.broker, 2)
    assert await consumer.read() == [(0, 1, 1)]
    assert await consumer.acknowledge((0, 0, RELEASE), (1, 1, ACCEPT)) == (0, 0)
    for number in range(2, 6):
        assert await consumer.read() == [(0, 0, number)]
        assert await consumer.acknowledge((0, 0, RELEASE)) == (0, 0)

    assert await became(bus, 0) == (
        "skipped",
        "given up after 5 deliveries: no member has accepted it",
    )
    assert (await became(bus, 1))[0] == "handled"

    [cause] = await causes(bus)
    assert (cause["code"], cause["evidence"]["attempts"]) == ("poison_record", 5)
    assert cause["evidence"]["records"] == ["t[0]@0"]
    assert "nobody of group g gets t[0]@0 any more" in cause["text"]
    await produce(bus.broker, 2)
    assert await consumer.read() == [(2, 3, 1)]
    assert await consumer.acknowledge((2, 2, REJECT)) == (0, 0)
    assert len(await causes(bus)) == 1
    assert await consumer.acknowledge((3, 3, ACCEPT)) == (0, 0)
    assert await causes(bus) == []


async def test_records_whose_locks_time_out_too_often_are_told(
    bus: FakeBus, clock: ManualClock
) -> None:
    consumer = await member(bus.broker)
    await produce(bus.broker, 3)
    whole, alone = [(0, 2, 1), (0, 2, 2), (0, 2, 3)], [(0, 0), (1, 1), (2, 2)]
    for expected in [*whole, *((*each, number) for each in alone for number in (4, 5))]:
        assert await consumer.read() == [expected]
        clock.advance(30)  # as long as a lock lasts
        await consumer.heartbeat()
    assert await consumer.read() == []
    [cause] = [each for each in await causes(bus) if each["code"] == "poison_record"]
    assert "t[0]@0 and 2 more records" in cause["text"]
    await consumer.heartbeat(-1)
    await bus.broker.shares.offsets.alter("g", {TopicPartition("t", 0): 1})
    assert [each["code"] for each in await causes(bus)] == ["poison_record", "no_member"]
    await bus.broker.shares.offsets.alter("g", {TopicPartition("t", 0): 0})
    assert [each["code"] for each in await causes(bus)] == ["no_member"]


async def test_a_group_that_begins_at_the_end_is_told_what_it_does_not_get(
    bus: FakeBus, clock: ManualClock
) -> None:
    await produce(bus.broker, 3)
    consumer = await member(bus.broker, "latest")
    assert await consumer.read() == []

    [cause] = await causes(bus)
    assert (cause["code"], cause["evidence"]["skipped"]) == ("waits_at_latest", 3)
    assert "share.auto.offset.reset=earliest" in cause["remedy"]

    await produce(bus.broker, 1)
    assert await consumer.read() == [(3, 3, 1)]
    assert await causes(bus) == []


@pytest.mark.parametrize("begins", [True, False])
async def test_members_that_ask_for_nothing_are_told(
    bus: FakeBus, clock: ManualClock, *, begins: bool
) -> None:
    consumer = await member(bus.broker)
    if begins:
        assert await consumer.read() == []
    await produce(bus.broker, 2)
    clock.advance(1)
    assert await causes(bus) == []

    clock.advance(3)
    [cause] = await causes(bus)
    assert cause["code"] == "not_fetching"
    told = "2 records wait, and has not fetched from it for 4 s"
    if not begins:  # and so it is not settled which records are for it
        told = "there are records, and has never fetched from it"
    assert f"test of group g reads t[0], where {told}" in cause["text"]
    clock.advance(4)
    assert "nothing at all was heard of it for 8 s" in (await causes(bus))[0]["text"]

    assert await consumer.read(epoch=None if begins else 0) == [(0, 1, 1)]
    assert await causes(bus) == []


async def test_a_group_that_acknowledges_one_by_one_is_only_slow(
    bus: FakeBus, clock: ManualClock
) -> None:
    consumer = await member(bus.broker)
    await produce(bus.broker, 50)
    assert await consumer.read() == [(0, 49, 1)]
    for offset in range(8):
        clock.advance(1)
        assert await consumer.acknowledge((offset, offset, ACCEPT)) == (0, 0)
    [cause] = await causes(bus)
    assert (cause["code"], cause["evidence"]["rate_out"]) == ("slow", 1.0)

    clock.advance(10)
    [cause] = await causes(bus)
    assert (cause["code"], cause["evidence"]["next_record"]) == ("not_committing", "t[0]@8")


async def test_what_is_done_with_out_of_order_is_no_lag(bus: FakeBus) -> None:
    consumer = await member(bus.broker)
    await produce(bus.broker, 5)
    await consumer.read()
    await consumer.acknowledge((0, 0, ACCEPT), (2, 3, ACCEPT))
    found = await explain_group(bus.broker, bus.lineage, "g")
    assert found is not None
    assert found["lag"] == 2
