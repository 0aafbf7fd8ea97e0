"""Kafka Connect, distributed, with its file connectors: killed in between, it loses nothing."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.build import JVM_OPTIONS, built, find_tool, run
from tests.clients.cluster import Cluster, free_port

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

POM = Path(__file__).parent / "pom.xml"
WAIT_S = 120.0


def jars() -> str:
    def fetch(directory: Path, output: Path) -> None:
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
        command = [find_tool("mvn", "Maven"), "-q", "-B", "-f", str(POM), *goal]
        run([*command, f"-DoutputDirectory={output}"], directory)

    return f"{built('connect', fetch, [POM])}/*"


class Worker:
    """Process of a Connect cluster of one.

    Args:
        bootstrap_servers: the broker.
        directory: where its settings and its log go.
        name: of the cluster and its topics.
    """

    def __init__(self, bootstrap_servers: str, directory: Path, name: str) -> None:
        self._port = free_port()
        self._directory = directory
        settings = {
            "bootstrap.servers": bootstrap_servers,
            "group.id": name,
            "listeners": f"http://127.0.0.1:{self._port}",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "offset.flush.interval.ms": "300",
            "offset.storage.partitions": "1",
            "session.timeout.ms": "6000",
            "heartbeat.interval.ms": "1000",
            "scheduled.rebalance.max.delay.ms": "0",
            "plugin.discovery": "only_scan",
            "plugin.path": str(directory),
            **{
                f"{each}.storage.topic": f"{name}-{each}" for each in ("config", "offset", "status")
            },
            **{
                f"{each}.storage.replication.factor": "1" for each in ("config", "offset", "status")
            },
        }
        lines = "".join(f"{key}={value}\n" for key, value in settings.items())
        (directory / "worker.properties").write_text(lines)
        self.start()

    def start(self) -> None:
        """Start the process; return when it serves HTTP."""
        java = [find_tool("java", "a JDK 17 or later"), *JVM_OPTIONS, "-cp", jars()]
        with (self._directory / "worker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*java, "org.apache.kafka.connect.cli.ConnectDistributed", "worker.properties"],
                cwd=self._directory,
                stdout=log,
                stderr=log,
            )
        self.wait(lambda: self.ask("/connectors") is not None)

    def kill(self) -> None:
        """End the process with SIGKILL."""
        self._process.kill()
        self._process.wait()

    def ask(self, path: str, body: Any = None) -> Any:
        """Return what the worker says; ``None`` if it says nothing yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        method, data = ("GET", None) if body is None else ("PUT", json.dumps(body))
        try:
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return json.load(answer) if answer.status < 400 else None
        except OSError:
            return None
        finally:
            connection.close()

    def connect(self, name: str, **config: str) -> None:
        """Let a connector run; return when its task does."""
        self.wait(lambda: self.ask(f"/connectors/{name}/config", {"tasks.max": "1", **config}))
        self.wait(lambda: self._runs(name))

    def _runs(self, name: str) -> bool:
        status = self.ask(f"/connectors/{name}/status") or {"tasks": []}
        return [each["state"] for each in status["tasks"]] == ["RUNNING"]

    def wait(self, condition: Callable[[], Any]) -> None:
        """Wait until something holds.

        Raises:
            AssertionError: it took too long, or the worker has ended.
        """
        deadline = time.monotonic() + WAIT_S
        while not condition():
            log = (self._directory / "worker.log").read_text()[-3000:]
            assert self._process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.2)


@pytest.fixture
def worker(cluster: Cluster, tmp_path: Path, unique: Callable[[str], str]) -> Iterator[Worker]:
    worker = Worker(cluster.bootstrap_servers, tmp_path, unique("connect"))
    try:
        yield worker
    finally:
        worker.kill()


def test_lines_go_from_file_to_file_while_the_worker_is_killed(
    worker: Worker, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    source, sink, topic = tmp_path / "source", tmp_path / "sink", unique("lines")
    source.touch()
    # The worker creates the topic: the clusters of these tests let nobody do so by writing.
    created = {
        f"topic.creation.default.{each}": "1" for each in ("partitions", "replication.factor")
    }
    worker.connect("source", **_file("Source"), file=str(source), topic=topic, **created)
    worker.connect("sink", **_file("Sink"), file=str(sink), topics=topic)

    def write(first: int, last: int) -> None:
        with source.open("a") as file:
            file.writelines(f"line {number}\n" for number in range(first, last))

    def arrived(count: int) -> bool:
        lines = set(sink.read_text().split("\n")) if sink.exists() else set()
        return {f"line {number}" for number in range(count)} <= lines

    write(0, 500)
    worker.wait(lambda: arrived(500))
    for number in range(2):
        write(500 + 500 * number, 1000 + 500 * number)
        worker.kill()
        worker.start()
        worker.wait(lambda number=number: arrived(1000 + 500 * number))


def _file(kind: str) -> dict[str, str]:
    return {"connector.class": f"org.apache.kafka.connect.file.FileStream{kind}Connector"}
