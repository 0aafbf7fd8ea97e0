"""What is measured: fakebus, and the peers that the same run compares it with."""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import psutil

from tools.kafka import LOG_CONFIG, Kafka, RefereeError, answers_metadata, free_port, version

CHECKOUT = Path(__file__).parents[1]
FIXTURES = str(CHECKOUT / "examples" / "json-events")
START_TIMEOUT_S = 60


class PeerMissingError(Exception):
    """A peer is not installed; the text says what it takes."""


@contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """End all of it when a step takes too long, and tell where this process and servers stand.

    Args:
        seconds: how long it may take.
        what: the step, for whoever reads that.
    """

    def end() -> None:
        print(f"{what} has taken more than {seconds:.0f} s, and stands here:", file=sys.stderr)
        faulthandler.dump_traceback()
        for server in psutil.Process().children(recursive=True):
            # Those in Python tell where they stand, too, and end.
            with suppress(psutil.NoSuchProcess):
                server.send_signal(signal.SIGABRT)
        psutil.wait_procs(psutil.Process().children(), timeout=10)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Server:
    """Server in a process of its own, with a directory that goes with it."""

    name = ""
    creates_topics = True
    """Whether it does what administrators ask for."""

    def __init__(self) -> None:
        self.bootstrap_servers = ""
        self.pid = 0
        self.directory = ""
        """Where it keeps its data; empty if in memory."""
        self.metadata_seconds = 0.0
        """From the start of the process to the first answered Metadata."""
        self._temporary = tempfile.TemporaryDirectory(prefix="fakebus-bench-")
        self._place = Path(self._temporary.name)

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(self, *exc: object) -> None:
        self._temporary.cleanup()

    def cpu_seconds(self) -> float:
        # The clock of a process, as clock_getcpuclockid(3) names it: what /proc tells is in ticks
        # of 10 ms, and small figures would be multiples of one.
        return time.clock_gettime((~self.pid << 3) | 2)

    def rss_bytes(self) -> int:
        return int(psutil.Process(self.pid).memory_info().rss)

    def peak_rss_bytes(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    def disk_bytes(self) -> int:
        """Return what its files take up; not what is only reserved."""
        files = [path for path in Path(self.directory).rglob("*") if path.is_file()]
        return sum(path.stat().st_blocks * 512 for path in files)


class _Process(Server):
    """Server that is one child process, and ends on SIGTERM."""

    tells_errors = False
    _process: subprocess.Popen[str]

    def _start(
        self, command: Sequence[str], port: int = 0, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it, and return when it answers.

        Args:
            command: what is started.
            port: where it will answer; 0 if it prints its address.
            environment: as for processes.
        """
        started = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if port else subprocess.PIPE,
            stderr=None if self.tells_errors else subprocess.DEVNULL,
            text=True,
            cwd=self._place,
            env=environment,
        )
        self.pid = self._process.pid
        if not port:
            assert self._process.stdout is not None
            self.bootstrap_servers = self._process.stdout.readline().strip()
            port = int(self.bootstrap_servers.rpartition(":")[2] or 0)
        self.bootstrap_servers = f"127.0.0.1:{port}"
        while not answers_metadata(port):
            if self._process.poll() is not None or time.perf_counter() - started > START_TIMEOUT_S:
                raise RuntimeError(f"{self.name} did not start")
            time.sleep(0.001)
        self.metadata_seconds = time.perf_counter() - started

    def __exit__(self, *exc: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        super().__exit__(*exc)


_WITHOUT_UVLOOP = (
    "import runpy, sys; sys.modules['uvloop'] = None\n"
    "runpy.run_module('fakebus', run_name='__main__', alter_sys=True)"
)


class Fakebus(_Process):
    """``fakebus up``.

    Args:
        arguments: more flags.
        memory: whether it keeps its data in memory instead of a file.
        uvloop: whether it may use it.
        checkout: whose code runs; this one if it is left out.
        under: words for Python in front of the module, such as those of a profiler.
    """

    name = "fakebus"
    tells_errors = True

    def __init__(
        self,
        *arguments: str,
        memory: bool = False,
        uvloop: bool = True,
        checkout: Path | None = None,
        under: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.http_url = ""
        self._under = under
        self._arguments = arguments
        self._memory = memory
        self._uvloop = uvloop
        self._checkout = checkout
        self.ready_seconds = 0.0
        if not memory:
            self.directory = self._temporary.name

    def __enter__(self) -> Self:
        ready = self._place / "ready.json"
        ready.unlink(missing_ok=True)
        port = free_port()
        run = [*self._under, "-m", "fakebus"] if self._uvloop else ["-c", _WITHOUT_UVLOOP]
        command = [sys.executable, "-X", "faulthandler", *run, "up", "--log-level", "error"]
        command += ["--ready-file", str(ready)]
        command += ["--memory"] if self._memory else ["--data", str(self._place / "bench.db")]
        command += ["--kafka", f"127.0.0.1:{port}", "--http", "127.0.0.1:0", *self._arguments]
        started = time.perf_counter()
        self._start(command, port, _environment(self._checkout))
        while not ready.exists():
            # Another server may have answered at the port, that has kept this one from its own.
            if self._process.poll() is not None or time.perf_counter() - started > START_TIMEOUT_S:
                raise RuntimeError(f"{self.name} answers, but is not ready")
            time.sleep(0.001)
        self.ready_seconds = time.perf_counter() - started
        self.http_url = json.loads(ready.read_text())["http_url"]
        return self

    def stop(self) -> None:
        """End the process; a new one may be started on the same data."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)


def _environment(checkout: Path | None) -> dict[str, str]:
    """Return a user's environment: no settings of ours, and compiled modules are kept."""
    ours = ("FAKEBUS_", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return environment | ({"PYTHONPATH": str(checkout)} if checkout else {})


_MOCK = """
import signal, sys, time
from confluent_kafka import Producer
host = Producer({"bootstrap.servers": "", "test.mock.num.brokers": 1, "log_level": 0})
broker = next(iter(host.list_topics(timeout=10).brokers.values()))
print(f"{broker.host}:{broker.port}", flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    time.sleep(1)
"""


class MockCluster(_Process):
    """librdkafka's mock cluster: a broker in C that keeps the last 5 MB of a partition."""

    name = "librdkafka mock"
    creates_topics = False

    def __enter__(self) -> Self:
        self._start([sys.executable, "-c", _MOCK])
        return self


class Kfake(_Process):
    """franz-go's fake cluster, in Go and in memory, built from the Go proxy's module."""

    name = "kfake"

    def __enter__(self) -> Self:
        self._start([str(_built_kfake())])
        return self


def _built_kfake() -> Path:
    if shutil.which("go") is None:
        raise PeerMissingError("the Go toolchain of benchmarks/kfake/go.mod is not installed")
    binary = CHECKOUT / ".cache" / "kfake"
    subprocess.run(
        ["go", "build", "-o", str(binary), "."],
        cwd=CHECKOUT / "benchmarks" / "kfake",
        env={**os.environ, "GOTOOLCHAIN": "local"},
        check=True,
    )
    return binary


class TransactionFloor(_Process):
    """Server in CPython whose answers are ready, see :mod:`benchmarks.floor`."""

    name = "floor of CPython"

    def __enter__(self) -> Self:
        port = free_port()
        self._broker = Fakebus("--advertise", f"127.0.0.1:{port}", memory=True).__enter__()
        asks = self._broker.bootstrap_servers.rpartition(":")[2]
        command = [sys.executable, "-m", "benchmarks.floor", str(port), asks]
        self._start(command, port, _environment(CHECKOUT))
        return self

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        self._broker.__exit__(*exc)


class Noida(_Process):
    """noida-db's Kafka; found on the PATH, or where ``NOIDA_DB`` says (PyPI: noida-db)."""

    name = "noida-db"

    def __enter__(self) -> Self:
        binary = _program("noida-db", "NOIDA_DB")
        port, self.directory = free_port(), self._temporary.name
        command = [binary, "start", "--only", "kafka", "--kafka-port", str(port)]
        self._start([*command, "--data-dir", str(self._place / "data")], port)
        return self


class Tansu(_Process):
    """Tansu over its memory; found on the PATH, or where ``TANSU`` says (crates.io: tansu)."""

    name = "Tansu"

    def __enter__(self) -> Self:
        binary = _program("tansu", "TANSU")
        port = free_port()
        address = f"tcp://127.0.0.1:{port}"
        command = [binary, "broker", "--listener-url", address]
        command += ["--advertised-listener-url", address, "--storage-engine", "memory://tansu/"]
        self._start(command, port)
        return self


def _program(name: str, variable: str) -> str:
    path = os.environ.get(variable) or shutil.which(name)
    if path is None:
        raise PeerMissingError(f"{name} is neither on the PATH nor named by {variable}")
    return path


class ApacheKafka(Server):
    """Apache Kafka in one process, broker and controller, with Java's usual compilers."""

    name = "Apache Kafka"
    _JVM_OPTIONS = ("-Xmx1g", f"-Dlog4j2.configurationFile={LOG_CONFIG}")

    def __enter__(self) -> Self:
        self.directory = self._temporary.name
        try:
            self._kafka = Kafka(self._place, free_port(), {}, self._JVM_OPTIONS)
        except RefereeError as error:
            raise PeerMissingError(str(error)) from error
        started = time.perf_counter()
        self._kafka.start()
        assert self._kafka.process is not None
        self.metadata_seconds = time.perf_counter() - started
        self.pid = self._kafka.process.pid
        self.bootstrap_servers = self._kafka.bootstrap_servers
        return self

    def __exit__(self, *exc: object) -> None:
        self._kafka.stop()
        super().__exit__(*exc)


def _named(name: str, **options: bool) -> Callable[[], Server]:
    def make() -> Server:
        server = Fakebus(**options)  # type: ignore[arg-type]
        server.name = name
        return server

    return make


PEERS: Mapping[str, tuple[str, Callable[[], Server]]] = {
    "file": ("fakebus", _named("fakebus")),
    "memory": ("fakebus, memory", _named("fakebus, memory", memory=True)),
    "file-asyncio": ("fakebus, asyncio", _named("fakebus, asyncio", uvloop=False)),
    "memory-asyncio": (
        "fakebus, memory, asyncio",
        _named("fakebus, memory, asyncio", memory=True, uvloop=False),
    ),
    "kfake": (Kfake.name, Kfake),
    "mock": (MockCluster.name, MockCluster),
    "kafka": (ApacheKafka.name, ApacheKafka),
    "noida": (Noida.name, Noida),
    "tansu": (Tansu.name, Tansu),
}
"""The servers by the word that chooses them: what they are called, and how they are made."""


def versions() -> Iterator[tuple[str, str]]:
    """Tell the versions of what is compared, by name."""
    from importlib.metadata import version as installed

    modules = (CHECKOUT / "benchmarks" / "kfake" / "go.mod").read_text()
    yield "fakebus", installed("fakebus")
    yield "uvloop", installed("uvloop")
    yield "confluent-kafka", installed("confluent-kafka")
    yield Kfake.name, modules.split("franz-go/pkg/kfake ")[1].split()[0]
    yield ApacheKafka.name, version()
