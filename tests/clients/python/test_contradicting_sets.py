"""Sets that come one after the other, and say different things of one topic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.cli.main import run
from fakebus.client.connection import Connection
from fakebus.client.reachability import parse_servers
from fakebus.client.seed_log import read_ledger
from fakebus.config import Settings
from fakebus.fixture_files.problems import FixtureError
from fakebus.servers import Bus

pytestmark = pytest.mark.clients

ANY_PORT = Address("127.0.0.1", 0)
SCHEMA = '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "int"}]}'
AVRO = (
    "subjects: [{subject: orders-value, schema: v.avsc}]\n"
    "topics: [{name: orders, partitions: 3, value: {subject: orders-value}, "
    "config: {cleanup.policy: compact}, owner: shop"
)
CONFIGS = {"cleanup.policy": "compact", "retention.ms": "-1"}


@pytest.fixture
def avro(tmp_path: Path) -> Path:
    return written(
        tmp_path / "avro", AVRO + ", load: a.ndjson}]", '{"key": "a", "value": {"id": 1}}'
    )


def written(root: Path, text: str, *events: str) -> Path:
    root.mkdir(exist_ok=True)
    (root / "fakebus.yaml").write_text(f"version: 1\n{text}\n")
    (root / "v.avsc").write_text(SCHEMA)
    (root / f"{root.name[0]}.ndjson").write_text("".join(f"{event}\n" for event in events))
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "bus.db"


def settings(data: Path | None, *fixtures: Path) -> Settings:
    return Settings(data=data, kafka=(ANY_PORT,), http=(ANY_PORT,), fixtures=fixtures)


def refused(
    door: str, data: Path, second: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> list[str]:
    """Return what is told when a set comes to a bus that has been stopped, by one of its doors."""
    if door == "up":
        with pytest.raises(FixtureError) as raised, FakeBus.thread(settings(data, second)):
            pass
        told = str(raised.value)
    else:
        with FakeBus.thread(settings(data)) as bus:
            for also in ([], ["--reset"]):
                command = ["fixtures", "seed", str(second), *also]
                capsys.readouterr()
                assert run([*command, "--bootstrap-server", bus.bootstrap_servers]) == 2
                told = capsys.readouterr().err.removeprefix("fakebus: ")
    return [line.partition("; ")[0] for line in told.replace(f"{tmp_path}/", "").splitlines()]


def orders(bus: Bus) -> tuple[list[object], int, dict[str, str]]:
    """Return what real clients find: the values, the partitions and the configs."""
    registry = SchemaRegistryClient({"url": bus.http_url})
    deserialize = AvroDeserializer(registry)
    context = SerializationContext("orders", MessageField.VALUE)
    consumer = Consumer({"bootstrap.servers": bus.bootstrap_servers, "group.id": "g"})
    partitions = consumer.list_topics("orders").topics["orders"].partitions
    places = [TopicPartition("orders", each, 0) for each in partitions]
    consumer.assign(places)
    left = sum(consumer.get_watermark_offsets(each)[1] for each in places)
    found: list[object] = []
    while len(found) < left:
        message = consumer.poll(60)
        assert message is not None, found
        found.append(deserialize(message.value(), context))
    consumer.close()
    admin = AdminClient({"bootstrap.servers": bus.bootstrap_servers})
    resource = ConfigResource(ResourceType.TOPIC, "orders")
    configs = admin.describe_configs([resource])[resource].result(60)
    return found, len(partitions), {name: configs[name].value for name in CONFIGS}


@pytest.mark.parametrize("door", ["up", "seed"])
@pytest.mark.parametrize("has_events", [True, False])
def test_what_another_set_has_made_is_told_with_its_place_and_stays(
    avro: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    door: str,
    has_events: bool,
) -> None:
    if not has_events:
        written(avro, AVRO + "}]")
    with FakeBus.thread(settings(data, avro)) as bus:
        before = orders(bus)
    second = written(
        tmp_path / "second",
        "topics:\n  - {name: orders, partitions: 5, load: s.ndjson, owner: till}",
        '{"value": null}',
        '{"key": "a", "value": {"no": 1}}',
    )
    place = 'second/fakebus.yaml:3:12: the topic "orders" has'
    assert refused(door, data, second, capsys, tmp_path) == [
        f"{place} partitions: 5 here and 3 in avro/fakebus.yaml:3",
        f"{place} values in json here and orders-value in avro/fakebus.yaml:3",
        f"{place} cleanup.policy: not set here and compact in avro/fakebus.yaml:3",
        f"{place} owner: till here and shop in avro/fakebus.yaml:3",
        'second/s.ndjson:2:1: this value for "orders" is written without a schema, and the '
        'registry has the subject "orders-value" (AVRO) for it, which those who read the topic '
        "will expect",
    ]
    with FakeBus.thread(settings(data, avro)) as bus:
        assert orders(bus) == before == ([{"id": 1}] * has_events, 3, CONFIGS)


@pytest.mark.parametrize("door", ["up", "seed"])
def test_values_without_a_schema_do_not_come_among_those_of_a_client(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], door: str
) -> None:
    with FakeBus.thread(settings(data)) as bus:
        registry = SchemaRegistryClient({"url": bus.http_url})
        value = AvroSerializer(registry, SCHEMA)(
            {"id": 7}, SerializationContext("orders", MessageField.VALUE)
        )
        producer = Producer({"bootstrap.servers": bus.bootstrap_servers})
        producer.produce("orders", value)
        assert producer.flush(60) == 0
    second = written(
        tmp_path / "second", "topics: [{name: orders, load: s.ndjson}]", '{"value": 1}'
    )
    (told,) = refused(door, data, second, capsys, tmp_path)
    assert told.startswith('second/s.ndjson:1:1: this value for "orders" is written without a ')
    with FakeBus.thread(settings(data)) as bus:
        assert orders(bus)[0] == [{"id": 7}]


@pytest.fixture
def seeded(avro: Path) -> Iterator[Bus]:
    with FakeBus.thread(settings(None, avro)) as bus:
        yield bus


def seed(bus: Bus, *roots: Path) -> None:
    for root in roots:
        address = ["--bootstrap-server", bus.bootstrap_servers]
        assert run(["fixtures", "seed", str(root), *address]) == 0


def test_a_set_that_says_the_same_adds_its_events(seeded: Bus, avro: Path, tmp_path: Path) -> None:
    same = written(
        tmp_path / "same", AVRO + ", load: s.ndjson}]", '{"key": "a", "value": {"id": 2}}'
    )
    seed(seeded, same, avro, same)
    assert orders(seeded) == ([{"id": 1}, {"id": 2}], 3, CONFIGS)


def test_a_set_may_say_anew_what_it_alone_has_said_also_from_elsewhere(
    seeded: Bus, avro: Path, tmp_path: Path
) -> None:
    for name, partitions in (("avro", 4), ("moved", 5)):
        root = avro.rename(tmp_path / name)
        file = root / "fakebus.yaml"
        file.write_text(file.read_text().replace(f"s: {partitions - 1}", f"s: {partitions}"))
        seed(seeded, root)
        assert orders(seeded)[1] == partitions
        avro = root


def test_a_topic_that_a_client_made_gets_what_the_set_says(tmp_path: Path) -> None:
    json = written(
        tmp_path / "json", "topics: [{name: t, partitions: 2, load: j.ndjson}]", '{"value": 1}'
    )
    with FakeBus.thread(settings(None)) as bus:
        producer = Producer({"bootstrap.servers": bus.bootstrap_servers})
        producer.produce("t", b"{}")
        assert producer.flush(60) == 0
        seed(bus, json)
        # Schemas of JSON may be registered for values that are written without them.
        registry = SchemaRegistryClient({"url": bus.http_url})
        AvroSerializer(registry, '"int"')(1, SerializationContext("t", MessageField.VALUE))
        (json / "j.ndjson").write_text('{"value": 1}\n{"value": 2}\n')
        seed(bus, json)
        assert bus.record_count() == 3


def test_who_has_to_do_with_a_topic_is_not_forgotten_for_the_next_set(
    seeded: Bus, tmp_path: Path
) -> None:
    same = written(tmp_path / "same", AVRO.replace(", owner: shop", ", consumers: [till]") + "}]")
    seed(seeded, same)
    connection = Connection("test", parse_servers(seeded.bootstrap_servers))
    connection.refresh()
    told = read_ledger(connection).parties.topics["orders"]
    assert (told.owner, told.consumers) == ("shop", ("till",))
