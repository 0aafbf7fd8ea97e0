"""Service that says in each record it writes which one was the cause: ``python restless.py …``.

Arguments: servers, group, topics to read and write (with commas), library, when it commits (before
or after it writes, or again for a retry), how many records it takes at once, seconds, a seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

SERVERS, GROUP, READS, WRITES, LIBRARY, COMMITS, MOST, SECONDS, SEED = sys.argv[1:]
CHOSEN = random.Random(int(SEED))
END = time.monotonic() + float(SECONDS)


def caused_by(message: tuple[str, int, int]) -> tuple[str, bytes]:
    """Return where to write, and what, for a record at a place."""
    topic, partition, offset = message
    value = json.dumps({"cause": f"{topic}[{partition}]@{offset}"}).encode()
    return CHOSEN.choice(WRITES.split(",")), value


def work_off(messages: Sequence[Any], producer: Any) -> None:
    for one in messages:
        topic, value = caused_by((one.topic(), one.partition(), one.offset()))
        producer.produce(topic, value, one.key(), partition=CHOSEN.randrange(2))
    producer.flush()


def in_threads(messages: Sequence[Any], producers: Sequence[Any]) -> None:
    threads = [
        threading.Thread(target=work_off, args=(messages[at :: len(producers)], producer))
        for at, producer in enumerate(producers)
    ]
    for step in (threading.Thread.start, threading.Thread.join):
        for thread in threads:
            step(thread)


def with_threads() -> None:
    from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

    config = {"group.id": GROUP, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": SERVERS, "log_level": 0, **config})
    producers = [Producer({"bootstrap.servers": SERVERS, "log_level": 0}) for _ in range(2)]
    consumer.subscribe([READS])
    print("ready", flush=True)

    def handle(messages: Sequence[Any]) -> None:
        if COMMITS == "before":
            consumer.commit(asynchronous=False)
        in_threads(messages, producers)
        if COMMITS == "again" and CHOSEN.random() < 0.3:
            first = messages[0]
            consumer.seek(TopicPartition(first.topic(), first.partition(), first.offset()))
        elif COMMITS != "before":
            consumer.commit(asynchronous=False)

    while time.monotonic() < END:
        messages = [each for each in consumer.consume(int(MOST), 0.2) if not each.error()]
        # At a rebalance whoever has the partitions now reads these records again.
        with contextlib.suppress(KafkaException):
            if messages:
                handle(messages)
    consumer.close()


async def with_tasks() -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
    from aiokafka.errors import CommitFailedError

    config = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    consumer = AIOKafkaConsumer(READS, bootstrap_servers=SERVERS, group_id=GROUP, **config)
    producer = AIOKafkaProducer(bootstrap_servers=SERVERS)
    await consumer.start()
    await producer.start()
    print("ready", flush=True)

    async def work(one: Any) -> None:
        await asyncio.sleep(CHOSEN.random() / 50)
        topic, value = caused_by((one.topic, one.partition, one.offset))
        await producer.send_and_wait(topic, value, one.key)

    while time.monotonic() < END:
        got = await consumer.getmany(timeout_ms=200, max_records=int(MOST))
        messages = [each for found in got.values() for each in found]
        try:
            if COMMITS == "before" and messages:
                await consumer.commit()
            await asyncio.gather(*map(work, messages))
            if COMMITS == "after" and messages:
                await consumer.commit()
        except CommitFailedError:
            continue
    await consumer.stop()
    await producer.stop()


def with_polls() -> None:
    import kafka
    from kafka.errors import CommitFailedError

    config = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    config["max_poll_records"] = int(MOST)
    consumer = kafka.KafkaConsumer(READS, bootstrap_servers=SERVERS, group_id=GROUP, **config)
    producer = kafka.KafkaProducer(bootstrap_servers=SERVERS)
    print("ready", flush=True)
    while time.monotonic() < END:
        messages = [each for found in consumer.poll(200).values() for each in found]
        try:
            if COMMITS == "before" and messages:
                consumer.commit()
            for one in messages:
                topic, value = caused_by((one.topic, one.partition, one.offset))
                producer.send(topic, value, one.key)
            producer.flush()
            if COMMITS == "after" and messages:
                consumer.commit()
        except CommitFailedError:
            continue
    consumer.close()


if __name__ == "__main__":
    if LIBRARY == "aiokafka":
        asyncio.run(with_tasks())
    else:
        {"confluent": with_threads, "kafka-python": with_polls}[LIBRARY]()
