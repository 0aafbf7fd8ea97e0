"""A registry copied through ``_schemas``: it serves consumers and producers as the first did."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.config import Settings
from fakebus.schemas.framing import framed_id

pytestmark = pytest.mark.clients

ANY_PORT = Address("127.0.0.1", 0)
ORDER = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "namespace": "shop",
        "fields": [
            {"name": "id", "type": {"type": "long", "connect.version": 1, "a": {"b": 1, "c": 2}}},
            {"name": "note", "type": ["null", "string"], "default": None},
        ],
    }
)
OLD = (
    '{"type":"record","name":"Old","fields":[{"name":"x","type":["int","null"],"default":"null"}]}'
)
ORDER_JSON = '{"title":"Order","type":"object","properties":{"id":{"type":"integer"}}}'

Serialize = Callable[[object, SerializationContext], bytes]


def context(topic: str) -> SerializationContext:
    return SerializationContext(topic, MessageField.VALUE)


@pytest.fixture(scope="module")
def buses() -> Iterator[tuple[FakeBus, FakeBus]]:
    settings = Settings(data=None, kafka=(ANY_PORT,), http=(ANY_PORT,))
    with FakeBus.thread(settings) as first, FakeBus.thread(settings) as second:
        yield first, second


def message_classes() -> tuple[Any, Any]:
    """Return a message that imports a file of enums, and its enum's number."""
    pool = descriptor_pool.DescriptorPool()
    kinds = descriptor_pb2.FileDescriptorProto(name="shop/kinds.proto", package="shop")
    kinds.syntax = "proto3"
    enum = kinds.enum_type.add(name="Kind")
    enum.value.add(name="KIND_UNSPECIFIED", number=0)
    enum.value.add(name="KIND_A", number=1)
    order = descriptor_pb2.FileDescriptorProto(name="shop/order.proto", package="shop")
    order.syntax = "proto3"
    order.dependency.append("shop/kinds.proto")
    for name in ("Order", "Other"):
        order.message_type.add(name=name).field.add(
            name="kind", number=1, type=14, type_name=".shop.Kind", label=1
        )
    for file in (kinds, order):
        pool.Add(file)
    found = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))
    return found, found(kind=1)


def serializers(
    client: SchemaRegistryClient, **conf: object
) -> dict[str, tuple[Serialize, object]]:
    """Return a serializer of each kind, and what it is given, by topic."""
    message_class, message = message_classes()
    return {
        "avro": (AvroSerializer(client, ORDER, conf=conf), {"id": 7, "note": None}),
        "json": (JSONSerializer(ORDER_JSON, client, conf=conf), {"id": 7}),
        "protobuf": (
            ProtobufSerializer(message_class, client, {**conf, "use.deprecated.format": False}),
            message,
        ),
    }


def respelt(value: dict[str, Any]) -> dict[str, Any]:
    """Return a schema's record with its text as another registry might have written it."""
    text = value["schema"]
    if value.get("schemaType") == "PROTOBUF":
        return {**value, "schema": "// copied\n" + "\n".join(filter(None, text.split("\n")))}
    # The order of the keys makes no other schema in Avro; in JSON Schema it would.
    in_order = "schemaType" not in value
    return {**value, "schema": json.dumps(json.loads(text), indent=2, sort_keys=in_order)}


def copy_log(first: FakeBus, second: FakeBus) -> None:
    consumer = Consumer({"bootstrap.servers": first.bootstrap_servers, "group.id": "copy"})
    partition = TopicPartition("_schemas", 0, 0)
    end = consumer.get_watermark_offsets(partition, timeout=60)[1]
    consumer.assign([partition])
    admin = AdminClient({"bootstrap.servers": second.bootstrap_servers})
    topic = NewTopic("_schemas", 1, 1, config={"cleanup.policy": "compact"})
    admin.create_topics([topic])["_schemas"].result(60)
    producer = Producer({"bootstrap.servers": second.bootstrap_servers})
    for _ in range(end):
        message = consumer.poll(60)
        assert message is not None
        key, value = json.loads(message.key()), message.value()
        if key["keytype"] == "SCHEMA":
            value = json.dumps(respelt(json.loads(value))).encode()
        producer.produce("_schemas", value, message.key())
    # A schema of the time before defaults were checked.
    old_key = {"keytype": "SCHEMA", "subject": "old-value", "version": 1, "magic": 1}
    old = {"subject": "old-value", "version": 1, "id": 91000, "schema": OLD, "deleted": False}
    producer.produce("_schemas", json.dumps(old), json.dumps(old_key))
    assert producer.flush(60) == 0
    consumer.close()


def test_a_copied_registry_serves_consumers_and_producers(buses: tuple[FakeBus, FakeBus]) -> None:
    first, second = buses
    with SchemaRegistryClient({"url": first.http_url}) as client:
        written = {
            topic: serialize(data, context(topic))
            for topic, (serialize, data) in serializers(client).items()
        }
    copy_log(first, second)
    with SchemaRegistryClient({"url": second.http_url}) as client:
        check_consumers(client, written)
        check_old_schemas(client)
    for conf in (
        {},
        {"auto.register.schemas": False},
        {"normalize.schemas": True},
        {"auto.register.schemas": False, "use.latest.version": True},
    ):
        with SchemaRegistryClient({"url": second.http_url}) as client:
            check_producers(client, conf, written)


def check_consumers(client: SchemaRegistryClient, written: dict[str, bytes]) -> None:
    assert AvroDeserializer(client)(written["avro"], context("avro")) == {"id": 7, "note": None}
    assert JSONDeserializer(None, schema_registry_client=client)(
        written["json"], context("json")
    ) == {"id": 7}
    message_class, message = message_classes()
    read = ProtobufDeserializer(message_class, {"use.deprecated.format": False})
    assert read(written["protobuf"], context("protobuf")) == message


def check_producers(
    client: SchemaRegistryClient, conf: dict[str, object], written: dict[str, bytes]
) -> None:
    for topic, (serialize, data) in serializers(client, **conf).items():
        # The keys of JSON Schema in another order are another schema, as in Confluent's.
        if topic != "json" or "normalize.schemas" not in conf:
            assert serialize(data, context(topic)) == written[topic], (topic, conf)
            assert client.get_versions(f"{topic}-value") == [1]


def check_old_schemas(client: SchemaRegistryClient) -> None:
    assert client.register_schema("old-value", Schema(OLD, "AVRO")) == 91000
    assert client.lookup_schema("old-value", Schema(OLD, "AVRO")).version == 1
    mended = OLD.replace('"null"}', "1}")
    assert client.test_compatibility("old-value", Schema(mended, "AVRO"))
    assert framed_id(AvroSerializer(client, mended)({"x": 1}, context("old"))) == 91001
    assert client.get_versions("old-value") == [1, 2]
