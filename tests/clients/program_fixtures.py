"""Pytest fixtures of the scenarios of clients in other languages."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.clients.build import CLIENTS, ToolMissingError
from tests.clients.cluster import Cluster
from tests.clients.programs import Program
from tests.clients.scenarios import (
    FIRST_TIME,
    Row,
    assert_same,
    has,
    numbered,
    wait_for_groups,
)


def needed(command: Callable[[], list[str]]) -> list[str]:
    """Return the command of a program, for whose language the toolchain may be missing.

    Where that is so the test is left out, but not in CI, which has them all.
    """
    try:
        return command()
    except ToolMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def start(cluster: Cluster) -> Iterator[Callable[[str], Program]]:
    """Start a program of a client; those that still run at the end are killed."""
    started = []
    wait_for_groups(cluster)

    def start_program(client: str) -> Program:
        command = needed(CLIENTS[client].command)
        program = Program(client, command, cluster.bootstrap_servers)
        started.append(program)
        return program

    yield start_program
    for program in started:
        program.kill()


@pytest.fixture(scope="module")
def programs() -> dict[str, Program]:
    """The programs that scenarios share, by client."""
    return {}


@pytest.fixture(scope="module")
def program_of(
    start: Callable[[str], Program], programs: dict[str, Program]
) -> Callable[[str], Program]:
    """Return a client's running program; it is started once, and again if it has died."""

    def running(client: str) -> Program:
        if client not in programs or not programs[client].running:
            programs[client] = start(client)
        return programs[client]

    return running


@pytest.fixture
def program(client: str, program_of: Callable[[str], Program]) -> Program:
    """The running program of the scenario's client."""
    return program_of(client)


@pytest.fixture(scope="module")
def create_topic(cluster: Cluster) -> Callable[..., str]:
    """Create a topic for clients that are not asked to do it themselves."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})

    def create(topic: str, partitions: int, **configs: str) -> str:
        named = {key.replace("_", "."): value for key, value in configs.items()}
        admin.create_topics([NewTopic(topic, partitions, config=named)])[topic].result(60)
        return topic

    return create


@pytest.fixture
def topic(unique: Callable[[str], str], create_topic: Callable[..., str]) -> str:
    """A topic of three partitions."""
    return create_topic(unique("topic"), 3)


@pytest.fixture
def produce(cluster: Cluster) -> Iterator[Callable[[str, list[Row]], None]]:
    """Produce with a client that is not under test here, each record in a batch of its own."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "linger.ms": 0})

    def send(topic: str, records: list[Row]) -> None:
        failures = []
        for record in records:
            producer.produce(
                topic,
                partition=record["partition"],
                value=record["value"],
                timestamp=record.get("timestamp", 0),
                on_delivery=lambda error, _message: failures.append(error) if error else None,
            )
            assert producer.flush(60) == 0
        assert not failures

    yield send
    producer.flush(60)


def sample_records(client: str) -> list[Row]:
    """Records of all the shapes that the client can write."""
    headers = [["trace", "1-2-3"], ["größe", "12 µm"]]
    records: list[Row] = [
        {"key": "plain", "value": "value", "headers": []},
        {"key": "ключ", "value": "значение 🚌", "headers": headers},
        {"key": "tombstone", "value": None, "headers": headers},
        {"key": None, "value": "without a key", "headers": []},
        {"key": "long", "value": "again and again " * 2000, "headers": []},
    ]
    if has(client, "empty_value"):
        records.append({"key": "empty", "value": "", "headers": [["empty", ""]]})
    for n, record in enumerate(records):
        record["partition"] = n % 2
        if has(client, "produce_timestamp"):
            record["timestamp"] = FIRST_TIME + n * 1000
    return records


@pytest.fixture(scope="module")
def library(
    program_of: Callable[[str], Program], create_topic: Callable[..., str]
) -> Callable[[str, str], tuple[str, list[Row]]]:
    """Return a topic with what a client produced with a codec, and what was produced."""
    topics: dict[tuple[str, str], tuple[str, list[Row]]] = {}

    def topic_of(client: str, codec: str) -> tuple[str, list[Row]]:
        if (client, codec) not in topics:
            topic = create_topic(f"library-{client}-{codec}-{time.time_ns()}", 2)
            records = sample_records(client)
            sent = program_of(client).call("produce", topic=topic, codec=codec, records=records)
            ends = [0, 0]
            for record in records:
                record["offset"] = ends[record["partition"]]
                ends[record["partition"]] += 1
            if has(client, "produce_offset"):
                places = [{name: row[name] for name in ("partition", "offset")} for row in records]
                assert_same(sent, places)
            topics[client, codec] = topic, records
        return topics[client, codec]

    return topic_of


@pytest.fixture(scope="module")
def restarted(
    cluster: Cluster,
    start: Callable[[str], Program],
    programs: dict[str, Program],
    create_topic: Callable[..., str],
) -> dict[str, Row]:
    """What each client did before the broker was restarted, by client; one restart for all."""
    before: dict[str, Row] = {}
    for client in CLIENTS:
        name = f"restart-{client}-{time.time_ns()}"
        topic = create_topic(name, 2, retention_ms="86400000")
        try:
            program = start(client)
        except pytest.skip.Exception:
            continue
        records = numbered(10, partitions=2)
        program.call("produce", topic=topic, codec="gzip", records=records)
        first = program.call("consume", topic=topic, group=name, count=4)
        described = program.call("describe_topic", topic=topic)
        before[client] = {
            "topic": topic,
            "group": name,
            "first": first,
            "described": described,
            "program": program,
        }
    # One that does nothing meanwhile may hear of the restart in its next command only.
    for program in programs.values():
        program.kill()
    cluster.restart()
    wait_for_groups(cluster)
    return before


@pytest.fixture
def tool(cluster: Cluster, program_of: Callable[[str], Program]) -> Callable[..., str]:
    """Run one of Kafka's tools and return what it printed; it must succeed."""

    def run(main: str, *arguments: str, text: str = "") -> str:
        words = ["--bootstrap-server", cluster.bootstrap_servers, *arguments]
        done = program_of("java").call("tool", main=main, arguments=words, input=text)
        assert done["status"] == 0, done["output"]
        return str(done["output"])

    return run
