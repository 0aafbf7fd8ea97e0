"""What tests of members that come and go share: processes, a load, and waiting for what must be."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import confluent_kafka

CHECKOUT = Path(__file__).resolve().parents[2]


class Process:
    """Process of a module of these tests, each line of which is heard.

    Args:
        module: the module.
        words: its arguments.
        hear: called with each whole line.
        ended: called when there will be no more, with the exit status or, negative, the signal of
            one that has crashed by itself; None of one that was killed, or has left as it was to.
    """

    def __init__(
        self,
        module: str,
        words: Sequence[str],
        hear: Callable[[str], None],
        ended: Callable[[int | None], None],
    ) -> None:
        self._killed = self._leaves = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd=CHECKOUT,
        )
        self._hear, self._ended = hear, ended
        self._hearing = threading.Thread(target=self._listen, daemon=True)
        self._hearing.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # Who is killed may leave a part of one.
            if line.endswith("\n"):
                self._hear(line)
        status = self._process.wait()
        self._ended(None if self._killed or (self._leaves and not status) else status)

    def say(self, word: str) -> None:
        """Say something to it; one that was killed does not hear it."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(f"{word}\n")

    def leave(self) -> None:
        """Tell it to leave, and wait until it has."""
        self._leaves = True
        self.say("leave")
        self._wait()

    def kill(self) -> None:
        """End it at once."""
        self._killed = True
        self._process.kill()
        self._wait()

    def _wait(self) -> None:
        self._process.wait(60)
        self._hearing.join()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdout.close()
        # It may still hold what was never read.
        with contextlib.suppress(OSError):
            self._process.stdin.close()


class Load:
    """Load on all partitions of a topic, a record after the other until it is stopped.

    Args:
        bootstrap_servers: the broker.
        topic: what is written to.
        partitions: how many it has.
        pause_s: between two records.
    """

    def __init__(self, bootstrap_servers: str, topic: str, partitions: int, pause_s: float) -> None:
        self.stored: set[tuple[int, int]] = set()
        """Partition and offset of what was acknowledged."""
        self._producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap_servers})
        self._topic, self._partitions, self._pause_s = topic, partitions, pause_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write no more, and wait until all is acknowledged; may be called again."""
        self._stopped.set()
        self._thread.join()

    def _acknowledged(self, error: Any, message: Any) -> None:
        if error is None:
            self.stored.add((message.partition(), message.offset()))

    def _write(self) -> None:
        number = 0
        while not self._stopped.is_set():
            partition = number % self._partitions
            self._producer.produce(
                self._topic, b"x", partition=partition, on_delivery=self._acknowledged
            )
            self._producer.poll(self._pause_s)
            number += 1
        self._producer.flush()


def wait(what: str, condition: Callable[[], bool], told: Callable[[], object] = str) -> None:
    """Wait until something is so.

    Args:
        what: the sentence that has not come to be, for the message.
        condition: whether it is so.
        told: what else the message says.

    Raises:
        AssertionError: it is not so after a minute and a half.
    """
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, f"{what} has not come to be: {told()}"
        time.sleep(0.02)
