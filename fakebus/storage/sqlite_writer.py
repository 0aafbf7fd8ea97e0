"""Group commit: one task takes everything that waits and commits it in one transaction.

A group makes one trip to the writer's thread. While it is away the next group collects, so
the more writers there are, the larger the groups. A small group that finds the thread idle
is committed right here instead: two switches between threads cost more than a commit that
does not wait for the disk, and they are most of what a lone producer waits for.

What nobody waits for is lazy: one such write goes with each group, so producers wait for little.

When a group fails, its writes and all that queued up behind it are undone in memory, newest
first, and reported as failed by one plain function, so that nobody can enqueue anything in
between.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Concatenate, ParamSpec

from fakebus.errors import StorageError
from fakebus.limited_log import LimitedLog
from fakebus.storage.interface import OnDone, StoredBatch, Undo
from fakebus.storage.sqlite_connection import WorkerConnection
from fakebus.storage.sqlite_transaction import Operation, Transaction
from fakebus.storage.sqlite_wal import WriteAheadLog

logger = logging.getLogger("fakebus.storage")

P = ParamSpec("P")

MAX_GROUP_BYTES = 4 * 1024 * 1024
"""A group is closed when its batches reach this size: all that comes meanwhile waits for it."""

MAX_INLINE_BYTES = 32 * 1024
MAX_INLINE_WRITES = 128
"""A group up to this size is committed on the event loop, in some 20 to 200 microseconds."""

_NOTED_WRITES = 16
"""Small writes after which the write-ahead log is looked after."""

Write = tuple[Operation, tuple[Any, ...], OnDone, int, Undo | None]
"""The operation, its arguments, whom to tell, the bytes of batches it holds, and its undoing."""


class GroupCommitWriter:
    """The queue of writes and the task that empties it.

    Args:
        connection: that of the transaction; groups are committed in its thread.
        transaction: commits a group.
        purge: does a bounded piece of work in the background, between two groups, and
            returns whether there is more to do.
        quick: the operations that are always quick, so that they may be committed inline.
        wal: the write-ahead log, which is kept short; none in memory.
    """

    def __init__(
        self,
        connection: WorkerConnection,
        transaction: Transaction,
        purge: Callable[[], Awaitable[bool]],
        quick: frozenset[Operation] = frozenset(),
        wal: WriteAheadLog | None = None,
    ) -> None:
        self.pending_bytes = 0
        self.failure: BaseException | None = None
        self.purge_wanted = True
        self.refusal: Callable[[], StorageError | None] | None = None
        """Says why what is to be committed now is to fail; asked for every group that somebody
        waits for."""
        self._connection = connection
        self._transaction = transaction
        self._purge = purge
        self._quick = quick
        self._wal = wal
        if wal is not None:
            wal.on_cut_wanted = self.want_purge
        self._unnoted_writes = 0
        self._inline_planned = False
        self._failures = LimitedLog(logger)
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        # A unit is one write, or the list of writes of an atomic block.
        self._queue: deque[Write | list[Write]] = deque()
        self._lazy: deque[Write] = deque()
        self._unit: list[Write] | None = None
        self._busy = False
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._wake: asyncio.Future[None] | None = None
        self._task = self._loop.create_task(self._run(), name="fakebus storage writer")

    def enqueue(
        self,
        operation: Operation,
        arguments: tuple[Any, ...],
        on_done: OnDone,
        size: int = 0,
        undo: Undo | None = None,
        *,
        lazily: bool = False,
    ) -> None:
        """Commit a write after all that were enqueued before it, of those that are as lazy.

        Args:
            operation: run in the writer's thread, with the transaction and ``arguments``.
            arguments: for the operation; unchanged until it is done.
            on_done: called on the event loop after the commit.
            size: bytes of record batches in the arguments, or what costs as much.
            undo: called if the write fails, before anybody is told.
            lazily: let others that are not lazy go first; one lazy write goes with each group.

        Raises:
            StorageError: the writer is closed; ``undo`` was called.
        """
        if self._closing:
            if undo is not None:
                undo()
            raise StorageError("the storage is closed")
        self.pending_bytes += size
        write = (operation, arguments, on_done, size, undo)
        if self._unit is not None:
            self._unit.append(write)
            return
        if lazily:
            self._lazy.append(write)
            self._wake_up()
            return
        self._queue.append(write)
        if self._wake is None or self._inline_planned:
            return
        if operation in self._quick and size <= MAX_INLINE_BYTES:
            # In the next turn, so that whatever else this turn brings shares the commit.
            self._inline_planned = True
            self._loop.call_soon(self._commit_small_group)
        else:
            self._wake_up()

    def enqueue_batches(
        self,
        operation: Operation,
        log_id: int,
        batches: Sequence[StoredBatch],
        on_done: OnDone,
        undo: Undo | None = None,
    ) -> None:
        """Append batches to a log; see :meth:`enqueue`."""
        size = 0
        for batch in batches:
            size += len(batch.data)
        self.enqueue(operation, (log_id, batches), on_done, size, undo)

    def when_pending_at_most(self, size_bytes: int, resume: Callable[[], None]) -> None:
        """Call ``resume`` in its turn; see :class:`PendingWrites`."""
        self._waiting.append((size_bytes, resume))

    def _resume_waiting(self) -> None:
        # One that goes on may enqueue so much that the next one has to wait again, and it may
        # ask again itself: behind the others.
        while self._waiting and self.pending_bytes <= self._waiting[0][0]:
            self._waiting.popleft()[1]()

    def _commit_small_group(self) -> None:
        self._inline_planned = False
        if self._wake is None or not self._queue:
            return
        group: list[Write] = []
        for unit in self._queue:
            group.extend(unit if isinstance(unit, list) else (unit,))
            if len(group) > MAX_INLINE_WRITES:
                break
        size, are_quick = 0, True
        for operation, _, _, size_bytes, _ in group:
            size += size_bytes
            are_quick = are_quick and operation in self._quick
        is_small = are_quick and size <= MAX_INLINE_BYTES and len(group) <= MAX_INLINE_WRITES
        try:
            if not is_small or not self._commit_inline(group):
                self._wake_up()
                return
        except Exception as error:  # noqa: BLE001 - it goes to those it concerns
            self._queue.clear()
            self._fail(group, _as_storage_error(error))
            return
        self._queue.clear()
        self._report(group, None)

    def _commit_inline(self, group: list[Write]) -> bool:
        """Commit a group at once, in this thread; false when that would take long."""
        connection, wal = self._connection, self._wal
        if connection.calls_begun != connection.calls_ended or (wal and wal.look_due):
            return False
        if self.refusal is not None:
            self._check_refusal(group)
        try:
            self._transaction.run(group)
        except sqlite3.Error as error:
            raise connection.explain(error) from error
        self._unnoted_writes += len(group)
        if self._unnoted_writes >= _NOTED_WRITES:
            self._note(group)
        return True

    def _check_refusal(self, group: list[Write]) -> None:
        failure = self.refusal() if self.refusal is not None and _are_waited_for(group) else None
        if failure is not None:
            raise failure

    async def _commit(self, group: list[Write]) -> None:
        if self.refusal is not None:
            self._check_refusal(group)
        if self._wal is not None and self._wal.look_due:
            await self._wal.keep_short()
        await self._connection.call(_run, self._transaction, group)
        self._note(group)

    def _note(self, group: list[Write]) -> None:
        noted, self._unnoted_writes = len(group) + self._unnoted_writes, 0
        if self._wal is not None:
            self._wal.note(noted, sum(write[3] for write in group))

    def enqueue_with_future(
        self,
        operation: Operation,
        arguments: tuple[Any, ...],
        on_done: OnDone | None = None,
        undo: Undo | None = None,
        size: int = 0,
        *,
        lazily: bool = False,
    ) -> asyncio.Future[None]:
        """Commit a write and return the future that says so.

        Args:
            operation: run in the writer's thread, with the transaction and ``arguments``.
            arguments: for the operation.
            on_done: called before the future is done.
            undo: called if the write fails, before anybody is told.
            size: of the arguments, in bytes.
            lazily: let others go first; see :meth:`enqueue`.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        on_done = partial(_finish, future, on_done)
        self.enqueue(operation, arguments, on_done, size, undo, lazily=lazily)
        return future

    def writing(
        self,
        operation: Callable[Concatenate[Transaction, P], None],
        size_of: Callable[..., int] | None = None,
    ) -> Callable[P, asyncio.Future[None]]:
        """Return the function that enqueues an operation with the arguments that it is given.

        Args:
            operation: run in the writer's thread, with the transaction and the arguments.
            size_of: tells the bytes of arguments that may be large.
        """

        def enqueue(*arguments: P.args, **named: P.kwargs) -> asyncio.Future[None]:
            if named:
                raise TypeError("what is written is given by position")
            size = 0 if size_of is None else size_of(*arguments)
            return self.enqueue_with_future(operation, arguments, size=size)

        return enqueue

    def owe(self, operation: Operation, *arguments: Any) -> None:
        """Run an operation with the next writes that are committed, whichever these are."""
        self._transaction.owe(operation, *arguments)

    def want_purge(self) -> None:
        """Do background work as soon as nothing waits to be written."""
        self.purge_wanted = True
        self._wake_up()

    def _wake_up(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)

    def atomic(self) -> AbstractContextManager[None]:
        """Make one unit of the writes that are enqueued in the block."""
        return _Unit(self)

    def _end_unit(self, unit: list[Write]) -> None:
        self._unit = None
        if unit:
            self._queue.append(unit)
            if self._wake is not None and not self._inline_planned:
                # There it is seen whether it is small.
                self._inline_planned = True
                self._loop.call_soon(self._commit_small_group)

    async def flush(self) -> None:
        """Return when all that was enqueued so far is committed; raise if that failed."""
        if self._busy or self._queue or self._lazy:
            first = self.enqueue_with_future(_do_nothing, ())
            await asyncio.gather(first, self.enqueue_with_future(_do_nothing, (), lazily=True))

    async def close(self) -> None:
        """Commit what is enqueued and end the task."""
        self._closing = True
        self._wake_up()
        await self._task

    async def _run(self) -> None:
        while True:
            if self._queue or self._lazy:
                await self._commit_group(self._take_group())
            elif self._closing:
                return
            elif not self.purge_wanted:
                self._wake = self._loop.create_future()
                await self._wake
                continue
            if self.purge_wanted and not self._closing:
                await self._purge_some()

    def _take_group(self) -> list[Write]:
        group: list[Write] = []
        size = 0
        while self._queue and size < MAX_GROUP_BYTES:
            unit = self._queue.popleft()
            if isinstance(unit, list):
                group.extend(unit)
                size += sum(write[3] for write in unit)
            else:
                group.append(unit)
                size += unit[3]
        if self._lazy:
            # Those who produce wait for the whole group.
            group.append(self._lazy.popleft())
        return group

    async def _commit_group(self, group: list[Write]) -> None:
        self._busy = True
        try:
            await self._commit(group)
        except Exception as error:  # noqa: BLE001 - it goes to those it concerns
            self._fail(group, _as_storage_error(error))
        else:
            self._report(group, None)
        finally:
            self._busy = False
            # The thread keeps its last call until the next one: let go of the batches.
            group.clear()

    def _fail(self, group: list[Write], failure: BaseException) -> None:
        self._failures.log(logging.ERROR, "writes failed: %s", failure)
        while self._queue:
            unit = self._queue.popleft()
            group.extend(unit if isinstance(unit, list) else (unit,))
        group += self._lazy
        self._lazy.clear()
        for _, _, _, _, undo in reversed(group):
            if undo is not None:
                self._tell(undo)
        self._report(group, failure)

    def _report(self, writes: list[Write], failure: BaseException | None) -> None:
        if failure is not None or (self.failure is not None and _are_waited_for(writes)):
            self.failure = failure
        for _, _, on_done, size, _ in writes:
            self.pending_bytes -= size
            try:
                on_done(failure)
            except Exception as error:  # noqa: BLE001 - a mistake of one must not harm others
                self._blame(error)
        if self._waiting:
            # In the next turn: whoever is told of a failure must not enqueue anything.
            self._loop.call_soon(self._resume_waiting)

    def _tell(self, undo: Undo) -> None:
        try:
            undo()
        except Exception as error:  # noqa: BLE001 - a mistake of one must not harm others
            self._blame(error)

    def _blame(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": "a callback of a stored write failed", "exception": error}
        )

    async def _purge_some(self) -> None:
        try:
            self.purge_wanted = await self._purge()
        except StorageError as error:
            # The next start or the next deletion tries again.
            logger.warning("deleted batches still take up space: %s", error)
            self.purge_wanted = False


class _Unit:
    """Block of a unit; one inside another belongs to it. A generator would cost more."""

    __slots__ = ("_own", "_writer")

    def __init__(self, writer: GroupCommitWriter) -> None:
        self._writer = writer
        self._own: list[Write] | None = None

    def __enter__(self) -> None:
        if self._writer._unit is None:
            self._own = self._writer._unit = []

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            self._writer._end_unit(self._own)


def _are_waited_for(writes: list[Write]) -> bool:
    return any(write[2] is not tell_nobody for write in writes)


def _as_storage_error(error: Exception) -> StorageError:
    if isinstance(error, StorageError):
        return error
    failure = StorageError(f"a value cannot be stored: {error!r}")
    failure.__cause__ = error
    return failure


def _finish(
    future: asyncio.Future[None], on_done: OnDone | None, failure: BaseException | None
) -> None:
    if on_done is not None:
        on_done(failure)
    if future.done():
        return
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)


def _run(_: sqlite3.Connection, transaction: Transaction, group: list[Write]) -> None:
    transaction.run(group)


def tell_nobody(_failure: BaseException | None) -> None:
    """Take the outcome of a write that nobody waits for; the writer has logged it."""


def _do_nothing(_transaction: object) -> None:
    return
