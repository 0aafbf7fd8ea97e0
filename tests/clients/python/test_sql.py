"""SQL over the topics of a running cluster, fakebus or Apache Kafka."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.cli.main import run
from fakebus.client.connection import Connection
from fakebus.client.reachability import parse_servers
from fakebus.client.topics import WantedTopic, create_topics
from fakebus.config import Settings
from tests.clients.cluster import Cluster

pytestmark = pytest.mark.clients

ANY_PORT = (Address("127.0.0.1", 0),)
AVRO = """
{"type": "record", "name": "Order", "fields": [
    {"name": "id", "type": "long"}, {"name": "total", "type": "double"}]}
"""


def rows(capfd: pytest.CaptureFixture[str], *arguments: str) -> list[list[object]]:
    """Return the rows that ``fakebus sql`` prints."""
    capfd.readouterr()
    assert run(["sql", *arguments, "--json"]) == 0
    return [list(json.loads(line).values()) for line in capfd.readouterr().out.splitlines()]


def test_topics_of_any_cluster_are_joined(
    cluster: Cluster, unique: Callable[[str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    orders, parcels = unique("orders"), unique("parcels")
    connection = Connection("test", parse_servers(cluster.bootstrap_servers))
    create_topics(connection, [WantedTopic(name, 2) for name in (orders, parcels)])
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "compression.type": "lz4"})
    for n in range(1000):
        producer.produce(orders, json.dumps({"id": n, "total": n / 2}), f"k{n % 7}")
    for n in range(0, 1000, 250):
        producer.produce(parcels, json.dumps({"order_id": n, "by": "ship"}), headers={"h": b"x"})
    producer.produce(orders, None, "k0")
    producer.flush(60)
    servers = ["--bootstrap-server", cluster.bootstrap_servers]
    joined = f"""
        select p.by, p.headers['h'], count(*), sum(o.total)
        from "{orders}" o join "{parcels}" p on p.order_id = o.id group by all
    """  # noqa: S608 - names of our own
    assert rows(capfd, joined, *servers) == [["ship", "x", 4, 750.0]]
    newest = f'select key, id from "{orders}@latest" order by key'  # noqa: S608
    assert rows(capfd, newest, *servers) == [
        [f"k{n}", 994 + n if n < 6 else 993] for n in range(1, 7)
    ]
    assert run(["sql", "from nowhere", *servers]) == 2
    assert "there is no topic 'nowhere'" in capfd.readouterr().err


def test_records_with_a_schema_and_a_data_file_that_a_bus_is_writing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "fakebus.db"
    with BusThread(FakeBus(Settings(data=data, kafka=ANY_PORT, http=ANY_PORT))) as running:
        registry = SchemaRegistryClient({"url": running.bus.http_url})
        serialize = AvroSerializer(registry, AVRO)
        producer = Producer({"bootstrap.servers": running.bus.bootstrap_servers})
        for n in range(3):
            context = SerializationContext("orders", MessageField.VALUE)
            producer.produce("orders", serialize({"id": n, "total": 1.5}, context), b"k")
        producer.flush(60)
        for where in (
            ("--bootstrap-server", running.bus.bootstrap_servers),
            ("--data", str(data)),
        ):
            assert rows(capfd, "select sum(id), sum(total) from orders", *where) == [[3, 4.5]]
        out = tmp_path / "out.csv"
        servers = ["--bootstrap-server", running.bus.bootstrap_servers]
        assert run(["sql", "select id from orders order by 1", "--output", str(out), *servers]) == 0
        assert out.read_text().split() == ["id", "0", "1", "2"]
    before = data.read_bytes()
    assert rows(capfd, 'select id from "orders@latest"', "--data", str(data)) == [[2]]
    assert data.read_bytes() == before
    (tmp_path / "no.db").write_text("no data file")
    assert run(["sql", "from orders", "--data", str(tmp_path / "no.db")]) == 2
    assert "no.db is no data file of a fakebus" in capfd.readouterr().err
