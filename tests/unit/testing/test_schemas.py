"""Schemas go where the records go."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from fakebus.testing import TestBus
from fakebus.testing.embedded_bus import EmbeddedBus, bus_settings
from fakebus.testing.isolation import Isolation

SCHEMA = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "int"}]}


@pytest.fixture(scope="module")
def with_registry() -> Iterator[EmbeddedBus]:
    with EmbeddedBus(bus_settings(configs={}, http=True)) as running:
        yield running


def ask(bus: TestBus, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - our own server
        bus.schema_registry_url + path,
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
        return json.load(answer)


def register(bus: TestBus, subject: str) -> int:
    answer = ask(bus, f"/subjects/{subject}/versions", {"schema": json.dumps(SCHEMA)})
    return int(answer["id"])


def test_the_registry_is_served_when_a_test_asks_for_it() -> None:
    with EmbeddedBus(bus_settings(configs={})) as running:
        assert running._thread.bus.http_urls == []
        with running.test() as bus, ThreadPoolExecutor(4) as pool:
            registry_id = register(bus, "orders-value")
            framed = b"\0" + registry_id.to_bytes(4, "big") + b"\x0e"
            assert bus.publish("orders", framed).json() == {"id": 7}
            urls = set(pool.map(lambda _: bus.http_url, range(4)))
            assert urls == {bus.schema_registry_url}
        with running.test() as bus:
            assert ask(bus, "/subjects") == []
            assert {bus.http_url} == urls


def test_the_json_of_a_framed_value_is_what_its_schema_says_or_told(
    with_registry: EmbeddedBus,
) -> None:
    with with_registry.test() as bus:
        assert bus.publish_event("orders", {"id": 7}, schema=SCHEMA).json() == {"id": 7}
        assert bus.publish("orders", None).json() is None
        known = b"\0" + register(bus, "orders-value").to_bytes(4, "big")
        for value, problem in (
            (known + b"\xff" * 6, r"does not fit the schema of id \d+: .*use value for its bytes"),
            (b"\0\0\0\x7f\xffab", "names the schema of id 32767, which no registry here has"),
            (b"\xff", "the value is not JSON: b'.xff'; use text or value"),
            (b"{oops", "the value is not JSON: {oops; use text or value"),
        ):
            with pytest.raises(ValueError, match=problem):
                bus.publish("orders", value).json()


def test_what_a_test_registers_is_gone_afterwards(with_registry: EmbeddedBus) -> None:
    for _ in range(3):
        with with_registry.test() as bus:
            assert ask(bus, "/subjects") == []
            register(bus, "orders-value")
            assert ask(bus, "/subjects") == ["orders-value"]
            assert bus.emitted() == []


def test_snapshots_hold_schemas(with_registry: EmbeddedBus) -> None:
    with with_registry.test() as bus:
        register(bus, "a")
        bus.snapshot()
        register(bus, "b")
        bus.rollback()
        assert ask(bus, "/subjects") == ["a"]
        register(bus, "c")
        assert ask(bus, "/subjects") == ["a", "c"]


def test_a_namespace_has_subjects_of_its_own(with_registry: EmbeddedBus) -> None:
    with with_registry.test() as before:
        subjects = ask(before, "/subjects")
    with with_registry.test(Isolation.NAMESPACE) as bus:
        assert bus.publish_event("orders", {"id": 7}, schema=SCHEMA).data == {"id": 7}
        base, refers = bus.topic("a-base"), bus.topic("b-refers")
        register(bus, base)
        field = {"name": "order", "type": "Order"}
        schema = {"type": "record", "name": "Box", "fields": [field]}
        reference = {"name": "Order", "subject": base, "version": 1}
        body = {"schema": json.dumps(schema), "references": [reference]}
        ask(bus, f"/subjects/{refers}/versions", body)
        changed = {**SCHEMA, "fields": [{"name": "id", "type": "string"}]}
        with pytest.raises(AssertionError, match="not compatible"):
            bus.assert_schema_compatible("orders-value", changed)
    with with_registry.test() as after:
        assert ask(after, "/subjects?deleted=true") == subjects


def test_what_is_registered_stays_when_records_are_deleted() -> None:
    with EmbeddedBus(bus_settings(configs={}, http=True)) as running:
        with running.test(Isolation.ADVANCE) as bus:
            register(bus, "orders-value")
        with running.test() as bus:
            assert ask(bus, "/subjects") == ["orders-value"]
            consumer = Consumer({"bootstrap.servers": bus.bootstrap_servers, "group.id": "g"})
            start, end = consumer.get_watermark_offsets(TopicPartition("_schemas", 0), timeout=60)
            consumer.close()
            assert start < end


def test_the_registrys_own_topic_stays_when_a_test_takes_back_what_it_has_made() -> None:
    with EmbeddedBus(bus_settings(configs={})) as running:
        for _ in range(2):
            with running.test(Isolation.TOPICS) as bus:
                bus.publish_event("orders", {"id": 7}, schema=SCHEMA)
        with running.test() as bus:
            consumer = Consumer({"bootstrap.servers": bus.bootstrap_servers, "group.id": "g"})
            topics = consumer.list_topics(timeout=60).topics
            assert ("_schemas" in topics, "orders" in topics) == (True, False)
            consumer.close()


def test_fixtures_of_a_test_bring_their_schemas(with_registry: EmbeddedBus, tmp_path: Path) -> None:
    (tmp_path / "order.avsc").write_text(json.dumps(SCHEMA))
    (tmp_path / "fakebus.yaml").write_text(
        "version: 1\n"
        "subjects: [{subject: orders-value, schema: order.avsc}]\n"
        "topics: [{name: orders, load: e.ndjson, value: {subject: orders-value, format: avro}}]\n"
    )
    (tmp_path / "e.ndjson").write_text('{"value": {"id": 7}}\n')
    for _ in range(2):
        with with_registry.test() as bus:
            bus.seed(tmp_path)
            (event,) = bus.events("orders")
            assert event.value is not None
            assert event.data == {"id": 7}
            assert bus.expect("orders", {"id": 7}) == event
            assert 'value={"id": 7}' in bus.timeline()
            schema_id = int.from_bytes(event.value[1:5], "big")
            assert json.loads(ask(bus, f"/schemas/ids/{schema_id}")["schema"]) == SCHEMA


def test_what_only_looks_framed_stays_as_it_is(with_registry: EmbeddedBus) -> None:
    with with_registry.test() as bus:
        known = b"\0" + register(bus, "orders-value").to_bytes(4, "big")
        for data in (b"\0\0\0\x7f\xffabc", known + b"\xff" * 6):
            assert bus.publish("t", data).data == data
        event = bus.publish("t", known + b"\x0e", key=known + b"\x02")
        assert (event.key_data, event.data) == ({"id": 1}, {"id": 7})
