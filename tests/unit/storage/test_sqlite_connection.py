"""What runs in the thread of a connection, and in which order."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator

import pytest

from fakebus.errors import StorageError
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
