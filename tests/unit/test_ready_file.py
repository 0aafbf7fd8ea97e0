"""The ready file is there while a bus is ready, and no other file is touched for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakebus.output_files import OutputRefusedError
from fakebus.ready_file import ReadyFile

CONTENT = {"pid": 1, "bootstrap_servers": "127.0.0.1:9092", "http_url": None}


def test_what_was_written_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    ready = ReadyFile(path)
    ready.write(CONTENT)
    assert json.loads(path.read_text()) == CONTENT
    ready.remove()
    assert not path.exists()


def test_the_file_of_another_bus_stays_when_the_first_stops(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    first, second = ReadyFile(path), ReadyFile(path)
    first.write(CONTENT)
    second.write({**CONTENT, "pid": 2})
    first.remove()
    assert json.loads(path.read_text())["pid"] == 2


def test_the_file_of_a_killed_bus_is_removed_and_another_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    path.write_text(json.dumps(CONTENT))
    ReadyFile(path).remove_stale()
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(OutputRefusedError):
        ReadyFile(path).remove_stale()
    with pytest.raises(OutputRefusedError):
        ReadyFile(path).write(CONTENT)
    assert path.read_text() == "mine"
