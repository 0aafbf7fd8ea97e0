"""Records that the command writes once more, as real consumers read them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.cli.main import run
from fakebus.client.connection import Connection
from fakebus.client.reachability import parse_servers
from fakebus.cluster.external import ExternalCluster
from fakebus.cluster.header_flows import flow_by_headers
from fakebus.config import Settings
from tests.clients.cluster import Cluster
from tests.clients.python.client import Message, wait_until
from tests.clients.python.clients import CLIENTS

pytestmark = pytest.mark.clients

Unique = Callable[[str], str]


@pytest.fixture(scope="module")
def bus(imported_modules: None) -> Iterator[FakeBus]:
    any_port = (Address("127.0.0.1", 0),)
    with BusThread(FakeBus(Settings(data=None, kafka=any_port, http=any_port))) as running:
        yield running.bus


def read(client: Any, topic: str, group: str, count: int) -> list[Message]:
    consumer, found = client.consumer(group), []
    consumer.subscribe(topic)

    def has_read() -> bool:
        found.extend(consumer.poll(0.2))
        return len(found) >= count

    wait_until(has_read, "the records and their copies")
    consumer.close()
    return found


def test_a_consumer_reads_what_was_replayed_and_the_flow_tells_of_it(
    bus: FakeBus, unique: Unique, capfd: pytest.CaptureFixture[str]
) -> None:
    topic, client = unique("topic"), CLIENTS["aiokafka"](bus.bootstrap_servers)
    client.create_topic(topic)
    producer = client.producer()
    for number in range(4):
        producer.send(topic, b"%d" % number, key=b"k", partition=0)()
    producer.close()

    def command(*arguments: str) -> Any:
        capfd.readouterr()
        assert run([*arguments, "--http", bus.http_url, "--json"]) == 0
        return json.loads(capfd.readouterr().out)

    done = command("replay", f"{topic}[0]@1..2")
    assert [each["to"] for each in done["records"]] == [f"{topic}[0]@4", f"{topic}[0]@5"]
    found = read(client, topic, unique("group"), 6)
    assert [(each.key, each.value) for each in found[4:]] == [(b"k", b"1"), (b"k", b"2")]
    copy = command("flow", f"{topic}[0]@4")["records"][-1]
    assert (copy["origin"], copy["origin_detail"]) == ("replayed", f"{topic}[0]@1")
    assert copy["process"] is not None


def test_records_of_any_cluster_are_replayed(
    cluster: Cluster,
    unique: Unique,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # A fakebus would be asked over HTTP.
    monkeypatch.setattr("fakebus.client.registry.registry_url", lambda _: None)
    servers, topic = cluster.bootstrap_servers, unique("topic")
    client = CLIENTS["confluent"](servers)
    client.create_topic(topic)
    producer = client.producer()
    for number in range(3):
        producer.send(topic, b"%d" % number, partition=0)()
    producer.close()
    assert run(["replay", f"{topic}[0]@0..1", "--bootstrap-server", servers]) == 0
    assert f"{topic}[0]@1 -> {topic}[0]@4" in capfd.readouterr().out
    assert run(["replay", f"{topic}[0]@99", "--bootstrap-server", servers]) == 2
    assert f"there is no {topic}[0]@99: the partition has offsets" in capfd.readouterr().err
    assert [each.value for each in read(client, topic, unique("group"), 5)[3:]] == [b"0", b"1"]

    async def origins() -> list[tuple[str, str]]:
        view = ExternalCluster(Connection("tests", parse_servers(servers)), None)
        try:
            flow = await flow_by_headers(view, record=f"{topic}[0]@3")
        finally:
            await view.close()
        return [(each["origin"], each["origin_detail"]) for each in flow["records"]]

    assert asyncio.run(origins()) == [("produced", ""), ("replayed", f"{topic}[0]@0")]
