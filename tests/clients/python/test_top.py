"""``fakebus top`` in a terminal, on whatever cluster, and on three brokers of which one goes."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from fakebus.testing.embedded_bus import EmbeddedBus, bus_settings
from fakebus.testing.isolation import Isolation
from tests.clients.cluster import Cluster
from tests.clients.python.client import Committed, Partition
from tests.clients.python.confluent import ConfluentClient

pytestmark = pytest.mark.clients
_PATIENCE_S = 60
_CLEAR = "\x1b[H\x1b[2J"
_END = "\x1b[?1049l"
_MARKS = re.compile("\x1b\\[[0-9;]*m|│")
"""What is bold, and the lines of tables."""


class Terminal:
    """Terminal with a command that draws on it."""

    def __init__(self, *command: str) -> None:
        self._master, slave = pty.openpty()
        self.resize(30, 100)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fakebus", *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            # As with what has started it from Python's prompt; the window has the last word.
            env={**os.environ, "LINES": "24"},
            preexec_fn=self._take_terminal,
        )
        os.close(slave)
        self.text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    @staticmethod
    def _take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        # What a script starts in the background ignores Ctrl-C, and so would all below it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def resize(self, lines: int, columns: int) -> None:
        """Let the window have another size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def wait_for(self, drawn: Callable[[str], object], what: str) -> str:
        """Return the first whole screen from now on for which something holds."""
        self.text = ""
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            self._read()
            *_, screen, _ = ["", "", *self.text.split(_CLEAR)]
            plain = _MARKS.sub("", screen)
            if drawn(plain):
                return plain
        raise AssertionError(f"{what} was not drawn: {self.text[-2000:]!r}")

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], 0.1)
        if not ready:
            return True
        try:
            part = os.read(self._master, 65536)
        except OSError:
            # The other end is closed.
            return False
        # What is read may end within a letter.
        self.text += self._decoder.decode(part)
        return bool(part)

    def end(self, how: Callable[[Terminal], None]) -> tuple[int, str]:
        """End the command; return its status and what it has printed meanwhile."""
        self.text = ""
        how(self)
        while self._read() and self.process.poll() is None:
            pass
        status = self.process.wait(_PATIENCE_S)
        while select.select([self._master], [], [], 0)[0] and self._read():
            pass
        return status, self.text

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    with contextlib.ExitStack() as opened:

        def open_one(*command: str) -> Terminal:
            made = Terminal(*command)
            opened.callback(made.close)
            return made

        yield open_one


def _rate(screen: str, topic: str) -> float:
    """Return how many records a second a screen tells of a topic; 0 if it is not there."""
    row = re.search(rf"^\s*{re.escape(topic)}\s+\d+\s+\d+\s+([\d.e+]+)", screen, re.MULTILINE)
    return float(row[1]) if row else 0.0


def _lag(screen: str, group: str) -> int | None:
    row = re.search(rf"^\s*{re.escape(group)}\s+\w+\s+\d+\s+(\d+)", screen, re.MULTILINE)
    return int(row[1]) if row else None


def test_what_goes_on_is_drawn_again_and_again_until_ctrl_c(
    cluster: Cluster,
    confluent: ConfluentClient,
    new_topic: Callable[..., str],
    terminal: Callable[..., Terminal],
) -> None:
    topic = new_topic(3)
    confluent.consumer(topic).commit({Partition(topic, 0): Committed(0, "")})
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers})
    shown = terminal("top", "--bootstrap-server", cluster.bootstrap_servers, "--interval", "0.3")

    def is_drawn(screen: str) -> bool:
        producer.produce(topic, b"x", partition=0)
        producer.poll(0)
        return _rate(screen, topic) > 0 and (_lag(screen, topic) or 0) > 0

    shown.wait_for(is_drawn, "the topic with its rate and its group")
    shown.resize(14, 60)
    shown.wait_for(lambda screen: 0 < screen.count("\n") <= 14, "what a small window holds")
    status, said = shown.end(lambda each: each.press(b"\x03"))
    assert status == 0
    assert _END in said
    assert "Traceback" not in said


def test_the_terminal_is_given_back_to_who_ends_it_otherwise(
    cluster: Cluster, terminal: Callable[..., Terminal]
) -> None:
    shown = terminal("top", "--bootstrap-server", cluster.bootstrap_servers, "--interval", "0.3")
    shown.wait_for(lambda screen: "topic" in screen, "a screen")
    _, said = shown.end(lambda each: each.process.send_signal(signal.SIGTERM))
    assert _END in said
    assert "Traceback" not in said


def test_three_brokers_are_watched_while_one_of_them_is_stopped(
    terminal: Callable[..., Terminal],
) -> None:
    with (
        EmbeddedBus(bus_settings(configs={}, brokers=3)) as embedded,
        embedded.test(Isolation.NONE) as bus,
    ):
        admin = AdminClient({"bootstrap.servers": bus.bootstrap_servers})
        admin.create_topics([NewTopic("orders", 6, 3)])["orders"].result(_PATIENCE_S)
        producer = Producer({"bootstrap.servers": bus.bootstrap_servers})
        shown = terminal(*("top", "--bootstrap-server", bus.bootstrap_servers, "--interval", "0.3"))

        def is_drawn(screen: str) -> bool:
            producer.produce("orders", b"x")
            producer.poll(0)
            return _rate(screen, "orders") > 0

        shown.wait_for(is_drawn, "the topic")
        bus.brokers.stop(1)
        shown.wait_for(is_drawn, "the topic, of which a broker is gone")
        bus.brokers.start(1)
        bus.brokers.stop(2)
        shown.wait_for(is_drawn, "the topic, of which another broker is gone")
        status, said = shown.end(lambda each: each.press(b"\x03"))
        assert status == 0
        assert _END in said
        assert "Traceback" not in said
