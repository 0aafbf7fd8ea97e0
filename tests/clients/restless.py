"""Service that says in each record it writes which one was the cause: ``python restless.py …``.

Arguments: where the bus is (Kafka, HTTP and Redis, with commas), group, topics to read and write
(with commas), library, when it commits (before or after it writes, or again for a retry), how many
records it takes at once, a seed. It ends when its standard input does.
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

BUS, GROUP, READS, WRITES, LIBRARY, COMMITS, MOST, SEED = sys.argv[1:]
SERVERS, HTTP, REDIS = BUS.split(",")
CHOSEN = random.Random(int(SEED))
ENDED = threading.Event()


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
    config |= {"group.protocol": "consumer"} if LIBRARY == "consumer protocol" else {}
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

    while not ENDED.is_set():
        messages = [each for each in consumer.consume(int(MOST), 0.2) if not each.error()]
        # At a rebalance whoever has the partitions now reads these records again.
        with contextlib.suppress(KafkaException):
            if messages:
                handle(messages)
    consumer.close()


def with_a_pool() -> None:
    """Threads share a producer, and are at what was committed long before."""
    from concurrent.futures import Future, ThreadPoolExecutor

    from confluent_kafka import Consumer, KafkaException, Producer

    config = {"group.id": GROUP, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": SERVERS, "log_level": 0, **config})
    producer = Producer({"bootstrap.servers": SERVERS, "log_level": 0})
    consumer.subscribe([READS])
    print("ready", flush=True)

    def work(one: Any, seconds: float) -> None:
        time.sleep(seconds)  # what takes longer than the next records need to come is the point
        work_off([one], producer)

    at_work: list[Future[None]] = []
    with ThreadPoolExecutor(4) as pool:
        while not ENDED.is_set():
            messages = [each for each in consumer.consume(int(MOST), 0.2) if not each.error()]
            with contextlib.suppress(KafkaException):
                if messages and COMMITS == "before":
                    consumer.commit(asynchronous=False)
                at_work += [pool.submit(work, one, CHOSEN.random() / 5) for one in messages]
                if messages and COMMITS == "after":
                    for each in at_work:
                        each.result()
                    consumer.commit(asynchronous=False)
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

    while not ENDED.is_set():
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
    while not ENDED.is_set():
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


def with_transactions() -> None:
    from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

    config = {"group.id": GROUP, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": SERVERS, "log_level": 0, **config})
    transactional = {"transactional.id": f"{GROUP}-{SEED}", "log_level": 0}
    producer = Producer({"bootstrap.servers": SERVERS, **transactional})
    producer.init_transactions()
    consumer.subscribe([READS])
    print("ready", flush=True)
    while not ENDED.is_set():
        messages = [each for each in consumer.consume(int(MOST), 0.2) if not each.error()]
        if not messages:
            continue
        producer.begin_transaction()
        try:
            work_off(messages, producer)
            if CHOSEN.random() < 0.2:
                raise KafkaException("taken back")
            places = consumer.position(consumer.assignment())
            producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata())
            producer.commit_transaction()
        except KafkaException:
            producer.abort_transaction()
            first = {}
            for one in messages:
                first.setdefault((one.topic(), one.partition()), one.offset())
            for place, offset in first.items():
                with contextlib.suppress(KafkaException):
                    consumer.seek(TopicPartition(*place, offset))
    consumer.close()


def with_shares() -> None:
    from confluent_kafka import AcknowledgeType, Producer, ShareConsumer

    explicit = {"share.acknowledgement.mode": "explicit"} if COMMITS != "after" else {}
    config = {"group.id": GROUP, "log_level": 0, "max.poll.records": int(MOST), **explicit}
    consumer = ShareConsumer({"bootstrap.servers": SERVERS, **config})
    producer = Producer({"bootstrap.servers": SERVERS, "log_level": 0})
    consumer.subscribe([READS])
    print("ready", flush=True)
    while not ENDED.is_set():
        messages = [each for each in consumer.poll(0.2) if not each.error()]
        if COMMITS == "after":
            work_off(messages, producer)
            continue
        released = [each for each in messages if COMMITS == "again" and CHOSEN.random() < 0.2]
        if COMMITS == "again":
            work_off(messages, producer)
        for one in messages:
            kind = AcknowledgeType.RELEASE if one in released else AcknowledgeType.ACCEPT
            consumer.acknowledge(one, kind)
        if messages:
            consumer.commit_sync(60)
        if COMMITS == "before":
            work_off(messages, producer)
    consumer.close()


def with_redis() -> None:
    from redis import Redis, ResponseError

    client = Redis.from_url(REDIS, socket_timeout=60)
    with contextlib.suppress(ResponseError):
        client.xgroup_create(READS, GROUP, "0", mkstream=True)
    print("ready", flush=True)
    while not ENDED.is_set():
        found = client.xreadgroup(GROUP, SEED, {READS: ">"}, count=int(MOST), block=200)
        entries = [each for each, _ in found[0][1]] if found else []
        if COMMITS == "before" and entries:
            client.xack(READS, GROUP, *entries)
        for each in entries:
            position = int(each.split(b"-")[1])
            partition, offset = position >> 48, position & (1 << 48) - 1
            topic, value = caused_by((READS, partition, offset))
            client.xadd(topic, {"truth": value})
            if COMMITS == "after":
                client.xack(READS, GROUP, each)


def with_rest() -> None:
    import base64

    import requests

    session, v2 = requests.Session(), "application/vnd.kafka.v2+json"
    binary = "application/vnd.kafka.binary.v2+json"

    def call(method: str, path: str, body: Any = None, accept: str = v2, kind: str = v2) -> Any:
        data = None if body is None else json.dumps(body)
        headers = {"Accept": accept, "Content-Type": kind}
        answer = session.request(method, f"{HTTP}{path}", data=data, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    name = f"{GROUP}-{SEED}"
    config = {"name": name, "format": "binary", "auto.offset.reset": "earliest"}
    call("POST", f"/consumers/{GROUP}", {**config, "auto.commit.enable": "false"})
    mine = f"/consumers/{GROUP}/instances/{name}"
    call("POST", f"{mine}/subscription", {"topics": [READS]})
    cluster = call("GET", "/v3/clusters", accept="application/json")["data"][0]["cluster_id"]
    print("ready", flush=True)
    while not ENDED.is_set():
        most = f"?timeout=200&max_bytes={40 * int(MOST)}"
        messages = call("GET", f"{mine}/records{most}", accept=binary)
        if COMMITS == "before" and messages:
            call("POST", f"{mine}/offsets", {})
        for one in messages:
            topic, value = caused_by((one["topic"], one["partition"], one["offset"]))
            text = base64.b64encode(value).decode()
            if CHOSEN.random() < 0.5:
                record = {"value": text, "key": one["key"]}
                call("POST", f"/topics/{topic}", {"records": [record]}, kind=binary)
            else:
                path = f"/v3/clusters/{cluster}/topics/{topic}/records"
                body = {"value": {"type": "BINARY", "data": text}}
                call("POST", path, body, accept="application/json", kind="application/json")
        if COMMITS == "after" and messages:
            call("POST", f"{mine}/offsets", {})
    call("DELETE", mine)


def wait_for_the_end() -> None:
    sys.stdin.read()
    ENDED.set()


if __name__ == "__main__":
    threading.Thread(target=wait_for_the_end, daemon=True).start()
    if LIBRARY == "aiokafka":
        asyncio.run(with_tasks())
    else:
        {
            "confluent": with_threads,
            "pool": with_a_pool,
            "consumer protocol": with_threads,
            "kafka-python": with_polls,
            "transactions": with_transactions,
            "shares": with_shares,
            "redis": with_redis,
            "rest": with_rest,
        }[LIBRARY]()
