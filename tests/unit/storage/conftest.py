from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from fakebus.storage import sqlite_reads
from fakebus.storage.sqlite import SqliteStorage


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    return tmp_path / "bus.db"


OpenStorage = Callable[[Path], Awaitable[SqliteStorage]]


@pytest.fixture
async def open_storage() -> AsyncIterator[OpenStorage]:
    """Opens data files, and closes at the end what a failed test has left open.

    A storage that is never closed keeps the interpreter from ending.
    """
    opened: list[SqliteStorage] = []

    async def open_and_note(path: Path) -> SqliteStorage:
        storage = await SqliteStorage.open(path, durable=False)
        opened.append(storage)
        return storage

    yield open_and_note
    for storage in opened:
        await storage.close()


@pytest.fixture(params=["memory", "file"])
async def storage(request: pytest.FixtureRequest, data_file: Path) -> AsyncIterator[SqliteStorage]:
    path = data_file if request.param == "file" else None
    opened = await SqliteStorage.open(path, durable=False)
    yield opened
    await opened.close()


@pytest.fixture
async def file_storage(data_file: Path) -> AsyncIterator[SqliteStorage]:
    opened = await SqliteStorage.open(data_file, durable=False)
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def invented_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take any bytes for batches, as most of these tests do."""
    monkeypatch.setattr(sqlite_reads, "damaged_batches", lambda batches: [])
    monkeypatch.setattr(sqlite_reads, "is_of_its_row", lambda row, head: True)
