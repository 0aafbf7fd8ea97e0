"""What is measured: fakebus, and the peer that the same run compares it with."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Protocol

import psutil

from tools.kafka import Kafka, free_port

START_TIMEOUT_S = 30


class Peer(Protocol):
    """A server in a process of its own."""

    name: str
    bootstrap_servers: str
    pid: int

    def __enter__(self) -> Peer: ...

    def __exit__(self, *exc: object) -> None: ...


class _Server:
    """A child process that says on a ready-file or its output when it serves."""

    name = ""

    def __init__(self) -> None:
        self.directory = tempfile.TemporaryDirectory(prefix="fakebus-bench-")
        self.bootstrap_servers = ""
        self.pid = 0
        self.start_seconds = 0.0
        self._process: subprocess.Popen[str]

    def cpu_seconds(self) -> float:
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def rss_bytes(self) -> int:
        return int(psutil.Process(self.pid).memory_info().rss)

    def peak_rss_bytes(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    def __exit__(self, *exc: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self.directory.cleanup()


class Fakebus(_Server):
    """``fakebus up`` on a data file.

    Args:
        arguments: more flags.
    """

    name = "fakebus"

    def __init__(self, *arguments: str, http: bool = True) -> None:
        super().__init__()
        self.http_url = ""
        self._arguments = arguments
        self._http = http

    def __enter__(self) -> Fakebus:
        directory = Path(self.directory.name)
        ready = directory / "ready.json"
        command = [sys.executable, "-m", "fakebus", "up", "--log-level", "error"]
        command += ["--data", str(directory / "bench.db"), "--ready-file", str(ready)]
        command += ["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0", *self._arguments]
        started = time.perf_counter()
        self._process = subprocess.Popen(
            command, env=_environment(), cwd=directory, text=True, stdin=subprocess.DEVNULL
        )
        while not ready.exists():
            if self._process.poll() is not None or time.perf_counter() - started > START_TIMEOUT_S:
                raise RuntimeError("fakebus did not start")
            time.sleep(0.002)
        self.start_seconds = time.perf_counter() - started
        self.pid = self._process.pid
        addresses = json.loads(ready.read_text())
        self.bootstrap_servers = addresses["bootstrap_servers"]
        self.http_url = addresses["http_url"]
        return self


def _environment() -> dict[str, str]:
    """Return a user's environment: no settings of ours, and compiled modules are kept."""
    ours = ("FAKEBUS_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


FIXTURES = str(Path(__file__).parents[1] / "examples" / "json-events")
_METADATA_REQUEST = struct.pack(">ihhihi", 14, 3, 1, 1, -1, 0)
"""Metadata version 1 for no topics, without a client id."""


def first_metadata_seconds(*arguments: str) -> float:
    """Start fakebus on a new data file; return the time until it answers Metadata."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="fakebus-bench-") as directory:
        command = [sys.executable, "-m", "fakebus", "up", "--log-level", "error", *arguments]
        command += ["--data", "bench.db", "--kafka", f"127.0.0.1:{port}", "--http", "127.0.0.1:0"]
        started = time.perf_counter()
        with subprocess.Popen(command, cwd=directory, env=_environment()) as process:
            while time.perf_counter() - started < START_TIMEOUT_S:
                try:
                    with socket.create_connection(("127.0.0.1", port)) as client:
                        client.sendall(_METADATA_REQUEST)
                        answered = bool(client.recv(4))
                    break
                except ConnectionRefusedError:
                    time.sleep(0.001)
            seconds = time.perf_counter() - started
            process.terminate()
        if not answered:
            raise RuntimeError("fakebus did not answer")
        return seconds


_MOCK = """
import signal, sys, time
from confluent_kafka import Producer
host = Producer({"bootstrap.servers": "", "test.mock.num.brokers": 1, "log_level": 0})
broker = next(iter(host.list_topics(timeout=10).brokers.values()))
print(f"{broker.host}:{broker.port}", flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    time.sleep(1)
"""


class MockCluster(_Server):
    """librdkafka's mock cluster: a broker in C that keeps everything in memory."""

    name = "librdkafka mock"

    def __enter__(self) -> MockCluster:
        started = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MOCK],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.bootstrap_servers = self._process.stdout.readline().strip()
        if not self.bootstrap_servers:
            raise RuntimeError("the mock cluster did not start")
        self.start_seconds = time.perf_counter() - started
        self.pid = self._process.pid
        return self


class ApacheKafka(_Server):
    """Apache Kafka in one process, broker and controller, as ``make kafka`` runs it."""

    name = "Apache Kafka"

    def __enter__(self) -> ApacheKafka:
        started = time.perf_counter()
        self._kafka = Kafka(Path(self.directory.name), free_port(), {})
        self._kafka.start()
        assert self._kafka.process is not None
        self.start_seconds = time.perf_counter() - started
        self.pid = self._kafka.process.pid
        self.bootstrap_servers = self._kafka.bootstrap_servers
        return self

    def __exit__(self, *exc: object) -> None:
        self._kafka.stop()
        self.directory.cleanup()
