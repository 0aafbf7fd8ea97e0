"""What clients do while they are measured. Every workload returns one figure or two."""

from __future__ import annotations

import hashlib
import json
import random
import time
import uuid
from functools import cache

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PRODUCER = {
    "acks": "all",
    "linger.ms": 5,
    "batch.num.messages": 10000,
    "queue.buffering.max.messages": 2_000_000,
    "queue.buffering.max.kbytes": 2_000_000,
    "message.max.bytes": 1_000_000,
}
DEADLINE_S = 300


def to(bootstrap_servers: str) -> dict[str, str | int]:
    """Return what every client is told."""
    return {"bootstrap.servers": bootstrap_servers, "log_level": 0}


def new_topic(bootstrap_servers: str) -> str:
    """Create a topic by asking for it, as the mock cluster knows no other way."""
    name = f"bench-{uuid.uuid4().hex[:12]}"
    Producer({**to(bootstrap_servers)}).list_topics(name, timeout=30)
    return name


def create_topic(bootstrap_servers: str, partitions: int, name: str = "") -> str:
    """Create a topic as an administrator does."""
    name = name or f"bench-{uuid.uuid4().hex[:12]}"
    admin = AdminClient({**to(bootstrap_servers)})
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
    return name


def payload(size: int) -> bytes:
    """Return bytes that compress as little as real ones."""
    return random.Random(size).randbytes(size)


@cache
def events(size: int) -> tuple[bytes, ...]:
    """Return different values that compress as events do: JSON with words that come again."""
    randomness = random.Random(size)
    words = [randomness.randbytes(4).hex()[: randomness.randint(3, 8)] for _ in range(500)]
    values = []
    for number in range(16 if size > 10_000 else 1_000):
        fields = []
        # A field has ten letters at least.
        for _ in range(size // 10):
            fields.append(f'"{randomness.choice(words)}": "{randomness.choice(words)}"')
        text = json.dumps({"id": number, "at": randomness.random(), "of": ", ".join(fields)})
        values.append(text.encode()[:size])
    return tuple(values)


def produce(
    bootstrap_servers: str,
    topic: str,
    values: tuple[bytes, ...],
    count: int,
    partitions: int = 1,
    **settings: object,
) -> float:
    """Produce messages with acks=all; return messages a second.

    Args:
        bootstrap_servers: where.
        topic: what gets them.
        values: of the messages, over and over.
        count: how many there are.
        partitions: which get them in turn.
        settings: of the producer, with underscores for dots.
    """
    failures: list[str] = []

    def delivered(error: KafkaError | None, _: object) -> None:
        if error is not None:
            failures.append(str(error))

    chosen = {name.replace("_", "."): value for name, value in settings.items()}
    producer = Producer({**to(bootstrap_servers), **PRODUCER, **chosen})
    producer.list_topics(topic, timeout=30)
    started = time.perf_counter()
    for index in range(count):
        value, partition = values[index % len(values)], index % partitions
        try:
            producer.produce(topic, value, partition=partition, on_delivery=delivered)
        except BufferError:
            producer.poll(0.1)
            producer.produce(topic, value, partition=partition, on_delivery=delivered)
        if index % 10_000 == 0:
            producer.poll(0)
    left = producer.flush(DEADLINE_S)
    seconds = time.perf_counter() - started
    if failures or left:
        raise RuntimeError(f"{len(failures)} messages failed, {left} were not sent: {failures[:1]}")
    return count / seconds


def _watermarks(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """Return where a partition begins and ends, also if its leader is new."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            low, high = consumer.get_watermark_offsets(partition, timeout=30)
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return low, high


def consume(bootstrap_servers: str, topic: str, partitions: int = 1) -> tuple[float, float, int]:
    """Read everything that the topic still holds; the mock cluster keeps only the last 5 MB.

    Returns:
        Messages a second, megabytes a second, and how many messages there were.
    """
    consumer = Consumer(
        {
            **to(bootstrap_servers),
            "group.id": uuid.uuid4().hex,
            "enable.auto.commit": False,
            "fetch.message.max.bytes": 4_000_000,
            # A consumer that has enough fetches nothing for a second.
            "queued.min.messages": 10_000_000,
            "queued.max.messages.kbytes": 1_000_000,
        }
    )
    places, count = [], 0
    for number in range(partitions):
        low, high = _watermarks(consumer, TopicPartition(topic, number))
        places.append(TopicPartition(topic, number, low))
        count += high - low
    consumer.assign(places)
    seen = size = 0
    started = time.perf_counter()
    while seen < count:
        messages = consumer.consume(min(10_000, count - seen), timeout=10)
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
    producer = Producer({**to(bootstrap_servers), "acks": "all", "linger.ms": 0})
    producer.list_topics(topic, timeout=30)
    value = payload(100)
    latencies = []
    for _ in range(count):
        started = time.perf_counter()
        producer.produce(topic, value, partition=0)
        if producer.flush(30):
            raise RuntimeError("the message was not acknowledged")
        latencies.append((time.perf_counter() - started) * 1000)
    return latencies[count // 10 :]


def end_to_end_latencies(bootstrap_servers: str, topic: str, count: int) -> list[float]:
    """Produce one message at a time and wait for it in a consumer; milliseconds."""
    consumer = Consumer(
        {
            **to(bootstrap_servers),
            "group.id": uuid.uuid4().hex,
            "fetch.wait.max.ms": 500,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    producer = Producer({**to(bootstrap_servers), "acks": "all", "linger.ms": 0})
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
    producer = Producer({**to(bootstrap_servers), **PRODUCER})
    randomness = random.Random(1)
    sent = hashlib.blake2b()
    for _ in range(count):
        value = randomness.randbytes(size)
        sent.update(value)
        producer.produce(topic, value, partition=0)
        producer.poll(0)
    if producer.flush(DEADLINE_S):
        raise RuntimeError("not everything was sent")
    consumer = Consumer({**to(bootstrap_servers), "group.id": uuid.uuid4().hex})
    consumer.assign([TopicPartition(topic, 0, 0)])
    read = hashlib.blake2b()
    seen = 0
    while seen < count:
        messages = consumer.consume(min(5_000, count - seen), timeout=10)
        if not messages:
            raise RuntimeError(f"only {seen} of {count} messages came")
        for message in messages:
            read.update(message.value())
        seen += len(messages)
    consumer.close()
    return sent.digest() == read.digest()


def first_record_seconds(bootstrap_servers: str, topic: str) -> float:
    """Join a new group for a topic with a record; return the time until the record is there."""
    started = time.perf_counter()
    consumer = Consumer(
        {
            **to(bootstrap_servers),
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    message = consumer.poll(30)
    seconds = time.perf_counter() - started
    consumer.close()
    if message is None or message.error():
        raise RuntimeError("the record did not come")
    return seconds


def transaction_latencies(bootstrap_servers: str, topic: str, count: int) -> list[float]:
    """Commit transactions of one record, one after the other; milliseconds."""
    producer = Producer({**to(bootstrap_servers), "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(30)
    latencies = []
    for _ in range(count):
        started = time.perf_counter()
        producer.begin_transaction()
        producer.produce(topic, b"v", partition=0)
        producer.commit_transaction(30)
        latencies.append((time.perf_counter() - started) * 1000)
    return latencies


def fresh_topic_seconds(bootstrap_servers: str) -> float:
    """Delete a topic with a record and create it anew; return the time until it takes a record."""
    topic = create_topic(bootstrap_servers, 1)
    settings = {**to(bootstrap_servers), "linger.ms": 0}
    producer = Producer(settings)
    producer.produce(topic, b"v")
    producer.flush(30)
    admin = AdminClient({**to(bootstrap_servers)})
    started = time.perf_counter()
    admin.delete_topics([topic])[topic].result(30)
    # Kafka deletes in the background.
    while True:
        try:
            create_topic(bootstrap_servers, 1, topic)
            break
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    producer = Producer(settings)
    producer.produce(topic, b"v")
    if producer.flush(30):
        raise RuntimeError("the new topic took no record")
    return time.perf_counter() - started
