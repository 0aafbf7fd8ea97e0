"""Bus to be fuzzed: a process of its own, whose event loop is measured."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

CONFIGS = {
    "fakebus.sasl.users": "fuzz:secret",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "delegation.token.secret.key": "a secret",
    # Who logs in needs its permissions, and whoever does not may do everything.
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "allow.everyone.if.no.acl.found": "true",
    "socket.request.max.bytes": "2000000",
    "group.min.session.timeout.ms": "10",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.backoff.ms": "500",
}


class FuzzedBus:
    """``fakebus up --memory`` with a plain listener, one that wants a login, and HTTP.

    Args:
        directory: of its log and of what its loop is measured to take.
    """

    def __init__(self, directory: Path) -> None:
        self.peak_bytes = 0
        self._ready, self._log = directory / "ready.json", directory / "log"
        self._turns = directory / "turns"
        self._started_at = 0
        self._alive = self._stopped = False

    def __enter__(self) -> FuzzedBus:
        command = [sys.executable, "-m", "fuzzing.measured", str(self._turns)]
        command += ["up", "--memory", "--http", "127.0.0.1:0", "--redis", "127.0.0.1:0"]
        command += ["--kafka", "127.0.0.1:0", "--kafka", "SASL_PLAINTEXT://127.0.0.1:0"]
        command += ["--ready-file", str(self._ready)]
        command += [part for key, value in CONFIGS.items() for part in ("--set", f"{key}={value}")]
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(command, stderr=output, stdout=output)
        deadline = time.monotonic() + 60
        while not self._ready.exists() and time.monotonic() < deadline:
            assert self.process.poll() is None, self._log.read_text(errors="replace")
            time.sleep(0.02)
        if not self._ready.exists():
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"not ready in a minute: {self._log.read_text(errors='replace')}")
        found = json.loads(self._ready.read_text())
        self.ports = [int(address.rpartition(":")[2]) for address in found["kafka"]]
        self.http_port = int(found["http"][0].rpartition(":")[2])
        self.redis_port = int(found["redis"][0].strip("/").rpartition(":")[2])
        self._memory = psutil.Process(self.process.pid)
        self.began_with_bytes = self.resident_bytes()
        self._started_at = len(self._turns.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        self._alive = self.process.poll() is None
        self.process.terminate()
        try:
            self.process.wait(10)
            self._stopped = True
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def resident_bytes(self) -> int:
        """Return what it holds in memory now, and note the most."""
        if self.process.poll() is None:
            now = int(self._memory.memory_info().rss)
            self.peak_bytes = max(self.peak_bytes, now)
            return now
        return 0

    def turns(self) -> list[tuple[float, str]]:
        """Return the turns of its loop that took long since it was ready: how many milliseconds of
        processor time, and which callback."""
        lines = self._turns.read_text()[self._started_at :].splitlines()
        parts = (line.split(" ", 1) for line in lines)
        return [(float(part[0]), part[1]) for part in parts]

    def costliest_turns(self) -> list[tuple[float, str]]:
        """Return the same, the costliest first."""
        return sorted(self.turns(), reverse=True)

    def problems(self, limit_ms: float, limit_mb: float) -> Iterator[str]:
        """Say what was wrong with it, when it has ended."""
        for took_ms, name in self.costliest_turns()[:3]:
            if took_ms > limit_ms:
                yield f"a turn of the loop took {took_ms:.0f} ms, most of it {name}"
        if self.peak_bytes / 1e6 > limit_mb:
            yield f"the bus took more than {limit_mb:.0f} MB: {self.peak_bytes / 1e6:.0f}"
        if not self._alive:
            yield "the bus has died"
        if not self._stopped:
            yield "the bus did not stop when it was told to"
        said = self._log.read_text(errors="replace")
        if "Traceback" in said:
            at = said.index("Traceback")
            yield f"the bus has logged a traceback: {said[max(0, at - 500) : at + 5_000]}"
