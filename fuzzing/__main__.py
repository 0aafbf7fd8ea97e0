"""``make fuzz``: mutated frames for every API, and a healthy client beside them.

    python -m fuzzing --frames 100000 --seed 1

A bus runs as ``fakebus up --memory``, with a listener that wants a login too. Real clients are
recorded once; their frames and one of every API and version are mutated and sent by several
connections. All the while a process of its own produces a record and waits for the
acknowledgement, again and again. The run fails if one took longer than ``--limit-ms``, the time
aside that bus and client waited for a processor, if one turn of the bus's loop took as much
processor time, if the bus took more memory than ``--limit-mb``, if it died, or if its log holds a
traceback.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from fuzzing.corpus import from_clients, of_every_api
from fuzzing.healthy import COUNT, OF_MACHINE, SLOWEST, SLOWEST_OF_BUS, acknowledge
from fuzzing.mutation import Mutator
from fuzzing.sending import Sender

CONFIGS = (
    "fakebus.sasl.users=fuzz:secret",
    "socket.request.max.bytes=2000000",
    "group.min.session.timeout.ms=10",
    "group.initial.rebalance.delay.ms=0",
    "log.cleaner.backoff.ms=500",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzzing")
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit-ms", type=float, default=250.0)
    parser.add_argument("--limit-mb", type=float, default=600.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        return run(arguments, Path(directory))


def run(arguments: argparse.Namespace, directory: Path) -> int:
    ready, log = directory / "ready.json", directory / "log"
    turns = directory / "turns"
    command = [sys.executable, "-m", "fuzzing.measured", str(turns)]
    command += ["up", "--memory", "--http", "127.0.0.1:0"]
    command += ["--kafka", "127.0.0.1:0", "--kafka", "SASL_PLAINTEXT://127.0.0.1:0"]
    command += ["--ready-file", str(ready), *(part for c in CONFIGS for part in ("--set", c))]
    with log.open("wb") as output:
        bus = subprocess.Popen(command, stderr=output, stdout=output)
        try:
            deadline = time.monotonic() + 30
            while not ready.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            addresses = [tuple(a.split(":")) for a in json.loads(ready.read_text())["kafka"]]
            ports = [int(port) for _, port in addresses]
            before = len(turns.read_text())
            figures = fuzz(arguments, bus, ports)
        finally:
            alive = bus.poll() is None
            bus.terminate()
            try:
                bus.wait(10)
                stopped = True
            except subprocess.TimeoutExpired:
                bus.kill()
                stopped = False
    long_turns = map(float, turns.read_text()[before:].split())
    figures["costliest turn of the loop, ms"] = max(long_turns, default=0.0)
    problems = list(_problems(arguments, figures, log.read_text(errors="replace")))
    if not alive:
        problems.append("the bus has died")
    if not stopped:
        problems.append("the bus did not stop when it was told to")
    for name, value in figures.items():
        print(f"{name:32} {value:10.1f}")
    for problem in problems:
        print(f"FAILED (seed {arguments.seed}): {problem}")
    return bool(problems)


def _problems(arguments: argparse.Namespace, figures: dict[str, float], text: str) -> Iterator[str]:
    for name in ("slowest but for that, ms", "costliest turn of the loop, ms"):
        if figures[name] > arguments.limit_ms:
            yield f"{name}: more than {arguments.limit_ms:.0f}"
    if figures["peak memory, MB"] > arguments.limit_mb:
        yield f"the bus took more than {arguments.limit_mb:.0f} MB"
    if "Traceback" in text:
        at = text.index("Traceback")
        print(text[max(0, at - 500) : at + 5_000])
        yield "the bus has logged a traceback"


def fuzz(
    arguments: argparse.Namespace, bus: subprocess.Popen[bytes], ports: list[int]
) -> dict[str, float]:
    choice = random.Random(arguments.seed)
    recorded = from_clients("127.0.0.1", ports[0])
    print(f"{len(recorded)} frames of real clients", flush=True)
    mutator = Mutator(recorded * 3 + of_every_api(choice), choice)
    context = multiprocessing.get_context("spawn")
    waits = context.Array("d", 4, lock=False)
    client = context.Process(target=acknowledge, args=(ports[0], bus.pid, waits), daemon=True)
    client.start()
    while not waits[COUNT]:
        time.sleep(0.05)
    waits[SLOWEST] = waits[SLOWEST_OF_BUS] = 0.0
    process = psutil.Process(bus.pid)
    before = process.memory_info().rss
    peak = before
    sender = Sender(ports, choice)
    began = time.monotonic()
    for number in range(arguments.frames):
        sender.send(mutator.frame())
        if number % 5_000 == 0:
            print(f"{number} frames, slowest {waits[SLOWEST] * 1000:.0f} ms", flush=True)
        if number % 500 == 0:
            peak = max(peak, process.memory_info().rss)
            if bus.poll() is not None or not client.is_alive():
                break
    sender.close()
    acknowledged = waits[COUNT]
    deadline = time.monotonic() + 30
    while waits[COUNT] <= acknowledged + 2 and time.monotonic() < deadline:
        time.sleep(0.05)  # the one under way counts as well
    seconds = time.monotonic() - began
    peak = max(peak, process.memory_info().rss) if bus.poll() is None else peak
    client.terminate()
    return {
        "frames": float(sender.sent),
        "frames of real clients": float(len(recorded)),
        "answered": float(sender.answered),
        "connections that were closed": float(sender.refused),
        "without an answer": float(sender.given_up),
        "seconds": seconds,
        "acknowledgements": waits[COUNT],
        "slowest acknowledgement, ms": waits[SLOWEST] * 1000,
        "  of it for a processor, ms": waits[OF_MACHINE] * 1000,
        "slowest but for that, ms": waits[SLOWEST_OF_BUS] * 1000,
        "memory before, MB": before / 1e6,
        "peak memory, MB": peak / 1e6,
    }


if __name__ == "__main__":
    sys.exit(main())
