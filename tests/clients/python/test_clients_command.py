"""``fakebus clients``, with programs that know nothing of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

CONFLUENT = """
import sys
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": sys.argv[1]})
producer.produce("orders", b"1")
assert not producer.flush(60)
print("done", flush=True)
input()
"""
AIOKAFKA = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer

async def main():
    consumer = AIOKafkaConsumer(
        "orders", bootstrap_servers=sys.argv[1], group_id="billing", auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    await consumer.getone()
    await consumer.commit()
    print("done", flush=True)
    await asyncio.to_thread(input)
    await consumer.stop()

asyncio.run(main())
"""
KAFKA_PYTHON = """
import sys
from kafka import KafkaConsumer
consumer = KafkaConsumer(
    "orders", bootstrap_servers=sys.argv[1], group_id="mail", auto_offset_reset="earliest"
)
next(consumer)
print("done", flush=True)
input()
consumer.close()
"""


class Up:
    """``fakebus up`` on a data file, in a process of its own."""

    def __init__(self, directory: Path, *more: str) -> None:
        self.ready = directory / "ready.json"
        self.ready.unlink(missing_ok=True)
        options = ["--data", str(directory / "bus.db"), "--ready-file", str(self.ready)]
        options += ["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-level", "error"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fakebus", "up", *options, *more], cwd=directory
        )
        deadline = time.monotonic() + 60
        while not self.ready.exists():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        told = json.loads(self.ready.read_text())
        self.bootstrap, self.http = told["bootstrap_servers"], told["http_url"]

    def clients(self, *options: str) -> dict[str, dict[str, Any]]:
        command = [sys.executable, "-m", "fakebus", "clients", "--json", "--http", self.http]
        command += options
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        return {each["service"]: each for each in json.loads(answer.stdout)}

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(60)


def test_three_programs_are_three_services_also_after_a_kill(tmp_path: Path) -> None:
    programs = {"shop": CONFLUENT, "billing_worker": AIOKAFKA, "mailer": KAFKA_PYTHON}
    for name, text in programs.items():
        (tmp_path / f"{name}.py").write_text(text)
    bus = Up(tmp_path)
    # The programs end when their input does, which leaving the stack closes.
    with ExitStack() as stack:
        stack.callback(lambda: bus.end(signal.SIGTERM))
        pids = {}
        for name in programs:
            command = [sys.executable, f"{name}.py", bus.bootstrap]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            process = stack.enter_context(subprocess.Popen(command, cwd=tmp_path, **pipes))
            assert process.stdout is not None
            assert process.stdout.readline() == b"done\n"
            pids[name] = process.pid
        found = bus.clients()
        assert set(found) == set(programs)
        for name, client in found.items():
            assert client["process"]["pid"] == pids[name]
            assert client["process"]["command"].endswith(f"{name}.py {bus.bootstrap}")
            assert os.path.samefile(client["process"]["directory"], tmp_path)
            assert client["first_seen_ms"] <= client["last_seen_ms"]
        used = {
            name: (client["produces"], client["consumes"], client["groups"])
            for name, client in found.items()
        }
        assert used == {
            "shop": (["orders"], [], []),
            "billing_worker": ([], ["orders"], ["billing"]),
            "mailer": ([], ["orders"], ["mail"]),
        }
        named = bus.clients("--service", "Post", "--group", "mail", "--client-id", "none*")
        assert set(named) == {"shop", "billing_worker", "Post"}
        # All that was answered is stored.
        bus.end(signal.SIGKILL)
        (tmp_path / "fakebus.yaml").write_text(
            "version: 1\nservices: {accounts: {groups: [bill*]}, none: {groups: [mai]}}\n"
        )
        bus = Up(tmp_path, "--fixtures", str(tmp_path))
        assert set(bus.clients()) == {"shop", "accounts", "Post"}
        bus.clients("--service", "billing_worker", "--group", "billing")
        again = bus.clients("--service", "Post")
        assert {name: each["process"] for name, each in again.items()} == {
            name: each["process"] for name, each in found.items()
        }
        assert {name: each["groups"] for name, each in again.items()} == {
            name: each["groups"] for name, each in found.items()
        }
