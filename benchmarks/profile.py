"""Where the time of a Produce request of one record goes, and how much of it is CPython's own.

The floor is a server in CPython, on uvloop, that cuts frames and answers each with bytes that were
made beforehand: what a broker in this language could at best take. Shares are those of cProfile,
which makes short functions look dearer than they are.
"""

from __future__ import annotations

import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import workloads
from benchmarks.peers import CHECKOUT, Fakebus, Kfake, PeerMissingError, Server
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from tests.wire.client import RawClient, frame
from tests.wire.test_produce_and_fetch import produce_request

REQUESTS = 5_000
FUNCTIONS = 14

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


def _functions() -> list[list[Any]]:
    """Return name, calls for each request and share of the time of the dearest functions."""
    with tempfile.TemporaryDirectory(prefix="fakebus-bench-") as directory:
        path = Path(directory, "profile")
        with Fakebus(under=("-m", "cProfile", "-o", str(path))) as bus:
            topic = workloads.new_topic(bus.bootstrap_servers)
            _microseconds(bus.bootstrap_servers, _request(topic))
            bus.stop()
            rows = pstats.Stats(str(path)).stats.items()  # type: ignore[attr-defined]
    sent = REQUESTS + REQUESTS // 5
    # What is called for each request, and not what the start took.
    wanted = {
        _shown(*function): (calls / sent, own)
        for function, (_, calls, own, _, _) in rows
        if 0.9 < calls / sent < 40
    }
    whole = sum(own for _, own in wanted.values())
    dearest = sorted(wanted.items(), key=lambda item: -item[1][1])[:FUNCTIONS]
    return [[name, round(calls, 1), round(own / whole, 3)] for name, (calls, own) in dearest]


def _shown(file: str, line: int, name: str) -> str:
    if file == "~":
        return name.strip("<>")
    path = Path(file)
    inside = path.is_relative_to(CHECKOUT / "fakebus")
    return f"{path.relative_to(CHECKOUT) if inside else path.name} {name}"


def measure() -> dict[str, Any]:
    """Return microseconds of a request by server, and the dearest functions."""
    taken = {"fakebus": _of(Fakebus()), "fakebus, memory": _of(Fakebus(memory=True))}
    try:
        taken[Kfake.name] = _of(Kfake())
    except PeerMissingError as error:
        print(f"kfake is left out: {error}")
    taken["floor of CPython"] = _floor()
    for name, row in taken.items():
        print(f"a Produce request of one record, µs: {name:20} {row}")
    functions = _functions()
    for name, calls, share in functions:
        print(f"{share:6.1%} {calls:5.1f} calls  {name}")
    return {"microseconds": taken, "functions": functions}


if __name__ == "__main__":
    measure()
