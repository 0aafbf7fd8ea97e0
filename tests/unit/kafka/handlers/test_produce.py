from __future__ import annotations

import asyncio
import struct
from uuid import UUID

import pytest

from fakebus.broker.activity import Origin
from fakebus.broker.broker import Broker
from fakebus.broker.ownership import when_known
from fakebus.broker.peer import Peer
from fakebus.broker.topic_requests import NewTopic
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import ClientConnection
from fakebus.kafka.handlers.produce import around_offsets, handle_produce
from fakebus.lineage.peers import PeerFinder
from fakebus.protocol import codec
from fakebus.protocol.messages import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from fakebus.types import TopicPartition
from tests.unit.broker.batches import batch, read
from tests.unit.kafka.handlers.calling import call

OWNED = TopicPartition("orders", 0)


@pytest.fixture
async def peer(broker: Broker) -> Peer:
    """The other end of a connection, which is looked for and belongs to the shop."""
    config = ("fakebus.producers", "shop")
    topic = NewTopic(name="orders", partitions=1, configs=[config])
    (created,) = await broker.topic_admin.create_topics([topic])
    assert created.error_code is ErrorCode.NONE
    broker.activity.on_peer = lambda _: None
    broker.service_of = lambda origin: (
        "shop" if origin.peer and origin.peer.looked_up and origin.peer.port == 1 else ""
    )
    return Peer(host="127.0.0.1", port=1, local_port=9092)


def look_up(peer: Peer) -> None:
    """Look up a peer as a bus does, in vain."""
    PeerFinder(lambda _: None)._found(peer)


def produce(broker: Broker, peer: Peer, value: bytes) -> asyncio.Task[int]:
    data = PartitionProduceData(index=0, records=bytes(batch(value)))
    request = ProduceRequest(
        acks=-1, topic_data=[TopicProduceData(name="orders", partition_data=[data])]
    )
    connection = ClientConnection(1, "PLAINTEXT", "/127.0.0.1", peer=peer)

    async def error() -> int:
        answer = await call(handle_produce, request, broker, version=12, connection=connection)
        found: int = answer.responses[0].partition_responses[0].error_code
        return found

    return asyncio.create_task(error())


async def test_a_producer_waits_until_it_is_known_in_the_order_it_wrote(
    broker: Broker, peer: Peer
) -> None:
    first, second = produce(broker, peer, b"1"), produce(broker, peer, b"2")
    await asyncio.sleep(0)
    assert (await read(broker, partition=OWNED), first.done()) == ([], False)
    look_up(peer)
    assert await asyncio.gather(first, second) == [0, 0]
    assert [each.value for each in await read(broker, partition=OWNED)] == [b"1", b"2"]


async def test_a_producer_that_turns_out_to_be_another_is_refused(
    broker: Broker, peer: Peer
) -> None:
    peer.port = 2
    waiting = produce(broker, peer, b"1")
    await asyncio.sleep(0)
    assert not waiting.done()
    look_up(peer)
    assert await waiting == ErrorCode.TOPIC_AUTHORIZATION_FAILED.code
    assert await produce(broker, peer, b"1") == ErrorCode.TOPIC_AUTHORIZATION_FAILED.code


async def test_nobody_waits_where_processes_are_not_looked_for(broker: Broker, peer: Peer) -> None:
    broker.activity.on_peer = None
    assert await produce(broker, peer, b"1") == ErrorCode.TOPIC_AUTHORIZATION_FAILED.code


async def test_other_front_ends_wait_as_well(broker: Broker, peer: Peer) -> None:
    def write() -> asyncio.Task[object]:
        origin = Origin(front_end="redis", peer=peer)
        found = when_known(lambda: broker.produce(OWNED, batch(b"v"), origin=origin))
        return asyncio.ensure_future(found)

    waiting = write()
    await asyncio.sleep(0)
    look_up(peer)
    await waiting
    peer.port = 2
    with pytest.raises(BrokerError, match="only shop may"):
        await write()


@pytest.mark.parametrize("version", range(5, handle_produce.max_version + 1))
def test_an_answer_about_one_batch_is_the_same_from_its_parts(version: int) -> None:
    topic_id = UUID(int=7 << 90)
    for name, partition, offsets in (("orders", 3, (5, -1, 0)), ("ö.x", 0, (1 << 40, 9, 2))):
        base_offset, time_ms, start_offset = offsets
        answered = PartitionProduceResponse(
            index=partition,
            base_offset=base_offset,
            log_append_time_ms=time_ms,
            log_start_offset=start_offset,
        )
        topic = TopicProduceResponse(name=name, topic_id=topic_id, partition_responses=[answered])
        whole = codec.response_frame(0, version, -6, ProduceResponse(responses=[topic]))
        length, before, behind = around_offsets(version, name, topic_id, partition)
        numbers = struct.pack(">i", -6), struct.pack(">qqq", *offsets)
        assert length + numbers[0] + before + numbers[1] + behind == b"".join(whole)
