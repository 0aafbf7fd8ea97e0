"""Many records, many partitions, big records."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable

import pytest

from tests.clients.python.client import LATEST, Client, Partition, read, read_topic

pytestmark = [pytest.mark.clients, pytest.mark.slow]

NewTopic = Callable[..., str]
RECORDS = 50_000
PARTITIONS = 4


def test_fifty_thousand_records_arrive_whole_and_in_order(
    client: Client, new_topic: NewTopic
) -> None:
    topic = new_topic(partitions=PARTITIONS)
    # A machine that stands still for some seconds makes no producer send a batch again.
    producer = client.producer(linger_ms=5, timeout_ms=120_000)
    rows = [(number % PARTITIONS, b"record %d" % number) for number in range(RECORDS)]
    written = producer.send_many(topic, rows)
    producer.close()
    assert [row.offset for row in written] == [number // PARTITIONS for number in range(RECORDS)]

    messages = read_topic(client, topic, RECORDS, PARTITIONS)

    for partition in range(PARTITIONS):
        mine = [m for m in messages if m.partition == Partition(topic, partition)]
        assert [m.offset for m in mine] == list(range(RECORDS // PARTITIONS))
        assert [m.value for m in mine] == [value for number, value in rows if number == partition]


def test_long_poll_of_64_partitions_wakes_for_each_record(
    client: Client, new_topic: NewTopic
) -> None:
    topic = new_topic(partitions=64)
    patience_seconds = 20
    consumer = client.consumer(max_wait_ms=patience_seconds * 1_000)
    consumer.assign({Partition(topic, number): 0 for number in range(64)})
    assert consumer.poll(0.3) == []
    producer = client.producer()
    order = random.Random(64).sample(range(64), 64)
    # While a topic is new, a first poll may be under way that leaves out partitions whose leader
    # the client did not know yet: it has to end before a poll waits for all of them.
    for number in order:
        producer.send(topic, b"first", partition=number)()
    assert len(read(consumer, 64, seconds=3 * patience_seconds)) == 64

    started = time.monotonic()
    for number in order:
        producer.send(topic, b"%d" % number, partition=number)()
        (message,) = read(consumer, 1)
        assert (message.partition.number, message.value) == (number, b"%d" % number)

    # One poll that had to be waited out would take longer than all 64 together.
    assert time.monotonic() - started < patience_seconds
    producer.close()
    consumer.close()


@pytest.mark.parametrize("codec", [None, "gzip"])
def test_record_of_900_kb_comes_back_whole(
    client: Client, new_topic: NewTopic, codec: str | None
) -> None:
    topic = new_topic()
    value = random.Random(900).randbytes(900_000)
    producer = client.producer(codec=codec)
    assert producer.send(topic, value)() == (0, 0)
    assert producer.send(topic, b"small")() == (0, 1)
    producer.close()

    big, small = read_topic(client, topic, 2)

    assert big.value is not None
    assert hashlib.sha256(big.value).digest() == hashlib.sha256(value).digest()
    assert small.value == b"small"


def test_idle_reader_at_the_end_gets_what_comes_and_nothing_twice(
    client: Client, new_topic: NewTopic
) -> None:
    topic = new_topic()
    partition = Partition(topic, 0)
    producer = client.producer()
    producer.send(topic, b"before")()
    consumer = client.consumer()
    consumer.assign({partition: 1})
    assert consumer.poll(0.2) == []
    for number in range(20):
        producer.send(topic, b"%d" % number)()
        (message,) = read(consumer, 1)
        assert (message.offset, message.value) == (number + 1, b"%d" % number)
    assert consumer.bounds(partition) == (0, 21)
    consumer.close()
    tail = client.consumer()
    tail.assign({partition: LATEST})
    assert tail.poll(0.3) == []
    tail.close()
    producer.close()
