"""kill -9 at any moment while three producers write: what was acknowledged is there.

The producers are idempotent, so a batch whose acknowledgement was lost with the process is
sent again after the restart and must not be stored twice.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import socket
import sys
import threading
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from fakebus.cli.main import run

KILLS = int(os.environ.get("KILLS", "12"))
"""The long run of ``make test-clients`` has more of them."""
PRODUCERS = 3
SEEDS = (20_240_607, 20_240_608)
# Each bus is a process of its own, but none of them waits for its imports.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["fakebus.cli.main", "fakebus.cli.up", "fakebus.app", "fakebus.web.application"]
)


def run_command(directory: Path, arguments: list[str]) -> None:
    """Run the command line in a directory, with no settings but those given."""
    os.chdir(directory)
    for name in [name for name in os.environ if name.startswith("FAKEBUS_")]:
        del os.environ[name]
    sys.exit(run(arguments))


class Bus:
    """``fakebus up`` on one port and one file, started and killed again and again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.bootstrap_servers = f"127.0.0.1:{self.port}"
        self.process: ForkServerProcess

    def start(self) -> None:
        ready = self.directory / "ready.json"
        ready.unlink(missing_ok=True)
        arguments = [
            *("up", "--log-level", "warning", "--data", "bus.db", "--ready-file", "ready.json"),
            *("--kafka", self.bootstrap_servers, "--http", "127.0.0.1:0"),
        ]
        self.process = FORKS.Process(target=run_command, args=(self.directory, arguments))
        self.process.start()
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert self.process.is_alive(), "the bus did not start again"
            assert time.monotonic() < deadline
            threading.Event().wait(0.005)
        assert json.loads(ready.read_text())["bootstrap_servers"] == self.bootstrap_servers

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


class Writer(threading.Thread):
    """Produces 0, 1, 2, … to its own partition and notes what was acknowledged."""

    def __init__(self, bus: Bus, partition: int) -> None:
        super().__init__(daemon=True)
        self.partition = partition
        self.acknowledged = 0
        self.sent = 0
        self.failures: list[str] = []
        self.stopping = threading.Event()
        self.producer = Producer(
            {
                "bootstrap.servers": bus.bootstrap_servers,
                "enable.idempotence": True,
                "linger.ms": 1,
                "reconnect.backoff.ms": 5,
                "reconnect.backoff.max.ms": 50,
                "retry.backoff.ms": 5,
                "message.timeout.ms": 120_000,
                "log_level": 0,
                # Otherwise it takes its time to connect again.
                "enable.sparse.connections": False,
            }
        )

    def delivered(self, error: KafkaError | None, message: object) -> None:
        if error is not None:
            self.failures.append(str(error))
        else:
            self.acknowledged += 1

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self.producer.produce(
                    "t",
                    b"%d" % self.sent,
                    partition=self.partition,
                    on_delivery=self.delivered,
                )
                self.sent += 1
            except BufferError:
                self.producer.poll(0.01)
            self.producer.poll(0)
            if self.sent - self.acknowledged > 2_000:
                self.producer.poll(0.005)
            else:
                self.stopping.wait(0.0002)
        self.producer.flush(60)

    def stop(self) -> None:
        self.stopping.set()
        self.producer.purge()


def high_watermarks(bus: Bus) -> list[int]:
    consumer = Consumer({"bootstrap.servers": bus.bootstrap_servers, "group.id": "check"})
    try:
        return [
            consumer.get_watermark_offsets(TopicPartition("t", partition), timeout=20)[1]
            for partition in range(PRODUCERS)
        ]
    finally:
        consumer.close()


def read_all(bus: Bus, partition: int, end: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bus.bootstrap_servers, "group.id": "check"})
    consumer.assign([TopicPartition("t", partition, 0)])
    values: list[bytes] = []
    while len(values) < end:
        # It waits for as many as it is asked for.
        messages = consumer.consume(min(10_000, end - len(values)), timeout=10)
        assert messages, f"only {len(values)} of {end} records came back"
        for message in messages:
            assert message.error() is None
            assert message.offset() == len(values)
            value = message.value()
            assert value is not None
            values.append(value)
    consumer.close()
    return values


@pytest.mark.kill
@pytest.mark.clients
@pytest.mark.timeout(280)
@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_acknowledged_survives_every_kill(tmp_path: Path, seed: int) -> None:
    randomness = random.Random(seed)
    bus = Bus(tmp_path)
    bus.start()
    admin = AdminClient({"bootstrap.servers": bus.bootstrap_servers})
    admin.create_topics([NewTopic("t", PRODUCERS, 1)])["t"].result(10)
    writers = [Writer(bus, partition) for partition in range(PRODUCERS)]
    for writer in writers:
        writer.start()
    try:
        write_through_kills(bus, writers, randomness)
    finally:
        # Writers that go on without a bus would keep the test run from ending.
        for writer in writers:
            writer.stop()
        bus.kill()


def wait_for_more(writers: list[Writer], acknowledged: list[int]) -> None:
    """Wait until every producer is writing again, so that the kill comes in the middle of it."""
    deadline = time.monotonic() + 30
    while any(
        writer.acknowledged <= before for writer, before in zip(writers, acknowledged, strict=True)
    ):
        assert time.monotonic() < deadline, "a producer does not go on"
        time.sleep(0.005)


def write_through_kills(bus: Bus, writers: list[Writer], randomness: random.Random) -> None:
    acknowledged = [0] * len(writers)
    for _ in range(KILLS):
        wait_for_more(writers, acknowledged)
        time.sleep(randomness.uniform(0, 0.2))
        bus.kill()
        acknowledged = [writer.acknowledged for writer in writers]
        bus.start()
        for known, end in zip(acknowledged, high_watermarks(bus), strict=True):
            assert end >= known, "an acknowledged record is gone"
    for writer in writers:
        writer.stopping.set()
    for writer in writers:
        writer.join(90)
        assert not writer.is_alive()
        assert writer.failures == []
        assert writer.acknowledged == writer.sent
    ends = high_watermarks(bus)
    assert sum(ends) > 1_000
    for writer in writers:
        values = read_all(bus, writer.partition, ends[writer.partition])
        assert values == [b"%d" % n for n in range(writer.sent)]
    bus.process.terminate()
    bus.process.join(10)
    assert bus.process.exitcode == 0
