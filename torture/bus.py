"""Bus that is started on the same file and ports again and again, however it ended."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from fakebus.cli.main import run
from tools.kafka import free_port

CHECKOUT = Path(__file__).parents[1]
# Each bus is a process of its own, but none of them waits for its imports.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    # The last is what each process imports as it is imported by what began it.
    [
        "fakebus.cli.main",
        "fakebus.cli.up",
        "fakebus.app",
        "fakebus.web.application",
        "torture.kills",
    ]
)
PATIENCE_S = 120
"""A machine may be busy with ten other things."""
SETTINGS = (
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=500",
    "fakebus.evict.on.disconnect=true",
)


class BusError(AssertionError):
    """A bus did not start, or did not end as it should; the text ends with its log."""


def run_command(directory: Path, log: Path, arguments: Sequence[str]) -> None:
    """Run the command line in a directory, with no settings but those given."""
    os.chdir(directory)
    for name in [name for name in os.environ if name.startswith("FAKEBUS_")]:
        del os.environ[name]
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.exit(run(arguments))


class Bus:
    """``fakebus up`` on one file and fixed ports.

    Args:
        directory: of its files.
        environment: what its process has in its environment besides; it is then no fork of one that
            has imported everything, since a library can only be put in front at the beginning.
        settings: configs besides :data:`SETTINGS`.
        data: the data file, if it is not in the directory.
    """

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        settings: Sequence[str] = (),
        data: Path | None = None,
    ) -> None:
        self.directory = directory
        self.data = data or directory / "bus.db"
        self.log = directory / "bus.log"
        self.kafka, self.http, self.redis = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.starts_s: list[float] = []
        self.pid = 0
        self._environment = environment
        self._settings = (*SETTINGS, *settings)
        self._ready = directory / "ready.json"
        self._process: multiprocessing.process.BaseProcess | subprocess.Popen[bytes] | None = None

    @property
    def http_url(self) -> str:
        """Where the registry is."""
        return f"http://{self.http}"

    def start(self) -> None:
        """Start it; return when clients can connect.

        Raises:
            BusError: it ended, or took too long.
        """
        self._ready.unlink(missing_ok=True)
        arguments = ["up", "--log-level", "warning", "--data", str(self.data)]
        arguments += ["--kafka", self.kafka, "--http", self.http, "--redis", self.redis]
        arguments += ["--ready-file", "ready.json", *(f"--set={each}" for each in self._settings)]
        began = time.monotonic()
        if self._environment is None:
            fork = FORKS.Process(target=run_command, args=(self.directory, self.log, arguments))
            fork.start()
            self._process, self.pid = fork, fork.pid or 0
        else:
            with self.log.open("ab") as output:
                popen = subprocess.Popen(
                    [sys.executable, "-m", "fakebus", *arguments],
                    cwd=self.directory,
                    stdout=output,
                    stderr=output,
                    env={"PYTHONPATH": str(CHECKOUT), "PATH": os.defpath, **self._environment},
                )
            self._process, self.pid = popen, popen.pid
        while not self._ready.exists():
            if not self.is_alive() or time.monotonic() - began > PATIENCE_S:
                raise BusError(f"the bus did not start: {self.said()[-2000:]}")
            time.sleep(0.002)
        self.starts_s.append(time.monotonic() - began)

    def said(self) -> str:
        """Return its log, of all its starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def is_alive(self) -> bool:
        """Whether the process runs."""
        if isinstance(self._process, subprocess.Popen):
            return self._process.poll() is None
        return self._process is not None and self._process.is_alive()

    def kill(self) -> None:
        """End the process with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._wait()

    def stop(self) -> None:
        """End the process with SIGTERM.

        Raises:
            BusError: it lingered, or its exit status is not 0.
        """
        if self._process is None:
            return
        self._process.terminate()
        status = self._wait()
        if status:
            raise BusError(f"the bus ended with {status}: {self.said()[-2000:]}")

    def freeze(self, seconds: float) -> None:
        """Stop the process as it stands with SIGSTOP, and let it go on after a while."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(self.pid, signal.SIGCONT)

    def _wait(self) -> int | None:
        process, self._process = self._process, None
        if isinstance(process, subprocess.Popen):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            return process.poll()
        assert process is not None
        process.join(15)
        return process.exitcode
