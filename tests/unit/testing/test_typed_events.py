"""publish_event and assert_schema_compatible on a bus of our own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from fakebus.testing import TestBus, running_bus

ORDER: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "fields": [{"name": "id", "type": "long"}],
}


@pytest.fixture(scope="module")
def bus() -> Iterator[TestBus]:
    with running_bus(http=True) as running:
        yield running


def test_a_typed_event_is_what_a_serializer_writes(bus: TestBus) -> None:
    event = bus.publish_event("orders", {"id": 7}, schema=ORDER, key="k")
    assert event.data == {"id": 7}
    assert bus.expect("orders", {"id": 7}).key == b"k"
    consumer = Consumer({"bootstrap.servers": bus.bootstrap_servers, "group.id": "g"})
    consumer.assign([TopicPartition("orders", 0, 0)])
    message = consumer.poll(60)
    consumer.close()
    assert message is not None
    deserializer = AvroDeserializer(SchemaRegistryClient({"url": bus.http_url}))
    where = SerializationContext("orders", MessageField.VALUE)
    assert deserializer(message.value(), where) == {"id": 7}


def test_the_latest_schema_of_the_subject_is_used(bus: TestBus) -> None:
    bus.publish_event("latest", {"id": 1}, schema=ORDER, subject="mine")
    assert bus.publish_event("latest", {"id": 2}, subject="mine").data == {"id": 2}


def test_json_and_protobuf_are_coded_too(bus: TestBus) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    event = bus.publish_event("json", {"n": 1}, schema=schema, schema_type="JSON")
    assert event.data == {"n": 1}
    proto = 'syntax = "proto3"; message M { string name = 1; }'
    event = bus.publish_event("proto", {"name": "é"}, schema=proto, schema_type="PROTOBUF")
    assert event.data == {"name": "é"}


def test_what_is_wrong_is_told(bus: TestBus) -> None:
    with pytest.raises(AssertionError, match=r"there is no subject .nowhere-value."):
        bus.publish_event("nowhere", {"id": 1})
    with pytest.raises(AssertionError, match=r"does not fit the schema of wrong-value: .*id"):
        bus.publish_event("wrong", {"id": "one"}, schema=ORDER)
    with pytest.raises(AssertionError, match="Invalid schema"):
        bus.publish_event("broken", {}, schema='{"type": "recrod"}')


def test_a_schema_may_be_checked_before_it_is_registered(bus: TestBus) -> None:
    bus.publish_event("checked", {"id": 1}, schema=ORDER)
    optional = {"name": "note", "type": ["null", "string"], "default": None}
    bus.assert_schema_compatible("checked-value", {**ORDER, "fields": [*ORDER["fields"], optional]})
    required = {"name": "note", "type": "string"}
    with pytest.raises(AssertionError) as failure:
        bus.assert_schema_compatible(
            "checked-value", {**ORDER, "fields": [*ORDER["fields"], required]}
        )
    text = str(failure.value)
    assert "not compatible with checked-value under BACKWARD" in text
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in text
    assert "note" in text


async def test_coroutines_have_the_same_methods(bus: TestBus) -> None:
    event = await bus.aio.publish_event("async", {"id": 3}, schema=ORDER)
    assert event.data == {"id": 3}
    await bus.aio.assert_schema_compatible("async-value", ORDER)
