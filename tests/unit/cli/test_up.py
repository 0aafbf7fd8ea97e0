"""``fakebus up`` as a process: readiness, signals, exit codes, and what it says when it fails."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakebus.cli.main import run

START_TIMEOUT_S = 60


class Up:
    """One ``fakebus up``."""

    def __init__(self, directory: Path, *arguments: str, **environment: str) -> None:
        self.ready_file = directory / "ready.json"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("FAKEBUS_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fakebus", "up", *arguments],
            cwd=directory,
            env={**clean, "FAKEBUS_READY_FILE": str(self.ready_file), **environment},
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_ready(self) -> dict[str, Any]:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.ready_file.exists():
            assert self.process.poll() is None, self.errors()
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        found: dict[str, Any] = json.loads(self.ready_file.read_text())
        return found

    def wait(self) -> int:
        return self.process.wait(START_TIMEOUT_S)

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


Start = Callable[..., Up]
FREE = ("--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Up] = []

    def make(*arguments: str, **environment: str) -> Up:
        started.append(Up(tmp_path, *arguments, **environment))
        return started[-1]

    yield make
    for up in started:
        up.close()


def test_the_ready_file_tells_everything_and_goes_when_the_bus_goes(start: Start) -> None:
    up = start("--memory", *FREE, "--kafka", "127.0.0.1:0")
    ready = up.wait_until_ready()
    assert set(ready) == {
        *("pid", "bootstrap_servers", "http_url", "kafka", "http", "redis", "topics", "records")
    }
    assert ready["pid"] == up.process.pid
    assert len(ready["kafka"]) == 2
    assert ready["kafka"][0] == ready["bootstrap_servers"]
    for address in ready["kafka"]:
        host, port = address.split(":")
        socket.create_connection((host, int(port)), timeout=60).close()
    with urllib.request.urlopen(f"{ready['http_url']}/ready", timeout=60) as answer:  # noqa: S310
        assert json.load(answer)["ready"] is True
    up.process.send_signal(signal.SIGTERM)
    assert up.wait() == 0
    assert not up.ready_file.exists()


def test_a_ready_file_of_a_killed_process_is_not_believed(start: Start) -> None:
    first = start("--memory", *FREE)
    first.wait_until_ready()
    first.process.kill()
    first.wait()
    assert first.ready_file.exists()
    second = start("--memory", *FREE, "--fixtures", "nowhere")
    assert second.wait() == 2
    assert not second.ready_file.exists()


@pytest.mark.parametrize("link", [False, True])
def test_a_file_that_is_no_ready_file_is_neither_removed_nor_overwritten(
    start: Start, tmp_path: Path, link: bool
) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text('{"pid": 1}' if not link else '{"pid":1,"bootstrap_servers":"","http_url":""}')
    before = mine.read_text()
    path = mine
    if link:
        path = tmp_path / "link.json"
        path.symlink_to(mine)
    up = start("--memory", *FREE, "--ready-file", str(path))
    assert up.wait() == 2
    assert ("is a symbolic link" if link else "was not written by fakebus up") in up.errors()
    assert mine.read_text() == before
    assert path.is_symlink() == link


def test_an_unknown_variable_is_told_at_the_start(start: Start) -> None:
    up = start("--memory", *FREE, FAKEBUS_READYFILE="x")
    up.wait_until_ready()
    up.process.send_signal(signal.SIGTERM)
    assert up.wait() == 0
    assert "FAKEBUS_READYFILE is no setting and is ignored; did you mean FAKEBUS_READY_FILE?" in (
        up.errors()
    )


def test_an_empty_ready_file_of_mktemp_is_written(start: Start, tmp_path: Path) -> None:
    (tmp_path / "ready.json").touch()
    up = start("--memory", *FREE)
    told = ""
    while not told:
        assert up.process.poll() is None
        threading.Event().wait(0.01)
        # The empty one is taken away first.
        with contextlib.suppress(FileNotFoundError):
            told = up.ready_file.read_text()
    assert up.wait_until_ready()["pid"] == up.process.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_while_clients_stay_connected(
    start: Start, number: signal.Signals
) -> None:
    up = start("--memory", *FREE)
    host, port = up.wait_until_ready()["bootstrap_servers"].split(":")
    with socket.create_connection((host, int(port))) as client:
        up.process.send_signal(number)
        assert up.wait() == 0
        assert client.recv(1) == b""
    assert "Traceback" not in up.errors()


def test_http_answers_are_json_also_for_errors(start: Start) -> None:
    url = start("--memory", *FREE).wait_until_ready()["http_url"]
    with urllib.request.urlopen(f"{url}/health", timeout=60) as answer:  # noqa: S310
        assert json.load(answer)["status"] == "up"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{url}/nothing/here", timeout=60)  # noqa: S310
    with caught.value as error:
        assert error.code == 404
        assert json.load(error)["error_code"] == 404


def test_a_port_in_use_is_said_and_nothing_is_written(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = start("--kafka", f"127.0.0.1:{port}", "--http", "127.0.0.1:0")
        assert up.wait() == 2
        text = up.errors()
    assert f"127.0.0.1:{port}" in text
    assert "in use" in text
    assert "Traceback" not in text
    assert not up.ready_file.exists()


def test_an_http_port_in_use_is_said(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = start("--memory", "--kafka", "127.0.0.1:0", "--http", f"127.0.0.1:{port}")
        assert up.wait() == 2
    assert f"cannot listen for HTTP on 127.0.0.1:{port}" in up.errors()


def _foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()


FOREIGN: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("my notes\n" * 100),
    "another program's database": _foreign_database,
    "a directory": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_data_file_that_is_not_ours_is_refused_and_not_touched(
    start: Start, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "other.db"
    FOREIGN[kind](path)
    before = path.read_bytes() if path.is_file() else None
    up = start("--data", str(path), *FREE)
    assert up.wait() == 2
    text = up.errors()
    assert "other.db" in text
    assert "Traceback" not in text
    if before is not None:
        assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.db"]


def test_two_processes_cannot_have_the_same_data_file(start: Start, tmp_path: Path) -> None:
    start("--data", "one.db", *FREE).wait_until_ready()
    second = start("--data", "one.db", *FREE, FAKEBUS_READY_FILE=str(tmp_path / "second.json"))
    assert second.wait() == 2
    assert "one.db" in second.errors()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set", "num.partitionz=3"), "num.partitionz"),
        (("--set", "num.partitions=many"), "num.partitions"),
        (("--set", "nonsense"), "KEY=VALUE"),
        (("--kafka", "127.0.0.1:notaport"), "port must be a number"),
        (("--kafka", "no.such.host.invalid:9092"), "no.such.host.invalid"),
        (("--fixtures", "nowhere"), "nowhere"),
        (("--config", "nowhere.toml"), "nowhere.toml"),
        (("--data", "no/such/directory/x.db"), "no/such/directory"),
        (("--brokers", "21"), "it is 1 to 20"),
        (("--memory", "--data", "x.db"), "not allowed with"),
        (("--frobnicate",), "--frobnicate"),
        (("--ready-file", "no/\x1b[2J/ready"), "no/\\x1b[2J/ready"),
        (("--kafka", "\x1b[31mred:1"), "'\\x1b[31mred:1' is not an address"),
        (("--data", "no/\x1b[2J\u202e/x.db"), "no/\\x1b[2J\\u202e"),
        (("--fixtures", "\x1b[2J\udcff"), "there is no directory \\x1b[2J\\udcff"),
        (("\x1b[2J",), "unrecognized arguments: \\x1b[2J"),
    ],
)
def test_bad_input_exits_with_2_and_a_clear_line(
    arguments: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    # The command has the log for itself.
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    level = root.level
    storage = () if "--data" in arguments else ("--memory",)
    ports = FREE if "--kafka" not in arguments else FREE[2:]
    try:
        status = run(["up", *storage, *ports, *arguments])
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        root.setLevel(level)
    assert status == 2
    text = capfd.readouterr().err
    assert says in text
    assert "Traceback" not in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_reset_seeds_afresh(start: Start, tmp_path: Path) -> None:
    fixtures = tmp_path / "set"
    fixtures.mkdir()
    (fixtures / "fakebus.yaml").write_text(
        "version: 1\ntopics: [{name: t, value: {format: string}, load: events.ndjson}]\n"
    )
    events = fixtures / "events.ndjson"
    arguments = ("--data", "bus.db", *FREE, "--fixtures", "set")
    events.write_text('{"value": "one"}\n')
    up = start(*arguments)
    assert up.wait_until_ready()["records"] == 1
    up.process.terminate()
    assert up.wait() == 0
    events.write_text('{"value": "changed"}\n{"value": "two"}\n')
    up = start(*arguments)
    assert up.wait() == 2
    text = up.errors()
    assert "events.ndjson:1" in text
    assert "--reset" in text
    assert start(*arguments, "--reset").wait_until_ready()["records"] == 2


def test_json_logs_are_one_object_a_line(start: Start) -> None:
    up = start("--memory", *FREE, "--log-format", "json")
    up.wait_until_ready()
    up.process.terminate()
    assert up.wait() == 0
    lines = [json.loads(line) for line in up.errors().splitlines()]
    assert [line["message"] for line in lines if "ready in" in line["message"]]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        up = start("--memory", "--kafka", address, "--log-format", "json")
        assert up.wait() == 2
    (line,) = up.errors().splitlines()
    assert "the port is in use" in json.loads(line)["message"]


def test_help_and_version_need_no_bus() -> None:
    for arguments in (["--help"], ["up", "--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-m", "fakebus", *arguments], capture_output=True, text=True
        )
        assert done.returncode == 0
        assert done.stdout
