"""Brokers that stop and start in turn under transactions, idempotence and groups of each kind."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, ShareConsumer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from fakebus.testing.embedded_bus import EmbeddedBus, bus_settings
from fakebus.testing.handle import TestBus
from fakebus.testing.isolation import Isolation
from tests.wire.client import RawClient

pytestmark = pytest.mark.clients
Unique = Callable[[str], str]
BROKERS, PARTITIONS, EACH = 3, 4, 20
WAIT_S = 60.0
FAST: dict[str, Any] = {
    "log_level": 0,
    "reconnect.backoff.max.ms": 100,
    "topic.metadata.refresh.fast.interval.ms": 20,
}


@pytest.fixture
def bus() -> Iterator[TestBus]:
    settings = bus_settings(configs={}, brokers=BROKERS)
    with EmbeddedBus(settings) as embedded, embedded.test(Isolation.NONE) as handle:
        yield handle


@pytest.fixture
def topic(bus: TestBus, unique: Unique) -> str:
    name = unique("orders")
    admin = AdminClient({"bootstrap.servers": bus.bootstrap_servers, "log_level": 0})
    admin.create_topics([NewTopic(name, PARTITIONS, BROKERS)])[name].result(60)
    return name


def epochs(bus: TestBus, topic: str) -> list[int]:
    """Return the leader epochs of a topic, by its partitions."""
    address = bus.bootstrap_servers.split(",")[bus.brokers.running()[0] - 1]
    asked = m.MetadataRequest(topics=[m.MetadataRequestTopic(name=topic)])
    with RawClient(address) as client:
        [told] = client.call(ApiKey.METADATA, 9, asked).topics
    return [
        each.leader_epoch
        for each in sorted(told.partitions, key=lambda row: int(row.partition_index))
    ]


class Readers:
    """Groups of each kind whose members read a topic, and what each has seen, without repeats."""

    def __init__(self, bus: TestBus, topic: str, unique: Unique) -> None:
        common = {"bootstrap.servers": bus.bootstrap_servers, **FAST}
        shares = unique("share")
        entry = ConfigEntry(
            "share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET
        )
        admin = AdminClient(common)
        group = ConfigResource(ConfigResource.Type.GROUP, shares, incremental_configs=[entry])
        for future in admin.incremental_alter_configs([group]).values():
            future.result(60)
        reading = {**common, "auto.offset.reset": "earliest"}
        self._consumers = {
            kind: Consumer({**reading, "group.id": unique(kind), "group.protocol": kind})
            for kind in ("classic", "consumer")
        }
        self._shares = ShareConsumer({**common, "group.id": shares})
        self._members: list[Any] = [*self._consumers.values(), self._shares]
        for each in self._members:
            each.subscribe([topic])
        self.seen: dict[str, set[bytes]] = {kind: set() for kind in (*self._consumers, "share")}

    def read(self, expected: set[bytes]) -> None:
        """Read until each group has seen all of it; say which has not when it takes too long."""
        deadline = time.monotonic() + WAIT_S
        while any(expected - seen for seen in self.seen.values()):
            missing = {kind: len(expected - seen) for kind, seen in self.seen.items()}
            assert time.monotonic() < deadline, missing
            for kind, consumer in self._consumers.items():
                self._take(kind, consumer.consume(100, 0.05))
            self._take("share", self._shares.poll(0.05))

    def _take(self, kind: str, messages: Iterable[Any]) -> None:
        good = [each for each in messages if each.error() is None]
        self.seen[kind].update(each.value() for each in good)

    def close(self) -> None:
        for each in self._members:
            each.close()


def test_nothing_is_lost_or_doubled_while_each_broker_stops_and_starts(
    bus: TestBus, topic: str, unique: Unique
) -> None:
    common = {"bootstrap.servers": bus.bootstrap_servers, **FAST}
    idempotent = Producer({**common, "enable.idempotence": True})
    transactional = Producer({**common, "transactional.id": unique("transactions")})
    transactional.init_transactions(WAIT_S)
    readers = Readers(bus, topic, unique)
    written: set[bytes] = set()

    def write(step: str) -> None:
        for kind in ("committed", "aborted"):
            transactional.begin_transaction()
            values = [f"{kind} {step} {number}".encode() for number in range(EACH)]
            for number, value in enumerate(values):
                transactional.produce(topic, value, partition=number % PARTITIONS)
            if kind == "aborted":
                # They have been written by then: what is not is thrown away at an abort.
                assert transactional.flush(WAIT_S) == 0
                transactional.abort_transaction(WAIT_S)
            else:
                transactional.commit_transaction(WAIT_S)
                written.update(values)
        plain = [f"plain {step} {number}".encode() for number in range(EACH)]
        for number, value in enumerate(plain):
            idempotent.produce(topic, value, partition=number % PARTITIONS)
        assert idempotent.flush(WAIT_S) == 0
        written.update(plain)

    write("first")
    readers.read(written)
    before = epochs(bus, topic)
    for broker in range(1, BROKERS + 1):
        bus.brokers.stop(broker)
        write(f"without {broker}")
        readers.read(written)
        after = epochs(bus, topic)
        assert all(new >= old for old, new in zip(before, after, strict=True))
        before = after
        bus.brokers.start(broker)
    write("last")
    readers.read(written)
    readers.close()
    # Each partition had a leader that stopped.
    assert min(before) > 0
    for kind in ("classic", "consumer"):
        assert readers.seen[kind] == written
    found = Counter(event.value for event in bus.events(topic))
    assert {value: found[value] for value in written} == dict.fromkeys(written, 1)
