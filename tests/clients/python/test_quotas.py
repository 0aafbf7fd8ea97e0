"""Real clients whose quotas are used up: they are told to wait, and others are not."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import confluent_kafka
import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.wire.client import RawClient

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def thread() -> Iterator[BusThread]:
    # Rates over one second and not over ten, so that waits are short.
    window = {"quota.window.num": "2"}
    settings = Settings(data=None, http=(), kafka=(Address("127.0.0.1", 0),), set=window)
    with BusThread(FakeBus(settings)) as running:
        yield running


def limit(client: RawClient, kind: str, name: str, quota: str, value: float | None) -> None:
    asked = m.AlterClientQuotasRequest(
        entries=[
            m.AlterClientQuotasRequestEntryData(
                entity=[m.EntityData(entity_type=kind, entity_name=name)],
                ops=[m.OpData(key=quota, value=value or 0.0, remove=value is None)],
            )
        ]
    )
    [entry] = client.call(ApiKey.ALTER_CLIENT_QUOTAS, 1, asked).entries
    assert entry.error_code == 0, entry


@pytest.fixture(scope="module")
def admin(thread: BusThread) -> Iterator[RawClient]:
    with RawClient(thread.bus.bootstrap_servers) as client:
        yield client


class Throttled:
    """Client of librdkafka, and how long it was told to wait."""

    def __init__(self, thread: BusThread, client_id: str) -> None:
        self.waits_s: list[float] = []
        self.config: dict[str, Any] = {
            "bootstrap.servers": thread.bus.bootstrap_servers,
            "client.id": client_id,
            "throttle_cb": lambda event: self.waits_s.append(event.throttle_time),
        }

    def produce(self, topic: str, size: int = 1000, *, until_told: bool = False) -> None:
        """Produce a record, and wait for what the bus says of quotas if it is to say something."""
        producer = confluent_kafka.Producer({**self.config, "linger.ms": 0})
        producer.produce(topic, b"x" * size)
        assert producer.flush(60) == 0
        producer.poll(0)
        until = time.monotonic() + 60
        while until_told and not self.waits_s and time.monotonic() < until:
            producer.poll(0.1)


def test_a_producer_waits_when_it_has_sent_too_much_and_others_do_not(
    thread: BusThread, admin: RawClient
) -> None:
    limit(admin, "client-id", "fast", "producer_byte_rate", 3900)
    fast, other = Throttled(thread, "fast"), Throttled(thread, "other")
    # One record is too much for a second at whatever pace they come.
    fast.produce("produced", 10_000, until_told=True)
    other.produce("produced", 20_000)
    assert max(fast.waits_s) > 0.3
    assert other.waits_s == []


def test_a_consumer_waits_for_what_is_too_much_and_gets_it_in_the_end(
    thread: BusThread, admin: RawClient
) -> None:
    writer = Throttled(thread, "writer")
    for _ in range(4):
        writer.produce("consumed")
    limit(admin, "client-id", "reader", "consumer_byte_rate", 2000)
    reader = Throttled(thread, "reader")
    config = {**reader.config, "group.id": "g", "auto.offset.reset": "earliest"}
    consumer = confluent_kafka.Consumer({**config, "fetch.message.max.bytes": 1500})
    consumer.assign([confluent_kafka.TopicPartition("consumed", 0, 0)])
    read = 0
    until = time.monotonic() + 60
    while (read < 1 or not reader.waits_s) and time.monotonic() < until:
        read += consumer.poll(0.2) is not None
    consumer.close()
    assert read
    assert max(reader.waits_s) > 0


def test_a_connection_too_many_is_closed_in_its_time(thread: BusThread, admin: RawClient) -> None:
    limit(admin, "ip", "127.0.0.1", "connection_creation_rate", 2)
    address = thread.bus.bootstrap_servers
    with contextlib.ExitStack() as clients:
        # The bus is shared by the tests.
        clients.callback(limit, admin, "ip", "127.0.0.1", "connection_creation_rate", None)
        asked = m.MetadataRequest(topics=[])
        first = clients.enter_context(RawClient(address))
        assert first.call(ApiKey.METADATA, 9, asked).brokers
        # A machine that does much else may not open three of them in a second.
        for _ in range(100):
            another = clients.enter_context(RawClient(address))
            another.send(ApiKey.METADATA, 9, asked)
            if another.is_closed_by_peer():
                break
        else:
            pytest.fail("none is too many")
        waiting = confluent_kafka.Producer(Throttled(thread, "waiting").config)
        assert waiting.list_topics(timeout=60).brokers
