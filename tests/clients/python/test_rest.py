"""The REST Proxy beside a Kafka client: one group, one log, one flow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from confluent_kafka import Consumer, Producer

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings

pytestmark = [pytest.mark.clients]


@pytest.fixture(scope="module")
def bus() -> Iterator[FakeBus]:
    any_port = (Address("127.0.0.1", 0),)
    settings = Settings(
        data=None,
        kafka=any_port,
        http=any_port,
        set={
            "group.consumer.heartbeat.interval.ms": "100",
            "group.consumer.min.heartbeat.interval.ms": "100",
            "num.partitions": "2",
        },
    )
    with BusThread(FakeBus(settings)) as thread:
        yield thread.bus


def ask(bus: FakeBus, method: str, path: str, body: object = None) -> Any:
    headers = {"Content-Type": "application/vnd.kafka.json.v2+json"} if body is not None else {}
    answer = requests.request(method, bus.http_url + path, json=body, headers=headers, timeout=60)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def flow_of(bus: FakeBus, record: str) -> dict[str, Any]:
    """Return what the flow of a record says of the record itself."""
    told = ask(bus, "GET", f"/_fakebus/v1/flow?record={record}")["records"]
    return next(each for each in told if each["record"] == record)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_client_of_kafka_and_one_of_rest_share_a_group(bus: FakeBus, protocol: str) -> None:
    topic, group = f"shared-{protocol}", f"both-{protocol}"
    ask(bus, "POST", f"/topics/{topic}", {"records": [{"value": "first"}]})
    mine = f"/consumers/{group}/instances/mine"
    options = {"name": "mine", "format": "json", "auto.offset.reset": "earliest"}
    ask(bus, "POST", f"/consumers/{group}", options)
    ask(bus, "POST", f"{mine}/subscription", {"topics": [topic]})
    kafka = Consumer(
        {
            "bootstrap.servers": bus.bootstrap_servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "group.protocol": protocol,
            "log_level": 0,
        }
    )
    kafka.subscribe([topic])
    try:
        while len(kafka.assignment()) != 1:
            kafka.poll(0.05)
        assert len(ask(bus, "GET", f"{mine}/assignments")["partitions"]) == 1
        placed = [{"value": number, "partition": number} for number in (0, 1)]
        ask(bus, "POST", f"/topics/{topic}", {"records": placed})
        found: set[object] = set()
        while not found >= {0, 1}:
            found |= {each["value"] for each in ask(bus, "GET", f"{mine}/records?timeout=50")}
            message = kafka.poll(0.05)
            if message is not None and message.value() != b'"first"':
                found.add(int(message.value()))
    finally:
        kafka.close()
        ask(bus, "DELETE", mine)


def test_what_came_by_rest_and_who_read_it_is_told_by_lineage(bus: FakeBus) -> None:
    ask(bus, "POST", "/topics/traced", {"records": [{"value": {"n": 1}, "partition": 0}]})
    options = {"name": "reader", "format": "json", "auto.offset.reset": "earliest"}
    ask(bus, "POST", "/consumers/readers", options)
    path = "/consumers/readers/instances/reader"
    ask(bus, "POST", f"{path}/subscription", {"topics": ["traced"]})
    assert [each["value"] for each in ask(bus, "GET", f"{path}/records?timeout=5000")] == [{"n": 1}]
    record = flow_of(bus, "traced[0]@0")
    assert record["origin"] == "rest"
    [group] = record["groups"]
    assert (group["group"], group["state"]) == ("readers", "fetched")
    ask(bus, "POST", f"{path}/offsets", {})
    record = flow_of(bus, "traced[0]@0")
    assert record["groups"][0]["state"] == "handled"
    clients = {each["client_id"]: each for each in ask(bus, "GET", "/_fakebus/v1/clients")}
    assert clients["reader"]["front_end"] == "rest"
    assert clients["reader"]["consumes"] == ["traced"]
    assert ask(bus, "GET", "/_fakebus/v1/why/readers")["well"]
    ask(bus, "DELETE", path)


def test_requests_of_kafka_s_clients_are_counted_by_api(bus: FakeBus) -> None:
    Producer({"bootstrap.servers": bus.bootstrap_servers}).list_topics(timeout=60)
    told = requests.get(f"{bus.http_url}/metrics", timeout=60).text
    pattern = r'^kafka_network_requestmetrics_requests_total\{request="Metadata"\} (\d+)'
    found = re.search(pattern, told, re.MULTILINE)
    assert found is not None
    assert int(found[1]) >= 1
