"""Faults that are switched on by the command, as real clients meet them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.cli.main import run
from fakebus.client.bus_http import BusHttp
from fakebus.config import Settings

pytestmark = pytest.mark.clients

ANY_PORT = (Address("127.0.0.1", 0),)
Ask = Callable[..., Any]
_numbers = count()


@pytest.fixture(scope="module")
def bus(imported_modules: None) -> Iterator[FakeBus]:
    with BusThread(FakeBus(Settings(data=None, kafka=ANY_PORT, http=ANY_PORT))) as running:
        admin = AdminClient({"bootstrap.servers": running.bus.bootstrap_servers})
        for future in admin.create_topics([NewTopic("a", 1), NewTopic("b", 1)]).values():
            future.result(60)
        yield running.bus


@pytest.fixture
def ask(bus: FakeBus, capfd: pytest.CaptureFixture[str]) -> Iterator[Ask]:
    """Run ``fakebus faults`` and return the JSON that it prints; no fault is left."""

    def command(*arguments: str, code: int = 0) -> Any:
        capfd.readouterr()
        assert run(["faults", *arguments, "--http", bus.http_url, "--json"]) == code
        told = capfd.readouterr()
        return json.loads(told.out) if code == 0 else told.err

    yield command
    command("clear")


def noted(bus: FakeBus) -> list[str]:
    """Return the faults that clients have met, as the bus notes them."""
    activities = BusHttp(bus.http_url).get("/activities")["activities"]
    return [each["detail"] for each in activities if each["verb"] == "fault fired"]


def produce(bus: FakeBus, topic: str, partition: int = 0, **config: Any) -> KafkaError | None:
    """Return what a producer is told of one record."""
    told: list[KafkaError | None] = []
    settings = {"bootstrap.servers": bus.bootstrap_servers, "retry.backoff.ms": 1, **config}
    producer = Producer(settings)
    producer.produce(
        topic, b"x", partition=partition, on_delivery=lambda error, _: told.append(error)
    )
    producer.flush(60)
    return told[0]


def test_a_produce_is_refused_three_times_and_then_fine(bus: FakeBus, ask: Ask) -> None:
    wanted = ["--api", "Produce", "--error", "NOT_LEADER_OR_FOLLOWER", "--times", "3"]
    added = ask("add", *wanted)
    assert (added["times"], added["left"], added["effect"]) == (3, 3, "fail")
    assert 0 < added["ends_in_s"] <= 600
    fired = len(noted(bus))
    assert produce(bus, "a") is None
    assert len(noted(bus)) == fired + 3
    assert ask("list") == []


def test_only_the_topic_and_only_the_client_that_are_named_are_hit(bus: FakeBus, ask: Ask) -> None:
    wanted = ["--api", "Produce", "--error", "MESSAGE_TOO_LARGE"]
    of_topic = ask("add", *wanted, "--topic", "a")
    assert produce(bus, "b") is None
    error = produce(bus, "a")
    assert error is not None
    assert error.code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert [each["fired"] for each in ask()] == [1]
    assert ask("remove", str(of_topic["fault"])) == []
    ask("add", *wanted, "--client", "shop")
    assert produce(bus, "a") is None
    assert produce(bus, "a", **{"client.id": "shop"}) is not None


def test_an_answer_comes_late_and_the_fault_ends_by_itself(bus: FakeBus, ask: Ask) -> None:
    ask("add", "--api", "Produce", "--delay", "0.3", "--for", "5", "--topic", "a")
    began = time.monotonic()
    assert produce(bus, "a") is None
    assert time.monotonic() - began >= 0.3
    ask("clear")
    ask("add", "--api", "Produce", "--error", "MESSAGE_TOO_LARGE", "--for", "0.000001")
    assert ask() == []
    assert produce(bus, "a") is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--error", "NOT_LEADER_OR_FOLLOWER"], "an error needs the api"),
        (["--error", "NO_SUCH", "--api", "Produce"], "NO_SUCH"),
        (
            ["--error", "UNKNOWN_SERVER_ERROR", "--api", "Prodce"],
            "no request is called 'Prodce' here; did you mean 'Produce'",
        ),
        (["--delay", "1", "--times", "0"], "from 1 on"),
        (["--delay", "-1"], "a delay is 0 to"),
        (["--delay", "nan"], "--delay is at most 1000000000"),
        (["--delay", "1", "--for", "1e12"], "--for is at most 1000000000"),
    ],
)
def test_what_cannot_happen_is_refused_with_words(
    ask: Ask, arguments: list[str], said: str
) -> None:
    assert said in ask("add", *arguments, code=2)


def test_a_fault_that_is_not_on_cannot_be_removed(ask: Ask) -> None:
    assert "no fault '99' is on" in ask("remove", "99", code=2)


def test_the_doctor_tells_what_goes_wrong_on_purpose(
    bus: FakeBus, ask: Ask, capfd: pytest.CaptureFixture[str]
) -> None:
    added = ask("add", "--api", "AlterConfigs", "--delay", "1")
    assert run(["doctor", "--bootstrap-server", bus.bootstrap_servers]) == 0
    told = " ".join(capfd.readouterr().out.split())
    assert "a fault is switched on: delay AlterConfigs by 1 s" in told
    assert f"fakebus faults remove {added['fault']}" in told


def read(bus: FakeBus, topic: str, count: int, **config: Any) -> list[bytes | None]:
    """Return the values that a consumer gets of a topic, or the errors in their place."""
    settings: dict[str, Any] = {
        "bootstrap.servers": bus.bootstrap_servers,
        "group.id": f"readers of {topic}",
        "auto.offset.reset": "earliest",
        "check.crcs": True,
        "fetch.error.backoff.ms": 1,
        **config,
    }
    consumer = Consumer(settings)
    partitions = sorted(consumer.list_topics(topic, 10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    try:
        messages = [consumer.poll(60) for _ in range(count)]
        return [None if each is None else each.value() for each in messages]
    finally:
        consumer.close()


def register(bus: FakeBus, subject: str) -> None:
    """Register a schema."""
    url, body = f"{bus.http_url}/subjects/{subject}/versions", b'{"schema": "\\"int\\""}'
    headers = {"Content-Type": "application/json"}
    urlopen(Request(url, body, headers), timeout=60).close()  # noqa: S310 - of the bus


@pytest.fixture
def topic(bus: FakeBus) -> str:
    """Make a topic of two partitions."""
    name = f"own-{next(_numbers)}"
    admin = AdminClient({"bootstrap.servers": bus.bootstrap_servers})
    admin.create_topics([NewTopic(name, 2)])[name].result(60)
    return name


def test_one_partition_fails_and_what_else_the_request_names_is_carried_out(
    bus: FakeBus, ask: Ask, topic: str
) -> None:
    # As NOT_ENOUGH_REPLICAS is tried again, all arrives in the end; the other one at once.
    wanted = ["--api", "Produce", "--error", "NOT_ENOUGH_REPLICAS", "--topic", topic]
    ask("add", *wanted, "--partition", "1", "--times", "2")
    told: list[tuple[int, int]] = []
    settings = {"bootstrap.servers": bus.bootstrap_servers, "retry.backoff.ms": 1, "linger.ms": 50}
    producer = Producer(settings)
    for partition in (0, 1):
        producer.produce(
            topic,
            b"%d" % partition,
            partition=partition,
            on_delivery=lambda error, message: told.append((message.partition(), message.offset())),
        )
    producer.flush(60)
    assert told == [(0, 0), (1, 0)]
    assert sorted(read(bus, topic, 2)) == [b"0", b"1"]


def test_a_fetched_partition_fails_alone_also_in_a_session(
    bus: FakeBus, ask: Ask, topic: str
) -> None:
    assert produce(bus, topic, partition=0) is None
    wanted = ["--api", "Fetch", "--error", "KAFKA_STORAGE_ERROR", "--topic", topic]
    ask("add", *wanted, "--partition", "1", "--times", "2")
    consumer = KafkaConsumer(bootstrap_servers=bus.bootstrap_servers, auto_offset_reset="earliest")
    consumer.assign([KafkaPartition(topic, partition) for partition in (0, 1)])
    assert [each.value for each in islice(consumer, 1)] == [b"x"]
    assert produce(bus, topic, partition=1) is None
    assert [each.partition for each in islice(consumer, 1)] == [1]
    consumer.close()
    assert ask() == []


def test_a_topic_appears_late(bus: FakeBus, ask: Ask) -> None:
    name = f"late-{next(_numbers)}"
    wanted = ["--api", "Metadata", "--topic", name, "--error", "LEADER_NOT_AVAILABLE"]
    ask("add", *wanted, "--partial", "--times", "2")
    assert produce(bus, name, **{"topic.metadata.refresh.fast.interval.ms": 1}) is None
    assert ask() == []


def test_damaged_records_are_fetched_again(bus: FakeBus, ask: Ask, topic: str) -> None:
    assert produce(bus, topic) is None
    ask("add", "--corrupt", "--topic", "another")
    [other] = ask()
    ask("add", "--corrupt", "--topic", topic, "--times", "2")
    *errors, value = read(bus, topic, 3)
    assert all(b"failed CRC32C check" in (error or b"") for error in errors)
    assert value == b"x"
    assert [(each["fault"], each["fired"]) for each in ask()] == [(other["fault"], 0)]
    ask("clear")
    ask("add", "--corrupt", "--topic", topic)
    # Nobody notices who does not look at checksums.
    assert read(bus, topic, 1, **{"check.crcs": False}) == [b"y"]


@pytest.mark.parametrize("config", [{}, {"enable.idempotence": True}], ids=["plain", "idempotent"])
def test_what_is_produced_arrives_twice(
    bus: FakeBus, ask: Ask, topic: str, config: dict[str, Any]
) -> None:
    ask("add", "--duplicate", "--topic", topic, "--times", "1")
    assert produce(bus, topic, **config) is None
    assert produce(bus, topic, **config) is None
    assert read(bus, topic, 3) == [b"x"] * 3
    assert ask() == []


def test_the_disk_is_full_for_every_door_and_then_is_not(
    bus: FakeBus, ask: Ask, topic: str
) -> None:
    added = ask("add", "--storage-full")
    error = produce(bus, topic, **{"retries": 0, "enable.idempotence": False})
    assert error is not None
    assert error.code() == KafkaError.KAFKA_STORAGE_ERROR
    admin = AdminClient({"bootstrap.servers": bus.bootstrap_servers})
    with pytest.raises(KafkaException, match="the disk is full"):
        admin.create_topics([NewTopic("no-room", 1)])["no-room"].result(60)
    with pytest.raises(HTTPError, match="500") as refused:
        register(bus, topic)
    refused.value.close()
    ask("remove", str(added["fault"]))
    assert produce(bus, topic) is None
    register(bus, topic)
    assert read(bus, topic, 1) == [b"x"]


def test_a_client_is_throttled(bus: FakeBus, ask: Ask, topic: str) -> None:
    ask("add", "--api", "Produce", "--topic", topic, "--throttle", "0.3", "--times", "1")
    told: list[tuple[str, int]] = []
    config = {"throttle_cb": lambda event: told.append((event.broker_name, event.throttle_time))}
    producer = Producer({"bootstrap.servers": bus.bootstrap_servers, **config})
    began = time.monotonic()
    for _ in range(2):
        producer.produce(topic, b"x", partition=0)
        producer.flush(60)
    assert time.monotonic() - began >= 0.3
    assert [seconds for _, seconds in told[:1]] == [0.3]


def test_the_registry_answers_with_a_status_of_http(bus: FakeBus, ask: Ask) -> None:
    ask("add", "--api", "GET /subjects", "--error", "503", "--times", "1")
    with pytest.raises(HTTPError, match="503") as refused:
        urlopen(f"{bus.http_url}/subjects", timeout=60)  # noqa: S310 - of the bus
    refused.value.close()
    with urlopen(f"{bus.http_url}/subjects", timeout=60) as answer:  # noqa: S310 - of the bus
        assert answer.status == 200
