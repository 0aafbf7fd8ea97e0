"""What clients do while they are measured. Every workload returns one figure or two."""

from __future__ import annotations

import hashlib
import random
import time
import uuid

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

PRODUCER = {
    "acks": "all",
    "linger.ms": 5,
    "batch.num.messages": 10000,
    "queue.buffering.max.messages": 2_000_000,
    "queue.buffering.max.kbytes": 2_000_000,
}
DEADLINE_S = 300


def new_topic(bootstrap_servers: str) -> str:
    """Create a topic by asking for it, as the mock cluster knows no other way."""
    name = f"bench-{uuid.uuid4().hex[:12]}"
    Producer({"bootstrap.servers": bootstrap_servers}).list_topics(name, timeout=30)
    return name


def payload(size: int) -> bytes:
    """Return bytes that compress as little as real ones."""
    return random.Random(size).randbytes(size)


def produce(bootstrap_servers: str, topic: str, size: int, count: int) -> float:
    """Produce ``count`` messages with acks=all; return messages a second."""
    failures: list[str] = []

    def delivered(error: KafkaError | None, _: object) -> None:
        if error is not None:
            failures.append(str(error))

    producer = Producer({"bootstrap.servers": bootstrap_servers, **PRODUCER})
    value = payload(size)
    producer.list_topics(topic, timeout=30)
    started = time.perf_counter()
    for index in range(count):
        try:
            producer.produce(topic, value, partition=0, on_delivery=delivered)
        except BufferError:
            producer.poll(0.1)
            producer.produce(topic, value, partition=0, on_delivery=delivered)
        if index % 10_000 == 0:
            producer.poll(0)
    left = producer.flush(DEADLINE_S)
    seconds = time.perf_counter() - started
    if failures or left:
        raise RuntimeError(f"{len(failures)} messages failed, {left} were not sent: {failures[:1]}")
    return count / seconds


def consume(bootstrap_servers: str, topic: str) -> tuple[float, float, int]:
    """Read everything that the topic still holds; the mock cluster keeps only the last 5 MB.

    Returns:
        Messages a second, megabytes a second, and how many messages there were.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": uuid.uuid4().hex,
            "enable.auto.commit": False,
            "fetch.message.max.bytes": 4_000_000,
            "queued.max.messages.kbytes": 200_000,
        }
    )
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
    count = high - low
    consumer.assign([TopicPartition(topic, 0, low)])
    seen = size = 0
    started = time.perf_counter()
    while seen < count:
        messages = consumer.consume(10_000, timeout=10)
        if not messages or time.perf_counter() - started > DEADLINE_S:
            raise RuntimeError(f"only {seen} of {count} messages came")
        for message in messages:
            if message.error():
                raise RuntimeError(str(message.error()))
            size += len(message.value())
        seen += len(messages)
    seconds = time.perf_counter() - started
    consumer.close()
    return seen / seconds, size / seconds / 1e6, seen


def acknowledgement_latencies(bootstrap_servers: str, topic: str, count: int) -> list[float]:
    """Produce one message at a time with acks=all; return each round trip in milliseconds."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "acks": "all", "linger.ms": 0})
    producer.list_topics(topic, timeout=30)
    value = payload(100)
    latencies = []
    for _ in range(count):
        started = time.perf_counter()
        producer.produce(topic, value, partition=0)
        producer.flush(30)
        latencies.append((time.perf_counter() - started) * 1000)
    return latencies[count // 10 :]


def end_to_end_latencies(bootstrap_servers: str, topic: str, count: int) -> list[float]:
    """Produce one message at a time and wait for it in a consumer; milliseconds."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": uuid.uuid4().hex,
            "fetch.wait.max.ms": 500,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    producer = Producer({"bootstrap.servers": bootstrap_servers, "acks": "all", "linger.ms": 0})
    value = payload(100)
    latencies = []
    for _ in range(count):
        started = time.perf_counter()
        producer.produce(topic, value, partition=0)
        producer.poll(0)
        message = consumer.poll(30)
        if message is None or message.error():
            raise RuntimeError("the message did not come")
        latencies.append((time.perf_counter() - started) * 1000)
    producer.flush(30)
    consumer.close()
    return latencies[count // 10 :]


def store_and_compare(bootstrap_servers: str, topic: str, size: int, count: int) -> bool:
    """Store ``count`` different messages and read them back; return whether all are identical."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, **PRODUCER})
    randomness = random.Random(1)
    sent = hashlib.blake2b()
    for _ in range(count):
        value = randomness.randbytes(size)
        sent.update(value)
        producer.produce(topic, value, partition=0)
        producer.poll(0)
    if producer.flush(DEADLINE_S):
        raise RuntimeError("not everything was sent")
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": uuid.uuid4().hex})
    consumer.assign([TopicPartition(topic, 0, 0)])
    read = hashlib.blake2b()
    seen = 0
    while seen < count:
        messages = consumer.consume(5_000, timeout=10)
        if not messages:
            raise RuntimeError(f"only {seen} of {count} messages came")
        for message in messages:
            read.update(message.value())
        seen += len(messages)
    consumer.close()
    return sent.digest() == read.digest()
