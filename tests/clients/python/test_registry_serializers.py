"""Confluent's serializers and deserializers, over the registry and through the broker."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import confluent_kafka
import pytest
import pytest_asyncio
from confluent_kafka.schema_registry import (
    AsyncSchemaRegistryClient,
    Metadata,
    MetadataProperties,
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    SchemaRegistryError,
    avro,
    header_schema_id_serializer,
    json_schema,
    protobuf,
    topic_record_subject_name_strategy,
)
from confluent_kafka.schema_registry.confluent import meta_pb2
from confluent_kafka.schema_registry.confluent.type import decimal_pb2
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2

from tests.clients.cluster import Cluster

pytestmark = pytest.mark.clients

TIMEOUT_SECONDS = 60.0

ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [{"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"]}],
}
ORDER_JSON = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Order",
    "type": "object",
    "properties": {"id": {"type": "integer"}},
    "required": ["id"],
}


@dataclass(frozen=True)
class Flavour:
    """One of the two styles in which Confluent's library offers everything."""

    client: Callable[..., Any]
    avro: tuple[Callable[..., Any], Callable[..., Any]]
    json: tuple[Callable[..., Any], Callable[..., Any]]
    protobuf: tuple[Callable[..., Any], Callable[..., Any]]


FLAVOURS = {
    "sync": Flavour(
        SchemaRegistryClient,
        (avro.AvroSerializer, avro.AvroDeserializer),
        (json_schema.JSONSerializer, json_schema.JSONDeserializer),
        (protobuf.ProtobufSerializer, protobuf.ProtobufDeserializer),
    ),
    "async": Flavour(
        AsyncSchemaRegistryClient,
        (avro.AsyncAvroSerializer, avro.AsyncAvroDeserializer),
        (json_schema.AsyncJSONSerializer, json_schema.AsyncJSONDeserializer),
        (protobuf.AsyncProtobufSerializer, protobuf.AsyncProtobufDeserializer),
    ),
}


async def settle(value: Any) -> Any:
    """Return what a call of either style comes to."""
    return await value if inspect.isawaitable(value) else value


class Bench:
    """One style of the library, one registry client, one topic."""

    def __init__(self, flavour: Flavour, url: str, bootstrap_servers: str, topic: str) -> None:
        self.flavour = flavour
        self.url = url
        self.topic = topic
        self.client = flavour.client({"url": url})
        self._bootstrap_servers = bootstrap_servers
        self._clients = [self.client]

    def another_client(self) -> Any:
        """Return a client that has cached nothing, as a consumer elsewhere."""
        client = self.flavour.client({"url": self.url})
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            closed = client.aclose() if hasattr(client, "aclose") else client.close()
            await settle(closed)

    async def serialize(
        self, serializer: Any, data: object, field: MessageField = MessageField.VALUE
    ) -> tuple[bytes, list[tuple[str, bytes]]]:
        headers: Any = []
        context = SerializationContext(self.topic, field, headers)
        payload = await settle((await settle(serializer))(data, context))
        assert isinstance(payload, bytes)
        return payload, headers

    async def deserialize(
        self,
        deserializer: Any,
        payload: bytes,
        headers: Sequence[tuple[str, bytes]] = (),
        field: MessageField = MessageField.VALUE,
    ) -> Any:
        context = SerializationContext(self.topic, field, list(headers))
        return await settle((await settle(deserializer))(payload, context))

    def through_the_broker(
        self,
        value: bytes,
        headers: Sequence[tuple[str, bytes]] = (),
        key: bytes | None = None,
    ) -> Any:
        """Produce a record and return it as a consumer gets it."""
        producer = confluent_kafka.Producer({"bootstrap.servers": self._bootstrap_servers})
        written: list[Any] = []
        producer.produce(
            self.topic,
            value,
            key,
            headers=list(headers),
            on_delivery=lambda error, message: written.append((error, message)),
        )
        producer.flush(TIMEOUT_SECONDS)
        ((error, message),) = written
        assert error is None
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self._bootstrap_servers, "group.id": "registry"}
        )
        try:
            place = confluent_kafka.TopicPartition(
                self.topic, message.partition(), message.offset()
            )
            consumer.assign([place])
            read = consumer.poll(TIMEOUT_SECONDS)
            assert read is not None
            assert read.error() is None
            return read
        finally:
            consumer.close()

    async def round_trip(self, serializer: Any, deserializer: Any, data: object) -> Any:
        """Serialize, produce, consume, deserialize."""
        value, headers = await self.serialize(serializer, data)
        read = self.through_the_broker(value, headers)
        assert read.value() == value
        return await self.deserialize(deserializer, read.value(), read.headers() or [])


@pytest.fixture
def registry_url(cluster: Cluster) -> str:
    url = getattr(cluster, "http_url", "")
    if not url:
        pytest.skip("Apache Kafka comes without a schema registry")
    return str(url)


@pytest_asyncio.fixture(params=sorted(FLAVOURS))
async def bench(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    registry_url: str,
    new_topic: Callable[[], str],
) -> AsyncIterator[Bench]:
    made = Bench(FLAVOURS[request.param], registry_url, cluster.bootstrap_servers, new_topic())
    yield made
    await made.close()


async def test_avro_with_default_settings(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.avro
    order = {"id": 1, "note": "ü"}
    found = await bench.round_trip(
        serializer(bench.client, json.dumps(ORDER)), deserializer(bench.another_client()), order
    )
    assert found == order


async def test_a_producer_by_record_names_and_a_consumer_by_default(bench: Bench) -> None:
    # Open edX: the consumer asks for the id with a subject that does not exist.
    serializer, deserializer = bench.flavour.avro
    conf = {"subject.name.strategy": topic_record_subject_name_strategy}
    key_field = json.dumps({"name": "username", "type": "string"})
    key, _ = await bench.serialize(
        serializer(bench.client, key_field, conf=conf), "alice", MessageField.KEY
    )
    value, _ = await bench.serialize(
        serializer(bench.client, json.dumps(ORDER), conf=conf), {"id": 2, "note": None}
    )
    read = bench.through_the_broker(value, key=key)
    consumer = deserializer(bench.another_client())
    assert await bench.deserialize(consumer, read.value()) == {"id": 2, "note": None}
    keys = deserializer(bench.another_client())
    assert await bench.deserialize(keys, read.key(), field=MessageField.KEY) == "alice"
    subjects = await settle(bench.client.get_subjects(subject_prefix=bench.topic))
    assert subjects == [f"{bench.topic}-shop.Order", f"{bench.topic}-string"]


async def test_avro_with_the_latest_version(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.avro
    subject = f"{bench.topic}-value"
    await settle(bench.client.register_schema(subject, Schema(json.dumps(ORDER), "AVRO")))
    newer = ORDER | {"fields": [*ORDER["fields"], {"name": "n", "type": "int", "default": 7}]}
    await settle(bench.client.register_schema(subject, Schema(json.dumps(newer), "AVRO")))
    conf = {"auto.register.schemas": False, "use.latest.version": True}
    found = await bench.round_trip(
        serializer(bench.client, conf=conf),
        deserializer(bench.another_client()),
        {"id": 3, "note": "x", "n": 8},
    )
    assert found == {"id": 3, "note": "x", "n": 8}


async def test_avro_without_registering(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.avro
    conf = {"auto.register.schemas": False, "normalize.schemas": True}
    text = json.dumps(ORDER)
    with pytest.raises(SchemaRegistryError) as refused:
        await bench.serialize(serializer(bench.client, text, conf=conf), {"id": 4, "note": None})
    assert (refused.value.http_status_code, refused.value.error_code) == (404, 40401)
    await settle(
        bench.client.register_schema(
            f"{bench.topic}-value", Schema(text, "AVRO"), normalize_schemas=True
        )
    )
    found = await bench.round_trip(
        serializer(bench.client, json.dumps(ORDER, indent=4), conf=conf),
        deserializer(bench.another_client()),
        {"id": 4, "note": None},
    )
    assert found["id"] == 4


async def test_avro_by_id(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.avro
    schema = Schema(json.dumps(ORDER), "AVRO")
    schema_id = await settle(bench.client.register_schema(f"{bench.topic}-value", schema))
    conf = {"auto.register.schemas": False, "use.schema.id": schema_id}
    value, _ = await bench.serialize(serializer(bench.client, conf=conf), {"id": 5, "note": None})
    assert int.from_bytes(value[1:5], "big") == schema_id
    found = await bench.deserialize(deserializer(bench.another_client()), value)
    assert found == {"id": 5, "note": None}


async def test_avro_with_references(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.avro
    await settle(
        bench.client.register_schema(f"{bench.topic}-order", Schema(json.dumps(ORDER), "AVRO"))
    )
    sale = {
        "type": "record",
        "name": "Sale",
        "fields": [{"name": "orders", "type": {"type": "array", "items": "shop.Order"}}],
    }
    reference = SchemaReference("shop.Order", f"{bench.topic}-order", 1)
    schema = Schema(json.dumps(sale), "AVRO", [reference])
    data = {"orders": [{"id": 6, "note": "a"}, {"id": 7, "note": None}]}
    found = await bench.round_trip(
        serializer(bench.client, schema), deserializer(bench.another_client()), data
    )
    assert found == data


async def test_avro_with_the_latest_version_that_has_some_metadata(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.avro
    subject = f"{bench.topic}-value"
    for stage, name in (("in use", "Order"), ("planned", "Order")):
        fields = [*ORDER["fields"], {"name": "stage", "type": "string", "default": stage}]
        metadata = Metadata(None, MetadataProperties({"stage": stage}), None)
        text = json.dumps(ORDER | {"name": name, "fields": fields})
        await settle(bench.client.register_schema(subject, Schema(text, "AVRO", metadata=metadata)))
    conf = {"auto.register.schemas": False, "use.latest.with.metadata": {"stage": "in use"}}
    value, _ = await bench.serialize(
        serializer(bench.client, conf=conf), {"id": 8, "note": None, "stage": "s"}
    )
    first = await settle(bench.another_client().get_version(subject, 1))
    assert int.from_bytes(value[1:5], "big") == first.schema_id
    found = await bench.deserialize(deserializer(bench.another_client()), value)
    assert found["stage"] == "s"


async def test_an_incompatible_schema_is_refused(bench: Bench) -> None:
    serializer, _ = bench.flavour.avro
    await bench.serialize(serializer(bench.client, json.dumps(ORDER)), {"id": 9, "note": None})
    other = ORDER | {"fields": [{"name": "price", "type": "double"}]}
    with pytest.raises(SchemaRegistryError) as refused:
        await bench.serialize(serializer(bench.another_client(), json.dumps(other)), {"price": 1})
    assert (refused.value.http_status_code, refused.value.error_code) == (409, 409)


async def test_json_with_default_settings(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.json
    found = await bench.round_trip(
        serializer(json.dumps(ORDER_JSON), bench.client),
        deserializer(None, schema_registry_client=bench.another_client()),
        {"id": 10},
    )
    assert found == {"id": 10}


async def test_json_with_references(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.json
    await settle(
        bench.client.register_schema(f"{bench.topic}-order", Schema(json.dumps(ORDER_JSON), "JSON"))
    )
    sale = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Sale",
        "type": "object",
        "properties": {"order": {"$ref": "order.json"}},
    }
    reference = SchemaReference("order.json", f"{bench.topic}-order", 1)
    schema = Schema(json.dumps(sale), "JSON", [reference])
    found = await bench.round_trip(
        serializer(schema, bench.client),
        deserializer(None, schema_registry_client=bench.another_client()),
        {"order": {"id": 11}},
    )
    assert found == {"order": {"id": 11}}


class Messages:
    """Protobuf classes of two files, one of which imports the other and a well-known type."""

    def __init__(self, folder: str) -> None:
        # Files are subjects, so each test has names of its own.
        self.common_name = f"{folder}/common.proto"
        pool = descriptor_pool.DescriptorPool()
        pool.AddSerializedFile(Timestamp.DESCRIPTOR.file.serialized_pb)
        pool.AddSerializedFile(self._common().SerializeToString())
        pool.AddSerializedFile(self._order(folder).SerializeToString())
        self.order: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))
        self.line: Any = message_factory.GetMessageClass(
            pool.FindMessageTypeByName("shop.Order.Line")
        )

    def _common(self) -> descriptor_pb2.FileDescriptorProto:
        file = descriptor_pb2.FileDescriptorProto(
            name=self.common_name, package="shop", syntax="proto3"
        )
        self._message(file.message_type.add(), "Customer", ("name", 9, ""))
        return file

    def _order(self, folder: str) -> descriptor_pb2.FileDescriptorProto:
        file = descriptor_pb2.FileDescriptorProto(
            name=f"{folder}/order.proto", package="shop", syntax="proto3"
        )
        file.dependency.extend([self.common_name, "google/protobuf/timestamp.proto"])
        order = file.message_type.add()
        self._message(
            order,
            "Order",
            ("id", 3, ""),
            ("customer", 11, ".shop.Customer"),
            ("at", 11, ".google.protobuf.Timestamp"),
        )
        self._message(order.nested_type.add(), "Line", ("article", 9, ""))
        return file

    @staticmethod
    def _message(
        message: descriptor_pb2.DescriptorProto, name: str, *fields: tuple[str, int, str]
    ) -> None:
        message.name = name
        for number, (field_name, kind, type_name) in enumerate(fields, start=1):
            message.field.add(
                name=field_name,
                number=number,
                label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
                type=descriptor_pb2.FieldDescriptorProto.Type.ValueType(kind),
                type_name=type_name or None,
                json_name=field_name,
            )


async def test_protobuf_with_imports(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.protobuf
    messages = Messages(bench.topic)
    order = messages.order(id=12)
    order.customer.name = "Ann"
    order.at.seconds = 99
    found = await bench.round_trip(
        serializer(messages.order, bench.client),
        deserializer(messages.order, schema_registry_client=bench.another_client()),
        order,
    )
    assert found == order
    latest = await settle(bench.client.get_latest_version(f"{bench.topic}-value"))
    assert [found.subject for found in latest.schema.references] == [messages.common_name]


def paid_class(folder: str) -> Any:
    """Return a class that uses every kind of type and option that needs no reference."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{folder}/paid.proto", package="shop", syntax="proto3"
    )
    known = [meta_pb2, decimal_pb2, date_pb2]
    file.dependency.extend([each.DESCRIPTOR.name for each in known])
    Messages._message(
        file.message_type.add(),
        "Paid",
        ("card", 9, ""),
        ("total", 11, ".confluent.type.Decimal"),
        ("day", 11, ".google.type.Date"),
    )
    card = file.message_type[0].field[0]
    card.options.Extensions[meta_pb2.field_meta].tags.append("PII")  # type: ignore[index]
    pool = descriptor_pool.DescriptorPool()
    for each in (descriptor_pb2, *known):
        pool.AddSerializedFile(each.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Paid"))


async def test_protobuf_with_types_that_need_no_reference(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.protobuf
    paid = paid_class(bench.topic)
    message = paid(card="4111")
    message.total.value, message.total.precision, message.total.scale = b"\x01\x02", 9, 2
    message.day.year = 2026
    found = await bench.round_trip(
        serializer(paid, bench.client),
        deserializer(paid, schema_registry_client=bench.another_client()),
        message,
    )
    assert found == message
    latest = await settle(bench.client.get_latest_version(f"{bench.topic}-value"))
    assert latest.schema.references == []
    assert 'string card = 1 [(confluent.field_meta) = { tags: "PII" }];' in latest.schema.schema_str


async def test_protobuf_with_a_nested_message(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.protobuf
    messages = Messages(bench.topic)
    line = messages.line(article="shoe")
    found = await bench.round_trip(
        serializer(messages.line, bench.client),
        deserializer(messages.line, schema_registry_client=bench.another_client()),
        line,
    )
    assert found == line


async def test_protobuf_without_registering_again(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.protobuf
    messages = Messages(bench.topic)
    first, _ = await bench.serialize(
        serializer(messages.order, bench.client), messages.order(id=13)
    )
    conf = {"auto.register.schemas": False}
    found, _ = await bench.serialize(
        serializer(messages.order, bench.another_client(), conf=conf), messages.order(id=13)
    )
    assert found == first
    latest = {"auto.register.schemas": False, "use.latest.version": True}
    found, _ = await bench.serialize(
        serializer(messages.order, bench.another_client(), conf=latest), messages.order(id=13)
    )
    assert found == first
    read = await bench.deserialize(
        deserializer(messages.order, schema_registry_client=bench.another_client()), found
    )
    assert read.id == 13


IN_HEADERS = {"schema.id.serializer": header_schema_id_serializer}
"""Framing by GUID: the payload is bare, and the schema is asked for by its GUID."""


async def test_avro_with_the_guid_in_a_header(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.avro
    order = {"id": 14, "note": "shorter ones the library refuses"}
    value, headers = await bench.serialize(
        serializer(bench.client, json.dumps(ORDER), conf=IN_HEADERS), order
    )
    assert [name for name, _ in headers] == ["__value_schema_id"]
    assert value[:1] != b"\0"
    read = bench.through_the_broker(value, headers)
    found = await bench.deserialize(
        deserializer(bench.another_client()), read.value(), read.headers()
    )
    assert found == order


async def test_json_with_the_guid_in_a_header(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.json
    subject = f"{bench.topic}-value"
    schema = Schema(json.dumps(ORDER_JSON), "JSON")
    await settle(bench.client.register_schema(subject, schema))
    # The latest version is read without the header that asks for new fields.
    conf = IN_HEADERS | {"auto.register.schemas": False, "use.latest.version": True}
    found = await bench.round_trip(
        serializer(None, bench.client, conf=conf),
        deserializer(None, schema_registry_client=bench.another_client()),
        {"id": 15},
    )
    assert found == {"id": 15}


async def test_protobuf_with_the_guid_in_a_header(bench: Bench) -> None:
    serializer, deserializer = bench.flavour.protobuf
    messages = Messages(bench.topic)
    line = messages.line(article="glove")
    found = await bench.round_trip(
        serializer(messages.line, bench.client, conf=IN_HEADERS),
        deserializer(messages.line, schema_registry_client=bench.another_client()),
        line,
    )
    assert found == line
