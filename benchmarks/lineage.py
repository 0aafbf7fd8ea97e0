"""``python -m benchmarks.lineage``: what it costs that the bus remembers who did what.

Two buses on data files, one with ``fakebus.lineage.enable`` and one without, do the same in turn,
many short times, so that both meet whatever else the machine does; who comes first changes. What is
told is the median of the ratios of the pairs. The processor time that the bus takes in all is told
too, as it says more than rates where other programs run.

Then a bus of a million records, half of them with the headers of a trace, is asked for flows: of
records that two services pass along with 1, 50, 500 or all of them in their hands at once, or when
they have committed them, at once or much later, of others, and of trace ids; first while the
follower that keeps trace ids still has most of them to look at. Whoever writes or passes along does
so in a process of its own: one process is one service.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

from confluent_kafka import Consumer, Message, Producer

from benchmarks import workloads
from benchmarks.peers import Fakebus
from fakebus.client.bus_http import BusHttp

SIZES = {100: 60_000, 1024: 20_000}
"""Messages of one turn, by their bytes."""
LEAST, MOST_RSS_MB = 0.97, 15
"""What is demanded of rates with lineage, of those without it, and of memory."""
RECORDS = 1_000_000
ORDERS = 20_000
QUESTIONS = 100
BATCHES = {"1": 1, "50": 50, "500": 500, "all": 500, "first": 50, "behind": 50}
"""How many records services have in their hands at once, and after how many they commit; some
commit first, and some of those still have more to write when they commit the next."""
_BACKLOG = 500
_RECORD_BYTES = 120


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


def turn(server: Fakebus, share: float, latency_count: int) -> dict[str, float]:
    """Let a bus do everything once, and return the figures."""
    figures: dict[str, float] = {}
    for size, count in SIZES.items():
        figures |= throughput(server, size, int(count * share))
    topic, cpu = workloads.new_topic(server.bootstrap_servers), server.cpu_seconds()
    ack = workloads.acknowledgement_latencies(server.bootstrap_servers, topic, latency_count)
    figures["one at a time, broker CPU s"] = server.cpu_seconds() - cpu
    percents = statistics.quantiles(ack, n=100)
    return figures | {f"acknowledgement p{each}, ms": percents[each - 1] for each in (50, 99)}


def fill(servers: str, topic: str, count: int, *, traced: bool, most: int = 10_000) -> None:
    """Write records of 100 B in batches, perhaps each with a trace of its own."""
    config = {**workloads.PRODUCER, "batch.num.messages": most}
    producer = Producer({"bootstrap.servers": servers, **config})
    producer.list_topics(topic, timeout=30)
    value = workloads.payload(100)
    for number in range(count):
        headers = [("traceparent", f"00-{number + 1:032x}-{1:016x}-01")] if traced else None
        producer.produce(topic, value, b"%d" % number, headers=headers)
        if number % 10_000 == 0:
            producer.poll(0)
    if producer.flush(workloads.DEADLINE_S):
        raise RuntimeError("not everything was sent")


def pass_along(
    servers: str, reads: str, writes: str, count: int, batch: int, *, ahead: bool, how: str = ""
) -> None:
    """Read records, write one for each, and commit every ``batch``; fetch all, or no more ahead.

    By ``how`` it commits ``first``, or is ``behind`` what it has committed.
    """
    name = f"service-of-{writes}"
    most_bytes = max(batch * _RECORD_BYTES, 512)
    less = {"queued.min.messages": 1, "fetch.queue.backoff.ms": 1}
    less |= {"fetch.message.max.bytes": most_bytes}
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "client.id": name,
            "group.id": name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **({} if ahead else less),
        }
    )
    config = {"linger.ms": 2 if batch > 1 else 0, "batch.num.messages": batch}
    producer = Producer({"bootstrap.servers": servers, "client.id": name, **config})
    consumer.subscribe([reads])
    read = done = 0
    at_hand, deadline = deque[Message](), time.monotonic() + workloads.DEADLINE_S
    while done < count:
        messages = consumer.consume(batch, timeout=0.02)
        at_hand += messages
        read += len(messages)
        if messages and how:
            consumer.commit(asynchronous=False)
        if how == "behind" and read < count and len(at_hand) < 2 * _BACKLOG:
            continue
        while at_hand and (how != "behind" or read == count or len(at_hand) > _BACKLOG):
            message = at_hand.popleft()
            producer.produce(writes, message.value(), message.key())
            done += 1
        if producer.flush(workloads.DEADLINE_S) or time.monotonic() > deadline:
            raise RuntimeError(f"only {done} of {count} records were passed along")
        if messages and not how:
            consumer.commit(asynchronous=False)
    consumer.close()


def apart(work: Callable[..., None], *arguments: Any, **named: Any) -> None:
    """Do something in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        process.submit(work, *arguments, **named).result()


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
    print(
        f"flow of {what:37} {told} ms, slowest {max(took):.1f}; {each_ms:.1f} ms CPU each, "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def questions(share: float, in_hands: Sequence[str]) -> None:
    count, orders = int(RECORDS * share), int(ORDERS * share)
    with Fakebus() as server:
        servers, http = server.bootstrap_servers, BusHttp(server.http_url)
        plain, traced = workloads.new_topic(servers), workloads.new_topic(servers)
        apart(fill, servers, plain, count // 2, traced=False)
        apart(fill, servers, traced, count // 2, traced=True)

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
        for held in in_hands:
            batch = BATCHES[held]
            topics = [f"{name}-{held}" for name in ("orders", "invoices", "parcels")]
            passed = orders if batch > 1 else orders // 20
            apart(fill, servers, topics[0], passed, traced=False, most=batch)
            for reads, writes in pairwise(topics):
                ahead = held == "all"
                how = held if held in ("first", "behind") else ""
                apart(pass_along, servers, reads, writes, passed, batch, ahead=ahead, how=how)
            for topic in topics:
                ask(f"a record of {topic}", record(topic, passed), server)
        ask("a record that nobody has read", record(plain, count // 2), server)
        ask("a record with a trace", record(traced, count // 2), server)
        newest = range(count // 2 - orders, count // 2)
        ask("a trace id", lambda chosen: {"find": f"{chosen.choice(newest) + 1:032x}"}, server)


def compare(pairs: int, share: float, latency_count: int) -> None:
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    flag = "fakebus.lineage.enable="
    with Fakebus("--set", flag + "true") as with_it, Fakebus("--set", flag + "false") as without:
        # The first pair warms up, and is not counted.
        for number in range(-1, pairs):
            order = (with_it, without) if number % 2 else (without, with_it)
            figures = {server: turn(server, share, latency_count) for server in order}
            for name in figures[with_it] if number >= 0 else ():
                found[name].append((figures[with_it][name], figures[without][name]))
        memory = [(each.rss_bytes(), each.peak_rss_bytes()) for each in (with_it, without)]
    print(f"{'':34} {'with lineage':>12} {'without':>12}   median of {pairs} ratios")
    for name, values in found.items():
        columns = list(zip(*values, strict=True))
        if name.endswith("CPU s"):
            # Told in hundredths of seconds, of which a turn takes a few.
            on, off = map(sum, columns)
            print(f"{name:34} {on:12.2f} {off:12.2f}   {on / (off or 0.01):.3f} in all")
            continue
        on, off = map(statistics.median, columns)
        ratios = sorted(one / other for one, other in values)
        ratio = f"{statistics.median(ratios):.3f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        wanted = f"  at least {LEAST}" if name.endswith("messages/s") else ""
        print(f"{name:34} {on:12.2f} {off:12.2f}   {ratio}{wanted}")
    for name, on, off in zip(("RSS, MB", "peak RSS, MB"), *memory, strict=True):
        more = f"{(on - off) / 1e6:+.1f} MB  at most +{MOST_RSS_MB}"
        print(f"{name:34} {on / 1e6:12.1f} {off / 1e6:12.1f}   {more}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--share", type=float, default=1.0, help="of the messages (default: all)")
    parser.add_argument("--latency-count", type=int, default=300)
    parser.add_argument("--questions-only", action="store_true")
    parser.add_argument("--cost-only", action="store_true")
    told = "of records in hand at once, by commas"
    parser.add_argument("--in-hands", default=",".join(BATCHES), help=told)
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    if not arguments.questions_only:
        compare(arguments.pairs, arguments.share, arguments.latency_count)
    if not arguments.cost_only:
        questions(arguments.share, arguments.in_hands.split(","))


if __name__ == "__main__":
    main()
