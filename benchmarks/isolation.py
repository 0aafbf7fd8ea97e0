"""``python -m benchmarks.isolation``: what it costs a test to find the bus as it was seeded.

A bus is seeded with 10,000 events in three topics; then 200 tests each write a few records,
one of them to a topic of their own. What is timed is everything around the test: the snapshot,
the handle, and the rollback.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

from fakebus.testing.embedded_bus import EmbeddedBus, bus_settings
from fakebus.testing.isolation import Isolation

EVENTS = 10_000
TOPICS = 3
TESTS = 200


def write_fixtures(directory: Path) -> None:
    topics = "".join(
        f"  - {{name: topic-{n}, partitions: 3, value: {{format: json}}, load: e{n}.ndjson}}\n"
        for n in range(TOPICS)
    )
    (directory / "fakebus.yaml").write_text(f"version: 1\ntopics:\n{topics}")
    for number in range(TOPICS):
        lines = (
            json.dumps({"key": f"k{n}", "value": {"n": n, "text": "x" * 100}})
            for n in range(number, EVENTS, TOPICS)
        )
        (directory / f"e{number}.ndjson").write_text("\n".join(lines) + "\n")


def measure(bus: EmbeddedBus, isolation: Isolation) -> tuple[list[float], list[float]]:
    """Return the seconds before and after each test."""
    before, after = [], []
    for number in range(TESTS):
        start = time.perf_counter()
        block = bus.test(isolation)
        handle = block.__enter__()
        before.append(time.perf_counter() - start)
        for n in range(5):
            handle.publish(f"topic-{n % TOPICS}", {"n": n})
        handle.publish("new", {"n": number})
        assert len(handle.emitted()) == 6
        start = time.perf_counter()
        block.__exit__(None, None, None)
        after.append(time.perf_counter() - start)
    return before, after


def rollback_ms() -> float:
    """Return the median of what a test pays to find the bus as it was seeded."""
    with tempfile.TemporaryDirectory() as name:
        write_fixtures(Path(name))
        with EmbeddedBus(bus_settings(fixtures=[Path(name)], configs={})) as bus:
            before, after = measure(bus, Isolation.ROLLBACK)
    both = [one + other for one, other in zip(before, after, strict=True)]
    return statistics.median(both) * 1000


def warm_start_ms() -> float:
    """Return how long a session waits for its bus when everything is imported, empty."""
    taken = []
    for _ in range(4):
        start = time.perf_counter()
        with EmbeddedBus(bus_settings(fixtures=[], configs={})):
            taken.append(time.perf_counter() - start)
    # The first one imports.
    return statistics.median(taken[1:]) * 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        write_fixtures(Path(name))
        start = time.perf_counter()
        with EmbeddedBus(bus_settings(fixtures=[Path(name)], configs={})) as bus:
            print(f"started and seeded with {EVENTS} events in {time.perf_counter() - start:.2f} s")
            for isolation in (Isolation.ROLLBACK, Isolation.ADVANCE, Isolation.NONE):
                before, after = measure(bus, isolation)
                both = [one + other for one, other in zip(before, after, strict=True)]
                print(
                    f"{isolation.value:9} median {statistics.median(both) * 1000:.2f} ms "
                    f"(before {statistics.median(before) * 1000:.2f}, "
                    f"after {statistics.median(after) * 1000:.2f}), "
                    f"worst {max(both) * 1000:.1f} ms, {TESTS} tests {sum(both):.2f} s"
                )


if __name__ == "__main__":
    main()
