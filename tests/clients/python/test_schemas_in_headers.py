"""Records whose schemas are named by headers, as Confluent's serializers can write them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator

import pytest
import requests
from confluent_kafka import Producer
from confluent_kafka.schema_registry import (
    Schema,
    SchemaRegistryClient,
    header_schema_id_serializer,
    record_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.timestamp_pb2 import Timestamp

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.cli.main import run
from fakebus.client.connection import Connection
from fakebus.client.reachability import parse_servers
from fakebus.client.registry import RegistryClient
from fakebus.cluster.browsing import ReadRequest, search
from fakebus.cluster.external import ExternalCluster
from fakebus.config import Settings

pytestmark = pytest.mark.clients

ANY_PORT = (Address("127.0.0.1", 0),)
ORDER = '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}'


@pytest.fixture(scope="module")
def bus() -> Iterator[FakeBus]:
    with FakeBus.thread(Settings(data=None, kafka=ANY_PORT, http=ANY_PORT)) as running:
        yield running


def written(bus: FakeBus, topic: str, serializer: object, data: object) -> None:
    """Write a value whose schema stands in its headers."""
    headers: list[tuple[str, bytes]] = []
    context = SerializationContext(topic, MessageField.VALUE, headers)
    value = serializer(data, context)  # type: ignore[operator]
    assert [name for name, _ in headers] == ["__value_schema_id"]
    producer = Producer({"bootstrap.servers": bus.bootstrap_servers})
    producer.produce(topic, value, headers=headers)
    assert producer.flush(60) == 0


def page(bus: FakeBus, path: str) -> str:
    answer = requests.get(f"{bus.http_url}/ui/topics/{path}", timeout=60)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text)).replace("&#34;", '"')


def test_avro_is_decoded_filtered_and_sent_again_in_its_framing(bus: FakeBus) -> None:
    config = {
        "schema.id.serializer": header_schema_id_serializer,
        "subject.name.strategy": record_subject_name_strategy,
    }
    client = SchemaRegistryClient({"url": str(bus.http_url)})
    written(bus, "orders", AvroSerializer(client, ORDER, conf=config), {"id": 41})
    schema_id = client.lookup_schema("Order", Schema(ORDER, "AVRO")).schema_id
    assert f"Value Avro schema {schema_id} 1 B" in page(bus, "orders/0/0")
    assert '{ "id": 41 }' in page(bus, "orders/0/0")
    assert "1 record found among 1" in page(bus, "orders?filter=value.id = 41")
    again = page(bus, "orders/0/0/again")
    assert '{ "id": 41 }' in again
    # The copy is framed, so that the header would name the schema a second time.
    assert "__value_schema_id" not in again


def test_protobuf_has_its_message_indexes_in_the_header(bus: FakeBus) -> None:
    config = {"schema.id.serializer": header_schema_id_serializer, "use.deprecated.format": False}
    client = SchemaRegistryClient({"url": str(bus.http_url)})
    serializer = ProtobufSerializer(Timestamp, client, config)
    written(bus, "times", serializer, Timestamp(seconds=5))
    assert "Value Protobuf schema" in page(bus, "times/0/0")
    written(bus, "times", serializer, Timestamp())
    assert "Value Protobuf schema" in page(bus, "times/0/1")


def test_a_header_that_names_no_schema_changes_nothing(bus: FakeBus) -> None:
    producer = Producer({"bootstrap.servers": bus.bootstrap_servers})
    for value in (b"\x01" + bytes(16), b"\x01", b"\x02" + bytes(16), b""):
        producer.produce("plain", b'{"a": 1}', headers=[("__value_schema_id", value)])
    assert producer.flush(60) == 0
    assert page(bus, "plain").count('{"a": 1} JSON') == 4


async def values_elsewhere(bus: FakeBus, topic: str) -> list[object]:
    """Return what the values of a topic are to who asks a Kafka and its registry."""
    connection = Connection("tests", parse_servers(bus.bootstrap_servers))
    registry = RegistryClient(str(bus.http_url))
    cluster = await asyncio.to_thread(ExternalCluster, connection, registry)
    try:
        request = ReadRequest(topics=(topic,), newest_first=False)
        return [event.data async for page in search(cluster, request) for event in page.events]
    finally:
        await cluster.close()


def test_a_cluster_elsewhere_is_read_and_examined_alike(
    bus: FakeBus, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"schema.id.serializer": header_schema_id_serializer}
    client = SchemaRegistryClient({"url": str(bus.http_url)})
    for number in (7, 8):
        written(bus, "parcels", AvroSerializer(client, ORDER, conf=config), {"id": number})
    assert asyncio.run(values_elsewhere(bus, "parcels")) == [{"id": 7}, {"id": 8}]
    cluster = ["--bootstrap-server", bus.bootstrap_servers, "--registry", str(bus.http_url)]
    tail = ["tail", "parcels", "--from", "earliest", "--exit", *cluster]
    assert run([*tail, "--filter", "value.id = 8"]) == 0
    assert '{"id": 8}' in (shown := capsys.readouterr().out)
    assert len(shown.splitlines()) == 1
    # A copy has the header too, so that its value stays without a framing.
    assert run([*tail, "--json"]) == 0
    copied = [json.loads(line)["value"] for line in capsys.readouterr().out.splitlines()]
    assert copied == [{"type": "string", "data": chr(2 * number)} for number in (7, 8)]
    assert run(["doctor", "--topic", "parcels", *cluster]) in (0, 1)
    told = " ".join(capsys.readouterr().out.split())
    assert "the newest 2 values fit their schemas" in told
    assert "not framed" not in told
