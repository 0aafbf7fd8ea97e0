from __future__ import annotations

import asyncio
import gc
import sqlite3
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from fakebus.storage import sqlite_purge
from fakebus.storage.sqlite import SqliteStorage

from .batches import append, batch, new_topic, offsets
from .conftest import OpenStorage


@pytest.fixture
def rows(data_file: Path) -> Callable[[], list[int]]:
    """The row ids of all batches that are still in the file."""

    def read() -> list[int]:
        with sqlite3.connect(data_file) as connection:
            found = [row[0] for row in connection.execute("SELECT id FROM batches ORDER BY id")]
        connection.close()
        return found

    return read


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the file tells nobody
            await asyncio.sleep(0)


async def test_deleted_batches_leave_the_file_in_the_background(
    file_storage: SqliteStorage, rows: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_purge, "CHUNK_ROWS", 3)
    topic = await new_topic(file_storage, partitions=2)
    first, second = topic.log_ids
    await append(file_storage, first, *(batch(n) for n in range(20)))
    await append(file_storage, second, *(batch(n) for n in range(20)))
    await file_storage.delete_before(first, 17)
    await until(lambda: len(rows()) == 23)
    await file_storage.delete_topic(topic.topic_id)
    await until(lambda: rows() == [])
    assert file_storage.get_meta("x") is None


def dead_references() -> int:
    return sum(type(one) is weakref.ref and one() is None for one in gc.get_objects())


async def test_deleted_logs_leave_nothing_behind_in_memory(storage: SqliteStorage) -> None:
    kept = await new_topic(storage, "kept")
    before = dead_references()
    for _ in range(300):
        topic = await new_topic(storage)
        await append(storage, topic.log_ids[0], batch(0))
        await storage.delete_topic(topic.topic_id)
    # A connection may keep one to every cursor that there ever was.
    assert dead_references() - before < 600
    await until(lambda: storage._writer.purge_wanted is False)
    assert storage._logs._log_starts.keys() <= set(kept.log_ids)


async def test_a_later_and_smaller_deletion_does_not_stop_a_purge(
    file_storage: SqliteStorage, rows: Callable[[], list[int]]
) -> None:
    [log_id] = (await new_topic(file_storage)).log_ids
    await append(file_storage, log_id, *(batch(n) for n in range(20)))
    with file_storage.atomic():
        file_storage.delete_before(log_id, 15)
        file_storage.delete_before(log_id, 3)
    await until(lambda: len(rows()) == 5)


async def test_a_chunk_is_bounded_in_bytes(
    file_storage: SqliteStorage, rows: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_purge, "CHUNK_BYTES", 1000)
    [log_id] = (await new_topic(file_storage)).log_ids
    await append(file_storage, log_id, *(batch(n, size=600) for n in range(9)))
    sizes: set[int] = set()
    deleted = file_storage.delete_before(log_id, 9)

    def none_left() -> bool:
        sizes.add(len(rows()))
        return not rows()

    await until(none_left)
    await deleted
    # Two at a time: the second one fills the chunk.
    assert sizes <= {9, 7, 5, 3, 1, 0}
    assert {7, 5, 3, 1} & sizes


async def test_appends_go_on_while_a_large_log_is_purged(
    file_storage: SqliteStorage, rows: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_purge, "CHUNK_ROWS", 1)
    [log_id] = (await new_topic(file_storage)).log_ids
    await append(file_storage, log_id, *(batch(n) for n in range(200)))
    await file_storage.delete_before(log_id, 200)
    for offset in range(200, 210):
        await append(file_storage, log_id, batch(offset))
        # One chunk, here one row, goes with each group.
        assert len(rows()) > 180
    assert await offsets(file_storage, log_id) == list(range(200, 210))


async def test_rows_that_wait_to_be_purged_are_invisible_after_a_crash(
    open_storage: OpenStorage,
    data_file: Path,
    rows: Callable[[], list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def no_purge(self: SqliteStorage) -> bool:
        return False

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStorage, "_purge", no_purge)
        storage = await open_storage(data_file)
        topic = await new_topic(storage, partitions=2)
        kept, emptied = topic.log_ids
        dropped = await new_topic(storage, "dropped")
        for log_id in (kept, emptied, *dropped.log_ids):
            await append(storage, log_id, *(batch(n, timestamp=100 - n) for n in range(10)))
        await storage.delete_before(kept, 6)
        await storage.delete_before(emptied, 10)
        await storage.delete_topic(dropped.topic_id)
        await storage.close()
        assert len(rows()) == 30

        storage = await open_storage(data_file)
        states = await storage.load_logs()
        assert [(s.log_start_offset, s.log_end_offset, s.size_bytes) for s in states] == [
            (6, 10, 40),
            (10, 10, 0),
        ]
        assert [s.max_timestamp for s in states] == [94, -1]
        assert await offsets(storage, kept) == [6, 7, 8, 9]
        # New batches of the empty log know nothing of the old timestamps.
        await append(storage, emptied, batch(10, timestamp=5))
        assert await storage.batch_with_max_timestamp(emptied, 0, 1000) == (10, 10, 5)
        await storage.close()

    storage = await open_storage(data_file)
    await until(lambda: len(rows()) == 5)
    assert await offsets(storage, kept) == [6, 7, 8, 9]
    assert await offsets(storage, emptied) == [10]
    await storage.close()


async def test_the_space_of_deleted_batches_is_used_again(
    file_storage: SqliteStorage, data_file: Path, rows: Callable[[], list[int]]
) -> None:
    sizes: list[int] = []
    for generation in range(6):
        topic = await new_topic(file_storage, f"generation {generation}")
        [log_id] = topic.log_ids
        await append(file_storage, log_id, *(batch(n, size=100_000) for n in range(50)))
        await file_storage.delete_topic(topic.topic_id)
        await until(lambda: rows() == [])
        with sqlite3.connect(data_file) as connection:
            sizes.append(connection.execute("PRAGMA page_count").fetchone()[0])
        connection.close()
    assert sizes[-1] == sizes[1]
