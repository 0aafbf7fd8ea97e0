"""One bus for these tests, and clients for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer

from fakebus.testing import TestBus
from fakebus.testing.embedded_bus import EmbeddedBus, bus_settings

MakeConsumer = Callable[..., Consumer]
MakeProducer = Callable[..., Producer]


@pytest.fixture(scope="session")
def embedded_bus() -> Iterator[EmbeddedBus]:
    with EmbeddedBus(bus_settings(configs={})) as running:
        yield running


@pytest.fixture
def bus(embedded_bus: EmbeddedBus) -> Iterator[TestBus]:
    with embedded_bus.test() as handle:
        yield handle


@pytest.fixture
def consumer(bus: TestBus) -> Iterator[MakeConsumer]:
    with ExitStack() as stack:

        def make(group: str, topic: str, **config: Any) -> Consumer:
            settings = {
                "bootstrap.servers": bus.bootstrap_servers,
                "group.id": group,
                "client.id": f"{group}-client",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "heartbeat.interval.ms": 50,
                "session.timeout.ms": 30_000,
            }
            made = Consumer(settings | {name.replace("_", "."): v for name, v in config.items()})
            stack.callback(made.close)
            made.subscribe([topic])
            return made

        yield make


@pytest.fixture
def producer(bus: TestBus) -> MakeProducer:
    def make(**config: Any) -> Producer:
        settings = {
            "bootstrap.servers": bus.bootstrap_servers,
            "client.id": "shop",
            "retry.backoff.ms": 1,
            "retry.backoff.max.ms": 20,
            "reconnect.backoff.ms": 0,
        }
        return Producer(settings | {name.replace("_", "."): v for name, v in config.items()})

    return make


def take(consumer: Consumer, count: int) -> list[Message]:
    """Return the next messages; errors that the client lives with are passed over."""
    found: list[Message] = []
    for _ in range(300):
        if len(found) == count:
            return found
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            found.append(message)
    raise AssertionError(f"only {len(found)} of {count} messages came")


def deliver(producer: Producer, topic: str, *values: str) -> list[Any]:
    """Produce and return an offset for each value, or the error."""
    outcomes: list[Any] = []
    for value in values:
        producer.produce(
            topic,
            value,
            on_delivery=lambda error, message: outcomes.append(error or message.offset()),
        )
    if producer.flush(60):
        raise KafkaException("not everything was delivered")
    return outcomes
