"""``python -m benchmarks.sql``: what a query over a million records costs, as JSON and as Avro.

A bus of its own holds the records; the command ``fakebus sql`` asks it, as people do, and each
time is that of the whole command. ``--records N`` asks for fewer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings

RECORDS = 1_000_000
CHECKED = 10_000
"""Of the Avro records the values that differ; serializing is not what is measured."""
SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "total", "type": "double"},
            {"name": "currency", "type": "string"},
        ],
    }
)
QUERY = "select currency, count(*), sum(total) from {} group by all order by all"


def order(n: int) -> dict[str, object]:
    return {"id": n, "total": n % 97 / 2, "currency": ("EUR", "USD", "CHF")[n % 3]}


def fill(bus: FakeBus, records: int) -> None:
    producer = Producer(
        {"bootstrap.servers": bus.bootstrap_servers, "linger.ms": 20, "compression.type": "lz4"}
    )
    serialize = AvroSerializer(SchemaRegistryClient({"url": bus.http_url}), SCHEMA)
    context = SerializationContext("avro", MessageField.VALUE)
    coded = [serialize(order(n), context) for n in range(CHECKED)]
    for n in range(records):
        for topic, value in (("json", json.dumps(order(n))), ("avro", coded[n % CHECKED])):
            while True:
                try:
                    producer.produce(topic, value, b"%d" % n)
                    break
                except BufferError:
                    producer.poll(0.1)
    producer.flush(300)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    any_port = (Address("127.0.0.1", 0),)
    with BusThread(FakeBus(Settings(data=None, kafka=any_port, http=any_port))) as running:
        fill(running.bus, arguments.records)
        while running.bus.identities.behind:
            # A query is not to share the machine with what looks at what was just written.
            time.sleep(0.1)
        server = running.bus.bootstrap_servers
        for topic in ("json", "avro"):
            taken = []
            for _ in range(arguments.times):
                began = time.perf_counter()
                command = [sys.executable, "-m", "fakebus", "sql", QUERY.format(topic), "--json"]
                asked = subprocess.run(
                    [*command, "--bootstrap-server", server],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                taken.append(time.perf_counter() - began)
                counted = sum(
                    json.loads(line)["count_star()"] for line in asked.stdout.splitlines()
                )
                assert counted == arguments.records, asked.stdout
            told = ", ".join(f"{each:.2f} s" for each in sorted(taken))
            print(f"{arguments.records:,} records of {topic}: {told}")


if __name__ == "__main__":
    main()
