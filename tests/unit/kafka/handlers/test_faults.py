"""What a fault makes of answers that are ready at the same time."""

from __future__ import annotations

import asyncio

from fakebus.broker.broker import Broker
from fakebus.broker.fault import KAFKA
from fakebus.kafka.fault_effects import carry_out
from fakebus.kafka.handlers.fetch import handle_fetch
from fakebus.protocol.messages import (
    FetchRequest,
    FetchRequestFetchPartition,
    FetchRequestFetchTopic,
)
from fakebus.records.batch import invalid_crcs
from fakebus.types import TopicPartition
from tests.unit.broker.batches import T0, batch
from tests.unit.kafka.handlers.calling import call

FAULTY = handle_fetch._replace(
    function=lambda request, context: carry_out(handle_fetch.function, request, context),
)


async def damaged(broker: Broker, *topics: str) -> list[str]:
    """Wait for a record of all topics, and return those whose record comes with a wrong CRC."""
    partition = FetchRequestFetchPartition(partition=0, partition_max_bytes=10_000)
    request = FetchRequest(
        max_wait_ms=1000,
        min_bytes=1 if len(topics) == 1 else 100,
        topics=[FetchRequestFetchTopic(topic=name, partitions=[partition]) for name in topics],
    )
    answer = await call(FAULTY, request, broker, version=11)
    found = [part.records for topic in answer.responses for part in topic.partitions]
    assert all(found)
    return [topics[each] for each in invalid_crcs(found)]


async def test_no_more_answers_are_damaged_than_a_fault_is_for(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    broker.faults.serve(KAFKA, ["Fetch"])
    fault = broker.faults.corrupt()
    waiting = [asyncio.ensure_future(damaged(broker, "t")) for _ in range(3)]
    await asyncio.sleep(0)
    await broker.produce(T0, batch(b"value"))
    assert sorted(await asyncio.gather(*waiting)) == [[], [], ["t"]]
    assert fault.fired == 1


async def test_of_an_answer_the_first_records_of_the_topic_are_damaged(broker: Broker) -> None:
    for name in ("s", "t"):
        await broker.topics.create(name, 1, {})
        await broker.produce(TopicPartition(name, 0), batch(b"value"))
    broker.faults.serve(KAFKA, ["Fetch"])
    of_any, of_t = broker.faults.corrupt(), broker.faults.corrupt(topic="t")
    assert await damaged(broker, "s", "t") == ["s"]
    assert (of_any.fired, of_t.fired) == (1, 0)
    assert await damaged(broker, "s") == []
    assert await damaged(broker, "s", "t") == ["t"]
    assert (of_any.fired, of_t.fired) == (1, 1)
