"""The registry and the log are one: ``_schemas`` is its store, and records are checked by it."""

from __future__ import annotations

import json
import time
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC
from typing import Any
from urllib.parse import quote

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.config import Settings
from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.openedx.catalogue import load_catalogue
from fakebus.openedx.samples import samples_of

pytestmark = pytest.mark.clients

ANY_PORT = Address("127.0.0.1", 0)


@pytest.fixture(scope="module")
def bus() -> Iterator[FakeBus]:
    with FakeBus.thread(Settings(data=None, kafka=(ANY_PORT,), http=(ANY_PORT,))) as running:
        yield running


@pytest.fixture
def registry(bus: FakeBus) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": bus.http_url})


@pytest.fixture
def subject() -> str:
    return f"subject-{uuid.uuid4()}"


def get(bus: FakeBus, path: str) -> Any:
    with urllib.request.urlopen(bus.http_url + path, timeout=60) as answer:  # noqa: S310
        return json.load(answer)


def produce(bus: FakeBus, topic: str, value: bytes | None, key: bytes | None = None) -> str | None:
    """Return the broker's error, or ``None`` when the record was taken."""
    errors: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": bus.bootstrap_servers})
    producer.produce(topic, value, key, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(60) == 0
    [error] = errors
    return None if error is None else error.name()


def read(bus: FakeBus, topic: str) -> list[tuple[Any, Any]]:
    consumer = Consumer({"bootstrap.servers": bus.bootstrap_servers, "group.id": "reader"})
    try:
        partition = TopicPartition(topic, 0, 0)
        end = consumer.get_watermark_offsets(partition, timeout=60)[1]
        consumer.assign([partition])
        found: list[tuple[Any, Any]] = []
        while len(found) < end:
            message = consumer.poll(60)
            assert message is not None
            found.append((_json(message.key()), _json(message.value())))
        return [(key, value) for key, value in found if isinstance(key, dict)]
    finally:
        consumer.close()


def _json(data: bytes | str | None) -> Any:
    try:
        return json.loads(data or b"null")
    except ValueError:
        # Other tests write what is none.
        return None


def schema_record(subject: str, schema_id: int, schema: str) -> tuple[bytes, bytes]:
    key = {"keytype": "SCHEMA", "subject": subject, "version": 1, "magic": 1}
    value = {
        "subject": subject,
        "version": 1,
        "id": schema_id,
        "schema": schema,
        "deleted": False,
    }
    return json.dumps(key).encode(), json.dumps(value).encode()


def test_what_is_registered_can_be_read_as_records(
    bus: FakeBus, registry: SchemaRegistryClient, subject: str
) -> None:
    schema_id = registry.register_schema(subject, Schema('"long"', "AVRO"))
    registry.set_compatibility(subject, "FULL")
    records = [
        (key, value) for key, value in read(bus, "_schemas") if key.get("subject") == subject
    ]
    by_type = {key["keytype"]: value for key, value in records}
    assert by_type["SCHEMA"]["id"] == schema_id
    assert by_type["SCHEMA"]["schema"] == '"long"'
    assert by_type["CONFIG"]["compatibilityLevel"] == "FULL"


def test_the_topic_is_a_compacted_one_with_one_partition(
    bus: FakeBus, registry: SchemaRegistryClient, subject: str
) -> None:
    registry.register_schema(subject, Schema('"long"', "AVRO"))
    topic = bus.broker.topics.get("_schemas")
    assert topic is not None
    assert len(topic.partitions) == 1
    assert topic.config.compact


def test_a_record_that_a_client_writes_takes_effect(
    bus: FakeBus, registry: SchemaRegistryClient, subject: str
) -> None:
    registry.register_schema(f"{subject}-other", Schema('"long"', "AVRO"))
    key, value = schema_record(subject, 7_000_001, '"double"')
    assert produce(bus, "_schemas", value, key) is None
    deadline = time.monotonic() + 60
    while subject not in get(bus, "/subjects"):
        assert time.monotonic() < deadline
    assert get(bus, "/schemas/ids/7000001")["schema"] == '"double"'
    assert get(bus, f"/subjects/{subject}/versions/latest")["id"] == 7_000_001
    # The next id lies behind it: ids are never given twice.
    other = Schema('{"type": "fixed", "name": "After", "size": 3}', "AVRO")
    assert registry.register_schema(f"{subject}-next", other) > 7_000_001
    assert produce(bus, "_schemas", None, key) is None
    while subject in get(bus, "/subjects?deleted=true"):
        assert time.monotonic() < deadline


@pytest.mark.parametrize("value", [b"no json", b"{}", b"[1]", b'{"subject": 5}', b"\xff\x00"])
def test_a_record_that_is_none_of_the_registrys_changes_nothing(
    bus: FakeBus, registry: SchemaRegistryClient, subject: str, value: bytes
) -> None:
    registry.register_schema(subject, Schema('"long"', "AVRO"))
    before = get(bus, "/subjects")
    assert produce(bus, "_schemas", value, b"\x01 no key") is None
    assert produce(bus, "_schemas", value, b'{"keytype": "SCHEMA", "magic": 1}') is None
    assert produce(bus, "_schemas", value, b'{"keytype": "NOOP", "magic": 0}') is None
    again = registry.register_schema(f"{subject}-2", Schema('"long"', "AVRO"))
    assert again == registry.register_schema(subject, Schema('"long"', "AVRO"))
    assert set(before) < set(get(bus, "/subjects"))


def test_records_of_a_topic_can_be_checked(
    bus: FakeBus, registry: SchemaRegistryClient, subject: str
) -> None:
    topic = subject
    admin = AdminClient({"bootstrap.servers": bus.bootstrap_servers})
    wanted = NewTopic(topic, 1, 1, config={"confluent.value.schema.validation": "true"})
    admin.create_topics([wanted])[topic].result(60)
    assert produce(bus, topic, b"not framed") == "INVALID_RECORD"
    assert produce(bus, topic, b"\0\x7f\xff\xff\xff unknown id") == "INVALID_RECORD"
    foreign = registry.register_schema(f"{subject}-foreign", Schema('"bytes"', "AVRO"))
    framed = b"\0" + foreign.to_bytes(4, "big") + b"\0"
    assert produce(bus, topic, framed) == "INVALID_RECORD"
    serializer = AvroSerializer(registry, '"string"')
    value = serializer("fits", SerializationContext(topic, MessageField.VALUE))
    assert produce(bus, topic, value) is None
    # A tombstone has nothing to check, and keys were not asked for.
    assert produce(bus, topic, None, b"any key") is None


def test_every_event_of_open_edx_registers_evolves_forward_and_is_serialised(
    bus: FakeBus, registry: SchemaRegistryClient
) -> None:
    catalogue = load_catalogue()
    assert len(catalogue) in (63, 72)
    run = uuid.uuid4()
    for event in catalogue:
        subject = f"{run}-{event.subject}"
        text = json.dumps(event.schema, sort_keys=True)
        schema_id = registry.register_schema(subject, Schema(text, "AVRO"))
        assert registry.register_schema(subject, Schema(text, "AVRO")) == schema_id
        registry.set_compatibility(subject, "FORWARD")
        added = {"name": "added_later", "type": "string"}
        newer = json.dumps({**event.schema, "fields": [*event.schema["fields"], added]})
        assert registry.register_schema(subject, Schema(newer, "AVRO")) != schema_id
        # What readers need must not go.
        poorer = json.dumps({**event.schema, "fields": [added]})
        with pytest.raises(SchemaRegistryError) as refusal:
            registry.register_schema(subject, Schema(poorer, "AVRO"))
        assert refusal.value.http_status_code == 409


def test_every_sample_event_of_open_edx_comes_back_through_the_broker(bus: FakeBus) -> None:
    registry = SchemaRegistryClient({"url": bus.http_url})
    topic = f"events-{uuid.uuid4()}"
    where = SerializationContext(topic, MessageField.VALUE)
    producer = Producer({"bootstrap.servers": bus.bootstrap_servers})
    context = FunctionContext(seed=1, anchor_ms=1_760_000_000_000, zone=UTC, event_ms=0)
    sent = []
    for event in load_catalogue():
        serializer = AvroSerializer(registry, json.dumps(event.schema), conf=_BY_RECORD)
        for sample in samples_of(event.event_type, event.schema):
            data = expand(sample.data, context)
            sent.append(data)
            producer.produce(topic, serializer(data, where))
    assert producer.flush(60) == 0
    consumer = Consumer({"bootstrap.servers": bus.bootstrap_servers, "group.id": "events"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    deserializer = AvroDeserializer(registry)
    for data in sent:
        message = consumer.poll(60)
        assert message is not None
        assert _without_nulls(deserializer(message.value(), where)) == data
    consumer.close()


def _by_record(context: SerializationContext, record_name: str | None) -> str:
    return f"{context.topic}-{record_name}"


_BY_RECORD = {"subject.name.strategy": _by_record}


def _without_nulls(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _without_nulls(item) for name, item in data.items() if item is not None}
    if isinstance(data, list):
        return [_without_nulls(item) for item in data]
    return data


def test_schemas_and_records_survive_together(tmp_path: Any) -> None:
    settings = Settings(data=tmp_path / "bus.db", kafka=(ANY_PORT,), http=(ANY_PORT,))
    with FakeBus.thread(settings) as bus:
        registry = SchemaRegistryClient({"url": bus.http_url})
        serializer = AvroSerializer(registry, '"string"')
        where = SerializationContext("t", MessageField.VALUE)
        assert produce(bus, "t", serializer("kept", where)) is None
    with FakeBus.thread(settings) as bus:
        registry = SchemaRegistryClient({"url": bus.http_url})
        consumer = Consumer({"bootstrap.servers": bus.bootstrap_servers, "group.id": "g"})
        consumer.assign([TopicPartition("t", 0, 0)])
        message = consumer.poll(60)
        consumer.close()
        assert message is not None
        assert AvroDeserializer(registry)(message.value(), where) == "kept"
        assert get(bus, f"/subjects/{quote('t-value')}/versions") == [1]
