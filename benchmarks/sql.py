"""``python -m benchmarks.sql``: what a query over a million records costs, as JSON and as Avro.

A bus of its own holds the records; the command ``fakebus sql`` asks it, as people do, and each
time is that of the whole command: by the clock, and of processors, which is what counts where the
machine does other things. Beside it, in turn, stands what has no bus: DuckDB that reads the same
values from a file of JSON lines, and fastavro that decodes them and adds them up in Python.
``--records N`` asks for fewer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

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


def fill(bus: FakeBus, records: int) -> list[bytes]:
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
    return coded


JSON_PEER = """
import duckdb, sys
print(duckdb.sql(sys.argv[2].format(f"read_json('{sys.argv[1]}')")).fetchall())
"""
AVRO_PEER = """
import io, json, sys
from collections import Counter
from fastavro import parse_schema, schemaless_reader
schema, counts, totals = parse_schema(json.loads(sys.argv[2])), Counter(), Counter()
with open(sys.argv[1], "rb") as file:
    while size := file.read(1):
        value = file.read(size[0])
        found = schemaless_reader(io.BytesIO(value[5:]), schema, schema)
        counts[found["currency"]] += 1
        totals[found["currency"]] += found["total"]
print(counts, totals)
"""


def timed(command: Sequence[str]) -> tuple[float, float, str]:
    """Run a command; return how long it took, how much of processors, and what it printed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    asked = subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True)
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took, used, asked.stdout


def measure(name: str, ours: Sequence[str], peer: Sequence[str], times: int, records: int) -> None:
    """Let a query and its peer take turns, and print the medians."""
    rows = []
    for _ in range(times):
        took, used, said = timed(ours)
        counted = sum(json.loads(line)["count_star()"] for line in said.splitlines())
        assert counted == records, said
        rows.append((took, used, timed(peer)[1]))
    took, used, peers = map(median, zip(*rows, strict=True))
    print(
        f"{records:,} records of {name}: {took:.2f} s, {used:.2f} s of processors, "
        f"{used / peers:.1f} times what its peer takes ({peers:.2f} s)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    any_port = (Address("127.0.0.1", 0),)
    settings = Settings(data=None, kafka=any_port, http=any_port)
    with BusThread(FakeBus(settings)) as running, tempfile.TemporaryDirectory() as folder:
        coded = fill(running.bus, arguments.records)
        lines, values = f"{folder}/values.ndjson", f"{folder}/values"
        with Path(lines).open("w") as file, Path(values).open("wb") as binary:
            for n in range(arguments.records):
                file.write(json.dumps(order(n)) + "\n")
                value = coded[n % CHECKED]
                binary.write(bytes([len(value)]) + value)
        # A query is not to share the machine with what looks at what was just written.
        looking = running.bus.identities.catch_up(timeout_s=600)
        asyncio.run_coroutine_threadsafe(looking, running.loop).result()
        bus = ["--json", "--bootstrap-server", running.bus.bootstrap_servers]
        for topic, peer in (
            ("json", ["-c", JSON_PEER, lines, QUERY]),
            ("avro", ["-c", AVRO_PEER, values, SCHEMA]),
        ):
            ours = ["-m", "fakebus", "sql", QUERY.format(topic), *bus]
            measure(topic, ours, peer, arguments.times, arguments.records)


if __name__ == "__main__":
    main()
