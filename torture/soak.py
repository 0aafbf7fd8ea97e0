"""All kinds of work for long, with kills now and then: memory, descriptors and log stay flat.

A kill begins everything anew, so growth is judged over the longest time without one.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psutil
from confluent_kafka import Producer

from torture.bus import Bus
from torture.kills import Round

EVERY_S = 5.0
"""How often a look is taken."""
WARM_S = 60.0
"""For how long after a start caches and pools fill: what is kept of that is no growth."""
FILL_MB = 64
"""Of records, so that what is kept of the newest is full before anything is judged: the writers
alone take a quarter of an hour for that on a busy machine."""
MOST_MB_A_MINUTE = 0.5
MOST_DESCRIPTORS = 20
"""As many more or less may be open as clients come and go."""
MOST_LOG_MB = 130.0
KILLS_A_MINUTE = 3.0


class Sample(NamedTuple):
    """What a bus took at a moment, and how long an acknowledgement took."""

    at_s: float
    memory_mb: float
    descriptors: int
    log_mb: float
    acknowledged_ms: float


def look(bus: Bus, producer: Producer, began: float) -> Sample:
    """Return what the bus takes now."""
    process = psutil.Process(bus.pid)
    wal = bus.data.with_name(f"{bus.data.name}-wal")
    before = time.monotonic()
    producer.produce("soak", b"x", partition=0)
    left = producer.flush(60)
    assert not left, "nothing is acknowledged in a minute"
    return Sample(
        time.monotonic() - began,
        process.memory_info().rss / 1e6,
        process.num_fds(),
        wal.stat().st_size / 1e6 if wal.exists() else 0.0,
        (time.monotonic() - before) * 1000,
    )


def _fill(producer: Producer) -> None:
    for _ in range(FILL_MB):
        producer.produce("soak", bytes(900_000), partition=0)
        left = producer.flush(60)
        assert not left, "nothing is acknowledged in a minute"


def slope(samples: list[Sample]) -> float:
    """Return by how many MB a minute the memory grows."""
    fitted = statistics.linear_regression(
        [each.at_s / 60 for each in samples], [each.memory_mb for each in samples]
    )
    return fitted.slope


def play(directory: Path, minutes: float, seed: int) -> Counter[str]:
    """Work for so long: a third of the time with kills, then without; check the history at the end.

    Raises:
        AssertionError: something grows, or a promise was broken.
    """
    choice, bus, began = random.Random(seed), Bus(directory), time.monotonic()
    bus.start()
    try:
        round_ = Round(bus, "soak")
        try:
            while time.monotonic() - began < minutes * 20:
                time.sleep(choice.uniform(1.0, 2 * 60 / KILLS_A_MINUTE))
                bus.kill()
                bus.start()
            producer = Producer({"bootstrap.servers": bus.kafka, "log_level": 0, "linger.ms": 0})
            _fill(producer)
            look(bus, producer, began)
            time.sleep(min(WARM_S, minutes * 10))
            samples = []
            while time.monotonic() - began < minutes * 60:
                samples.append(look(bus, producer, began))
                print(_told(samples[-1]), flush=True)
                time.sleep(EVERY_S)
            total = round_.end()
        except BaseException:
            round_.abandon()
            raise
        assert "Traceback" not in bus.said(), bus.said()[-4000:]
        bus.stop()
    finally:
        bus.kill()
    _judge(samples)
    return total


def _told(sample: Sample) -> str:
    return (
        f"{sample.at_s:.0f} s: {sample.memory_mb:.1f} MB, {sample.descriptors} descriptors, "
        f"a log of {sample.log_mb:.1f} MB, acknowledged in {sample.acknowledged_ms:.1f} ms"
    )


def _judge(samples: list[Sample]) -> None:
    growth = slope(samples)
    half = len(samples) // 2
    before, after = (
        statistics.median(each.acknowledged_ms for each in part)
        for part in (samples[:half], samples[half:])
    )
    opened = [each.descriptors for each in samples]
    print(f"{growth:+.2f} MB a minute, acknowledged in {before:.1f} and {after:.1f} ms", flush=True)
    assert growth < MOST_MB_A_MINUTE, f"the memory grows by {growth:.2f} MB a minute"
    assert max(opened) - min(opened) < MOST_DESCRIPTORS, f"descriptors: {opened}"
    assert max(each.log_mb for each in samples) < MOST_LOG_MB, "the write-ahead log grows"
