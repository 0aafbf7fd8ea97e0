"""Kafka's own programs that check and measure a cluster: verifiable clients and perf tests."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.clients.build import JVM_OPTIONS, find_tool, java_class_path
from tests.clients.cluster import Cluster

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

TIMEOUT_S = 120.0
RECORDS = 5_000

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(cluster: Cluster) -> Iterator[Start]:
    """Start a program of Kafka's tools; it is killed at the end if it has not ended."""
    processes: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str) -> subprocess.Popen[str]:
        java = [find_tool("java", "a JDK 17 or later"), *JVM_OPTIONS, "-cp", java_class_path()]
        process = subprocess.Popen(
            [
                *(*java, f"org.apache.kafka.tools.{program}"),
                *("--bootstrap-server", cluster.bootstrap_servers, *arguments),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def topic(cluster: Cluster, unique: Callable[[str], str]) -> str:
    """A topic of three partitions."""
    name = unique("programs")
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    admin.create_topics([NewTopic(name, 3, 1)])[name].result()
    return name


def said(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Return the events that a verifiable client has told, once it has ended well."""
    told, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, told
    return [json.loads(line) for line in told.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_what_the_verifiable_producer_was_told_the_verifiable_consumer_reads(
    cluster: Cluster,
    start: Start,
    topic: str,
    unique: Callable[[str], str],
    tmp_path: Path,
    protocol: str,
) -> None:
    wanted = ("--topic", topic, "--max-messages", str(RECORDS))
    # By itself it gives up what was on its way when the broker ended.
    (tmp_path / "producer.properties").write_text("retries=1000\n")
    retrying = ("--command-config", str(tmp_path / "producer.properties"))
    producer = start(
        "VerifiableProducer", *wanted, *retrying, "--acks", "-1", "--throughput", "2000"
    )
    group = ("--group-id", unique("group"), "--reset-policy", "earliest", "--verbose")
    consumer = start("VerifiableConsumer", *wanted, *group, "--group-protocol", protocol)
    assert producer.stdout is not None
    for line in producer.stdout:
        # In the midst of it the broker is started anew.
        if '"value":"1000"' in line:
            cluster.restart()
            break

    produced = said(producer)
    read = said(consumer)

    [summary] = [each for each in produced if each["name"] == "tool_data"]
    assert (summary["sent"], summary["acked"]) == (RECORDS, RECORDS)
    values = Counter(each["value"] for each in read if each["name"] == "record_data")
    assert len(values) == RECORDS
    commits = [each for each in read if each["name"] == "offsets_committed"]
    assert commits
    assert all(each["success"] for each in commits[-1:])


@pytest.mark.parametrize("transactions", [False, True])
def test_the_perf_tests_of_producer_and_consumer_come_to_their_end(
    start: Start, topic: str, unique: Callable[[str], str], transactions: bool
) -> None:
    within = ("--transactional-id", unique("perf"), "--transaction-duration-ms", "100")
    measured = ("--topic", topic, "--num-records", str(RECORDS))
    producer = start(
        *("ProducerPerformance", *measured, "--record-size", "200", "--throughput", "-1"),
        *(within if transactions else ()),
    )
    told, _ = producer.communicate(timeout=TIMEOUT_S)
    assert f"{RECORDS} records sent" in told.splitlines()[-1], told

    consumer = start("ConsumerPerformance", *measured, "--group", unique("group"))
    told, _ = consumer.communicate(timeout=TIMEOUT_S)
    header, row = (line.split(", ") for line in told.splitlines()[-2:])
    assert int(dict(zip(header, row, strict=True))["data.consumed.in.nMsg"]) >= RECORDS, told


def test_a_record_is_read_soon_after_it_was_written(start: Start, topic: str) -> None:
    latency = start(
        *("EndToEndLatency", "--topic", topic, "--num-records", "100"),
        *("--producer-acks", "all", "--record-size", "100"),
    )
    told, _ = latency.communicate(timeout=TIMEOUT_S)
    assert latency.returncode == 0, told
    assert "Percentiles:" in told, told
