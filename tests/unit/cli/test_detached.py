"""A bus in the background: ``up --detach``, ``status`` and ``down``."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakebus.addresses import parse_address
from fakebus.cli.detached import Detached
from fakebus.cli.main import run
from fakebus.client.bus_http import BusHttp
from fakebus.client.reachability import connect_problem
from fakebus.errors import ConfigError

UP = ["up", "--detach", "--memory", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]
WAIT_SECONDS = 60.0


class Directory:
    """Directory with a bus in its background, as commands in it see it."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self.bus = Detached(Path(), os.environ)

    def run(self, *arguments: str, code: int = 0) -> str:
        self._capfd.readouterr()
        assert run(list(arguments)) == code
        output, errors = self._capfd.readouterr()
        return errors if code == 2 else output

    def status(self, code: int = 0) -> Any:
        return json.loads(self.run("status", "--json", code=code))

    def wait_until_free(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while self.bus.state() is not None:
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Directory]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    directory = Directory(capfd)
    yield directory
    directory.bus.stop()


def test_a_bus_is_started_found_and_stopped(here: Directory, tmp_path: Path) -> None:
    output = here.run(*UP, "--ready-file", "mine.json")
    state = here.status()
    assert state["running"] is True
    assert f"running as process {state['pid']}: Kafka on {state['bootstrap_servers']}" in output
    # It serves clients already.
    assert connect_problem(parse_address(state["bootstrap_servers"])) is None
    assert json.loads(Path("mine.json").read_text())["pid"] == state["pid"]
    assert output == here.run("status")
    bus = BusHttp(state["http_url"])
    bus.request("POST", "/faults", {"delay_s": 1, "topic": "orders"})
    told = "on purpose: delay any request by 1 s, topic orders (happened 0 times); to end it:"
    assert here.run("status") == (
        f"{output}{told}  fakebus faults remove 1 --http {state['http_url']}\n"
    )
    assert [each["fault"] for each in here.status()["faults"]] == [1]
    assert "ready in" in Path(state["log"]).read_text()
    assert f"already (process {state['pid']})" in here.run(*UP, code=2)
    assert here.run("down") == f"stopped process {state['pid']}\n"
    assert not Path("mine.json").exists()
    assert here.status(code=1)["running"] is False
    assert "no bus runs" in here.run("down")


def test_each_directory_has_its_own(
    here: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.run(*UP)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert here.status(code=1) == {"running": False, "directory": str(tmp_path / "other")}
    assert "no bus runs" in here.run("down")
    monkeypatch.chdir(tmp_path / "project")
    assert here.status()["running"] is True


def test_what_a_killed_bus_has_left_is_not_taken_for_a_running_one(here: Directory) -> None:
    here.run(*UP)
    os.kill(here.status()["pid"], signal.SIGKILL)
    here.wait_until_free()
    assert "the log of the last one" in here.run("status", code=1)
    assert "no bus runs" in here.run("down")
    here.run(*UP)
    assert here.status()["running"] is True


def test_a_bus_that_does_not_start_says_why(here: Directory) -> None:
    message = here.run(*UP, "--set", "no.such=1", "--profile", "demo", code=2)
    assert message.startswith("fakebus: profile has no effect")
    assert "\nfakebus: the bus did not start (exit code 2):\n" in message
    assert message.endswith("fakebus: there is no broker config 'no.such'\n")
    assert here.status(code=1)["running"] is False


def test_a_bus_that_is_just_starting_is_told_so(here: Directory) -> None:
    lock = here.bus._lock(fcntl.LOCK_EX)
    assert lock is not None
    try:
        assert "a bus is starting (process unknown)" in here.run("status")
        assert "just being started" in here.run("down", code=2)
    finally:
        os.close(lock)


def test_nothing_in_the_current_directory_is_run(here: Directory) -> None:
    Path("select.py").write_text('raise SystemExit("this was run")\n')
    Path("fakebus.py").write_text('raise SystemExit("this was run")\n')
    here.run(*UP)
    assert here.status()["running"] is True


@pytest.mark.parametrize("pid", [-1, 0, 1, True, "17", None, os.getppid(), 2**40])
def test_no_process_is_stopped_but_the_one_that_holds_the_lock(
    here: Directory, monkeypatch: pytest.MonkeyPatch, pid: object
) -> None:
    signals: list[int] = []
    monkeypatch.setattr(os, "kill", lambda process, signal: signals.append(process))
    lock = here.bus._lock(fcntl.LOCK_EX)
    assert lock is not None
    try:
        here.bus._write({"pid": pid})
        assert "just being started" in here.run("down", code=2)
    finally:
        os.close(lock)
    assert signals == []


def test_the_log_overwrites_nothing_that_a_link_leads_to(here: Directory, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    assert here.bus.state() is None
    here.bus.log.symlink_to(tmp_path / "precious")
    assert "cannot be used" in here.run(*UP, code=2)
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_cache_of_another_user_is_not_used(
    here: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: 12345)
        assert "is another user's" in here.run("status", code=2)


def test_a_relative_cache_is_ignored_and_a_missing_home_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environ = {"XDG_CACHE_HOME": "cache"}
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert Detached(Path(), environ).log.is_relative_to(tmp_path / ".cache")

    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    with pytest.raises(ConfigError, match="XDG_CACHE_HOME"):
        Detached(Path(), environ)
