"""Connections to SQLite, each with a thread of its own in which whole functions run.

aiosqlite sends every statement to its thread by itself, and each trip costs more than most
of our statements. Here one trip carries a function that runs as many statements as it wants, and
what clients wait to have written does not stand in line behind dozens of questions.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar, cast

import aiosqlite

from fakebus.errors import StorageError
from fakebus.storage.damage import ChangedRowError, Damage, damaged

P = ParamSpec("P")
T = TypeVar("T")

PAGE_SIZE = 16384
"""Bytes in a page. Batches are large; fewer, larger pages make fewer overflow chains."""

_CALL = "call"
_AGAIN_S = 0.01


class _Answer(sqlite3.Cursor):
    """Carries what a function returned through the only door aiosqlite has for values."""

    value: object = None

    def fetchall(self) -> list[Any]:
        return [self.value]


class _CallingConnection(sqlite3.Connection):
    """A connection that takes a function in place of SQL and runs it where SQL is run."""

    problem: sqlite3.Error | None = None
    """Why the database could not be opened; there is an empty one in its place."""

    def __init__(self, database: str, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(database, *args, **kwargs)
        except sqlite3.Error as error:
            # aiosqlite would not wait for the end of its thread, which then tells an event loop
            # that may be closed.
            super().__init__(":memory:", *args, **kwargs)
            self.problem = error

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql is not _CALL:
            return super().execute(sql, parameters)
        function, args, kwargs = parameters
        # A connection remembers its cursors, and forgets those that are gone only in cursor().
        answer = self.cursor(_Answer)
        answer.value = function(self, *args, **kwargs)
        return answer


class _Call(NamedTuple):
    """Function that is to run in the thread, and what it is called with besides the connection."""

    run: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    done: asyncio.Future[Any]
    """Done with what came of it, if it went with the trip of another."""


class WorkerConnection:
    """One SQLite connection and its thread. Make it with :meth:`open`.

    In memory there is one connection for all. What is read in it comes behind what is called
    otherwise, whichever was asked for first.

    The thread is not a daemon: a connection that is never closed keeps the process alive.

    Args:
        connection: what aiosqlite opened.
        name: what error messages call the database.
    """

    def __init__(self, connection: aiosqlite.Connection, name: str) -> None:
        self.calls_begun = 0
        self.calls_ended = 0
        """As many as begun when nothing runs in the thread, nor waits to."""
        self._calls: deque[_Call] = deque()
        self._reads: deque[_Call] = deque()
        self._connection = connection
        self.name = name
        self._closed = False

    @classmethod
    async def open(cls, path: Path | None, *, busy_timeout_s: float) -> WorkerConnection:
        """Open a database, in autocommit mode and with nothing configured yet.

        Args:
            path: the file; ``None`` for a database in memory.
            busy_timeout_s: how long a statement waits for another connection's lock.

        Raises:
            StorageError: SQLite cannot open the file.
        """
        name = ":memory:" if path is None else str(path)
        opened: list[_CallingConnection] = []

        def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            opened.append(_CallingConnection(*args, **kwargs))
            return opened[0]

        # The writer also commits small groups from the event loop's thread, at moments when nothing
        # runs in this one.
        connecting = aiosqlite.connect(
            name,
            isolation_level=None,
            factory=connect,
            check_same_thread=False,
            timeout=busy_timeout_s,
        )
        opening = asyncio.ensure_future(connecting)
        try:
            connection = await _done(opening)
        except asyncio.CancelledError:
            await _done(opening.result().close())
            raise
        if opened[0].problem is not None:
            await connection.close()
            raise StorageError(f"cannot open {name}: {opened[0].problem}")
        return cls(connection, name)

    async def call(
        self,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run ``function(connection, …)`` in the connection's thread and return its value.

        Raises:
            StorageError: SQLite reported an error, or the connection is closed.
        """
        return await self._in_line(self._calls, function, args, kwargs)

    async def _in_line(
        self,
        line: deque[_Call],
        function: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> T:
        if self._closed:
            raise StorageError(f"{self.name} is closed")
        call = _Call(function, args, kwargs, asyncio.get_running_loop().create_future())
        line.append(call)
        self.calls_begun += 1
        try:
            # As many trips as calls; each takes the call that is first by then.
            trip = await self._connection.execute_fetchall(_CALL, (self._run_first, (call,), {}))
            is_own, value = cast(list[tuple[bool, T]], trip)[0]
            return value if is_own else cast(T, await call.done)
        except sqlite3.Error as error:
            raise self.explain(error) from error
        finally:
            call.done.cancel()

    def _run_first(self, connection: sqlite3.Connection, own: _Call) -> tuple[bool, object]:
        call = (self._calls or self._reads).popleft()
        try:
            value = call.run(connection, *call.args, **call.kwargs)
        except BaseException as error:
            if call is own:
                raise
            call.done.get_loop().call_soon_threadsafe(_fail, call.done, error)
            return False, None
        finally:
            # Counted here, as a caller that was cancelled does not see the end of its call.
            self.calls_ended += 1
        if call is own:
            return True, value
        call.done.get_loop().call_soon_threadsafe(_finish, call.done, value)
        return False, None

    def explain(self, error: sqlite3.Error) -> StorageError:
        """Return what SQLite reports as an error that names the database."""
        # Text that is no UTF-8 is told by an error of Python's own, without a code.
        no_code = sqlite3.SQLITE_CORRUPT if isinstance(error, sqlite3.OperationalError) else 0
        if is_damage(getattr(error, "sqlite_errorcode", no_code)):
            known = error.damage if isinstance(error, ChangedRowError) else Damage(str(error))
            return StorageError(damaged(self.name, known))
        return StorageError(f"{self.name}: {error}")

    async def read(
        self,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do as :meth:`call` does, in a read transaction: all it sees is of one moment.

        Raises:
            StorageError: SQLite reported an error, what was read is no value of its kind, or the
                connection is closed.
        """
        try:
            return await self._in_line(
                self._reads, _in_read_transaction, (function, args, kwargs), {}
            )
        except (TypeError, ValueError, LookupError) as error:
            # A byte may also say what type a value has.
            text = f"a value is not as it was written: {error!r}"
            raise StorageError(damaged(self.name, Damage(text))) from error

    def reading(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T]
    ) -> Callable[P, Coroutine[Any, Any, T]]:
        """Return the coroutine function that reads with the arguments that it is given."""
        return partial(self.read, function)

    async def close(self) -> None:
        """Finish what was called, close the connection and end its thread."""
        self._closed = True
        await _done(self._connection.close())

    async def interrupt(self) -> None:
        """Let what runs in the thread end with an error, and return when it has."""
        while self.calls_ended < self.calls_begun:
            await self._connection.interrupt()
            # Between two statements there is nothing to interrupt.
            await asyncio.sleep(_AGAIN_S)


async def _done(work: Awaitable[T]) -> T:
    """Return what work returns; it comes to its end also if nobody wants that any more."""
    doing = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise


def _finish(done: asyncio.Future[Any], value: object) -> None:
    if not done.done():
        done.set_result(value)


def _fail(done: asyncio.Future[Any], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)


def is_damage(code: int) -> bool:
    """Whether an error code of SQLite says that the file is not what it was written as."""
    # The lower byte is the error, the upper ones say more of it.
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _in_read_transaction(
    connection: sqlite3.Connection,
    function: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> T:
    cursor = connection.cursor()
    cursor.execute("BEGIN")
    try:
        return function(connection, *args, **kwargs)
    finally:
        if connection.in_transaction:
            cursor.execute("COMMIT")
