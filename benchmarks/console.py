"""``python -m benchmarks.console``: a topic of a million records in the console, and who waits.

Records are JSON with a key and a header each, one in a hundred thousand with the words that are
searched for. What is timed are the pages of the topic and searches of all of it; while these run, a
producer's acknowledgements are timed, in turn with times in which nobody looks at anything.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import requests
from confluent_kafka import Producer

from benchmarks import workloads
from benchmarks.peers import Fakebus

TOPIC = "console-million"
PARTITIONS = 3
NEEDLE = "Searched-For"
_RARE = 100_000
SEARCHES = {
    "full text": "text=" + NEEDLE.lower(),
    "filter": "filter=" + quote("value.customer = 'nobody'"),
}


def seed(bootstrap_servers: str, count: int) -> float:
    """Write the records; return the time of the middle one in seconds since the epoch."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, **workloads.PRODUCER})
    middle = 0.0
    for number in range(count):
        words = NEEDLE if number % _RARE == _RARE // 2 else "an order like any other"
        value = {
            "order": number,
            "customer": f"c{number % 997}",
            "total": number % 500,
            "is": words,
        }
        while True:
            try:
                producer.produce(
                    TOPIC,
                    json.dumps(value),
                    key=str(number % 5000),
                    partition=number % PARTITIONS,
                    headers={"ce_type": "order.created"},
                )
                break
            except BufferError:
                producer.poll(0.1)
        if number == count // 2:
            producer.flush(60)
            middle = time.time()
        producer.poll(0)
    if producer.flush(300):
        raise RuntimeError("not all records were written")
    return middle


def get(url: str) -> float:
    """Return the seconds until a page is there."""
    started = time.perf_counter()
    requests.get(url, timeout=60).raise_for_status()
    return time.perf_counter() - started


class Search:
    """Search that a script of the page makes.

    Args:
        url: of its stream.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.scanned = self.found = self.told = 0
        self.seconds = 0.0
        self._stopped = False

    def run(self) -> None:
        """Read the stream to its end, or until it is stopped."""
        started = time.perf_counter()
        with requests.get(self._url, stream=True, timeout=60) as stream:
            for line in stream.iter_lines():
                if line.startswith(b"data: "):
                    data = json.loads(line.removeprefix(b"data: "))
                    self.scanned, self.told = data["scanned"], self.told + 1
                    self.found += len(data.get("rows", ()))
                    self.seconds = time.perf_counter() - started
                if self._stopped:
                    return

    def stop(self) -> None:
        """Stop it with what comes next."""
        self._stopped = True


@contextmanager
def searching(url: str) -> Iterator[list[Search]]:
    """Search over and over."""
    searches: list[Search] = []
    is_over = threading.Event()

    def work() -> None:
        while not is_over.is_set():
            searches.append(Search(url))
            searches[-1].run()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield searches
    finally:
        is_over.set()
        for search in searches:
            search.stop()
        thread.join()


def p99(latencies: list[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(latencies, n=100)[98]


def compare(server: Fakebus, url: str, rounds: int, count: int) -> tuple[float, float, float]:
    """Return the p99 of acknowledgements while nobody searches, while one does, and their ratio."""
    topic = workloads.new_topic(server.bootstrap_servers)
    idle, busy = [], []
    for _ in range(rounds):
        idle.append(
            p99(workloads.acknowledgement_latencies(server.bootstrap_servers, topic, count))
        )
        with searching(url):
            busy.append(
                p99(workloads.acknowledgement_latencies(server.bootstrap_servers, topic, count))
            )
    ratio = statistics.median(b / i for b, i in zip(busy, idle, strict=True))
    return statistics.median(idle), statistics.median(busy), ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency-count", type=int, default=1000)
    arguments = parser.parse_args()
    with Fakebus("--set", f"num.partitions={PARTITIONS}") as server:
        middle = seed(server.bootstrap_servers, arguments.records)
        page = f"{server.http_url}/ui/topics/{TOPIC}"
        get(page)
        rss = server.rss_bytes()
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(middle))
        for name, query in (
            ("open", ""),
            ("oldest first", "order=oldest"),
            ("seek by offset", f"from={arguments.records // 2 // PARTITIONS}"),
            ("seek by time", f"from={quote(moment)}&order=oldest"),
            ("filter", "filter=" + quote("value.total > 498")),
            ("full text", SEARCHES["full text"]),
        ):
            times = [get(f"{page}?{query}") for _ in range(5)]
            print(f"{name:16} {statistics.median(times) * 1000:8.0f} ms, worst {max(times):.2f} s")
        for name, query in SEARCHES.items():
            search = Search(f"{page}/search?{query}")
            search.run()
            print(
                f"{name} of {search.scanned:,} records: {search.seconds:.1f} s, {search.found} "
                f"found, progress told {search.told} times"
            )
        for name, query in SEARCHES.items():
            idle, busy, ratio = compare(
                server, f"{page}/search?{query}", arguments.rounds, arguments.latency_count
            )
            print(f"acknowledgement p99: {idle:.2f} ms, {busy:.2f} ms during {name}: {ratio:.2f}")
        print(
            f"RSS {rss / 1e6:.0f} MB before, {server.rss_bytes() / 1e6:.0f} MB after, "
            f"at most {server.peak_rss_bytes() / 1e6:.0f} MB"
        )


if __name__ == "__main__":
    main()
