"""Clients of other languages use the schema registry as they use Confluent's.

A program gets the registry's URL and the bootstrap servers, and speaks as tests/clients/README.md
tells. Its commands:

register  `subject`, `type`, `schema`, `references`: answers the `id`
write     `topic`, `type`, `values`: serializes by the latest version of TOPIC-value, and registers
          nothing that is not there
read      `topic`, `type`, `count`, `schema`: answers the values, decoded by the schema they were
          written with, or by one for the reader
"""

from __future__ import annotations

import json
import uuid
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import confluent_kafka
import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from tests.clients.build import REGISTRY_CLIENTS
from tests.clients.cluster import Cluster, FakebusCluster
from tests.clients.program_fixtures import needed
from tests.clients.programs import KafkaError, Program

pytest_plugins = ["tests.clients.program_fixtures"]
pytestmark = pytest.mark.clients

TIMEOUT_SECONDS = 60.0

LINE = {
    "type": "record",
    "name": "Line",
    "namespace": "shop",
    "fields": [{"name": "article", "type": "string"}, {"name": "price", "type": "double"}],
}
ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}},
        {"name": "lines", "type": {"type": "array", "items": LINE}},
        {"name": "labels", "type": {"type": "map", "values": "int"}},
        {"name": "gift", "type": "boolean"},
    ],
}
ORDER_JSON = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Order",
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "note": {"type": ["null", "string"]},
        "state": {"enum": ["NEW", "PAID"]},
        "lines": {"type": "array", "items": {"type": "object", "required": ["article"]}},
        "labels": {"type": "object", "additionalProperties": {"type": "integer"}},
        "gift": {"type": "boolean"},
    },
    "required": ["id", "lines"],
    "additionalProperties": False,
}
ORDER_PROTOBUF = """\
syntax = "proto3";
package shop;

message Order {
  message Line {
    string article = 1;
    double price = 2;
  }

  int32 id = 1;
  string note = 2;
  repeated Line lines = 3;
  map<string, int32> labels = 4;
  bool gift = 5;
}

message Refund {
  int32 id = 1;
}
"""
SCHEMAS = {
    "AVRO": json.dumps(ORDER),
    "JSON": json.dumps(ORDER_JSON),
    "PROTOBUF": ORDER_PROTOBUF,
}
ORDERS: list[dict[str, Any]] = [
    {
        "id": 9_007_199_254_740_990,
        "note": "für Zoë 🚌",
        "state": "PAID",
        "lines": [{"article": "Tee", "price": 2.5}, {"article": "", "price": -0.125}],
        "labels": {"größe": 12, "rank": -1},
        "gift": True,
    },
    {"id": 0, "note": None, "state": "NEW", "lines": [], "labels": {}, "gift": False},
]

MESSAGES: list[dict[str, Any]] = [
    {
        "id": -7,
        "note": "für Zoë 🚌",
        "lines": [{"article": "Tee", "price": 2.5}, {"article": "Öl", "price": -0.125}],
        "labels": {"größe": 12, "rank": -1},
        "gift": True,
    },
    {"id": 1},
]
"""Protobuf's JSON has no members for what is at its default."""

VALUES = {"AVRO": ORDERS, "JSON": ORDERS, "PROTOBUF": MESSAGES}

Call = Callable[..., Any]


class ProtobufSerdes:
    """Confluent's for Protobuf, with messages as their JSON, of a class as if it was generated."""

    def __init__(self, client: SchemaRegistryClient, topic: str) -> None:
        latest = client.get_latest_version(f"{topic}-value", fmt="serialized")
        file = descriptor_pb2.FileDescriptorProto.FromString(b64decode(latest.schema.schema_str))
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        name = f"{file.package}.{file.message_type[0].name}"
        self._class: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        conf = {"auto.register.schemas": False, "use.latest.version": True}
        self._serializer: Call = ProtobufSerializer(self._class, client, conf)
        self._deserializer: Call = ProtobufDeserializer(self._class, schema_registry_client=client)

    def serialize(self, value: dict[str, Any], context: SerializationContext) -> bytes:
        return bytes(self._serializer(json_format.ParseDict(value, self._class()), context))

    def deserialize(self, value: bytes, context: SerializationContext) -> dict[str, Any]:
        return json_format.MessageToDict(self._deserializer(value, context))


class Python:
    """Confluent's client for Python, in the same words as the programs."""

    conf: ClassVar = {"auto.register.schemas": False, "use.latest.version": True}
    serializers: ClassVar[dict[str, Call]] = {
        "AVRO": lambda client, topic: AvroSerializer(client, conf=Python.conf),
        "JSON": lambda client, topic: JSONSerializer(None, client, conf=Python.conf),
        "PROTOBUF": lambda client, topic: ProtobufSerdes(client, topic).serialize,
    }
    deserializers: ClassVar[dict[str, Call]] = {
        "AVRO": lambda client, topic, schema: AvroDeserializer(client, schema),
        "JSON": lambda client, topic, schema: JSONDeserializer(
            schema, schema_registry_client=client
        ),
        "PROTOBUF": lambda client, topic, schema: ProtobufSerdes(client, topic).deserialize,
    }

    def __init__(self, url: str, bootstrap_servers: str) -> None:
        self._url = url
        self._bootstrap_servers = bootstrap_servers

    def call(self, command: str, **arguments: Any) -> Any:
        with SchemaRegistryClient({"url": self._url}) as client:
            try:
                return getattr(self, command)(client, **arguments)
            except SchemaRegistryError as error:
                raise KafkaError(error.error_code, error.error_message) from error

    def register(
        self,
        client: SchemaRegistryClient,
        subject: str,
        type: str,
        schema: str,
        references: list[dict[str, Any]],
    ) -> dict[str, int]:
        named = [SchemaReference(**reference) for reference in references]
        return {"id": client.register_schema(subject, Schema(schema, type, named))}

    def write(
        self, client: SchemaRegistryClient, topic: str, type: str, values: list[object]
    ) -> int:
        serializer = self.serializers[type](client, topic)
        producer = confluent_kafka.Producer({"bootstrap.servers": self._bootstrap_servers})
        for value in values:
            producer.produce(
                topic, serializer(value, SerializationContext(topic, MessageField.VALUE))
            )
        assert producer.flush(TIMEOUT_SECONDS) == 0
        return len(values)

    def read(
        self,
        client: SchemaRegistryClient,
        topic: str,
        type: str,
        count: int,
        schema: str | None = None,
    ) -> list[object]:
        deserializer = self.deserializers[type](client, topic, schema)
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self._bootstrap_servers, "group.id": "python"}
        )
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        try:
            messages = consumer.consume(count, TIMEOUT_SECONDS)
        finally:
            consumer.close()
        context = SerializationContext(topic, MessageField.VALUE)
        return [deserializer(message.value(), context) for message in messages]


CLIENTS = ("python", *REGISTRY_CLIENTS)
ONLY_AVRO = frozenset({"java-flink"})
"""Flink has a serializer for Avro only, and the client in it knows no other schemas."""
WITHOUT_INDEXES = frozenset({"kafkajs-registry"})
"""Clients that write no message indexes before a Protobuf message, which all others expect."""


def clients_of(schema_type: str) -> list[str]:
    return [name for name in CLIENTS if schema_type == "AVRO" or name not in ONLY_AVRO]


def understands(schema_type: str, writer: str, reader: str) -> bool:
    return schema_type != "PROTOBUF" or writer not in WITHOUT_INDEXES or writer == reader


PAIRS = [
    pytest.param(schema_type, writer, reader, id=f"{schema_type}-{writer}-{reader}")
    for schema_type in SCHEMAS
    for writer in clients_of(schema_type)
    for reader in clients_of(schema_type)
    if understands(schema_type, writer, reader)
]


@pytest.fixture(scope="module")
def registry_url(cluster: Cluster) -> str:
    """The registry's address; Apache Kafka has none."""
    if not isinstance(cluster, FakebusCluster):
        pytest.skip("Apache Kafka has no schema registry")
    return cluster.http_url


@pytest.fixture(scope="module")
def client_of(cluster: Cluster, registry_url: str) -> Iterator[Callable[[str], Any]]:
    """Return a client; its program is started once."""
    started: dict[str, Any] = {}

    def of(name: str) -> Any:
        if name == "python":
            return Python(registry_url, cluster.bootstrap_servers)
        if name not in started or not started[name].running:
            command = needed(REGISTRY_CLIENTS[name])
            started[name] = Program(name, [*command, registry_url], cluster.bootstrap_servers)
        return started[name]

    yield of
    for program in started.values():
        program.kill()


@pytest.fixture(scope="module")
def written(
    client_of: Callable[[str], Any], create_topic: Callable[..., str]
) -> Callable[[str, str], str]:
    """Return a topic with what a client wrote by a schema that it has registered itself."""
    topics: dict[tuple[str, str], str] = {}

    def topic_of(writer: str, schema_type: str) -> str:
        if (writer, schema_type) not in topics:
            topic = create_topic(f"orders-{writer}-{uuid.uuid4().hex[:12]}", 1)
            client = client_of(writer)
            client.call(
                "register",
                subject=f"{topic}-value",
                type=schema_type,
                schema=SCHEMAS[schema_type],
                references=[],
            )
            values = VALUES[schema_type]
            assert client.call("write", topic=topic, type=schema_type, values=values) == 2
            topics[writer, schema_type] = topic
        return topics[writer, schema_type]

    return topic_of


@pytest.mark.parametrize(("schema_type", "writer", "reader"), PAIRS)
def test_a_client_decodes_what_another_client_encoded(
    schema_type: str,
    writer: str,
    reader: str,
    client_of: Callable[[str], Any],
    written: Callable[[str, str], str],
) -> None:
    topic = written(writer, schema_type)

    found = client_of(reader).call("read", topic=topic, type=schema_type, count=2)

    assert found == VALUES[schema_type]


@pytest.mark.parametrize("schema_type", SCHEMAS)
def test_all_clients_get_the_same_id_for_the_same_schema(
    schema_type: str, client_of: Callable[[str], Any], unique: Callable[[str], str]
) -> None:
    subject = unique("same")
    ids = {
        name: client_of(name).call(
            "register",
            subject=subject,
            type=schema_type,
            schema=SCHEMAS[schema_type],
            references=[],
        )["id"]
        for name in clients_of(schema_type)
    }

    assert len(set(ids.values())) == 1, ids


@pytest.mark.parametrize("name", CLIENTS)
def test_writing_registers_no_version_beside_the_latest(
    name: str,
    written: Callable[[str, str], str],
    registry_url: str,
) -> None:
    topic = written(name, "AVRO")

    with SchemaRegistryClient({"url": registry_url}) as client:
        assert client.get_versions(f"{topic}-value") == [1]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_reader_fills_in_what_its_schema_has_more(
    name: str,
    client_of: Callable[[str], Any],
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
) -> None:
    topic = create_topic(unique("evolved"), 1)
    client = client_of(name)
    of_topic = {"subject": f"{topic}-value", "type": "AVRO", "references": []}
    client.call("register", **of_topic, schema=SCHEMAS["AVRO"])
    client.call("write", topic=topic, type="AVRO", values=ORDERS)
    newer = dict(ORDER)
    newer["fields"] = [*ORDER["fields"], {"name": "shop", "type": "string", "default": "Bern"}]  # type: ignore[misc]
    client.call("register", **of_topic, schema=json.dumps(newer))

    found = client.call("read", topic=topic, type="AVRO", count=2, schema=json.dumps(newer))

    assert found == [{**order, "shop": "Bern"} for order in ORDERS]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_schema_that_refers_to_another_one_is_put_together(
    name: str,
    client_of: Callable[[str], Any],
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
) -> None:
    topic = create_topic(unique("referring"), 1)
    client = client_of(name)
    basket = {
        "type": "record",
        "name": "Basket",
        "fields": [{"name": "lines", "type": {"type": "array", "items": "shop.Line"}}],
    }
    references = [{"name": "shop.Line", "subject": f"{topic}-line", "version": 1}]
    client.call(
        "register", subject=f"{topic}-line", type="AVRO", schema=json.dumps(LINE), references=[]
    )
    client.call(
        "register",
        subject=f"{topic}-value",
        type="AVRO",
        schema=json.dumps(basket),
        references=references,
    )
    baskets = [{"lines": ORDERS[0]["lines"]}, {"lines": []}]
    client.call("write", topic=topic, type="AVRO", values=baskets)

    assert client.call("read", topic=topic, type="AVRO", count=2) == baskets


def refusal(client: Any, command: str, **arguments: Any) -> int:
    """Return the status that a client says it was refused with."""
    with pytest.raises(KafkaError) as refused:
        client.call(command, **arguments)
    # kafkajs' client tells the status alone; it begins Confluent's codes of five digits.
    return int(str(refused.value.code)[:3])


@pytest.mark.parametrize("name", CLIENTS)
def test_an_incompatible_schema_is_refused(
    name: str, client_of: Callable[[str], Any], unique: Callable[[str], str]
) -> None:
    client = client_of(name)
    arguments = {"subject": unique("incompatible"), "type": "AVRO", "references": []}
    client.call("register", **arguments, schema=json.dumps(LINE))
    other = {**LINE, "fields": [{"name": "weight", "type": "double"}]}

    assert refusal(client, "register", **arguments, schema=json.dumps(other)) == 409


@pytest.mark.parametrize("name", CLIENTS)
def test_nothing_is_written_without_a_schema(
    name: str, client_of: Callable[[str], Any], unique: Callable[[str], str]
) -> None:
    found = refusal(client_of(name), "write", topic=unique("unknown"), type="AVRO", values=ORDERS)

    assert found == 404
