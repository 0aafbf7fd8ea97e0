"""A bit of a record that has flipped in the data file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.cli.main import run
from fakebus.client.bus_http import BusHttp
from fakebus.config import Settings

pytestmark = pytest.mark.clients

ANY_PORT = (Address("127.0.0.1", 0),)
VALUES = [b"value-%d-" % n * 100 for n in range(5)]


def flip(data: Path, value: bytes) -> None:
    """Flip a bit of a value, wherever it lies in the file."""
    connection = sqlite3.connect(data)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(data.read_bytes())
    at = content.index(value) + 50
    content[at] ^= 1
    data.write_bytes(content)


def test_damaged_records_are_given_to_nobody_and_those_around_them_to_all(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "fakebus.db"
    settings = Settings(data=data, kafka=ANY_PORT, http=ANY_PORT)
    with BusThread(FakeBus(settings)) as running:
        producer = Producer({"bootstrap.servers": running.bus.bootstrap_servers, "linger.ms": 0})
        for value in VALUES:
            producer.produce("orders", value, partition=0)
            assert producer.flush(60) == 0
    flip(data, VALUES[2])
    with BusThread(FakeBus(settings)) as running:
        servers = running.bus.bootstrap_servers
        # Nobody checks the CRC here but the bus itself.
        config = {"bootstrap.servers": servers, "group.id": "g", "check.crcs": False}
        consumer = Consumer({**config, "fetch.error.backoff.ms": 1})
        consumer.assign([TopicPartition("orders", 0, 0)])
        found = [consumer.poll(60) for _ in range(3)]
        assert [each and each.value() for each in found[:2]] == VALUES[:2]
        refused = found[2]
        assert refused is not None
        error = refused.error()
        assert error is not None
        assert error.code() == KafkaError.INVALID_MSG
        consumer.seek(TopicPartition("orders", 0, 3))
        late = [consumer.poll(60) for _ in range(2)]
        assert [each and each.value() for each in late] == VALUES[3:]
        consumer.close()
        behind = KafkaConsumer(bootstrap_servers=servers, check_crcs=False)
        behind.assign([KafkaPartition("orders", 0)])
        behind.seek(KafkaPartition("orders", 0), 3)
        assert [next(behind).value, next(behind).value] == VALUES[3:]
        behind.close()
        # What reads the log itself passes it over.
        shown = BusHttp(running.bus.http_url).get("/topics/orders/records")
        assert [each["offset"] for each in shown["records"]] == [0, 1, 3, 4]
        capfd.readouterr()
        reset = ["groups", "g", "--reset", "orders:0=3", "--bootstrap-server", servers]
        assert run(reset) == 0
