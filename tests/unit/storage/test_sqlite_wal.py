from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fakebus.storage import sqlite_wal
from fakebus.storage.interface import KeptRange, LogChange

from .batches import append, batch, new_log, offsets
from .conftest import OpenStorage

MB = 1024 * 1024


async def test_the_log_is_cut_short_once_a_long_read_is_over(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_wal, "CHECKPOINT_BYTES", MB)
    monkeypatch.setattr(sqlite_wal, "MAX_WAL_BYTES", 2 * MB)
    monkeypatch.setattr("fakebus.storage.sqlite._BUSY_TIMEOUT_S", 0.0)
    storage = await open_storage(data_file)
    wal = data_file.with_name("bus.db-wal")
    log_id = await new_log(storage)
    reader = sqlite3.connect(data_file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM batches").fetchone()
    for offset in range(6):
        await append(storage, log_id, batch(offset, size=MB))
    assert wal.stat().st_size > 6 * MB
    reader.execute("COMMIT")
    reader.close()
    for offset in range(6, 30):
        await append(storage, log_id, batch(offset, size=MB))
    # After a try in vain the next one comes when the log is longer by what is allowed; and a log
    # that is copied in a quiet moment begins anew in the same file.
    assert wal.stat().st_size < 12 * MB
    assert await offsets(storage, log_id) == list(range(30))
    await storage.close()


async def test_what_is_copied_within_the_file_does_not_let_the_log_grow_without_bound(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_wal, "CHECKPOINT_BYTES", MB)
    monkeypatch.setattr(sqlite_wal, "MAX_WAL_BYTES", 2 * MB)
    storage = await open_storage(data_file)
    wal = data_file.with_name("bus.db-wal")
    log_id, filled = await new_log(storage), storage.next_log_id()
    for offset in range(15):
        await append(storage, log_id, batch(offset, size=MB))
    sizes = []
    for offset in range(15):
        await storage.keep_batches(LogChange(offset + 1, log_id, offset, offset + 1), None, MB)
        sizes.append(wal.stat().st_size)
    for offset in range(15):
        await storage.put_back_batches(filled, KeptRange(offset, offset + 1, offset + 1))
        sizes.append(wal.stat().st_size)
    assert max(sizes) < 12 * MB
    await storage.close()


async def test_many_small_commits_do_not_let_the_log_grow_without_bound(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_wal, "CHECKPOINT_BYTES", MB)
    monkeypatch.setattr(sqlite_wal, "MAX_WAL_BYTES", 4 * MB)
    storage = await open_storage(data_file)
    wal = data_file.with_name("bus.db-wal")
    log_id = await new_log(storage)
    sizes = []
    # Each writes at least one whole page of 16 KB, so these are 30 MB and more.
    for offset in range(2000):
        await append(storage, log_id, batch(offset))
        sizes.append(wal.stat().st_size)
    assert max(sizes) < 8 * MB


async def grown_to(path: Path, size: int, write: Callable[[], Awaitable[None]]) -> None:
    """Go on writing, or waiting, until a file has a size."""
    async with asyncio.timeout(60):
        while path.stat().st_size < size:  # noqa: ASYNC240
            await write()


async def shrunk_to(path: Path, size: int) -> None:
    """Wait until a file has no more than a size."""
    for _ in range(3000):
        if path.stat().st_size <= size:  # noqa: ASYNC240
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_the_log_is_copied_in_a_quiet_moment(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_wal, "CHECKPOINT_BYTES", MB)
    monkeypatch.setattr(sqlite_wal, "QUIET_S", 3600)
    storage = await open_storage(data_file)
    file = data_file.with_name("bus.db")
    log_id = await new_log(storage)
    for offset in range(4):
        await append(storage, log_id, batch(offset, size=MB))
    assert file.stat().st_size < MB
    wal = storage._wal
    assert wal is not None
    assert wal._quiet is not None, "a quiet moment is waited for"
    monkeypatch.setattr(sqlite_wal, "QUIET_S", 0.01)
    # There were commits since the timer was set, so it is set again first.
    wal._look_for_quiet(commits=0)
    assert wal._task is None
    await grown_to(file, 4 * MB, lambda: asyncio.sleep(0.01))
    await storage.close()


async def test_a_long_log_is_cut_in_a_quiet_moment(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_wal, "CHECKPOINT_BYTES", MB)
    monkeypatch.setattr(sqlite_wal, "REST_BYTES", 2 * MB)
    monkeypatch.setattr(sqlite_wal, "QUIET_S", 0.01)
    storage = await open_storage(data_file)
    wal = data_file.with_name("bus.db-wal")
    log_id = await new_log(storage)
    for offset in range(8):
        await append(storage, log_id, batch(offset, size=MB))
    await shrunk_to(wal, 2 * MB)
    await append(storage, log_id, batch(8, size=MB))
    assert await offsets(storage, log_id) == list(range(9))


async def test_a_log_that_grew_beside_a_busy_copy_is_cut_once_it_is_quiet(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_wal, "CHECKPOINT_BYTES", 100 * MB)
    monkeypatch.setattr(sqlite_wal, "BUSY_CHECKPOINT_BYTES", 6 * MB)
    monkeypatch.setattr(sqlite_wal, "REST_BYTES", 2 * MB)
    monkeypatch.setattr(sqlite_wal, "QUIET_S", 0.01)
    storage = await open_storage(data_file)
    wal = data_file.with_name("bus.db-wal")
    log_id = await new_log(storage)
    for offset in range(7):
        await append(storage, log_id, batch(offset, size=MB))
    await shrunk_to(wal, 2 * MB)
    assert await offsets(storage, log_id) == list(range(7))


async def test_the_log_is_copied_beside_writes_that_never_pause(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_wal, "CHECKPOINT_BYTES", MB)
    monkeypatch.setattr(sqlite_wal, "BUSY_CHECKPOINT_BYTES", 4 * MB)
    monkeypatch.setattr(sqlite_wal, "QUIET_S", 3600)
    storage = await open_storage(data_file)
    log_id = await new_log(storage)
    written = []

    async def write() -> None:
        await append(storage, log_id, batch(len(written), size=MB // 4))
        written.append(len(written))

    await grown_to(data_file.with_name("bus.db"), 8 * MB, write)
    assert await offsets(storage, log_id) == written
    await storage.close()


async def test_a_log_that_cannot_be_cut_does_not_fail_the_commit(
    open_storage: OpenStorage,
    data_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sqlite_wal, "CHECKPOINT_BYTES", 1)
    monkeypatch.setattr(sqlite_wal, "BUSY_CHECKPOINT_BYTES", 1)
    monkeypatch.setattr(sqlite_wal, "MAX_WAL_BYTES", 0)

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(sqlite_wal, "_start_over", refuse)
    monkeypatch.setattr(sqlite_wal, "_copy", refuse)
    storage = await open_storage(data_file)
    log_id = await new_log(storage)
    for offset in range(3):
        await append(storage, log_id, batch(offset))
    await storage.close()
    assert "cut short: " in caplog.text
    assert "could not be copied: " in caplog.text
    assert caplog.text.count("disk I/O error") >= 2
    storage = await open_storage(data_file)
    assert await offsets(storage, log_id) == [0, 1, 2]


async def test_nothing_but_the_data_file_is_left_after_a_clean_end(
    open_storage: OpenStorage, data_file: Path
) -> None:
    storage = await open_storage(data_file)
    await append(storage, await new_log(storage), batch(0, size=MB))
    await storage.close()
    assert [path.name for path in data_file.parent.iterdir()] == ["bus.db"]


async def test_writes_wait_for_no_more_than_a_slice_of_the_log(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("CHECKPOINT_BYTES", MB), ("MAX_WAL_BYTES", 2 * MB), ("SLICE_BYTES", MB)):
        monkeypatch.setattr(sqlite_wal, name, size)
    monkeypatch.setattr(sqlite_wal, "BUSY_CHECKPOINT_BYTES", 64 * MB)
    monkeypatch.setattr(sqlite_wal, "GIVE_WAY_S", 30)
    storage = await open_storage(data_file)
    wal = storage._wal
    assert wal is not None
    left = []
    start_over = sqlite_wal._start_over

    def noted(connection: sqlite3.Connection, path: Path) -> bool:
        left.append(wal._uncopied_bytes())
        return start_over(connection, path)

    monkeypatch.setattr(sqlite_wal, "_start_over", noted)
    log_id = await new_log(storage)
    for offset in range(40):
        await append(storage, log_id, batch(offset, size=MB // 2))
    assert left
    assert max(left) <= MB
    assert await offsets(storage, log_id) == list(range(40))


async def test_a_long_log_is_cut_short_slice_by_slice(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("CHECKPOINT_BYTES", MB), ("REST_BYTES", 2 * MB), ("SLICE_BYTES", MB)):
        monkeypatch.setattr(sqlite_wal, name, size)
    monkeypatch.setattr(sqlite_wal, "QUIET_S", 3600)
    steps = []
    truncate = os.truncate

    def noted(path: str, size: int) -> None:
        steps.append(os.stat(path).st_size - size)
        truncate(path, size)

    monkeypatch.setattr(os, "truncate", noted)
    storage = await open_storage(data_file)
    log_id = await new_log(storage)
    for offset in range(8):
        await append(storage, log_id, batch(offset, size=MB))
    assert storage._wal is not None
    storage._wal._look_for_quiet(storage._wal._commits)
    await shrunk_to(data_file.with_name("bus.db-wal"), 2 * MB)
    assert len(steps) > 4
    assert max(steps) <= MB
    await append(storage, log_id, batch(8, size=MB))
    assert await offsets(storage, log_id) == list(range(9))
