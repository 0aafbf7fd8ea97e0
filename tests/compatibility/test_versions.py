"""Versions of data files: the newest is kept, and later ones are refused."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fakebus.app import BusThread, FakeBus
from fakebus.errors import StorageError
from fakebus.storage.migrations import MIGRATIONS
from tests.compatibility.kept import VERSIONS, settings, unpack


def test_a_file_of_the_version_of_this_checkout_is_kept() -> None:
    # A new step of the migrations: python -m torture.keep tests/compatibility/files
    assert VERSIONS[-1] == len(MIGRATIONS)


def test_a_file_of_a_later_version_is_refused_by_name_and_left_alone(tmp_path: Path) -> None:
    data = unpack(VERSIONS[-1], tmp_path)
    with closing(sqlite3.connect(data)) as file:
        file.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = hashlib.sha256(data.read_bytes()).hexdigest()
    with (
        pytest.raises(StorageError, match="was written by a newer fakebus: the file has version"),
        BusThread(FakeBus(settings(data))),
    ):
        pass
    assert hashlib.sha256(data.read_bytes()).hexdigest() == before
    assert [path.name for path in tmp_path.iterdir()] == ["bus.db"]
