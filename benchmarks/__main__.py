"""``make bench``: fakebus and librdkafka's mock cluster in turn, ratios with median and spread.

The peer keeps everything in memory and is written in C; fakebus commits to a SQLite file
before it acknowledges. Both run on this machine, one after the other in every round.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from collections import defaultdict
from collections.abc import Callable

import psutil

from benchmarks import long_polls, registry, workloads
from benchmarks.peers import FIXTURES, Fakebus, MockCluster, _Server, first_metadata_seconds

Figures = dict[str, float]


def quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def throughput(server: _Server, size: int, count: int) -> Figures:
    topic = workloads.new_topic(server.bootstrap_servers)
    cpu = server.cpu_seconds()
    rate = workloads.produce(server.bootstrap_servers, topic, size, count)
    produce_cpu = server.cpu_seconds() - cpu
    cpu = server.cpu_seconds()
    read_rate, megabytes, read = workloads.consume(server.bootstrap_servers, topic)
    consume_cpu = server.cpu_seconds() - cpu
    name = f"{size} B"
    return {
        f"produce {name}, messages/s": rate,
        f"consume {name}, messages/s": read_rate,
        f"consume {name}, MB/s": megabytes,
        f"produce {name}, broker CPU s per million": produce_cpu / count * 1e6,
        f"consume {name}, broker CPU s per million": consume_cpu / read * 1e6,
    }


def latency(server: _Server, count: int) -> Figures:
    topic = workloads.new_topic(server.bootstrap_servers)
    ack = workloads.acknowledgement_latencies(server.bootstrap_servers, topic, count)
    topic = workloads.new_topic(server.bootstrap_servers)
    # The mock cluster answers waiting fetches only every half a second.
    through = workloads.end_to_end_latencies(server.bootstrap_servers, topic, count // 20)
    return {
        "acknowledgement p50, ms": quantile(ack, 0.5),
        "acknowledgement p99, ms": quantile(ack, 0.99),
        "produce to consume p50, ms": quantile(through, 0.5),
        "produce to consume p99, ms": quantile(through, 0.99),
    }


def process(server: _Server) -> Figures:
    return {
        "start to ready, ms": server.start_seconds * 1000,
        "RSS at rest, MB": server.rss_bytes() / 1e6,
    }


def measure(make: Callable[[], _Server], arguments: argparse.Namespace) -> Figures:
    figures: Figures = {}
    with make() as server:  # type: ignore[attr-defined]
        workloads.new_topic(server.bootstrap_servers)
        figures |= process(server)
        figures |= latency(server, arguments.latency_count)
    for size, count in ((100, arguments.small_count), (1024, arguments.large_count)):
        with make() as server:  # type: ignore[attr-defined]
            figures |= throughput(server, size, count)
            figures[f"peak RSS after {size} B, MB"] = server.peak_rss_bytes() / 1e6
    return figures


def own_figures(arguments: argparse.Namespace) -> None:
    """What has no peer: identity of 64 MB, memory while 1 GB passes, idle CPU."""
    with Fakebus() as server:
        topic = workloads.new_topic(server.bootstrap_servers)
        same = workloads.store_and_compare(server.bootstrap_servers, topic, 1024, 65_536)
        print(f"64 MB of 1 KiB messages stored and read back identical: {same}")
        passed = 0
        while passed < arguments.gigabytes * 1e9:
            topic = workloads.new_topic(server.bootstrap_servers)
            workloads.produce(server.bootstrap_servers, topic, 1024, 200_000)
            workloads.consume(server.bootstrap_servers, topic)
            passed += 200_000 * 1024
        print(
            f"peak RSS while {arguments.gigabytes:g} GB passed through: "
            f"{server.peak_rss_bytes() / 1e6:.0f} MB"
        )
        if not same:
            raise SystemExit("what was read differs from what was written")


def starts(count: int) -> None:
    """Time from starting the process to the first answered Metadata, bare and seeded."""
    for name, arguments in (("empty", ()), ("seeded with 993 events", ("--fixtures", FIXTURES))):
        times = [first_metadata_seconds(*arguments) * 1000 for _ in range(count)]
        print(
            f"start to first answered Metadata, {name}: "
            f"{statistics.median(times):.0f} ms ±{(max(times) - min(times)) / 2:.0f}"
        )


def report(results: dict[str, dict[str, list[float]]], ours: str, peer: str) -> None:
    print(f"{'':44} {ours:>22} {peer:>22} {'ratio':>8}")
    for metric in results[ours]:
        cells = []
        for name in (ours, peer):
            values = results[name][metric]
            spread = (max(values) - min(values)) / 2
            cells.append(f"{statistics.median(values):,.2f} ±{spread:,.2f}")
        theirs = statistics.median(results[peer][metric])
        # Some of what is counted in ticks of the processor's clock is none at all.
        ratio = f"{statistics.median(results[ours][metric]) / theirs:.2f}" if theirs else "-"
        print(f"{metric:44} {cells[0]:>22} {cells[1]:>22} {ratio:>8}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small-count", type=int, default=1_000_000, help="messages of 100 B")
    parser.add_argument("--large-count", type=int, default=200_000, help="messages of 1 KiB")
    parser.add_argument("--latency-count", type=int, default=1_000)
    parser.add_argument("--registry-requests", type=int, default=2_000)
    parser.add_argument("--schemas", type=int, default=10_000, help="in the registry at a start")
    parser.add_argument("--gigabytes", type=float, default=1.0)
    arguments = parser.parse_args()
    results: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    print(f"{psutil.cpu_count()} cores; {arguments.rounds} rounds; median ± half the range")
    for _ in range(arguments.rounds):
        for make in (Fakebus, MockCluster):
            for metric, value in measure(make, arguments).items():
                results[make.name][metric].append(value)
    report(results, Fakebus.name, MockCluster.name)
    starts(7)
    if shutil.which("java") is None:
        print("acknowledgement while consumers wait: not compared, Apache Kafka needs Java")
    else:
        long_polls.compare(arguments.rounds, 200)
    registry.latencies(arguments.registry_requests)
    registry.starts(arguments.schemas)
    own_figures(arguments)


if __name__ == "__main__":
    main()
