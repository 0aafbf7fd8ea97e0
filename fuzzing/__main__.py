"""``make fuzz``: mutated frames for every API, and a healthy client beside them.

    python -m fuzzing --frames 100000 --seed 1

A bus runs as ``fakebus up --memory``, with a listener that wants a login too. Real clients are
recorded once; their frames and one of every API and version are mutated and sent by several
connections. All the while a process of its own produces a record and waits for the
acknowledgement, again and again. The run fails if one took longer than ``--limit-ms``, if the bus
took more memory than ``--limit-mb``, if it died, or if its log holds a traceback.
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
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import psutil

from fuzzing.corpus import from_clients, of_every_api
from fuzzing.healthy import acknowledge
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
    command = [sys.executable, "-m", "fakebus", "up", "--memory", "--http", "127.0.0.1:0"]
    command += ["--kafka", "127.0.0.1:0", "--kafka", "SASL_PLAINTEXT://127.0.0.1:0"]
    command += ["--ready-file", str(ready), *(part for c in CONFIGS for part in ("--set", c))]
    with log.open("wb") as output:
        bus = subprocess.Popen(command, stderr=output, stdout=output, cwd=directory)
        try:
            deadline = time.monotonic() + 30
            while not ready.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            addresses = [tuple(a.split(":")) for a in json.loads(ready.read_text())["kafka"]]
            ports = [int(port) for _, port in addresses]
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
    text = log.read_text(errors="replace")
    problems = []
    if not alive:
        problems.append("the bus has died")
    if not stopped:
        problems.append("the bus did not stop when it was told to")
    if "Traceback" in text:
        problems.append("the bus has logged a traceback")
        at = text.index("Traceback")
        print(text[max(0, at - 500) : at + 5_000])
    if figures["slowest acknowledgement, ms"] > arguments.limit_ms:
        problems.append(f"an acknowledgement took longer than {arguments.limit_ms:.0f} ms")
    if figures["peak memory, MB"] > arguments.limit_mb:
        problems.append(f"the bus took more than {arguments.limit_mb:.0f} MB")
    for name, value in figures.items():
        print(f"{name:32} {value:10.1f}")
    for problem in problems:
        print(f"FAILED (seed {arguments.seed}): {problem}")
    return bool(problems)


def fuzz(
    arguments: argparse.Namespace, bus: subprocess.Popen[bytes], ports: list[int]
) -> dict[str, float]:
    choice = random.Random(arguments.seed)
    recorded = from_clients("127.0.0.1", ports[0])
    print(f"{len(recorded)} frames of real clients", flush=True)
    mutator = Mutator(recorded * 3 + of_every_api(choice), choice)
    context = multiprocessing.get_context("spawn")
    worst: Synchronized[float] = context.Value("d", 0.0)  # type: ignore[assignment]
    count: Synchronized[int] = context.Value("q", 0)  # type: ignore[assignment]
    client = context.Process(target=acknowledge, args=(ports[0], worst, count), daemon=True)
    client.start()
    while not count.value:
        time.sleep(0.05)
    worst.value = 0.0
    process = psutil.Process(bus.pid)
    before = process.memory_info().rss
    peak = before
    sender = Sender(ports, choice)
    began = time.monotonic()
    for number in range(arguments.frames):
        sender.send(mutator.frame())
        if number % 5_000 == 0:
            print(f"{number} frames, slowest {worst.value * 1000:.0f} ms", flush=True)
        if number % 500 == 0:
            peak = max(peak, process.memory_info().rss)
            if bus.poll() is not None or not client.is_alive():
                break
    sender.close()
    acknowledged = count.value
    deadline = time.monotonic() + 30
    while count.value <= acknowledged + 2 and time.monotonic() < deadline:
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
        "acknowledgements": float(count.value),
        "slowest acknowledgement, ms": worst.value * 1000,
        "memory before, MB": before / 1e6,
        "peak memory, MB": peak / 1e6,
    }


if __name__ == "__main__":
    sys.exit(main())
