"""What runs in the thread of a connection, and in which order."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fakebus.errors import StorageError
from fakebus.storage import sqlite_connection
from fakebus.storage.sqlite_connection import WorkerConnection


@pytest.fixture
async def connection() -> AsyncIterator[WorkerConnection]:
    connection = await WorkerConnection.open(None, busy_timeout_s=1)
    yield connection
    await connection.close()


class Line:
    """Calls that stand in line behind one that does not end yet."""

    def __init__(self, connection: WorkerConnection) -> None:
        self.connection = connection
        self.ran: list[str] = []
        self._go_on = threading.Event()
        self._first = asyncio.ensure_future(connection.call(lambda _: self._go_on.wait()))

    def note(self, _: sqlite3.Connection, name: str) -> str:
        self.ran.append(name)
        return name

    def fail(self, _: sqlite3.Connection, name: str) -> str:
        self.ran.append(name)
        raise sqlite3.OperationalError(name)

    async def end(self) -> None:
        await asyncio.sleep(0)
        self._go_on.set()
        await self._first


async def test_what_is_called_does_not_wait_for_reads_that_were_asked_for_before(
    connection: WorkerConnection,
) -> None:
    line = Line(connection)
    await asyncio.sleep(0)
    reads = [asyncio.ensure_future(connection.read(line.note, f"read {n}")) for n in range(3)]
    await asyncio.sleep(0)
    calls = [asyncio.ensure_future(connection.call(line.note, f"call {n}")) for n in range(2)]
    await line.end()
    assert await asyncio.gather(*reads) == ["read 0", "read 1", "read 2"]
    assert await asyncio.gather(*calls) == ["call 0", "call 1"]
    assert line.ran == ["call 0", "call 1", "read 0", "read 1", "read 2"]
    assert connection.calls_begun == connection.calls_ended == 6


async def test_each_is_told_its_own_error_whoever_made_the_trip(
    connection: WorkerConnection,
) -> None:
    line = Line(connection)
    await asyncio.sleep(0)
    reads = [asyncio.ensure_future(connection.read(line.fail, f"read {n}")) for n in range(2)]
    await asyncio.sleep(0)
    calls = [
        asyncio.ensure_future(connection.call(line.fail, "call")),
        asyncio.ensure_future(connection.call(line.note, "good")),
    ]
    await line.end()
    told = await asyncio.gather(*reads, *calls, return_exceptions=True)
    assert told.pop() == "good"
    for error, name in zip(told, ("read 0", "read 1", "call"), strict=True):
        assert isinstance(error, StorageError)
        assert name in str(error)


async def test_who_gives_up_takes_nothing_from_others(connection: WorkerConnection) -> None:
    line = Line(connection)
    await asyncio.sleep(0)
    reads = [asyncio.ensure_future(connection.read(line.note, f"read {n}")) for n in range(3)]
    await asyncio.sleep(0)
    calls = [asyncio.ensure_future(connection.call(line.note, f"call {n}")) for n in range(3)]
    await asyncio.sleep(0)
    for given_up in (reads[0], calls[1], calls[2]):
        given_up.cancel()
    await line.end()
    assert await asyncio.gather(*reads[1:], calls[0]) == ["read 1", "read 2", "call 0"]
    assert sorted(line.ran) == ["call 0", "call 1", "call 2", "read 0", "read 1", "read 2"]
    assert connection.calls_begun == connection.calls_ended == 7


def test_the_thread_of_what_cannot_be_opened_ends_before_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    path = tmp_path / "nowhere" / "x.db"
    for _ in range(30):
        with pytest.raises(StorageError, match=r"cannot open .*/nowhere/x\.db: unable to open"):
            asyncio.run(WorkerConnection.open(path, busy_timeout_s=1))
    assert not failed


async def test_who_gives_up_opening_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = threading.Event(), threading.Event()
    opened: list[sqlite3.Connection] = []

    class Slow(sqlite_connection._CallingConnection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            asked.set()
            go_on.wait()
            super().__init__(*args, **kwargs)
            opened.append(self)

    monkeypatch.setattr(sqlite_connection, "_CallingConnection", Slow)
    opening = asyncio.ensure_future(WorkerConnection.open(tmp_path / "x.db", busy_timeout_s=1))
    await asyncio.to_thread(asked.wait)
    opening.cancel()
    await asyncio.sleep(0)
    assert not opening.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].total_changes  # noqa: B018 - it asks the connection


async def test_what_runs_without_end_is_interrupted(connection: WorkerConnection) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    begun = threading.Event()

    def run(database: sqlite3.Connection) -> None:
        begun.set()
        database.execute(endless)

    running = asyncio.ensure_future(connection.call(run))
    await asyncio.to_thread(begun.wait)
    await connection.interrupt()
    with pytest.raises(StorageError, match="interrupted"):
        await running
