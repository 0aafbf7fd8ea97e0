"""``python -m benchmarks.lineage``: what it costs that the bus remembers who did what.

Two buses on data files, one with ``fakebus.lineage.enable`` and one without, do the same in turn in
every round; what is told is the median of the rounds' ratios. The processor time that the bus takes
is told too, as it says more than rates where other programs run.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict

from benchmarks import workloads
from benchmarks.peers import Fakebus

SIZES = {100: 200_000, 1024: 60_000}


def throughput(server: Fakebus, size: int, count: int) -> dict[str, float]:
    topic, cpu = workloads.new_topic(server.bootstrap_servers), server.cpu_seconds()
    rate = workloads.produce(server.bootstrap_servers, topic, size, count)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="of the messages (default: all)")
    parser.add_argument("--latency-count", type=int, default=3000)
    arguments = parser.parse_args()
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
