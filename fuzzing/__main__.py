"""``make fuzz``: mutated frames for every API, and a healthy client beside them.

    python -m fuzzing --frames 100000 --seed 1 [--group share|http|redis]

What real clients said to a bus is kept; their conversations, and one frame of every API and
version, are mutated and sent by several connections. The groups ``http`` and ``redis`` are other
doors: what tests say to them, and every route that is described, is mutated likewise, and there
has to be an answer to whatever has an end. All the while a process of its own produces a
record and waits for the acknowledgement, again and again. The run fails if one took longer than
``--limit-ms``, the time aside that bus and client waited for a processor, if one turn of the bus's
loop took as much processor time (it is said which callback took it), if the bus took more memory
than ``--limit-mb``, if it died, or if its log holds a traceback.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from pathlib import Path

from fuzzing.bus import FuzzedBus
from fuzzing.healthy import COUNT, OF_MACHINE, SLOWEST, SLOWEST_OF_BUS, acknowledge
from fuzzing.mutation import GROUPS
from fuzzing.sources import DOORS, Source, source_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzzing")
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--group", choices=[*GROUPS, *DOORS], default="")
    parser.add_argument("--limit-ms", type=float, default=250.0)
    parser.add_argument("--limit-mb", type=float, default=600.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        with FuzzedBus(Path(directory)) as bus:
            source = source_of(arguments.group, bus, random.Random(arguments.seed))
            figures = fuzz(bus, arguments.frames, source)
        problems = source.problems + list(bus.problems(arguments.limit_ms, arguments.limit_mb))
        turns = bus.costliest_turns()
    if figures["slowest but for that, ms"] > arguments.limit_ms:
        problems.append(f"an acknowledgement took more than {arguments.limit_ms:.0f} ms")
    for name, value in figures.items():
        print(f"{name:32} {value:10.1f}")
    for took_ms, name in turns[:3]:
        print(f"a turn of the loop, ms            {took_ms:10.1f} {name}")
    for problem in problems:
        print(f"FAILED (seed {arguments.seed}): {problem}")
    return bool(problems)


def fuzz(bus: FuzzedBus, frames: int, source: Source) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    waits = context.Array("d", 5, lock=False)
    arguments = (bus.ports[0], bus.process.pid, waits)
    client = context.Process(target=acknowledge, args=arguments, daemon=True)
    client.start()
    while not waits[COUNT]:
        time.sleep(0.05)
    waits[SLOWEST] = waits[SLOWEST_OF_BUS] = 0.0
    began = told = time.monotonic()
    while source.sent < frames and client.is_alive() and bus.resident_bytes():
        source.send_some(500)
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(f"{source.sent} frames, slowest {waits[SLOWEST] * 1000:.0f} ms", flush=True)
    if not client.is_alive():
        source.problems.append("the healthy client was refused, or lost its connection")
    source.close()
    acknowledged = waits[COUNT]
    deadline = time.monotonic() + 30
    while client.is_alive() and waits[COUNT] <= acknowledged + 2 and time.monotonic() < deadline:
        time.sleep(0.05)  # the one under way counts as well
    seconds = time.monotonic() - began
    bus.resident_bytes()
    client.terminate()
    return {
        **source.figures(),
        "seconds": seconds,
        "acknowledgements": waits[COUNT],
        "slowest acknowledgement, ms": waits[SLOWEST] * 1000,
        "  of it for a processor, ms": waits[OF_MACHINE] * 1000,
        "slowest but for that, ms": waits[SLOWEST_OF_BUS] * 1000,
        "memory before, MB": bus.began_with_bytes / 1e6,
        "peak memory, MB": bus.peak_bytes / 1e6,
    }


if __name__ == "__main__":
    sys.exit(main())
