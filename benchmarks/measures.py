"""What is measured of each server: a line of ``MEASURES`` each, all with the same clients.

A measure is a function of a running server and a size; it returns figures by name, with the unit
behind the comma. More is better where the unit ends with ``/s``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks import isolation, workloads
from benchmarks.long_polls import acknowledgements
from benchmarks.peers import Fakebus, MockCluster, Server
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from tests.wire.client import RawClient, frame
from tests.wire.test_produce_and_fetch import produce_request

Figures = dict[str, float]

SHAPES = {100: "100 B", 1024: "1 KiB", 102_400: "100 KiB"}
"""Sizes of messages, and what they are called."""
PARTITIONS = (1, 12)
CODECS = ("none", "lz4", "zstd")
IDLE_CONSUMERS = (500, 20)
"""Consumers that wait, and the partitions that each of them fetches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Counts of a run."""

    rounds: int
    bytes_per_cell: int
    """Of values, for each size of messages, number of partitions and codec."""
    most_messages: int
    latencies: int
    transactions: int
    one_record_batches: int
    records: int
    """Up to which curves go; also the following."""
    batches: int
    topics: int
    schemas: int
    connections: int
    step_limit_s: float
    """How long one measure of one server, or one step of a curve, may take."""


SIZES = {
    # Whether everything works; the figures say nothing.
    "smallest": Size(
        rounds=1,
        bytes_per_cell=200_000,
        most_messages=1_000,
        latencies=100,
        transactions=10,
        one_record_batches=200,
        records=10_000,
        batches=1_000,
        topics=100,
        schemas=100,
        connections=100,
        step_limit_s=120,
    ),
    # All figures within ten minutes.
    "small": Size(
        rounds=3,
        bytes_per_cell=50_000_000,
        most_messages=200_000,
        latencies=1_000,
        transactions=100,
        one_record_batches=5_000,
        records=1_000_000,
        batches=100_000,
        topics=10_000,
        schemas=10_000,
        connections=2_000,
        step_limit_s=300,
    ),
    "full": Size(
        rounds=5,
        bytes_per_cell=100_000_000,
        most_messages=500_000,
        latencies=5_000,
        transactions=1_000,
        one_record_batches=100_000,
        records=10_000_000,
        batches=1_000_000,
        topics=10_000,
        schemas=50_000,
        connections=5_000,
        step_limit_s=3_600,
    ),
}


def quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def _quantiles(name: str, milliseconds: list[float]) -> Figures:
    return {
        f"{name} p50, ms": quantile(milliseconds, 0.5),
        f"{name} p99, ms": quantile(milliseconds, 0.99),
        f"{name} p99.9, ms": quantile(milliseconds, 0.999),
    }


def start(server: Server, size: Size) -> Figures:
    """To the first answered Metadata, and what memory the server takes up then."""
    figures = {"start to the first answered Metadata, ms": server.metadata_seconds * 1000}
    if isinstance(server, Fakebus):
        figures["start to ready, HTTP included, ms"] = server.ready_seconds * 1000
        if server.name == Fakebus.name:
            figures["start in a pytest session, warm, ms"] = isolation.warm_start_ms()
    # What the start has left to be done is done.
    time.sleep(0.5)
    return figures | {"RSS at rest, MB": server.rss_bytes() / 1e6}


def _topic(server: Server, partitions: int) -> str:
    if partitions == 1:
        return workloads.new_topic(server.bootstrap_servers)
    return workloads.create_topic(server.bootstrap_servers, partitions)


def throughput(server: Server, size: Size) -> Figures:
    """Producing with acks=all and reading all of it back."""
    figures: Figures = {}
    for length, name in SHAPES.items():
        count = min(size.most_messages, size.bytes_per_cell // length)
        values = workloads.events(length)
        for partitions in PARTITIONS if server.creates_topics else PARTITIONS[:1]:
            for compression in CODECS:
                where = f"{name}, {partitions} partition{'s' * (partitions > 1)}, {compression}"
                topic = _topic(server, partitions)
                cpu = server.cpu_seconds()
                figures[f"produce {where}, messages/s"] = workloads.produce(
                    server.bootstrap_servers,
                    topic,
                    values,
                    count,
                    partitions,
                    compression_type=compression,
                )
                spent = server.cpu_seconds() - cpu
                figures[f"produce {where}, CPU s per million"] = spent / count * 1e6
                cpu = server.cpu_seconds()
                rate, _, read = workloads.consume(server.bootstrap_servers, topic, partitions)
                spent = server.cpu_seconds() - cpu
                figures[f"consume {where}, messages/s"] = rate
                figures[f"consume {where}, CPU s per million"] = spent / read * 1e6
    return figures


def latency(server: Server, size: Size) -> Figures:
    """One message at a time: until it is acknowledged, and until a waiting consumer has it."""
    topic = workloads.new_topic(server.bootstrap_servers)
    ack = workloads.acknowledgement_latencies(server.bootstrap_servers, topic, size.latencies)
    topic = workloads.new_topic(server.bootstrap_servers)
    # The mock cluster answers waiting fetches only every half a second.
    count = 10 if isinstance(server, MockCluster) else size.latencies
    through = workloads.end_to_end_latencies(server.bootstrap_servers, topic, count)
    return _quantiles("acknowledgement", ack) | _quantiles("produce to consume", through)


def requests(server: Server, size: Size) -> Figures:
    """Produce requests of one record, by frames that are made beforehand: the server alone.

    First one at a time, then as many as there are without waiting.
    """
    topic = workloads.new_topic(server.bootstrap_servers)
    batch = bytes(build_batch([NewRecord(None, b"v" * 100)]))
    body = b"".join(codec.encode_request(ApiKey.PRODUCE, 9, produce_request(topic, batch)))
    request = frame(ApiKey.PRODUCE, 9, 7, "bench", body)
    latencies = []
    with RawClient(server.bootstrap_servers) as client:
        for _ in range(size.latencies):
            started = time.perf_counter()
            client.send_bytes(request)
            client.receive_frame()
            latencies.append((time.perf_counter() - started) * 1000)
        started = time.perf_counter()
        sent = 0
        while sent < size.one_record_batches:
            client.send_bytes(request * 100)
            for _ in range(100):
                client.receive_frame()
            sent += 100
        seconds = time.perf_counter() - started
    return {
        "one request at a time p50, ms": quantile(latencies, 0.5),
        "one request at a time p99, ms": quantile(latencies, 0.99),
        "one record per batch, 100 requests at a time, batches/s": sent / seconds,
    }


def groups(server: Server, size: Size) -> Figures:
    """A new consumer of a new group, until it has the first record."""
    topic = workloads.new_topic(server.bootstrap_servers)
    workloads.produce(server.bootstrap_servers, topic, (b"v",), 1)
    seconds = workloads.first_record_seconds(server.bootstrap_servers, topic)
    return {"group join to the first record, ms": seconds * 1000}


def idle_consumers(server: Server, size: Size) -> Figures:
    """Acknowledgements while 500 consumers wait for what is written."""
    if not server.creates_topics:
        return {}
    times = acknowledgements(server, *IDLE_CONSUMERS, 100)
    return {
        "acknowledgement with 500 waiting consumers p50, ms": quantile(times, 0.5),
        "acknowledgement with 500 waiting consumers p99, ms": quantile(times, 0.99),
    }


def transactions(server: Server, size: Size) -> Figures:
    """Transactions of one record, one after the other."""
    topic = workloads.new_topic(server.bootstrap_servers)
    times = workloads.transaction_latencies(server.bootstrap_servers, topic, size.transactions)
    return {
        "transactions of one record, transactions/s": len(times) / sum(times) * 1000,
        "transaction p50, ms": quantile(times, 0.5),
        "transaction p99, ms": quantile(times, 0.99),
    }


def disk(server: Server, size: Size) -> Figures:
    """What files take up for each byte of values; not for those that keep nothing in files."""
    if not server.directory:
        return {}
    topic = workloads.new_topic(server.bootstrap_servers)
    count = size.bytes_per_cell // 1024
    before = _settled(server)
    workloads.produce(server.bootstrap_servers, topic, workloads.events(1024), count)
    return {"disk, bytes per byte": (_settled(server) - before) / (count * 1024)}


def _settled(server: Server) -> int:
    """Return what files take up when what is acknowledged has come to its place."""
    if isinstance(server, Fakebus):
        # Small amounts stay in the write-ahead log until the end.
        server.stop()
        length = server.disk_bytes()
        server.__enter__()
        return length
    before, now = -1, server.disk_bytes()
    while now != before:
        time.sleep(0.5)
        before, now = now, server.disk_bytes()
    return now


def reset(server: Server, size: Size) -> Figures:
    """A topic for a test as it was before: deleted, created and written to."""
    if not server.creates_topics:
        return {}
    seconds = workloads.fresh_topic_seconds(server.bootstrap_servers)
    figures = {"a topic deleted and created anew, ms": seconds * 1000}
    if server.name == Fakebus.name:
        figures["rollback of a test in pytest, 10,000 events, ms"] = isolation.rollback_ms()
    return figures


def volume(server: Server, size: Size) -> Figures:
    """Different messages stored and read back, each of them the same; and the memory it took."""
    if not server.creates_topics:
        return {}
    topic = workloads.new_topic(server.bootstrap_servers)
    count = 2 * size.bytes_per_cell // 1024
    if not workloads.store_and_compare(server.bootstrap_servers, topic, 1024, count):
        raise RuntimeError("what was read differs from what was written")
    return {"peak RSS after all of this, MB": server.peak_rss_bytes() / 1e6}


MEASURES: Mapping[str, Callable[[Server, Size], Figures]] = {
    "start": start,
    "latency": latency,
    "requests": requests,
    "groups": groups,
    "transactions": transactions,
    "reset": reset,
    "disk": disk,
    "idle": idle_consumers,
    "throughput": throughput,
    "volume": volume,
}
"""Each by the word that chooses it. All of them are asked of the same process, in this order."""
