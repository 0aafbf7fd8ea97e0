"""Topics that only their owner may write, with unmodified clients."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from confluent_kafka import KafkaError, KafkaException, Producer

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.cli.main import run
from fakebus.config import Settings

pytestmark = pytest.mark.clients
ANY_PORT = (Address("127.0.0.1", 0),)
SET = """\
version: 1
topics:
  - {name: orders, owner: shop, producers: [import job], only_owner: true, load: orders.ndjson}
  - {name: open, owner: shop}
"""


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeBus]:
    root = tmp_path_factory.mktemp("owned")
    (root / "fakebus.yaml").write_text(SET)
    (root / "orders.ndjson").write_text('{"key": "1", "value": {}}\n')
    with FakeBus.thread(
        Settings(fixtures=(root,), kafka=ANY_PORT, http=ANY_PORT, data=None)
    ) as running:
        yield running


def produce(bus: FakeBus, client_id: str, topic: str = "orders") -> None:
    settings = {"bootstrap.servers": bus.bootstrap_servers, "client.id": client_id}
    failed = []
    # An own log handler: librdkafka's would write the hostile client id to the terminal's errors.
    producer = Producer(settings, logger=logging.getLogger("tests.librdkafka"))
    producer.produce(topic, b"v", on_delivery=lambda error, _: error and failed.append(error))
    assert producer.flush(60) == 0
    if failed:
        raise KafkaException(failed[0])


@pytest.mark.parametrize("client_id", ["shop", "shop-2", "import job"])
def test_the_owner_and_declared_producers_write(bus: FakeBus, client_id: str) -> None:
    produce(bus, client_id)


@pytest.mark.parametrize("client_id", ["billing", "shopper", "rdkafka", "shop\nforged"])
def test_others_are_refused_and_the_log_says_so_on_one_line(
    bus: FakeBus, client_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "fakebus.broker"):
        with pytest.raises(KafkaException) as refused:
            produce(bus, client_id)
    assert refused.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.startswith(client_id.replace("\n", "\\n"))
    assert line.endswith(
        "must not write to orders: only import job, shop may, as fakebus.producers says"
    )


async def test_another_library_is_told_the_same(bus: FakeBus) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bus.bootstrap_servers, client_id="billing")
    await producer.start()
    try:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait("orders", b"v")
    finally:
        await producer.stop()


def test_a_topic_that_does_not_say_so_takes_everybody_and_that_smells(
    bus: FakeBus, capsys: pytest.CaptureFixture[str]
) -> None:
    produce(bus, "billing", "open")
    assert run(["catalogue", "--smells", "--http", bus.http_url, "--json"]) == 0
    found = [each for each in json.loads(capsys.readouterr().out) if each["about"] == "open"]
    smells = {each["smell"]: each["evidence"] for each in found}
    assert smells["foreign_writer"][-1] == "shop should"
    assert "nobody_listens" in smells


def test_a_command_seeds_an_owned_topic_only_as_one_of_its_producers(
    bus: FakeBus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fakebus.yaml").write_text(SET.replace("orders", "parcels"))
    (tmp_path / "parcels.ndjson").write_text('{"key": "1", "value": {}}\n')
    words = ["fixtures", "seed", str(tmp_path), "--bootstrap-server", bus.bootstrap_servers]
    assert run([*words, "--client-config", "client.id=shop"]) == 0
    with pytest.raises(KafkaException):
        produce(bus, "billing", "parcels")


def test_an_owned_topic_needs_an_owner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fakebus.yaml").write_text("version: 1\ntopics:\n  - {name: t, only_owner: true}\n")
    assert run(["fixtures", "check", str(tmp_path)]) == 1
    assert 'the topic "t" is for its owner only, and has none' in capsys.readouterr().out
