"""What the schema registry takes: ``python -m benchmarks.registry``, also part of ``make bench``.

Its peers need a JVM that would have to be downloaded, so the floor is an aiohttp handler in a
process of its own that reads a body and answers one of the same size, asked by turns with the
registry in the same run.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.peers import Fakebus

TURNS = 5
STARTS = 7
ALLOWED_START_MS = 200

_FLOOR = """
import asyncio, sys
from aiohttp import web

async def answer(request):
    if request.method == "POST":
        await request.json()
        return web.json_response({"id": 1})
    return web.json_response({"schema": "x" * int(request.query["size"])})

async def main():
    application = web.Application()
    application.router.add_route("*", "/{name}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Floor:
    """The least that a server on aiohttp takes to read a request and answer it."""

    def __enter__(self) -> Floor:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FLOOR], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Client:
    """One connection that is kept, as clients keep it."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[bytes, float]:
        """Return the answer's body and the milliseconds until it was there."""
        headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"} if body else {}
        started = time.perf_counter()
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        milliseconds = (time.perf_counter() - started) * 1000
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {answer!r}")
        return answer, milliseconds

    def close(self) -> None:
        self._connection.close()


def registration(number: int) -> bytes:
    """Return the body that registers a schema of ten fields, different for each number."""
    fields = [{"name": f"field_{n}", "type": ["null", "string"], "default": None} for n in range(9)]
    fields.append({"name": f"only_in_{number}", "type": "long", "default": 0})
    schema = {"type": "record", "name": "Event", "namespace": "bench", "fields": fields}
    return json.dumps({"schema": json.dumps(schema)}).encode()


def quantiles(name: str, milliseconds: list[float]) -> str:
    ordered = sorted(milliseconds)
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return f"{name:32} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms"


def latencies(count: int) -> None:
    """Print how long it takes to register, look up again and fetch by id, beside the floor."""
    taken: dict[str, list[float]] = defaultdict(list)
    with Fakebus() as server, Floor() as floor:
        registry, bare = Client(server.http_url), Client(floor.url)
        size = 0
        for turn in range(TURNS):
            numbers = range(turn * count // TURNS, (turn + 1) * count // TURNS)
            ids = []
            for number in numbers:
                path = f"/subjects/topic-{number}-value/versions"
                answer, milliseconds = registry.ask("POST", path, registration(number))
                taken["register"].append(milliseconds)
                ids.append(json.loads(answer)["id"])
            for number in numbers:
                path = f"/subjects/topic-{number}-value/versions"
                taken["register again"].append(registry.ask("POST", path, registration(number))[1])
                taken["floor of POST"].append(bare.ask("POST", "/post", registration(number))[1])
            for schema_id in ids:
                answer, milliseconds = registry.ask("GET", f"/schemas/ids/{schema_id}")
                taken["fetch by id"].append(milliseconds)
                size = len(answer)
            for _ in ids:
                taken["floor of GET"].append(bare.ask("GET", f"/get?size={size}")[1])
        registry.close()
        bare.close()
    # The first turn is for warming up.
    for name in ("register", "register again", "floor of POST", "fetch by id", "floor of GET"):
        print(quantiles(name, taken[name][count // TURNS :]))


def start_milliseconds(data: Path, first_id: int | None) -> tuple[float, float]:
    """Return the time from the start until the bus is ready, and until it answers with a schema."""
    started = time.perf_counter()
    with Fakebus("--data", str(data)) as server:
        ready = server.ready_seconds * 1000
        client = Client(server.http_url)
        client.ask("GET", "/subjects?limit=1" if first_id is None else f"/schemas/ids/{first_id}")
        answered = (time.perf_counter() - started) * 1000
        client.close()
    return ready, answered


def starts(count: int) -> None:
    """Print what schemas in the data file add to the time of the start."""
    with tempfile.TemporaryDirectory(prefix="fakebus-bench-") as directory:
        full, empty = Path(directory, "full.db"), Path(directory, "empty.db")
        with Fakebus("--data", str(full)) as server:
            client = Client(server.http_url)
            for number in range(count):
                client.ask("POST", f"/subjects/topic-{number}-value/versions", registration(number))
            client.close()
        times = defaultdict(list)
        for _ in range(STARTS):
            times["full"].append(start_milliseconds(full, 1))
            times["empty"].append(start_milliseconds(empty, None))
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in times.items()
    }
    for what, index in (("ready", 0), ("the first answer of the registry", 1)):
        with_schemas, without = medians["full"][index], medians["empty"][index]
        print(
            f"start to {what}: {without:.0f} ms without schemas, {with_schemas:.0f} ms with "
            f"{count:,} ({with_schemas - without:+.0f} ms)"
        )
    if medians["full"][0] - medians["empty"][0] > ALLOWED_START_MS:
        raise SystemExit(f"{count:,} schemas delay the start by more than {ALLOWED_START_MS} ms")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.registry", description=__doc__)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--schemas", type=int, default=10_000)
    arguments = parser.parse_args()
    latencies(arguments.requests)
    starts(arguments.schemas)


if __name__ == "__main__":
    main()
