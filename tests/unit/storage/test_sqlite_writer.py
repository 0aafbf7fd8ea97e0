from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fakebus.errors import StorageError
from fakebus.storage import sqlite_writer
from fakebus.storage.interface import OffsetRow, Storage, StoredBatch
from fakebus.storage.sqlite import SqliteStorage
from fakebus.storage.sqlite_transaction import Transaction
from fakebus.storage.sqlite_writer import GroupCommitWriter, Write

from .batches import append, batch, new_log, offsets
from .conftest import OpenStorage

Outcome = tuple[str, BaseException | None]


class Outcomes:
    """Notes the order in which callbacks come."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, bool]] = []

    def of(self, name: str):  # type: ignore[no-untyped-def]
        return lambda failure: self.noted.append((name, failure is None))


def writer_with(commit: Callable[[list[Write]], Awaitable[None]]) -> GroupCommitWriter:
    """A writer that has nothing but a way to commit."""

    async def purge() -> bool:
        return False

    nothing: Any = None
    writer = GroupCommitWriter(nothing, nothing, purge)
    writer._commit = commit  # type: ignore[method-assign]
    return writer


def poison() -> StoredBatch:
    """A batch that no column can hold."""
    return batch(0)._replace(max_timestamp=1 << 70)


async def test_callbacks_come_in_the_order_of_the_calls(storage: Storage) -> None:
    log_id, outcomes = await new_log(storage), Outcomes()
    for offset in range(100):
        storage.append_batches(log_id, [batch(offset)], outcomes.of(str(offset)))
        if offset % 9 == 0:
            await asyncio.sleep(0)
    await storage.flush()
    assert outcomes.noted == [(str(offset), True) for offset in range(100)]


async def test_a_statement_for_many_rows_finds_what_was_appended_before(storage: Storage) -> None:
    log_id = await new_log(storage)

    def append_and_delete(transaction: Transaction) -> None:
        transaction.append(log_id, [batch(0), batch(1)])
        transaction.executemany("DELETE FROM batches WHERE last_offset = ?", [(0,)])

    assert isinstance(storage, SqliteStorage)
    await storage._writer.enqueue_with_future(append_and_delete, ())
    assert await offsets(storage, log_id) == [1]


async def test_nothing_is_reported_before_control_returns_to_the_loop(storage: Storage) -> None:
    log_id, outcomes = await new_log(storage), Outcomes()
    storage.append_batches(log_id, [batch(0)], outcomes.of("a"))
    assert outcomes.noted == []
    await storage.flush()
    assert outcomes.noted == [("a", True)]


async def test_pending_bytes_are_those_not_yet_committed(storage: Storage) -> None:
    log_id = await new_log(storage)
    seen: list[int] = []
    assert storage.writes.pending_bytes == 0
    storage.append_batches(
        log_id,
        [batch(0, size=100), batch(1, size=11)],
        lambda _: seen.append(storage.writes.pending_bytes),
    )
    storage.append_batches(
        log_id, [batch(2, size=7)], lambda _: seen.append(storage.writes.pending_bytes)
    )
    assert storage.writes.pending_bytes == 118
    await storage.flush()
    assert seen == [7, 0]


async def test_who_waits_for_room_goes_on_when_enough_is_stored(storage: Storage) -> None:
    log_id = await new_log(storage)
    resumed: list[str] = []
    storage.append_batches(log_id, [batch(0, size=100)], lambda _: None)
    storage.writes.when_pending_at_most(99, lambda: resumed.append("at most 99"))
    storage.writes.when_pending_at_most(-1, lambda: resumed.append("never"))
    await storage.flush()
    await asyncio.sleep(0)
    assert resumed == ["at most 99"]
    storage.append_batches(log_id, [batch(1, size=100)], lambda _: None)
    await storage.flush()
    await asyncio.sleep(0)
    assert resumed == ["at most 99"], "each is called once"


async def test_who_goes_on_may_make_the_next_one_wait(storage: Storage) -> None:
    log_id = await new_log(storage)
    resumed: list[int] = []

    def go_on(number: int) -> None:
        resumed.append(number)
        storage.append_batches(log_id, [batch(1, size=100)], lambda _: None)

    storage.append_batches(log_id, [batch(0, size=100)], lambda _: None)

    def ask(number: int) -> None:
        storage.writes.when_pending_at_most(50, lambda: go_on(number))

    ask(1)
    ask(2)
    await storage.flush()
    await asyncio.sleep(0)
    assert resumed == [1]
    ask(1)
    await storage.flush()
    await asyncio.sleep(0)
    assert resumed == [1, 2], "who asks again stands behind who still waits"


async def test_a_small_write_that_fails_is_taken_back_and_told_once(storage: Storage) -> None:
    log_id, outcomes = await new_log(storage), Outcomes()
    undone: list[str] = []
    storage.append_batches(
        log_id, [poison()], outcomes.of("poison"), lambda: undone.append("poison")
    )
    # Two turns: the first ends this one, the second commits what is small.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert outcomes.noted == [("poison", False)]
    assert undone == ["poison"]
    assert storage.writes.pending_bytes == 0
    await append(storage, log_id, batch(0))


async def test_a_failure_takes_everything_in_the_group_and_in_the_queue_with_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One write a group, so that the rest is still in the queue when the first one fails.
    monkeypatch.setattr(sqlite_writer, "MAX_GROUP_BYTES", 1)
    log_id, outcomes = await new_log(storage), Outcomes()
    storage.append_batches(log_id, [batch(0)], outcomes.of("before"))
    await storage.flush()
    storage.append_batches(log_id, [poison()], outcomes.of("poison"))
    storage.append_batches(log_id, [batch(1)], outcomes.of("second"))
    with storage.atomic():
        storage.append_batches(log_id, [batch(2)], outcomes.of("third"))
        storage.append_batches(log_id, [batch(3)], outcomes.of("fourth"))
    offsets_stored = storage.commit_offsets("g", [OffsetRow(topic="t", partition=0, offset=1)])
    with pytest.raises(StorageError):
        await storage.flush()
    names = ["poison", "second", "third", "fourth"]
    assert outcomes.noted == [("before", True), *((name, False) for name in names)]
    with pytest.raises(StorageError):
        await offsets_stored
    assert await offsets(storage, log_id) == [0]
    assert await storage.load_groups() == []
    assert storage.writes.pending_bytes == 0


async def test_no_other_task_runs_between_the_first_failure_and_the_last(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "MAX_GROUP_BYTES", 1)
    log_id = await new_log(storage)
    events: list[str] = []
    running = True

    async def busybody() -> None:
        while running:
            events.append("other task")
            await asyncio.sleep(0)

    task = asyncio.ensure_future(busybody())
    storage.append_batches(log_id, [poison()], lambda _: events.append("first"))
    for _ in range(20):
        storage.append_batches(log_id, [batch(5)], lambda _: events.append("failed"))
    storage.append_batches(log_id, [batch(5)], lambda _: events.append("last"))
    with pytest.raises(StorageError):
        await storage.flush()
    running = False
    await task
    first, last = events.index("first"), events.index("last")
    assert events[first : last + 1] == ["first", *["failed"] * 20, "last"]


async def test_the_storage_works_after_a_failure(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0, timestamp=7, size=5))
    with pytest.raises(StorageError):
        await append(storage, log_id, batch(1, timestamp=99, size=50), poison())
    await append(storage, log_id, batch(1, timestamp=8, size=5))
    assert await offsets(storage, log_id) == [0, 1]
    # What the failed batches added to the totals is gone with them.
    [state] = await storage.load_logs()
    assert (state.size_bytes, state.max_timestamp) == (10, 8)


async def test_a_refusal_fails_the_write_that_it_is_asked_for_and_not_the_next(
    storage: Storage,
) -> None:
    log_id = await new_log(storage)
    answers = [StorageError("the disk is full"), None]
    storage.writes.refusal = lambda: answers.pop(0)
    with pytest.raises(StorageError, match="the disk is full"):
        await append(storage, log_id, batch(0))
    await append(storage, log_id, batch(0))
    assert answers == []
    assert await offsets(storage, log_id) == [0]


async def test_an_offset_that_is_taken_is_a_storage_error(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0))
    with pytest.raises(StorageError, match="UNIQUE"):
        await append(storage, log_id, batch(0))


async def test_an_atomic_block_is_stored_as_a_whole_or_not_at_all(storage: Storage) -> None:
    log_id = await new_log(storage)
    with storage.atomic():
        stored = append(storage, log_id, batch(0), batch(1))
        offset = storage.commit_offsets("g", [OffsetRow(topic="t", partition=0, offset=2)])
        failing = append(storage, log_id, poison())
    for future in (stored, offset, failing):
        with pytest.raises(StorageError):
            await future
    assert await offsets(storage, log_id) == []
    assert await storage.load_groups() == []


async def test_an_atomic_block_is_never_split(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "MAX_GROUP_BYTES", 1)
    log_id = await new_log(storage)
    with storage.atomic():
        first = append(storage, log_id, batch(0, size=100))
        with storage.atomic():
            second = append(storage, log_id, batch(1, size=100))
        third = append(storage, log_id, poison())
    with pytest.raises(StorageError):
        await third
    assert isinstance(first.exception(), StorageError)
    assert isinstance(second.exception(), StorageError)
    assert await offsets(storage, log_id) == []


async def test_writes_before_an_exception_in_an_atomic_block_are_stored(storage: Storage) -> None:
    log_id = await new_log(storage)
    stored: list[asyncio.Future[None]] = []

    def interrupted_block() -> None:
        with storage.atomic():
            stored.append(append(storage, log_id, batch(0)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted_block()
    await stored[0]
    await append(storage, log_id, batch(1))
    assert await offsets(storage, log_id) == [0, 1]


async def test_an_empty_atomic_block_is_nothing(storage: Storage) -> None:
    with storage.atomic():
        pass
    # Nothing is under way that would have to be waited for.
    flush = storage.flush()
    with pytest.raises(StopIteration):
        flush.send(None)


async def test_flush_of_an_idle_storage_returns_at_once(storage: Storage) -> None:
    await storage.flush()
    flush = storage.flush()
    with pytest.raises(StopIteration):
        flush.send(None)


async def test_flush_waits_for_a_group_under_way(storage: Storage) -> None:
    log_id, outcomes = await new_log(storage), Outcomes()
    storage.append_batches(log_id, [batch(0)], outcomes.of("a"))
    await asyncio.sleep(0)
    await storage.flush()
    assert outcomes.noted == [("a", True)]


async def test_close_commits_what_is_enqueued(open_storage: OpenStorage, data_file: Path) -> None:
    storage = await open_storage(data_file)
    log_id, outcomes = await new_log(storage), Outcomes()
    storage.append_batches(log_id, [batch(0)], outcomes.of("a"))
    await storage.close()
    assert outcomes.noted == [("a", True)]
    storage = await open_storage(data_file)
    assert await offsets(storage, log_id) == [0]
    await storage.close()


async def test_a_closed_storage_refuses_writes_and_reads(storage: SqliteStorage) -> None:
    log_id = await new_log(storage)
    await storage.close()
    with pytest.raises(StorageError, match="closed"):
        storage.append_batches(log_id, [batch(0)], lambda _: None)
    with pytest.raises(StorageError, match="closed"):
        await storage.read_batches(log_id, 0, 10, 10)
    await storage.close()


async def test_a_callback_that_raises_does_not_keep_others_from_being_told(
    storage: Storage,
) -> None:
    log_id, outcomes = await new_log(storage), Outcomes()
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def careless(_: BaseException | None) -> None:
        raise ZeroDivisionError

    storage.append_batches(log_id, [batch(0)], careless)
    storage.append_batches(log_id, [batch(1)], outcomes.of("other"))
    await storage.flush()
    assert outcomes.noted == [("other", True)]
    assert isinstance(reported[0]["exception"], ZeroDivisionError)
    await append(storage, log_id, batch(2))


async def test_a_caller_that_gave_up_waiting_does_no_harm(storage: Storage) -> None:
    given_up = storage.set_meta("a", "1")
    given_up.cancel()
    await storage.flush()
    assert storage.get_meta("a") == "1"


async def test_a_read_whose_caller_gave_up_does_not_disturb_the_next_commit(
    storage: Storage,
) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n, size=1_000_000) for n in range(50)))
    for offset in range(50, 60):
        read = asyncio.ensure_future(storage.read_batches(log_id, 0, 50, 1 << 30))
        # Far enough for the read to run in its thread.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        read.cancel()
        await asyncio.gather(read, return_exceptions=True)
        await append(storage, log_id, batch(offset))
    assert (await storage.load_logs())[0].log_end_offset == 60


async def test_what_waits_while_a_group_is_away_makes_the_next_group() -> None:
    groups: list[list[int]] = []
    gate, away = asyncio.Event(), asyncio.Event()

    async def commit(writes: list[Write]) -> None:
        groups.append([arguments[0] for _, arguments, *_ in writes])
        away.set()
        await gate.wait()

    writer = writer_with(commit)
    for number in range(3):
        writer.enqueue(print, (number,), lambda _: None)
    await away.wait()
    for number in range(3, 7):
        writer.enqueue(print, (number,), lambda _: None)
    gate.set()
    await writer.close()
    assert groups == [[0, 1, 2], [3, 4, 5, 6]]


async def test_a_group_ends_when_it_is_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "MAX_GROUP_BYTES", 10)
    sizes: list[int] = []

    async def commit(writes: list[Write]) -> None:
        sizes.append(sum(write[3] for write in writes))

    writer = writer_with(commit)
    for size in (4, 4, 4, 1, 50, 3):
        writer.enqueue(print, (), lambda _: None, size)
    with writer.atomic():
        for _ in range(5):
            writer.enqueue(print, (), lambda _: None, 4)
    await writer.close()
    assert sizes == [12, 51, 23]


def threads_of_commits(storage: SqliteStorage) -> list[threading.Thread]:
    """Return a list that grows by the thread of every commit from now on."""
    threads: list[threading.Thread] = []
    run = storage._writer._transaction.run

    def noting(writes: Any) -> None:
        threads.append(threading.current_thread())
        run(writes)

    storage._writer._transaction.run = noting  # type: ignore[method-assign]
    return threads


async def test_a_small_atomic_block_is_committed_in_the_event_loop_and_a_large_one_is_not(
    storage: SqliteStorage,
) -> None:
    log_id, offset, threads = await new_log(storage), 0, threads_of_commits(storage)
    here = threading.current_thread()
    # The first ones may find the thread still busy with the start.
    while here not in threads:
        with storage.atomic():
            append(storage, log_id, batch(offset))
            stored = storage.set_meta("k", "v")
        await stored
        offset += 1
    with storage.atomic():
        for number in range(sqlite_writer.MAX_INLINE_WRITES):
            append(storage, log_id, batch(offset + number))
        stored = storage.set_meta("k", "w")
    await stored
    assert threads[-1] is not here


async def test_an_atomic_block_with_what_may_take_long_is_not_committed_in_the_event_loop(
    storage: SqliteStorage,
) -> None:
    log_id, offset, threads = await new_log(storage), 0, threads_of_commits(storage)
    here = threading.current_thread()
    while here not in threads:
        await append(storage, log_id, batch(offset))
        offset += 1
    await storage.flush()
    threads.clear()
    with storage.atomic():
        append(storage, log_id, batch(offset))
        deleted = storage.delete_group("g")
    await deleted
    assert here not in threads


async def test_a_commit_of_very_many_offsets_does_not_run_in_the_event_loop(
    storage: SqliteStorage,
) -> None:
    threads = threads_of_commits(storage)
    rows = [OffsetRow(topic="t", partition=index, offset=1) for index in range(1000)]
    while threading.current_thread() not in threads:
        await storage.commit_offsets("g", rows[:1])
    await storage.commit_offsets("g", rows)
    assert threads[-1] is not threading.current_thread()


async def test_a_group_of_writes_holds_no_more_offsets_than_are_soon_stored(
    storage: SqliteStorage,
) -> None:
    rows = [OffsetRow(topic="t", partition=index, offset=1) for index in range(8000)]
    groups: list[int] = []
    run = storage._writer._transaction.run

    def noting(writes: Any) -> None:
        # The purge may begin beside.
        groups.append(sum(operation.__name__ == "commit_offsets" for operation, *_ in writes))
        run(writes)

    storage._writer._transaction.run = noting  # type: ignore[method-assign]
    await asyncio.gather(*(storage.commit_offsets(f"g{number}", rows) for number in range(6)))
    assert max(groups) <= 2
    assert sum(groups) == 6


async def test_lazy_writes_go_one_with_a_group_and_in_their_order() -> None:
    groups: list[list[str]] = []
    outcomes = Outcomes()

    async def commit(group: list[Write]) -> None:
        groups.append([write[1][0] for write in group if write[1]])
        await asyncio.sleep(0)

    def nothing(*_: object) -> None:
        return

    writer = writer_with(commit)
    for number in range(3):
        name = f"lazy {number}"
        writer.enqueue(nothing, (name,), outcomes.of(name), lazily=True)
    for name in ("a", "b"):
        writer.enqueue(nothing, (name,), outcomes.of(name))
    await writer.flush()
    assert groups == [["a", "b", "lazy 0"], ["lazy 1"], ["lazy 2"], []]
    assert [name for name, _ in outcomes.noted] == ["a", "b", "lazy 0", "lazy 1", "lazy 2"]
    writer.enqueue(nothing, ("last",), outcomes.of("last"), lazily=True)
    await writer.close()
    assert groups[-1] == ["last"]


async def test_a_failure_takes_lazy_writes_with_it() -> None:
    outcomes = Outcomes()

    async def commit(_: list[Write]) -> None:
        raise StorageError("the disk is full")

    writer = writer_with(commit)
    for name, lazily in (("lazy", True), ("later", True), ("a", False)):
        writer.enqueue(lambda *_: None, (), outcomes.of(name), lazily=lazily)
    with pytest.raises(StorageError):
        await writer.flush()
    assert sorted(outcomes.noted) == [("a", False), ("later", False), ("lazy", False)]
    await writer.close()


async def test_a_lazy_write_in_an_atomic_block_belongs_to_it() -> None:
    groups: list[list[str]] = []

    async def commit(group: list[Write]) -> None:
        groups.append([write[1][0] for write in group])

    writer = writer_with(commit)
    with writer.atomic():
        writer.enqueue(lambda *_: None, ("a",), lambda _: None)
        writer.enqueue(lambda *_: None, ("lazy",), lambda _: None, lazily=True)
    await writer.close()
    assert groups == [["a", "lazy"]]
