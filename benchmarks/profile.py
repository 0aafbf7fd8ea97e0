"""Where the time of a Produce request and of a transaction goes, and how much is CPython's own.

The floor is a server in CPython, on uvloop, that cuts frames and answers each with bytes that were
made beforehand: what a broker in this language could at best take; :mod:`benchmarks.floor` is that
of transactions. Shares are those of cProfile, which makes short functions look dearer than they
are.
"""

from __future__ import annotations

import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import workloads
from benchmarks.peers import (
    CHECKOUT,
    Fakebus,
    Kfake,
    PeerMissingError,
    Server,
    TransactionFloor,
)
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from tests.wire.client import RawClient, frame
from tests.wire.test_produce_and_fetch import produce_request

REQUESTS = 5_000
TRANSACTIONS = 300
ROUNDS = 7
FUNCTIONS = 14
SERVERS = ("fakebus", "fakebus, memory")
FLOOR = "floor of CPython"

_FLOOR = """
import asyncio, signal, uvloop

class Answering(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.received = transport, b""

    def data_received(self, data):
        data = self.received + data
        at = 0
        while len(data) - at >= 4:
            end = at + 4 + int.from_bytes(data[at:at + 4], "big")
            if end > len(data):
                break
            self.transport.write(ANSWER)
            at = end
        self.received = data[at:]

ANSWER = (60).to_bytes(4, "big") + bytes(60)

async def main():
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()

uvloop.run(main())
"""


def _request(topic: str) -> bytes:
    batch = bytes(build_batch([NewRecord(None, b"v" * 100)]))
    body = b"".join(codec.encode_request(ApiKey.PRODUCE, 9, produce_request(topic, batch)))
    return frame(ApiKey.PRODUCE, 9, 7, "bench", body)


def _microseconds(address: str, request: bytes) -> dict[str, float]:
    """Return what one request takes: alone, and among a hundred that do not wait."""
    alone = []
    with RawClient(address) as client:
        for _ in range(REQUESTS // 5):
            started = time.perf_counter()
            client.send_bytes(request)
            client.receive_frame()
            alone.append(time.perf_counter() - started)
        started = time.perf_counter()
        for _ in range(REQUESTS // 100):
            client.send_bytes(request * 100)
            for _ in range(100):
                client.receive_frame()
        together = (time.perf_counter() - started) / REQUESTS
    return {
        "alone": round(sorted(alone)[len(alone) // 2] * 1e6, 1),
        "together": round(together * 1e6, 1),
    }


def _of(server: Server) -> dict[str, float]:
    with server:
        topic = workloads.new_topic(server.bootstrap_servers)
        return _microseconds(server.bootstrap_servers, _request(topic))


def _floor() -> dict[str, float]:
    with subprocess.Popen(
        [sys.executable, "-c", _FLOOR], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            return _microseconds(f"127.0.0.1:{port}", _request("t"))
        finally:
            process.terminate()


def _transactions() -> dict[str, dict[str, float]]:
    """Return what a transaction of one record takes, by server, all measured by turns.

    Returns:
        Milliseconds that the client waits, and microseconds of the processor that the server takes.
    """
    makers: tuple[Callable[[], Server], ...] = (
        Fakebus,
        lambda: Fakebus(memory=True),
        Kfake,
        TransactionFloor,
    )
    waits: dict[str, list[float]] = {}
    work: dict[str, list[float]] = {}
    with ExitStack() as stack:
        servers = {}
        for name, make in zip((*SERVERS, Kfake.name, FLOOR), makers, strict=True):
            try:
                servers[name] = stack.enter_context(make())
            except PeerMissingError as error:
                print(f"{name} is left out: {error}")
        topics = {
            name: workloads.new_topic(each.bootstrap_servers) for name, each in servers.items()
        }
        for number in range(ROUNDS + 1):
            for name, server in servers.items():
                used = server.cpu_seconds()
                times = workloads.transaction_latencies(
                    server.bootstrap_servers, topics[name], TRANSACTIONS
                )
                if number:  # the first one is for warming up
                    waits.setdefault(name, []).append(statistics.median(times))
                    used = (server.cpu_seconds() - used) / TRANSACTIONS * 1e6
                    work.setdefault(name, []).append(used)
    return {
        name: {
            "wait": round(statistics.median(waits[name]), 2),
            "processor": round(statistics.median(work[name])),
        }
        for name in servers
    }


def _send_produces(bootstrap_servers: str, topic: str) -> int:
    """Send Produce requests of one record; return how many."""
    _microseconds(bootstrap_servers, _request(topic))
    return REQUESTS + REQUESTS // 5


def _make_transactions(bootstrap_servers: str, topic: str) -> int:
    """Make transactions of one record; return how many."""
    return len(workloads.transaction_latencies(bootstrap_servers, topic, ROUNDS * TRANSACTIONS))


def _functions(work: Callable[[str, str], int]) -> tuple[int, list[list[Any]]]:
    """Return how many calls a piece of work takes, and which functions are the dearest.

    Args:
        work: does it many times, with the bootstrap servers and a topic, and tells how often.

    Returns:
        The calls of one; and name, calls and share of the time of the dearest functions.
    """
    with tempfile.TemporaryDirectory(prefix="fakebus-bench-") as directory:
        path = Path(directory, "profile")
        with Fakebus(under=("-m", "cProfile", "-o", str(path))) as bus:
            topic = workloads.new_topic(bus.bootstrap_servers)
            times = work(bus.bootstrap_servers, topic)
            bus.stop()
            rows = pstats.Stats(str(path)).stats.items()  # type: ignore[attr-defined]
    # What is called each time, and not what the start took.
    wanted = {
        _shown(*function): (calls / times, own)
        for function, (_, calls, own, _, _) in rows
        if 0.9 < calls / times < 100
    }
    whole = sum(own for _, own in wanted.values())
    dearest = sorted(wanted.items(), key=lambda item: -item[1][1])[:FUNCTIONS]
    shown = [[name, round(calls, 1), round(own / whole, 3)] for name, (calls, own) in dearest]
    return round(sum(calls for calls, _ in wanted.values())), shown


def _shown(file: str, line: int, name: str) -> str:
    if file == "~":
        return name.strip("<>")
    path = Path(file)
    inside = path.is_relative_to(CHECKOUT / "fakebus")
    return f"{path.relative_to(CHECKOUT) if inside else path.name} {name}"


def measure() -> dict[str, Any]:
    """Return what requests and transactions take by server, and the dearest functions."""
    file, memory = SERVERS
    taken = {file: _of(Fakebus()), memory: _of(Fakebus(memory=True))}
    try:
        taken[Kfake.name] = _of(Kfake())
    except PeerMissingError as error:
        print(f"kfake is left out: {error}")
    taken[FLOOR] = _floor()
    for name, row in taken.items():
        print(f"a Produce request of one record, µs: {name:20} {row}")
    _, functions = _functions(_send_produces)
    transactions = _transactions()
    for name, row in transactions.items():
        print(f"a transaction of one record, ms waited, µs of the server: {name:20} {row}")
    calls_of_one, of_transactions = _functions(_make_transactions)
    for name, calls, share in (*functions, *of_transactions):
        print(f"{share:6.1%} {calls:5.1f} calls  {name}")
    return {
        "microseconds": taken,
        "functions": functions,
        "transactions": transactions,
        "transaction_calls": calls_of_one,
        "transaction_functions": of_transactions,
    }


if __name__ == "__main__":
    measure()
