"""What all connections hold together is bounded, and small requests are answered meanwhile."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.kafka import backpressure
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import MetadataRequest
from tests.manual_clock import ManualClock
from tests.wire.client import RawClient
from tests.wire.test_produce_and_fetch import (
    NOW,
    batch,
    ensure,
    fetch,
    fetch_request,
    produce,
    produce_request,
)

Connect = Callable[..., RawClient]
MIB = 1024 * 1024


@pytest.fixture
def running() -> Iterator[BusThread]:
    settings = Settings(
        data=None,
        kafka=(Address("127.0.0.1", 0), Address("127.0.0.1", 0)),
        http=(),
        set={"queued.max.request.bytes": str(MIB)},
    )
    with BusThread(FakeBus(settings, clock=ManualClock(NOW))) as thread:
        yield thread


@pytest.fixture
def connect(running: BusThread) -> Iterator[Connect]:
    clients: list[RawClient] = []

    def make(listener: int = 0) -> RawClient:
        clients.append(RawClient(str(running.bus.kafka_addresses[listener])))
        return clients[-1]

    yield make
    for client in clients:
        client.socket.close()


def fill(client: RawClient, topic: str) -> None:
    """Send a fetch that waits, and a large request behind it."""
    ensure(client, topic)
    client.send(ApiKey.FETCH, 11, fetch_request(topic, 0, max_wait_ms=600_000))
    client.send(ApiKey.PRODUCE, 9, produce_request(topic, batch(b"x" * (MIB + 1))))
    client.socket.settimeout(150)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something holds on the bus."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def pressure(running: BusThread) -> backpressure.Backpressure:
    return running.bus.listeners[0]._backpressure


def test_a_large_frame_waits_for_memory_while_small_requests_are_answered(
    running: BusThread, connect: Connect
) -> None:
    hoarder, producer = connect(), connect(1)
    fill(hoarder, "a")
    wait_for(lambda: pressure(running).held_bytes > MIB)
    ensure(producer, "b")
    producer.send(ApiKey.PRODUCE, 9, produce_request("b", batch(b"y" * 100_000)))
    wait_for(lambda: pressure(running).waiting)
    assert connect().call(ApiKey.METADATA, 1, MetadataRequest(topics=[])).brokers
    assert running.bus.broker.topics.get("b").partitions[0].high_watermark == 0  # type: ignore[union-attr]
    assert produce(connect(), "a", batch(b"ends the wait")).error_code == 0
    _, response = producer.receive(ApiKey.PRODUCE, 9)
    assert response.responses[0].partition_responses[0].error_code == 0
    wait_for(lambda: pressure(running).held_bytes == 0)


def test_a_hoarder_is_closed_when_another_has_waited_long(
    running: BusThread, connect: Connect
) -> None:
    hoarder, producer = connect(), connect()
    fill(hoarder, "a")
    wait_for(lambda: pressure(running).held_bytes > MIB)
    ensure(producer, "b")
    producer.send(ApiKey.PRODUCE, 9, produce_request("b", batch(b"y" * 100_000)))
    wait_for(lambda: pressure(running).waiting)
    clock = running.bus.clock
    assert isinstance(clock, ManualClock)
    running.loop.call_soon_threadsafe(clock.advance, backpressure.PATIENCE_S + 0.1)
    assert (
        producer.receive(ApiKey.PRODUCE, 9)[1].responses[0].partition_responses[0].error_code == 0
    )
    assert hoarder.is_closed_by_peer()


def test_frames_that_are_claimed_and_never_sent_do_not_add_up(
    running: BusThread, connect: Connect
) -> None:
    claimants = [connect() for _ in range(30)]
    for client in claimants:
        client.send_bytes(struct.pack(">i", 100_000_000) + bytes(100))
    wait_for(lambda: len(pressure(running).waiting) == 29)
    assert pressure(running).held_bytes == 100_000_000
    assert connect().call(ApiKey.METADATA, 1, MetadataRequest(topics=[])).brokers


def test_who_leaves_large_answers_unread_is_closed_and_others_get_small_ones_until_then(
    running: BusThread, connect: Connect
) -> None:
    reader, held = connect(1), running.bus.broker.waiting_room.held
    large = batch(b"x" * 900_000)
    ensure(reader, "a")
    for _ in range(4):
        assert produce(reader, "a", large).error_code == 0
    everything = {"partition_max_bytes": 50 * MIB, "max_bytes": 50 * MIB, "min_bytes": 3 * MIB}
    assert len(fetch(reader, "a", 0, **everything).records) == 4 * len(large)
    assert held.used == 0
    held.limit = MIB
    deaf = [connect() for _ in range(3)]
    for client in deaf:
        # The buffers of the system take some megabytes.
        for _ in range(10):
            client.send(ApiKey.FETCH, 11, fetch_request("a", 0, **everything))
    wait_for(lambda: len(pressure(running)._unread) == 3)
    assert held.exceeded
    assert len(fetch(reader, "a", 0, **everything).records) == len(large)
    clock = running.bus.clock
    assert isinstance(clock, ManualClock)

    def is_over() -> bool:
        # Who has come last has its time from then on.
        running.loop.call_soon_threadsafe(clock.advance, backpressure.PATIENCE_S + 0.1)
        return not held.exceeded

    wait_for(is_over)
    assert len(fetch(reader, "a", 0, **everything).records) == 4 * len(large)
