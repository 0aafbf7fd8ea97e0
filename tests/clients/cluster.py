"""The brokers that client scenarios run on: fakebus, or Apache Kafka as the referee.

A scenario that fails on Kafka is a wrong scenario, so every scenario takes a `Cluster` and does
not ask which one it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from tools.kafka import Kafka, free_port

CHECKOUT = Path(__file__).resolve().parents[2]
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 60.0

SETTINGS = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.backoff.ms": "200",
    "group.min.session.timeout.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
    "group.consumer.heartbeat.interval.ms": "300",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.min.session.timeout.ms": "500",
    "group.consumer.session.timeout.ms": "1500",
    "group.streams.heartbeat.interval.ms": "300",
    "group.streams.min.heartbeat.interval.ms": "100",
    "group.streams.min.session.timeout.ms": "500",
    "group.streams.session.timeout.ms": "1500",
    "group.streams.initial.rebalance.delay.ms": "0",
    "group.share.heartbeat.interval.ms": "300",
    "group.share.min.heartbeat.interval.ms": "100",
    "group.share.min.record.lock.duration.ms": "1000",
}
"""Broker configs of the shared cluster: Kafka's names, and waits short enough for tests."""


RECORDING = {
    name: os.environ[name]
    for name in ("PYTHONPATH", "API_RECORD", "API_SUITE")
    if "API_RECORD" in os.environ
}
"""What `make compatibility` tells the processes of its buses."""


class Cluster(Protocol):
    """A running broker that keeps its address and its data over a restart."""

    @property
    def name(self) -> str:
        """`fakebus` or `kafka`; for messages and ids, never to branch on in a scenario."""
        ...

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, as HOST:PORT."""
        ...

    def start(self) -> None:
        """Start over the data there are; return when clients can connect."""
        ...

    def stop(self) -> None:
        """Stop cleanly; the data stay."""
        ...

    def kill(self) -> None:
        """End the process with SIGKILL; the data stay."""
        ...

    def restart(self) -> None:
        """Stop cleanly and start again: same address, same data."""
        ...


class ClusterError(Exception):
    """A cluster did not start or stop as it should; the text ends with its log."""


class FakebusCluster:
    """A `python -m fakebus up` process over one data file."""

    name = "fakebus"

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        """Choose a port and write nothing yet.

        Args:
            directory: Where the data file, the log and the ready-file go.
            settings: Broker configs by Kafka's names.
        """
        address = f"127.0.0.1:{free_port()}"
        self.bootstrap_servers = address
        self.log = directory / "fakebus.log"
        self.http_url = ""
        self._ready_file = directory / "ready.json"
        self._command = [
            sys.executable,
            "-m",
            "fakebus",
            "up",
            "--data",
            str(directory / "data.db"),
        ]
        self._command += ["--kafka", address, "--http", "127.0.0.1:0"]
        self._command += ["--ready-file", str(self._ready_file)]
        self._command += [f"--set={key}={value}" for key, value in settings.items()]
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; return when it has written its ready-file.

        Raises:
            ClusterError: It ended or did not become ready.
        """
        self._ready_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            # A directory without fixtures, so that nothing is seeded; the package comes from here.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin", **RECORDING},
            )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._ready_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ClusterError(f"fakebus did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.01)
        ready = json.loads(self._ready_file.read_text())
        if ready["bootstrap_servers"] != self.bootstrap_servers:
            raise ClusterError(f"fakebus is ready elsewhere: {ready}")
        self.http_url = ready["http_url"]

    def stop(self) -> None:
        """Send SIGTERM and wait for a clean end.

        Raises:
            ClusterError: The process lingered, or its exit status is not 0.
        """
        status = self._end(signal.SIGTERM)
        if status not in (None, 0):
            raise ClusterError(
                f"fakebus ended with {status} at SIGTERM:\n{self.log.read_text()[-4000:]}"
            )

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop cleanly and start again."""
        self.stop()
        self.start()

    def _end(self, stop_signal: signal.Signals) -> int | None:
        if self._process is None:
            return None
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(stop_signal)
        try:
            return process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.wait()
            raise ClusterError(f"fakebus did not end at {stop_signal.name}") from error


class KafkaCluster:
    """An Apache Kafka process over one log directory, from tools/kafka.py."""

    name = "kafka"

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        """Format the log directory.

        Args:
            directory: An empty directory for the logs and settings.
            settings: Broker configs by Kafka's names.
        """
        port = free_port()
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self._kafka = Kafka(directory, port, settings)

    def start(self) -> None:
        """Start the process; return when it answers Metadata."""
        self._kafka.start()

    def stop(self) -> None:
        """Send SIGTERM and wait for a clean end."""
        self._kafka.stop()

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self._kafka.stop(signal.SIGKILL)

    def restart(self) -> None:
        """Stop cleanly and start again."""
        self.stop()
        self.start()


class GivenCluster:
    """A cluster that somebody else runs, fakebus or Kafka."""

    name = "given"

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    def start(self) -> None:
        """It runs already."""

    def stop(self) -> None:
        """Leave it alone."""

    def kill(self) -> None:
        """Skip the scenario, which would take the cluster from whoever runs it."""
        pytest.skip("the cluster of --fakebus-bootstrap is not ours to stop")

    def restart(self) -> None:
        """Skip the scenario."""
        self.kill()


CLUSTERS: dict[str, type[FakebusCluster] | type[KafkaCluster]] = {
    "fakebus": FakebusCluster,
    "kafka": KafkaCluster,
}


@contextlib.contextmanager
def running_cluster(name: str, settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Run a throw-away cluster.

    Args:
        name: `fakebus` or `kafka`.
        settings: Broker configs over `SETTINGS`, by Kafka's names.
    """
    with tempfile.TemporaryDirectory(prefix="fakebus-clients-") as directory:
        cluster = CLUSTERS[name](Path(directory), {**SETTINGS, **(settings or {})})
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
