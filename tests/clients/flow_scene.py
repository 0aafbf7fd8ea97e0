"""Services in processes of their own around a bus, and what flows tell of them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.client.bus_http import BusHttp
from tests.processes import process_of

ANY_PORT = (Address("127.0.0.1", 0),)
WAIT_S = 60.0
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-%016x-01"
FORWARDED = """
def headers_of(headers, name):
    # What a service would pass along that takes part in tracing, or that says its cause.
    found = {key: value.decode() for key, value in headers or ()}
    told = []
    if "traceparent" in found:
        told.append(("traceparent", found["traceparent"].encode()))
    if "ce_id" in found:
        told += [("ce_id", (found["ce_id"] + "-" + name).encode())]
        told += [("ce_causationid", found["ce_id"].encode())]
    return told
"""
CONFLUENT = (
    FORWARDED
    + """
import sys
from confluent_kafka import Consumer, Producer
servers, group, reads, writes = sys.argv[1:]
consumer = Consumer({
    "bootstrap.servers": servers, "group.id": group, "auto.offset.reset": "earliest",
    "enable.auto.commit": False, "log_level": 0,
})
producer = Producer({"bootstrap.servers": servers, "log_level": 0})
consumer.subscribe([reads])
print("ready", flush=True)
while True:
    message = consumer.poll(1)
    if message is not None and not message.error():
        headers = headers_of(message.headers(), group)
        producer.produce(writes, message.value(), message.key(), headers=headers)
        producer.flush()
        consumer.commit(message, asynchronous=False)
"""
)
AIOKAFKA = (
    FORWARDED
    + """
import asyncio, sys
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

async def main(servers, group, reads, writes):
    consumer = AIOKafkaConsumer(
        reads, bootstrap_servers=servers, group_id=group, auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await consumer.start()
    await producer.start()
    print("ready", flush=True)
    async for message in consumer:
        headers = headers_of(message.headers, group)
        await producer.send_and_wait(writes, message.value, message.key, headers=headers)
        await consumer.commit()

asyncio.run(main(*sys.argv[1:]))
"""
)
TRANSACTIONAL = """
import sys
from confluent_kafka import Consumer, Producer, TopicPartition
servers, group, reads, writes = sys.argv[1:]
consumer = Consumer({
    "bootstrap.servers": servers, "group.id": group, "auto.offset.reset": "earliest",
    "enable.auto.commit": False, "log_level": 0,
})
producer = Producer({
    "bootstrap.servers": servers, "transactional.id": group + "-1", "log_level": 0,
})
producer.init_transactions()
consumer.subscribe([reads])
print("ready", flush=True)
failed = set()
while True:
    message = consumer.poll(1)
    if message is None or message.error():
        continue
    producer.begin_transaction()
    producer.produce(writes, b"made of " + message.value())
    if message.value() == b"fails once" and message.offset() not in failed:
        failed.add(message.offset())
        producer.flush()
        producer.abort_transaction()
        consumer.seek(TopicPartition(message.topic(), message.partition(), message.offset()))
        continue
    producer.send_offsets_to_transaction(
        consumer.position(consumer.assignment()), consumer.consumer_group_metadata())
    producer.commit_transaction()
"""
LOOKING = """
import os, sys
from confluent_kafka import Consumer, TopicPartition
servers, group, topic, offset = sys.argv[1:]
consumer = Consumer({
    "bootstrap.servers": servers, "client.id": group, "group.id": group, "log_level": 0,
    "auto.offset.reset": "earliest", "enable.auto.commit": False, "session.timeout.ms": 600,
    "heartbeat.interval.ms": 200,
})
if offset:
    consumer.assign([TopicPartition(topic, 0, int(offset))])
else:
    consumer.subscribe([topic])
message = consumer.poll(60)
assert message is not None and not message.error()
if offset:
    consumer.commit(message, asynchronous=False)
print("done", flush=True)
sys.stdin.read()
os._exit(0)
"""


class Scene:
    """Bus, services in processes of their own, and what is told of them."""

    def __init__(self, bus: FakeBus, stack: contextlib.ExitStack, directory: Path) -> None:
        self.bus = bus
        self.servers = bus.bootstrap_servers
        self.http = BusHttp(bus.http_url)
        self._stack = stack
        self._directory = directory
        self._producer = Producer({"bootstrap.servers": self.servers, "client.id": "shop"})

    def service(self, program: str, group: str, reads: str, writes: str) -> None:
        """Start a Python program that passes records along, and wait until it is ready."""
        path = self._directory / f"{group}_service.py"
        path.write_text(program)
        self.start([sys.executable, str(path)], group, reads, writes)

    def start(self, program: Sequence[str], group: str, reads: str, writes: str) -> None:
        """Start a service and wait until it is ready."""
        command = [*program, self.servers, group, reads, writes]
        process = self._stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
        self._stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"

    def write(
        self,
        topic: str,
        value: str | bytes = "{}",
        headers: Mapping[str, str | bytes] | None = None,
    ) -> str:
        told: list[int] = []
        self._producer.produce(
            topic,
            value.encode() if isinstance(value, str) else value,
            headers=list((headers or {}).items()),
            on_delivery=lambda _, message: told.append(message.offset()),
        )
        assert self._producer.flush(WAIT_S) == 0
        return f"{topic}[0]@{told[0]}"

    def look(self, group: str, topic: str, offset: str = "") -> None:
        """Let a process be sent a record, commit it if its offset is given, and die."""
        command = [sys.executable, "-c", LOOKING, self.servers, group, topic, offset]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with process_of(command, text=True, **pipes) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"
            # Whose connection it was cannot be found out any more when it is dead.
            deadline = time.monotonic() + WAIT_S
            while not self._knows(process.pid, group, topic):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.communicate()

    def _knows(self, pid: int, group: str, topic: str) -> bool:
        """Return whether the bus knows that a process reads a topic for a group."""
        return any(
            each["process"] and each["process"]["pid"] == pid
            for each in self.http.get("/clients")
            if group in each["groups"] and topic in each["consumes"]
        )

    def flow(self, record: str, depth: int | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get("/flow", record=record, depth=depth)
        return found

    def flow_of(self, record: str, steps: int, most: int | None = None) -> dict[str, Any]:
        """Return the flow of a record once it has so many records.

        Args:
            record: its name.
            steps: the records at least.
            most: likewise at most: until what a transaction has written is known to be due to what
                it has read, it may be due to earlier records, too.
        """
        deadline = time.monotonic() + WAIT_S
        while (
            not steps <= len((found := self.flow(record))["records"]) <= (most or sys.maxsize)
            or found["behind"]
        ):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def group(self, record: str, name: str, state: str) -> dict[str, Any]:
        """Return what became of a record in a group once it has a state."""
        deadline = time.monotonic() + WAIT_S
        while True:
            groups = {each["group"]: each for each in self.flow(record, 0)["records"][0]["groups"]}
            if groups.get(name, {}).get("state") == state:
                found: dict[str, Any] = groups[name]
                return found
            assert time.monotonic() < deadline, groups
            time.sleep(0.02)


def edges(flow: Mapping[str, Any]) -> list[tuple[str, str, str, str, int]]:
    names = ("from", "to", "evidence", "by", "rivals")
    return [tuple(edge[name] for name in names) for edge in flow["edges"]]
