"""Tail and produce between Confluent's serializers, which find the registry by themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.struct_pb2 import Struct

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.cli.main import run
from fakebus.client.connection import Connection
from fakebus.client.publishing import Publisher
from fakebus.client.reading import FetchedRecord, Reader
from fakebus.client.topics import WantedTopic, create_topics
from fakebus.config import Settings
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition

pytestmark = pytest.mark.clients

AVRO = '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}'
JSON = '{"title": "Order", "type": "object", "properties": {"id": {"type": "integer"}}}'
ANY_PORT = (Address("127.0.0.1", 0),)


def as_struct(data: dict[str, Any]) -> Struct:
    message = Struct()
    message.update(data)
    return message


@dataclass(frozen=True)
class Bench:
    """Bus, its registry's client, and a topic for each test."""

    bus: FakeBus
    registry: SchemaRegistryClient
    connection: Connection

    def topic(self, name: str, *values: bytes) -> str:
        create_topics(self.connection, [WantedTopic(name, 1)])
        self.connection.refresh()
        publisher = Publisher(self.connection)
        for value in values:
            record = NewRecord(b"k", value, (("h", b"\xff"), ("h", None)), 1_700_000_000_000)
            publisher.send(name, record)
        publisher.flush()
        return name

    def records(self, topic: str) -> list[FetchedRecord]:
        with Reader(self.connection) as reader:
            return [each for found in reader.read({TopicPartition(topic, 0): 0}) for each in found]

    def serializers(self, kind: str) -> tuple[Any, Any, Callable[[dict[str, Any]], Any]]:
        """Return a serializer, a deserializer, and what makes the data that they take."""
        if kind == "avro":
            return AvroSerializer(self.registry, AVRO), AvroDeserializer(self.registry), dict
        if kind == "jsonschema":
            return JSONSerializer(JSON, self.registry), JSONDeserializer(JSON), dict
        own = {"use.deprecated.format": False}
        return (
            ProtobufSerializer(Struct, self.registry, own),
            ProtobufDeserializer(Struct, own),
            as_struct,
        )


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with FakeBus.thread(Settings(data=None, kafka=ANY_PORT, http=ANY_PORT)) as bus:
        servers = (bus.kafka_addresses[0],)
        yield Bench(bus, SchemaRegistryClient({"url": bus.http_url}), Connection("test", servers))


@pytest.fixture
def command(
    bench: Bench, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    monkeypatch.setenv("FAKEBUS_BOOTSTRAP_SERVERS", bench.bus.bootstrap_servers)

    def call(*arguments: str, code: int = 0) -> str:
        capfd.readouterr()
        assert run(arguments) == code
        found = capfd.readouterr()
        return found.err if code else found.out

    return call


@pytest.mark.parametrize("kind", ["avro", "jsonschema", "protobuf"])
def test_what_a_serializer_wrote_is_shown_copied_and_written_as_it_would(
    bench: Bench, command: Callable[..., str], tmp_path: Path, kind: str
) -> None:
    serialize, deserialize, made = bench.serializers(kind)
    topic, copy = f"{kind}-orders", f"{kind}-copy"
    context = SerializationContext(topic, MessageField.VALUE)
    payload = serialize(made({"id": 7}), context)
    bench.topic(topic, payload, b"\0\0\0\3\xe7unknown", b"plain", b'{"id": 1}')

    everything = ("--from", "earliest", "--exit")
    assert '  k:  {"id": 7' in command("tail", topic, *everything)
    lines = tmp_path / "lines.ndjson"
    lines.write_text(command("tail", topic, *everything, "--json"))
    first = json.loads(lines.read_text().splitlines()[0])["value"]
    assert (first["type"], first["subject"]) == (kind, f"{topic}-value")
    filtered = command("tail", topic, *everything, "--json", "--filter", "value.id >= 7")
    assert len(filtered.splitlines()) == 1

    bench.topic(copy)
    command("produce", copy, "--json", "--file", str(lines))
    strip = [each._replace(topic="") for each in bench.records(topic)]
    assert [each._replace(topic="") for each in bench.records(copy)] == strip

    subject = f"{topic}-value:1"
    command("produce", copy, "--value-schema", subject, "--value", '{"id": 8}')
    written = bench.records(copy)[-1].value
    assert written == serialize(made({"id": 8}), context)
    assert deserialize(written, context) == made({"id": 8})


def test_keys_with_a_schema_are_written_and_shown(
    bench: Bench, command: Callable[..., str]
) -> None:
    bench.registry.register_schema("keys-key", Schema('"long"', "AVRO"))
    bench.topic("keys")
    command("produce", "keys", "--key-schema", "keys-key", "--key", "5", "--value", "v")
    line = json.loads(command("tail", "keys", "--from", "earliest", "--exit", "--json"))
    assert line["key"] == {"type": "avro", "subject": "keys-key", "version": 1, "data": 5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--value-schema", "nobody", "--value", "1"), "Subject 'nobody' not found"),
        (("--value-schema", "strict:9", "--value", "1"), "Version 9 not found"),
        (("--value-schema", "strict", "--value", '{"n": 1}'), "--value: $"),
        (("--value-schema", "strict", "--value", "{"), "what has a schema is written as JSON"),
        (
            ("--value-schema", "strict", "--value", "1", "--registry", "http://127.0.0.1:9"),
            "no schema registry answers at http://127.0.0.1:9",
        ),
        (
            ("--value-schema", "strict", "--value", "1", "--registry", "x"),
            "is not the URL of a registry",
        ),
    ],
)
def test_what_cannot_be_written_with_a_schema_is_refused(
    bench: Bench, command: Callable[..., str], arguments: tuple[str, ...], message: str
) -> None:
    bench.registry.register_schema("strict", Schema(AVRO, "AVRO"))
    if "strict-topic" not in bench.connection.refresh().topics:
        bench.topic("strict-topic")
    assert message in command("produce", "strict-topic", *arguments, code=2)
    assert bench.records("strict-topic") == []


def test_a_registry_that_does_not_answer_leaves_the_bytes_and_is_told_once(
    bench: Bench, command: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    serialize, _, _ = bench.serializers("avro")
    payload = serialize({"id": 7}, SerializationContext("silent", MessageField.VALUE))
    bench.topic("silent", payload, payload)
    arguments = ("silent", "--from", "earliest", "--exit", "--registry", "http://127.0.0.1:9")
    assert run(("tail", *arguments)) == 0
    output, errors = capfd.readouterr()
    assert len(output.splitlines()) == 2
    assert errors.count("what has a schema is shown as bytes") == 1
