"""``python -m benchmarks.lineage``: what it costs that the bus remembers who did what.

Two buses on data files, one with ``fakebus.lineage.enable`` and one without, do the same in turn in
every round; what is told is the median of the rounds' ratios. The processor time that the bus takes
is told too, as it says more than rates where other programs run.

Then a bus of a million records, half of them with the headers of a trace, is asked for flows: of
records that two services pass along in batches of 1, 50 and 500, of others, and of trace ids; first
while the follower that keeps trace ids still has most of them to look at.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise

from confluent_kafka import Consumer, Producer

from benchmarks import workloads
from benchmarks.peers import Fakebus
from fakebus.client.bus_http import BusHttp

SIZES = {100: 200_000, 1024: 60_000}
RECORDS = 1_000_000
ORDERS = 20_000
QUESTIONS = 200
BATCHES = (1, 50, 500)


def throughput(server: Fakebus, size: int, count: int) -> dict[str, float]:
    topic, cpu = workloads.new_topic(server.bootstrap_servers), server.cpu_seconds()
    rate = workloads.produce(server.bootstrap_servers, topic, (workloads.payload(size),), count)
    between = server.cpu_seconds()
    read_rate, _, _ = workloads.consume(server.bootstrap_servers, topic)
    return {
        f"produce {size} B, messages/s": rate,
        f"consume {size} B, messages/s": read_rate,
        f"produce {size} B, broker CPU s": between - cpu,
        f"consume {size} B, broker CPU s": server.cpu_seconds() - between,
    }


def measure(enabled: bool, share: float, latency_count: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    with Fakebus("--set", f"fakebus.lineage.enable={str(enabled).lower()}") as server:
        for size, count in SIZES.items():
            figures |= throughput(server, size, int(count * share))
        topic, cpu = workloads.new_topic(server.bootstrap_servers), server.cpu_seconds()
        ack = workloads.acknowledgement_latencies(server.bootstrap_servers, topic, latency_count)
        figures["one at a time, broker CPU"] = server.cpu_seconds() - cpu
        for percent, value in zip(range(1, 100), statistics.quantiles(ack, n=100), strict=True):
            if percent in (50, 99):
                figures[f"acknowledgement p{percent}, ms"] = value
        figures["peak RSS, MB"] = server.peak_rss_bytes() / 1e6
        figures["RSS, MB"] = server.rss_bytes() / 1e6
    return figures


def fill(servers: str, topic: str, count: int, *, traced: bool) -> None:
    """Write records of 100 B, perhaps each with a trace of its own."""
    producer = Producer({"bootstrap.servers": servers, **workloads.PRODUCER})
    producer.list_topics(topic, timeout=30)
    value = workloads.payload(100)
    for number in range(count):
        headers = [("traceparent", f"00-{number + 1:032x}-{1:016x}-01")] if traced else None
        producer.produce(topic, value, b"%d" % number, headers=headers)
        if number % 10_000 == 0:
            producer.poll(0)
    if producer.flush(workloads.DEADLINE_S):
        raise RuntimeError("not everything was sent")


def pass_along(servers: str, reads: str, writes: str, count: int, batch: int) -> None:
    """Read records, write one for each, and commit every ``batch``."""
    name = f"service-of-{writes}"
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "client.id": name,
            "group.id": name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    linger_ms = 2 if batch > 1 else 0
    producer = Producer({"bootstrap.servers": servers, "client.id": name, "linger.ms": linger_ms})
    consumer.subscribe([reads])
    done, deadline = 0, time.monotonic() + workloads.DEADLINE_S
    while done < count:
        for message in consumer.consume(batch, timeout=1):
            producer.produce(writes, message.value(), message.key())
            done += 1
        if producer.flush(workloads.DEADLINE_S) or time.monotonic() > deadline:
            raise RuntimeError(f"only {done} of {count} records were passed along")
        if done:
            consumer.commit(asynchronous=False)
    consumer.close()


def ask(
    what: str,
    question: Callable[[random.Random], dict[str, object]],
    server: Fakebus,
    times: int = QUESTIONS,
) -> None:
    """Ask for flows and print how long the answers took."""
    http = BusHttp(server.http_url)
    chosen, took, cpu = random.Random(1), [], server.cpu_seconds()
    for _ in range(times):
        asked, began = question(chosen), time.perf_counter()
        http.get("/flow", **asked)
        took.append((time.perf_counter() - began) * 1000)
    percents = statistics.quantiles(took, n=100)
    told = ", ".join(f"p{percent} {percents[percent - 1]:.1f}" for percent in (50, 95, 99))
    each_ms = (server.cpu_seconds() - cpu) * 1000 / times
    print(f"flow of {what:37} {told} ms, slowest {max(took):.1f}; {each_ms:.1f} ms CPU each")


def questions(share: float) -> None:
    count, orders = int(RECORDS * share), int(ORDERS * share)
    with Fakebus() as server:
        servers, http = server.bootstrap_servers, BusHttp(server.http_url)
        plain, traced = workloads.new_topic(servers), workloads.new_topic(servers)
        fill(servers, plain, count // 2, traced=False)
        fill(servers, traced, count // 2, traced=True)

        def record(topic: str, most: int) -> Callable[[random.Random], dict[str, object]]:
            return lambda chosen: {"record": f"{topic}[0]@{chosen.randrange(most)}"}

        written = time.perf_counter()
        nothing_more = {"record": f"{plain}[0]@0", "depth": 0}
        behind = first = http.get("/flow", **nothing_more)["behind"]
        if first:
            ask(
                f"a record, {first} behind",
                record(plain, count // 2),
                server,
                times=QUESTIONS // 10,
            )
        while behind:
            behind = http.get("/flow", **nothing_more)["behind"]
        seconds = time.perf_counter() - written
        print(f"the follower was {first} records behind, and caught up in {seconds:.2f} s")
        for batch in BATCHES:
            topics = [f"{name}-{batch}" for name in ("orders", "invoices", "parcels")]
            passed = orders if batch > 1 else orders // 20
            fill(servers, topics[0], passed, traced=False)
            for reads, writes in pairwise(topics):
                pass_along(servers, reads, writes, passed, batch)
            for topic in topics:
                ask(f"a record of {topic}", record(topic, passed), server)
        ask("a record that nobody has read", record(plain, count // 2), server)
        ask("a record with a trace", record(traced, count // 2), server)
        newest = range(count // 2 - orders, count // 2)
        ask("a trace id", lambda chosen: {"find": f"{chosen.choice(newest) + 1:032x}"}, server)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="of the messages (default: all)")
    parser.add_argument("--latency-count", type=int, default=3000)
    parser.add_argument("--questions-only", action="store_true")
    arguments = parser.parse_args()
    if not arguments.questions_only:
        compare(arguments)
    questions(arguments.share)


def compare(arguments: argparse.Namespace) -> None:
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number in range(arguments.rounds):
        # Whoever comes first in a round is not always the same.
        found = {
            enabled: measure(enabled, arguments.share, arguments.latency_count)
            for enabled in ((True, False) if number % 2 else (False, True))
        }
        for name, value in found[True].items():
            pairs[name].append((value, found[False][name]))
    for name, values in pairs.items():
        on, off = (statistics.median(each) for each in zip(*values, strict=True))
        ratios = sorted(with_it / without for with_it, without in values)
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(f"{name:45} {on:12.2f} {off:12.2f}   {statistics.median(ratios):.3f} ({spread})")


if __name__ == "__main__":
    main()
