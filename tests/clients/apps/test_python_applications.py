"""Applications in Python on frameworks over Kafka: quixstreams, FastStream, Celery over kombu."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.clients.build import built, run
from tests.clients.cluster import Cluster
from tests.clients.python.isolation import read
from tests.clients.scenarios import eventually

HERE = Path(__file__).parent
ORDERS, CUSTOMERS = 60, 3
TIMEOUT_S = 120.0


pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def packages() -> Path:
    """The frameworks, in a directory of their own."""

    def install(directory: Path, output: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        lock = str(HERE / "requirements.lock")
        run([*pip, "--require-hashes", "--target", str(output), "-r", lock], directory)

    return built("applications", install, [HERE / "requirements.lock"])


@pytest.fixture
def start(packages: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start a Python program that can import the frameworks."""

    def start(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        places = f"{packages}{os.pathsep}{HERE / 'python'}"
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "PYTHONPATH": places,
                **environment,
            },
        )

    return start


@pytest.fixture
def orders(cluster: Cluster, unique: Callable[[str], str]) -> tuple[str, str]:
    """A topic with orders of some customers, and one for what comes of them."""
    source, sink = unique("orders"), unique("answers")
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    created = admin.create_topics([NewTopic(source, 3, 1), NewTopic(sink, 1, 1)])
    for each in created.values():
        each.result()
    producer = confluent_kafka.Producer({"bootstrap.servers": cluster.bootstrap_servers})
    for number in range(ORDERS):
        producer.produce(source, json.dumps({"order": number}), key=f"c{number % CUSTOMERS}")
    assert producer.flush(30) == 0
    return source, sink


def answers(cluster: Cluster, topic: str) -> list[dict[str, int]]:
    return [json.loads(value or b"") for value in read(cluster, topic)]


def test_quixstreams_counts_exactly_once_when_it_is_started_again(
    cluster: Cluster,
    orders: tuple[str, str],
    start: Callable[..., subprocess.Popen[bytes]],
    unique: Callable[[str], str],
) -> None:
    script, group = str(HERE / "python" / "quix_app.py"), unique("quix")
    for part, state in ((ORDERS // 3, "one"), (ORDERS - ORDERS // 3, "two")):
        # Its state comes from the changelog topic, as another directory has none.
        process = start(script, cluster.bootstrap_servers, *orders, group, str(part), state)
        assert process.wait(TIMEOUT_S) == 0

    told = answers(cluster, orders[1])
    assert sorted(each["order"] for each in told) == list(range(ORDERS))
    counts = sorted(each["orders"] for each in told)
    assert counts == sorted(list(range(1, ORDERS // CUSTOMERS + 1)) * CUSTOMERS)


def test_faststream_answers_each_record(
    cluster: Cluster,
    orders: tuple[str, str],
    start: Callable[..., subprocess.Popen[bytes]],
    unique: Callable[[str], str],
) -> None:
    script = str(HERE / "python" / "faststream_app.py")

    process = start(script, cluster.bootstrap_servers, *orders, unique("faststream"), str(ORDERS))

    assert process.wait(TIMEOUT_S) == 0
    told = sorted(each["answered"] for each in answers(cluster, orders[1]))
    assert told == list(range(ORDERS))


def test_celery_works_on_what_was_asked_before_and_after_its_worker_began(
    cluster: Cluster,
    start: Callable[..., subprocess.Popen[bytes]],
    tmp_path: Path,
    unique: Callable[[str], str],
) -> None:
    environment = {"BOOTSTRAP": cluster.bootstrap_servers, "QUEUE": unique("tasks")}
    noted = tmp_path / "noted"
    asks = (
        "import celery_app, sys\n"
        "for number in range(int(sys.argv[1]), int(sys.argv[2])):\n"
        "    celery_app.note.delay(number, sys.argv[3])\n"
    )
    assert start("-c", asks, "0", "10", str(noted), **environment).wait(TIMEOUT_S) == 0
    worker = start("-m", "celery", "-A", "celery_app", "worker", "--pool", "solo", **environment)
    try:
        eventually(lambda: _numbers(noted), list(range(10)))
        assert start("-c", asks, "10", "20", str(noted), **environment).wait(TIMEOUT_S) == 0
        eventually(lambda: _numbers(noted), list(range(20)))
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(TIMEOUT_S)


def _numbers(noted: Path) -> list[int]:
    return sorted(map(int, noted.read_text().split())) if noted.exists() else []
