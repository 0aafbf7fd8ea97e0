"""Transactions whose coordinator stops: another one goes on with them, and zombies stay fenced."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from fakebus.testing.embedded_bus import EmbeddedBus, bus_settings
from fakebus.testing.handle import TestBus
from fakebus.testing.isolation import Isolation
from tests.wire.client import RawClient

pytestmark = pytest.mark.clients
Unique = Callable[[str], str]
FAST = {"reconnect.backoff.max.ms": 100, "topic.metadata.refresh.fast.interval.ms": 20}


@pytest.fixture
def bus() -> Iterator[TestBus]:
    settings = bus_settings(configs={}, brokers=3)
    with EmbeddedBus(settings) as embedded, embedded.test(Isolation.NONE) as handle:
        yield handle


@pytest.fixture
def topic(bus: TestBus, unique: Unique) -> str:
    name = unique("orders")
    admin = AdminClient({"bootstrap.servers": bus.bootstrap_servers, "log_level": 0})
    admin.create_topics([NewTopic(name, 3, 3)])[name].result(60)
    return name


def transactional(bus: TestBus, name: str) -> Producer:
    common = {"bootstrap.servers": bus.bootstrap_servers, "log_level": 0, **FAST}
    producer = Producer({**common, "transactional.id": name})
    producer.init_transactions(60)
    return producer


def write(producer: Producer, topic: str, *values: bytes) -> None:
    for partition, value in enumerate(values):
        producer.produce(topic, value, partition=partition)
    assert producer.flush(60) == 0


def coordinator(bus: TestBus, transactional_id: str) -> int:
    """Return the broker that coordinates; the one that is asked may have stopped."""
    asked = m.FindCoordinatorRequest(key_type=1, coordinator_keys=[transactional_id])
    for address in bus.bootstrap_servers.split(","):
        with contextlib.suppress(ConnectionRefusedError):
            client = RawClient(address)
            break
    with client:
        [row] = client.call(ApiKey.FIND_COORDINATOR, 4, asked).coordinators
    assert row.error_code == 0
    found: int = row.node_id
    return found


def committed(bus: TestBus, topic: str, count: int, unique: Unique) -> list[bytes]:
    """Return what a reader of committed records has seen when so many are there."""
    settings = {"group.id": unique("g"), "auto.offset.reset": "earliest", **FAST}
    consumer = Consumer({"bootstrap.servers": bus.bootstrap_servers, "log_level": 0, **settings})
    consumer.subscribe([topic])
    seen: list[bytes] = []
    deadline = time.monotonic() + 60
    while len(seen) < count and time.monotonic() < deadline:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            seen.append(message.value())
    consumer.close()
    return sorted(seen)


def test_a_zombie_stays_fenced_when_another_broker_coordinates(
    bus: TestBus, topic: str, unique: Unique
) -> None:
    name = unique("transactions")
    zombie = transactional(bus, name)
    zombie.begin_transaction()
    write(zombie, topic, b"lost", b"lost", b"lost")

    stopped = coordinator(bus, name)
    bus.brokers.stop(stopped)
    heir = transactional(bus, name)
    assert coordinator(bus, name) != stopped
    heir.begin_transaction()
    write(heir, topic, b"a", b"b", b"c")
    with pytest.raises(KafkaException) as refused:
        zombie.commit_transaction(60)
    assert refused.value.args[0].fatal()
    heir.commit_transaction(60)

    bus.brokers.start(stopped)
    heir.begin_transaction()
    write(heir, topic, b"d")
    heir.commit_transaction(60)
    assert committed(bus, topic, 4, unique) == [b"a", b"b", b"c", b"d"]


@pytest.mark.parametrize("commits", [True, False])
def test_a_transaction_ends_at_the_next_coordinator_with_its_offsets(
    bus: TestBus, topic: str, unique: Unique, commits: bool
) -> None:
    name, group = unique("transactions"), unique("group")
    reader = Consumer({"bootstrap.servers": bus.bootstrap_servers, "group.id": group, **FAST})
    producer = transactional(bus, name)
    producer.begin_transaction()
    write(producer, topic, b"a", b"b", b"c")
    place = TopicPartition(topic, 0, 7)
    producer.send_offsets_to_transaction([place], reader.consumer_group_metadata(), 60)

    bus.brokers.stop(coordinator(bus, name))
    producer.commit_transaction(60) if commits else producer.abort_transaction(60)

    [found] = reader.committed([TopicPartition(topic, 0)], 60)
    reader.close()
    assert found.offset == (7 if commits else -1001)
    producer.begin_transaction()
    write(producer, topic, b"z")
    producer.commit_transaction(60)
    expected = [b"a", b"b", b"c", b"z"] if commits else [b"z"]
    assert committed(bus, topic, len(expected), unique) == expected
