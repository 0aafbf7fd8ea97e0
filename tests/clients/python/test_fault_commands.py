"""Faults that are switched on by the command, as real clients meet them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.cli.main import run
from fakebus.client.bus_http import BusHttp
from fakebus.config import Settings

pytestmark = pytest.mark.clients

ANY_PORT = (Address("127.0.0.1", 0),)
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def bus(imported_modules: None) -> Iterator[FakeBus]:
    with BusThread(FakeBus(Settings(data=None, kafka=ANY_PORT, http=ANY_PORT))) as running:
        admin = AdminClient({"bootstrap.servers": running.bus.bootstrap_servers})
        for future in admin.create_topics([NewTopic("a", 1), NewTopic("b", 1)]).values():
            future.result(10)
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


def produce(bus: FakeBus, topic: str, **config: Any) -> KafkaError | None:
    """Return what a producer is told of one record."""
    told: list[KafkaError | None] = []
    settings = {"bootstrap.servers": bus.bootstrap_servers, "retry.backoff.ms": 1, **config}
    producer = Producer(settings)
    producer.produce(topic, b"x", on_delivery=lambda error, _: told.append(error))
    producer.flush(10)
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
        (["--error", "UNKNOWN_SERVER_ERROR", "--api", "Prodce"], "Kafka has no API 'Prodce'"),
        (["--delay", "1", "--times", "0"], "from 1 on"),
        (["--delay", "-1"], "cannot be negative"),
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
