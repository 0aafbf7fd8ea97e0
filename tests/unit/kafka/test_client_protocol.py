"""One connection without a socket: what starts when, what waits, and what is given up."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakebus.addresses import Address
from fakebus.broker import turns as loop_turns
from fakebus.broker.broker import MAX_PENDING_BYTES, Broker
from fakebus.broker.delayed_fetch import DelayedFetch
from fakebus.kafka import client_protocol, dispatch
from fakebus.kafka.advertise import FixedAddress
from fakebus.kafka.api import CloseConnection
from fakebus.kafka.client_protocol import KafkaProtocol
from fakebus.kafka.listener import Listener
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeGroupsRequest,
    FetchRequest,
    FetchRequestFetchPartition,
    ListTransactionsRequest,
    MetadataRequest,
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from fakebus.storage.sqlite import SqliteStorage
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import T0, batch
from tests.wire.client import frame
from tests.wire.test_produce_and_fetch import fetch_request, produce_request


class Transport(asyncio.Transport):
    """Socket that takes everything and reads what it is fed."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.sent: list[int] = []
        self.writes = 0
        self.has_sent = asyncio.Event()
        self.reading = True
        self.closed = False

    def write(self, data: Any) -> None:
        self.writes += 1
        while data:
            self.sent.append(int.from_bytes(data[4:8], "big"))
            data = data[4 + int.from_bytes(data[:4], "big") :]
        self.has_sent.set()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class Client:
    """Client of a listener; ``answered`` holds the correlation ids of what was answered."""

    def __init__(self, listener: Listener) -> None:
        self.transport = Transport()
        self.protocol: KafkaProtocol = listener._new_connection()
        self.protocol.connection_made(self.transport)

    def send(self, api: ApiKey, version: int, message: Any, correlation_id: int) -> None:
        body = b"".join(codec.encode_request(int(api), version, message))
        data = frame(int(api), version, correlation_id, "c", body)
        while data:
            buffer = self.protocol.get_buffer(-1)
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            self.protocol.buffer_updated(count)
            data = data[count:]

    def produce(self, correlation_id: int, value: bytes = b"x") -> None:
        self.send(ApiKey.PRODUCE, 9, produce_request("t", batch(value)), correlation_id)

    def fetch(self, correlation_id: int, offset: int = 0) -> None:
        request = fetch_request("t", offset, max_wait_ms=1000)
        self.send(ApiKey.FETCH, 11, request, correlation_id)

    def ask_at_once(self, correlation_id: int) -> None:
        """Ask what is answered before this returns."""
        self.send(ApiKey.LIST_TRANSACTIONS, 0, ListTransactionsRequest(), correlation_id)

    def ask(self, correlation_id: int) -> None:
        self.send(ApiKey.METADATA, 1, MetadataRequest(topics=[]), correlation_id)

    @property
    def answered(self) -> list[int]:
        return self.transport.sent


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, clock=ManualClock())
    await broker.start()
    await broker.topics.create("t", 1, {})
    yield broker
    await broker.close()
    await storage.close()


@pytest.fixture
async def listener(broker: Broker) -> AsyncIterator[Listener]:
    listener = Listener(
        broker, broker.nodes[0], Address("127.0.0.1", 0), FixedAddress("127.0.0.1", 1)
    )
    yield listener
    for connection in tuple(listener._connections):
        connection.connection_lost(None)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_produce_requests_overlap_and_others_wait_for_them(listener: Listener) -> None:
    client = Client(listener)
    client.produce(1)
    client.produce(2)
    client.ask(3)
    assert client.answered == []
    await turns()
    assert client.answered == [1, 2, 3]


async def test_answers_to_what_is_stored_together_leave_together(listener: Listener) -> None:
    client = Client(listener)
    for number in range(20):
        client.produce(number)
    await turns()
    assert client.answered == list(range(20))
    assert client.transport.writes == 1


async def test_what_was_done_before_a_connection_is_given_up_is_answered(
    listener: Listener,
) -> None:
    client = Client(listener)
    for number in (1, 2, 3):
        client.produce(number)
    first, second, third = client.protocol._outbox
    client.protocol._deliver(first, ProduceResponse(responses=[]))
    client.protocol._deliver(third, ProduceResponse(responses=[]))
    assert client.answered == []
    client.protocol._deliver(second, CloseConnection("it failed, and has no answer"))
    assert (client.answered, client.transport.closed) == ([1], True)
    await turns()
    assert client.answered == [1]


async def test_a_closed_connection_gives_up_its_fetch(broker: Broker, listener: Listener) -> None:
    client = Client(listener)
    client.fetch(1)
    log = broker.partition_log(T0)
    assert log._waiters
    client.protocol.connection_lost(None)
    assert not log._waiters
    await broker.produce(T0, batch(b"x"))
    await turns()
    assert client.answered == []


async def test_a_closed_connections_produce_is_carried_out(
    broker: Broker, listener: Listener
) -> None:
    client = Client(listener)
    client.produce(1)
    client.protocol.connection_lost(None)
    await turns()
    assert broker.partition_log(T0).high_watermark == 1
    assert client.answered == []


async def test_nothing_is_written_to_a_connection_that_is_lost_and_not_told_of_it_yet(
    broker: Broker, listener: Listener
) -> None:
    await broker.produce(T0, batch(b"x" * 100_000))
    client = Client(listener)
    client.transport.close()
    client.fetch(1)  # its answer is several buffers
    await turns()
    assert client.answered == []


async def test_a_fetch_that_stands_in_line_is_forgotten_with_its_connection(
    broker: Broker, listener: Listener
) -> None:
    broker.waiting_room.turns.run(10_000, lambda: None)
    client = Client(listener)
    client.fetch(1)
    client.protocol.connection_lost(None)
    await turns()
    assert not broker.partition_log(T0)._waiters


async def test_requests_wait_behind_a_fetch_that_stands_in_line(
    broker: Broker, listener: Listener
) -> None:
    await broker.produce(T0, batch(b"x"))
    broker.waiting_room.turns.run(10_000, lambda: None)
    client = Client(listener)
    client.fetch(1)
    client.ask(2)
    client.produce(3)
    assert client.answered == []
    await turns()
    assert client.answered == [1, 2, 3]


async def test_producers_come_between_fetches(broker: Broker, listener: Listener) -> None:
    await broker.produce(T0, batch(b"x"))
    readers = [Client(listener) for _ in range(100)]
    for reader in readers:
        reader.fetch(1)
    producer = Client(listener)
    producer.produce(1)
    await turns(3)
    assert producer.answered == [1]
    assert sum(len(reader.answered) for reader in readers) < 50
    await turns(50)
    assert all(reader.answered == [1] for reader in readers)


async def test_nothing_is_produced_while_too_much_waits_to_be_stored(
    broker: Broker, listener: Listener
) -> None:
    await broker.topics.create("large", 1, {"max.message.bytes": str(2 * MAX_PENDING_BYTES)})
    large = broker.produce(TopicPartition("large", 0), batch(b"x" * (MAX_PENDING_BYTES + 1)))
    client, other = Client(listener), Client(listener)
    client.produce(1, b"x" * 50_000)
    log = broker.partition_log(T0)
    assert log.log_end_offset == 0
    assert not client.transport.reading
    other.produce(1)
    assert log.log_end_offset == 1, "little need not wait behind much"
    await large
    await client.transport.has_sent.wait()
    await other.transport.has_sent.wait()
    assert log.log_end_offset == 2
    assert client.transport.reading


async def test_no_more_of_a_request_waits_to_be_stored_than_of_many(
    broker: Broker, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, parts = 600_000, 10
    monkeypatch.setattr("fakebus.broker.broker.MAX_PENDING_BYTES", size)
    await broker.topics.create("wide", parts, {})
    pending: list[int] = []
    produce = broker.produce

    def noting(*arguments: Any, **named: Any) -> Any:
        result = produce(*arguments, **named)
        pending.append(broker._storage.writes.pending_bytes)
        return result

    monkeypatch.setattr(broker, "produce", noting)
    records = batch(b"x" * size)
    data = [PartitionProduceData(index=index, records=records) for index in range(parts)]
    topics = [TopicProduceData(name="wide", partition_data=data)]
    client = Client(listener)
    client.send(ApiKey.PRODUCE, 9, ProduceRequest(acks=-1, topic_data=topics), 1)
    await client.transport.has_sent.wait()
    assert len(pending) == parts
    assert max(pending) <= 2 * len(records)


async def test_nothing_more_is_read_while_too_many_requests_wait(listener: Listener) -> None:
    client = Client(listener)
    client.fetch(0)
    for number in range(client_protocol.MAX_WAITING_REQUESTS):
        assert client.transport.reading
        client.ask(1 + number)
    assert not client.transport.reading
    await listener._broker.produce(T0, batch(b"x"))
    await turns(2000)
    assert client.answered == list(range(1 + client_protocol.MAX_WAITING_REQUESTS))
    assert client.transport.reading


async def test_nothing_more_is_read_while_too_many_bytes_wait(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_protocol, "MAX_WAITING_BYTES", 10_000)
    client = Client(listener)
    client.fetch(1)
    client.produce(2, b"x" * 9_000)
    assert client.transport.reading
    client.produce(3, b"x" * 9_000)
    assert not client.transport.reading
    await listener._broker.produce(T0, batch(b"x"))
    await turns()
    assert client.answered == [1, 2, 3]
    assert client.transport.reading


async def test_nothing_starts_for_a_client_that_does_not_take_its_answers(
    broker: Broker, listener: Listener
) -> None:
    client = Client(listener)
    client.protocol.pause_writing()
    client.produce(1)
    client.ask(2)
    await turns()
    assert broker.partition_log(T0).log_end_offset == 0
    client.protocol.resume_writing()
    await turns()
    assert client.answered == [1, 2]


async def test_a_listener_that_is_closed_gives_its_port_back(listener: Listener) -> None:
    await listener.bind()
    await listener.start()
    address = listener.address
    reader, writer = await asyncio.open_connection(address.host, address.port)
    await listener.close()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.host, address.port)


async def test_closing_a_listener_gives_up_its_fetches(broker: Broker, listener: Listener) -> None:
    client = Client(listener)
    client.fetch(1)
    await listener.close()
    assert client.transport.closed
    assert not broker.partition_log(T0)._waiters


async def test_what_was_fetched_is_let_go_of_without_the_garbage_collector(
    broker: Broker, listener: Listener
) -> None:
    await broker.produce(T0, batch(b"x"))
    client = Client(listener)
    gc.collect()
    gc.disable()
    try:
        client.fetch(1)
        client.fetch(2, offset=1)
        await broker.produce(T0, batch(b"y"))
        await turns()
        assert client.answered == [1, 2]
        kept = [each for each in gc.get_objects() if type(each) is DelayedFetch]
        assert kept == []
    finally:
        gc.enable()


MANY = 1000
"""Partitions that make a request large."""


def large_produce(first: bytes) -> ProduceRequest:
    request = produce_request("t", batch(first))
    for number in range(MANY):
        request.topic_data += produce_request(f"none-{number}", batch(b"x")).topic_data
    return request


async def until_answered(client: Client, count: int) -> None:
    async with asyncio.timeout(60):
        for _ in itertools.takewhile(lambda _: len(client.answered) < count, itertools.count()):
            await asyncio.sleep(0)


async def test_a_large_produce_leaves_the_loop_to_others_and_keeps_its_place(
    broker: Broker, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_turns, "SLICE_S", 0.0)
    large, other = Client(listener), Client(listener)
    large.send(ApiKey.PRODUCE, 9, large_produce(b"first"), 1)
    large.produce(2, b"second")
    other.ask_at_once(1)
    assert other.answered == [1]
    assert broker.partition_log(T0).log_end_offset == 0
    await until_answered(large, 2)
    assert large.answered == [1, 2]
    stored = b"".join(bytes(b.data) for b in await broker.partition_log(T0).read(0, 2, 10_000))
    assert stored.index(b"first") < stored.index(b"second")


def large_fetch(max_wait_ms: int) -> FetchRequest:
    request = fetch_request("t", 0, max_wait_ms=max_wait_ms)
    [topic] = request.topics
    topic.partitions += [
        FetchRequestFetchPartition(partition=index, fetch_offset=0, partition_max_bytes=1)
        for index in range(MANY)
    ]
    return request


async def test_a_large_fetch_is_decoded_begun_and_answered_in_a_turn_each(
    listener: Listener, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    client, other = Client(listener), Client(listener)
    begin_fetch = broker.begin_fetch

    def begin(*args: Any, **options: Any) -> Any:
        begun.append(len(other.answered))
        return begin_fetch(*args, **options)

    monkeypatch.setattr(broker, "begin_fetch", begin)
    client.send(ApiKey.FETCH, 11, large_fetch(max_wait_ms=0), 1)
    assert begun == []
    other.ask_at_once(1)
    await until_answered(client, 1)
    assert begun == [1]


async def test_a_large_fetch_whose_client_goes_before_it_is_begun_does_not_wait(
    listener: Listener, broker: Broker
) -> None:
    client = Client(listener)
    client.send(ApiKey.FETCH, 11, large_fetch(max_wait_ms=1000), 1)
    client.protocol.connection_lost(None)
    await turns()
    assert not broker.partition_log(T0)._waiters


async def test_a_large_request_is_carried_out_and_encoded_apart_from_the_others(
    listener: Listener, broker: Broker
) -> None:
    client, other = Client(listener), Client(listener)
    request = DescribeGroupsRequest(groups=[f"group-{number:020}" for number in range(MANY)])
    client.send(ApiKey.DESCRIBE_GROUPS, 5, request, 1)
    other.ask_at_once(1)
    assert (client.answered, other.answered) == ([], [1])
    await until_answered(client, 1)


async def test_a_request_of_nothing_but_names_has_a_length_that_they_can_need(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MAX_TEXT_BYTES", 1_000)
    client, other = Client(listener), Client(listener)
    request = DescribeGroupsRequest(groups=["g" * 1_000])
    client.send(ApiKey.DESCRIBE_GROUPS, 5, request, 1)
    assert client.transport.closed
    other.produce(1, b"x" * 2_000)
    await until_answered(other, 1)
    assert not other.transport.closed


async def test_the_answer_to_a_large_request_does_not_wait_for_batches_that_are_looked_at(
    listener: Listener, broker: Broker
) -> None:
    seen = threading.Event()
    looking = asyncio.ensure_future(broker.record_thread.run(seen.wait, 10))
    client = Client(listener)
    request = DescribeGroupsRequest(groups=[f"group-{number:020}" for number in range(MANY)])
    client.send(ApiKey.DESCRIBE_GROUPS, 5, request, 1)
    await until_answered(client, 1)
    assert not looking.done()
    seen.set()
    await looking
