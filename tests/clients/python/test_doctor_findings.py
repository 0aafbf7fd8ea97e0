"""What only a fakebus can tell the doctor, each finding provoked by a real client."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.cli.main import run
from fakebus.client import registry
from fakebus.client.connection import Connection
from fakebus.client.registry import RegistryClient
from fakebus.client.topics import WantedTopic, create_topics
from fakebus.config import Settings
from tests.client_logs import without_client_logs
from tests.processes import process_of

pytestmark = pytest.mark.clients

AVRO = '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}'
ANY_PORT = (Address("127.0.0.1", 0),)
EARLIEST = {"auto.offset.reset": "earliest"}
WAIT_SECONDS = 60.0


class Bench:
    """Bus with its registry, and what tests do to it."""

    def __init__(self, bus: FakeBus) -> None:
        self.servers = bus.bootstrap_servers
        self.url = bus.http_url
        self.registry = SchemaRegistryClient({"url": bus.http_url or "http://none"})
        self.connection = Connection("test", (bus.kafka_addresses[0],))

    def topic(self, name: str, *values: bytes, key: bytes | None = None) -> None:
        if name not in self.connection.refresh().topics:
            create_topics(self.connection, [WantedTopic(name, 1)])
        producer = Producer({"bootstrap.servers": self.servers, "client.id": "shop"})
        for value in values:
            producer.produce(name, value, key)
        assert producer.flush(WAIT_SECONDS) == 0

    def framed(self, topic: str) -> bytes:
        serialize = AvroSerializer(self.registry, AVRO)
        framed = serialize({"id": 1}, SerializationContext(topic, MessageField.VALUE))
        assert framed is not None
        return framed

    @contextmanager
    def member(
        self,
        group: str,
        topic: str,
        config: dict[str, object] | None = None,
        use: Callable[[Consumer], None] = lambda _: None,
        *,
        wait: bool = True,
    ) -> Iterator[None]:
        """Poll in a group; the block runs when it has an assignment and ``use`` was called."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": group,
                "client.id": f"{group}-member",
                "enable.auto.commit": False,
                **(config or {}),
            }
        )
        consumer.subscribe([topic])
        used, stop = threading.Event(), threading.Event()

        def poll() -> None:
            while not stop.is_set():
                consumer.poll(0.05)
                if not used.is_set() and consumer.assignment():
                    use(consumer)
                    used.set()
            consumer.close()

        thread = threading.Thread(target=poll, daemon=True)
        thread.start()
        try:
            assert not wait or used.wait(WAIT_SECONDS)
            yield
        finally:
            stop.set()
            thread.join(WAIT_SECONDS)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    config = {"auto.create.topics.enable": "false", "group.initial.rebalance.delay.ms": "0"}
    with FakeBus.thread(Settings(data=None, kafka=ANY_PORT, http=ANY_PORT, set=config)) as bus:
        yield Bench(bus)


@pytest.fixture
def doctor(bench: Bench, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def examine(*arguments: str, code: int = 1) -> str:
        capfd.readouterr()
        found = run(["doctor", *arguments, "--bootstrap-server", bench.servers])
        output, errors = capfd.readouterr()
        assert without_client_logs(errors) == ""
        assert found == code, output
        return " ".join(output.split())

    return examine


def test_values_without_framing_in_a_topic_with_a_schema(
    bench: Bench, doctor: Callable[..., str]
) -> None:
    bench.topic("bare", bench.framed("bare"), b'{"id": 2}', b'{"id": 3}', key=b"k")
    found = doctor("--topic", "bare")
    assert "topic bare: 2 of the newest 3 values are not framed" in found
    assert "fakebus produce bare --value-schema bare-value" in found
    assert "keys are not framed" not in found


def test_values_that_fit_their_schemas_or_do_not(bench: Bench, doctor: Callable[..., str]) -> None:
    bench.topic("fit", bench.framed("fit"))
    assert "topic fit: the newest 1 value fit their schemas" in doctor("--topic", "fit", code=0)
    bench.topic("fit", bench.framed("fit") + b"more")
    expected = "1 of the newest 2 values do not fit the schema that they name, as with id"
    assert expected in doctor("--topic", "fit")


def test_values_with_an_id_that_the_registry_does_not_know(
    bench: Bench, doctor: Callable[..., str]
) -> None:
    bench.topic("foreign", b"\0\0\0\x27\x0f\2")
    found = doctor("--topic", "foreign")
    assert "1 of the newest 1 value begin with schema id 9999, which the registry at http" in found


def test_a_registry_that_does_not_answer(doctor: Callable[..., str]) -> None:
    found = doctor("--registry", "http://127.0.0.1:9")
    assert "no schema registry answers at http://127.0.0.1:9" in found
    assert "publish the HTTP port too" in found


def test_a_registry_that_the_bus_has_and_others_cannot_reach_is_only_noted(
    doctor: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where a container publishes only the port of Kafka.
    monkeypatch.setattr(registry, "registry_url", lambda _: "http://127.0.0.1:9")
    found = doctor(code=0)
    assert "note: no schema registry answers at http://127.0.0.1:9" in found


def test_a_registry_that_takes_no_schemas(bench: Bench, doctor: Callable[..., str]) -> None:
    bench.registry.register_schema("closed-value", Schema(AVRO, "AVRO"))
    bench.topic("closed")
    client = RegistryClient(bench.url)
    client.request("PUT", "/mode/closed-value", {"mode": "READONLY"})
    client.request("PUT", "/mode", {"mode": "READONLY"})
    try:
        found = doctor("--topic", "closed")
    finally:
        client.request("PUT", "/mode", {"mode": "READWRITE"})
    assert "the registry is in mode READONLY: no schema can be registered" in found
    assert "subject closed-value is in mode READONLY" in found
    assert f"curl -X PUT '{bench.url}/mode/closed-value'" in found


def test_subjects_without_versions(bench: Bench, doctor: Callable[..., str]) -> None:
    bench.registry.register_schema("gone-value", Schema(AVRO, "AVRO"))
    bench.registry.delete_subject("gone-value")
    try:
        found = doctor()
    finally:
        bench.registry.delete_subject("gone-value", permanent=True)
    assert "1 subject without versions, as all are deleted: gone-value" in found
    assert "/subjects/gone-value?permanent=true" in found


def test_a_client_that_asks_for_a_topic_that_is_not_there(
    bench: Bench, doctor: Callable[..., str]
) -> None:
    bench.topic("asked-orders")
    producer = Producer({"bootstrap.servers": bench.servers, "client.id": "speller"})
    producer.list_topics("asked-ordes", timeout=WAIT_SECONDS)
    found = doctor()
    assert "client speller has asked for topic 'asked-ordes'" in found
    assert "did you mean asked-orders" in found
    bench.topic("asked-ordes")
    doctor(code=0)


def test_a_group_that_starts_at_latest(bench: Bench, doctor: Callable[..., str]) -> None:
    bench.topic("late", b"1", b"2")
    with bench.member("late-group", "late"):
        found = doctor("--group", "late-group")
    assert (
        "group late-group had committed nothing for late and began at its end: 2 records" in found
    )
    assert "fakebus.new.groups=earliest" in found


def test_a_group_that_hangs_without_fetching(bench: Bench, doctor: Callable[..., str]) -> None:
    bench.topic("silent", b"1")
    with bench.member("sleeper", "silent", EARLIEST, lambda each: each.pause(each.assignment())):
        found = doctor("--group", "sleeper")
    # In the words of fakebus why, which other tests provoke for each of its causes.
    assert "sleeper-member of group sleeper has silent[0], where 1 record wait" in found
    assert "look for what holds the consumer up in its own code" in found


def test_a_group_that_is_only_busy(bench: Bench, doctor: Callable[..., str]) -> None:
    bench.topic("work", *[b"1"] * 500)

    def slowly(consumer: Consumer) -> None:
        while not told.is_set():
            message = consumer.poll(0.1)
            if message is not None:
                consumer.commit(message, asynchronous=False)
                began.set()
                time.sleep(0.02)

    began, told = threading.Event(), threading.Event()
    with bench.member("busy", "work", EARLIEST, slowly, wait=False):
        try:
            assert began.wait(WAIT_SECONDS)
            found = doctor("--group", "busy", code=0)
        finally:
            told.set()
        assert "nothing was found that would hold it up" in found or "is only slow" in found


_KILLED = """
import sys
from confluent_kafka import Consumer
consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "killed", "client.id": "killed"})
consumer.subscribe(["victims"])
while not consumer.assignment():
    consumer.poll(0.1)
print("ready", flush=True)
while True:
    consumer.poll(0.1)
"""


def test_a_member_that_was_killed_leads_to_the_config_that_lets_it_go(
    bench: Bench, doctor: Callable[..., str]
) -> None:
    bench.topic("victims", b"1")
    command = [sys.executable, "-c", _KILLED, bench.servers]
    with process_of(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.kill()
    found = doctor("--group", "killed")
    assert "killed of group killed has victims[0]" in found
    assert "fakebus up --set fakebus.evict.on.disconnect=true" in found


def test_what_clients_do_stands_in_the_debug_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "fakebus.clients")
    with FakeBus.thread(Settings(data=None, kafka=ANY_PORT, http=())) as bus:
        bench = Bench(bus)
        bench.topic("logged", *[b"1"] * 50)
        with bench.member("readers", "logged", {**EARLIEST, "enable.auto.commit": True}):
            deadline = time.monotonic() + WAIT_SECONDS
            while not any("fetches" in line for line in caplog.messages):
                assert time.monotonic() < deadline
                time.sleep(0.05)
    lines = [re.sub(r" \(connection \d+\)", "", line) for line in caplog.messages]
    connects = [line for line in lines if line.startswith("shop connects with ")]
    assert re.search(r"confluent-kafka-python [\d.\w-]+ from 127\.0\.0\.1$", connects[0])
    for expected in (
        "shop produces to logged",
        "readers-member joins group readers to read logged",
        "readers-member is assigned logged[0] in group readers",
        "readers-member goes on where group readers has committed nothing for logged-0",
        "readers-member is told that the earliest offset of logged-0 is 0",
        "readers-member fetches logged-0 from offset 0 on",
    ):
        assert lines.count(expected) == 1, lines
    commits = re.compile(r"readers-member commits offset \d+ of logged-0 for group readers")
    assert any(map(commits.fullmatch, lines))
