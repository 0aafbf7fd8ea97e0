"""The line that says that long work goes on."""

from __future__ import annotations

import io
import os
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakebus.cli import progress
from fakebus.cli.fixture_actions import check
from fakebus.cli.main import run
from fakebus.cli.output import print_json, print_lines
from fakebus.cli.progress import counter, hidden, working


class Terminal:
    """Standard error on a pseudo terminal."""

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        self.stream = os.fdopen(slave, "w")
        self.seen = ""

    def show(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be the standard error of this test; pytest has its own until the test begins."""
        monkeypatch.setattr(sys, "stderr", self.stream)

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.seen:
            assert time.monotonic() < deadline, repr(self.seen)
            if select.select([self._master], [], [], 1)[0]:
                self.seen += os.read(self._master, 10_000).decode()

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    found = Terminal()
    monkeypatch.setattr(progress, "PATIENCE_S", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    yield found
    found.close()


def test_long_work_is_shown_counted_and_taken_away(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.show(monkeypatch)
    with working("seeding"):
        terminal.wait_for("\r\x1b[Kseeding, ")
        count = counter()
        assert count is not None
        count(1200, 5000)
        terminal.wait_for("\r\x1b[Kseeding: 1,200 of 5,000, ")
    print("end", file=sys.stderr, flush=True)
    terminal.wait_for("end")
    assert terminal.seen.endswith(" s\r\x1b[Kend\r\n")
    assert counter() is None


def test_what_is_printed_meanwhile_takes_the_place_of_the_line(
    terminal: Terminal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.show(monkeypatch)
    with working("checking"):
        terminal.wait_for("checking")
        print_lines("found", error=True, flush=True)
        terminal.wait_for("\r\x1b[Kfound\r\n")
        print_json({"a": 1})
        with hidden():
            pass
    assert capsys.readouterr().out == '{\n  "a": 1\n}\n'


def test_a_short_work_is_not_shown(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.show(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE_S", 60)
    with working("checking"):
        pass
    print("end", file=sys.stderr, flush=True)
    terminal.wait_for("end")
    assert "checking" not in terminal.seen


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_nothing_is_shown_in_pipes_and_on_terminals_that_cannot_erase(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    stream = io.StringIO() if term == "xterm" else terminal.stream
    monkeypatch.setattr(sys, "stderr", stream)
    with working("checking"):
        assert counter() is None


def test_the_actions_of_fixtures_that_take_long_are_shown(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def slow(_: object) -> int:
        terminal.wait_for("checking, ")
        return 0

    terminal.show(monkeypatch)
    monkeypatch.setattr(check, "run", slow)
    assert run(["fixtures", "check", str(tmp_path)]) == 0
