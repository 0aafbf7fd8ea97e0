"""Files that go away or are harmed while they are in use, and ones that are found damaged."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fakebus.errors import StorageError
from fakebus.records.batch import assign_offset
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fakebus.storage import sqlite, sqlite_file, sqlite_reads, sqlite_transaction
from fakebus.storage.damage import damaged_batches
from fakebus.storage.interface import DamagedBatch
from fakebus.storage.sqlite import SqliteStorage

from .batches import append, batch, new_log, offsets
from .conftest import OpenStorage


@pytest.fixture(autouse=True)
def look_before_every_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_transaction, "LOOK_INTERVAL_S", 0)


def delete(path: Path) -> None:
    path.unlink()


def delete_all(path: Path) -> None:
    for each in path.parent.glob("bus.db*"):
        each.unlink()


def delete_log(path: Path) -> None:
    path.with_name("bus.db-wal").unlink()


def replace(path: Path) -> None:
    shutil.copy(path, path.with_name("backup"))
    path.with_name("backup").replace(path)


def delete_index(path: Path) -> None:
    path.with_name("bus.db-shm").unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def overwrite_head(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"not SQLite any more")


def empty_log(path: Path) -> None:
    os.truncate(f"{path}-wal", 0)


def cut_log(path: Path) -> None:
    os.truncate(f"{path}-wal", os.stat(f"{path}-wal").st_size - 1)


def overwrite_log(path: Path) -> None:
    with Path(f"{path}-wal").open("r+b") as file:
        file.write(bytes(32))


def put_a_hole_into_the_log(path: Path) -> None:
    size = os.stat(f"{path}-wal").st_size
    os.truncate(f"{path}-wal", size // 2)
    os.truncate(f"{path}-wal", size)


def move(path: Path, name: str) -> Path:
    return path.rename(path.with_name(name))


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (delete, "bus.db was deleted or moved away while it was in use"),
        (delete_all, "bus.db was deleted or moved away while it was in use"),
        (delete_log, "bus.db-wal was deleted or moved away while it was in use"),
        (replace, "bus.db was replaced by another file while it was in use"),
        (delete_index, "bus.db-shm was deleted or moved away while it was in use"),
        (empty, "bus.db was overwritten or cut short while it was in use"),
        (overwrite_head, "bus.db was overwritten or cut short while it was in use"),
        (empty_log, "bus.db-wal was overwritten or cut short while it was in use"),
        (cut_log, "bus.db-wal was overwritten or cut short while it was in use"),
        (overwrite_log, "bus.db-wal was overwritten or cut short while it was in use"),
        (put_a_hole_into_the_log, "bus.db-wal was overwritten or cut short while it was in use"),
    ],
)
@pytest.mark.parametrize("size", [10, 100_000])
async def test_nothing_is_acknowledged_once_the_file_has_gone(
    data_file: Path,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[Path], None],
    message: str,
    size: int,
) -> None:
    storage = await SqliteStorage.open(data_file, durable=False)
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0))
    harm(data_file)
    with pytest.raises(StorageError, match=message):
        await append(storage, log_id, batch(1, size=size))
    with pytest.raises(StorageError, match="start it with a backup or a new file"):
        await storage.set_meta("a", "b")
    assert message in caplog.text
    if "deleted" in message or "replaced" in message:
        assert await offsets(storage, log_id) == [0], "what is open can still be read"
    harmed = contents(data_file)
    with pytest.raises(StorageError, match=message):
        await storage.close()
    await storage.close()
    assert "bus.db-wal was overwritten" not in message or contents(data_file) == harmed, (
        "what is left is not made worse at the end"
    )


def contents(path: Path) -> dict[str, bytes]:
    files = (path, path.with_name("bus.db-wal"))
    return {file.name: file.read_bytes() for file in files if file.exists()}


IN_ANOTHER_PROCESS = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    print(database.execute(statement).fetchall())
database.close()
"""


@pytest.mark.parametrize(
    "statements",
    [
        ["SELECT count(*) FROM batches"],
        ["PRAGMA wal_checkpoint(PASSIVE)"],
        ["PRAGMA wal_checkpoint(RESTART)"],
        ["PRAGMA wal_checkpoint(TRUNCATE)"],
        ["PRAGMA journal_size_limit = 0", "PRAGMA wal_checkpoint(RESTART)", "SELECT 1"],
    ],
)
async def test_another_program_may_read_the_file_and_copy_its_log(
    open_storage: OpenStorage, data_file: Path, statements: list[str]
) -> None:
    storage = await open_storage(data_file)
    log_id = await new_log(storage)
    for offset in range(3):
        await append(storage, log_id, batch(offset))
        command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(data_file), *statements]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: ASYNC221
        assert "(1, " not in answer.stdout, "it was busy"
    await append(storage, log_id, batch(3, size=100_000))
    assert await offsets(storage, log_id) == [0, 1, 2, 3]
    await storage.close()
    again = await open_storage(data_file)
    assert await offsets(again, log_id) == [0, 1, 2, 3]


async def test_an_index_that_is_cut_short_is_made_anew_and_nothing_is_lost(
    open_storage: OpenStorage, data_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = await open_storage(data_file)
    log_id = await new_log(storage)
    for offset in range(3):
        await append(storage, log_id, batch(offset))
        os.truncate(f"{data_file}-shm", offset * 20)
    await append(storage, log_id, batch(3))
    assert await offsets(storage, log_id) == [0, 1, 2, 3]
    size = os.stat(f"{data_file}-shm").st_size
    assert size >= 2 * 32768, "one part more than SQLite can have mapped"
    assert size % 32768 == 0
    [line] = {message for message in caplog.messages if "cut short" in message}
    assert "bus.db-shm was cut short while it was in use; nothing is lost" in line
    await storage.close()
    again = await open_storage(data_file)
    assert await offsets(again, log_id) == [0, 1, 2, 3]


async def test_an_index_that_is_overwritten_is_made_anew(
    open_storage: OpenStorage, data_file: Path
) -> None:
    storage = await open_storage(data_file)
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0))
    with Path(f"{data_file}-shm").open("r+b") as file:  # noqa: ASYNC230
        file.write(b"\xff" * 4096)
    await append(storage, log_id, batch(1))
    assert await offsets(storage, log_id) == [0, 1]


async def harmed_at_the_end(storage: SqliteStorage) -> None:
    with pytest.raises(StorageError):
        await storage.close()


async def test_a_file_that_goes_in_the_same_tick_of_a_coarse_clock_is_noticed(
    data_file: Path,
) -> None:
    storage = await SqliteStorage.open(data_file, durable=False)
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0))
    changed_ns = data_file.parent.stat().st_mtime_ns
    delete(data_file)
    os.utime(data_file.parent, ns=(changed_ns, changed_ns))
    with pytest.raises(StorageError, match="deleted or moved away"):
        await append(storage, log_id, batch(1))
    await harmed_at_the_end(storage)


@pytest.mark.parametrize("leads_elsewhere", [True, False])
async def test_a_link_that_leads_to_the_file_no_more_is_noticed(
    data_file: Path, tmp_path: Path, leads_elsewhere: bool
) -> None:
    link = tmp_path / "links" / "bus.db"
    os.mkdir(link.parent)
    os.symlink(data_file, link)
    storage = await SqliteStorage.open(link, durable=False)
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0))
    os.unlink(link)
    if leads_elsewhere:
        os.symlink(f"{data_file}-wal", link)
    what = "was replaced by another file" if leads_elsewhere else "was deleted or moved away"
    with pytest.raises(StorageError, match=f"{link} {what}"):
        await append(storage, log_id, batch(1))
    if leads_elsewhere:
        os.unlink(link)
    os.symlink(data_file, link)
    await append(storage, log_id, batch(1))
    await storage.close()


async def test_names_are_not_looked_at_again_in_a_directory_that_rests(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = await open_storage(data_file)
    log_id = await new_log(storage)
    os.utime(data_file.parent, ns=(1, 1))
    await append(storage, log_id, batch(0))
    looks: list[None] = []
    monkeypatch.setattr(sqlite_transaction.OpenFiles, "_check_names", lambda _: looks.append(None))
    await append(storage, log_id, batch(1))
    assert looks == []
    data_file.with_name("another").touch()
    await append(storage, log_id, batch(2))
    assert looks == [None]


async def test_a_data_file_that_loses_what_a_copy_of_the_log_has_brought_is_noticed(
    data_file: Path,
) -> None:
    storage = await SqliteStorage.open(data_file, durable=False)
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0, size=200_000))
    assert storage._wal is not None
    await storage._wal._run_checkpoint(quiet=False)
    os.truncate(data_file, os.stat(data_file).st_size - 1)
    with pytest.raises(StorageError, match="overwritten or cut short while it was in use"):
        await append(storage, log_id, batch(1))
    await harmed_at_the_end(storage)


async def test_a_log_that_another_program_begins_anew_between_two_glances_raises_no_alarm(
    data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = await SqliteStorage.open(data_file, durable=False)
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0))
    files = storage._files
    assert files is not None
    before = files._read_index()
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(data_file)]
    command.append("PRAGMA wal_checkpoint(TRUNCATE)")
    subprocess.run(command, capture_output=True, check=True)  # noqa: ASYNC221
    glances = [files._read_index(), before]
    monkeypatch.setattr(files, "_read_index", lambda: glances.pop())
    files._check_log()
    assert glances == [], "it looked again"
    glances = [before, before]
    with pytest.raises(StorageError, match="-wal was overwritten or cut short"):
        files._check_log()
    monkeypatch.undo()
    await storage.close()


async def test_no_descriptor_is_left_open_at_the_end(data_file: Path) -> None:
    storage = await SqliteStorage.open(data_file, durable=False)
    assert storage._files is not None
    opened = tuple(storage._files._descriptors)
    assert len(opened) == 3
    await storage.close()
    for descriptor in opened:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


async def test_of_transactions_close_behind_each_other_one_waits_for_the_look(
    data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_transaction, "LOOK_INTERVAL_S", 3600)
    storage = await SqliteStorage.open(data_file, durable=False)
    log_id = await new_log(storage)
    delete(data_file)
    await append(storage, log_id, batch(0))
    files = storage._files
    assert files is not None
    files.look_due_s = 0
    with pytest.raises(StorageError, match="deleted or moved away"):
        await append(storage, log_id, batch(1))
    with pytest.raises(StorageError, match="deleted or moved away"):
        await storage.close()


async def test_a_file_that_is_moved_back_takes_writes_again(
    open_storage: OpenStorage, data_file: Path
) -> None:
    storage = await open_storage(data_file)
    log_id = await new_log(storage)
    moved = move(data_file, "elsewhere")
    with pytest.raises(StorageError):
        await append(storage, log_id, batch(0))
    move(moved, data_file.name)
    await append(storage, log_id, batch(0))
    await storage.close()
    again = await open_storage(data_file)
    assert await offsets(again, log_id) == [0]


async def test_a_checkpoint_does_not_touch_a_file_that_took_the_place_of_ours(
    data_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = await SqliteStorage.open(data_file, durable=False)
    delete(data_file)
    wal = storage._wal
    assert wal is not None
    await wal._run_checkpoint(quiet=False)
    with pytest.raises(FileNotFoundError):
        content_of(data_file)
    assert "could not be copied" in caplog.text
    with pytest.raises(StorageError, match="deleted or moved away"):
        await storage.close()


async def test_log_lines_about_failing_writes_are_limited(
    data_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = await SqliteStorage.open(data_file, durable=False)
    log_id = await new_log(storage)
    delete(data_file)
    for _ in range(50):
        with pytest.raises(StorageError):
            await append(storage, log_id, batch(0))
    assert caplog.text.count("writes failed") <= 10
    with pytest.raises(StorageError):
        await storage.close()


async def make_file(open_storage: OpenStorage, path: Path) -> int:
    storage = await open_storage(path)
    log_id = await new_log(storage)
    for offset in range(40):
        record = NewRecord(key=None, value=b"%04d" % offset * 250, timestamp_ms=1)
        data = build_batch([record])
        assign_offset(data, offset, 0)
        row = batch(offset)._replace(data=bytes(data), max_timestamp=1)
        await append(storage, log_id, row)
    await storage.close()
    return log_id


async def test_a_file_that_is_cut_short_is_refused_and_told_what_it_lacks(
    open_storage: OpenStorage, data_file: Path
) -> None:
    await make_file(open_storage, data_file)
    whole = content_of(data_file)
    for size in (50, 100, len(whole) // 2, len(whole) - 1):
        overwrite(data_file, whole[:size])
        expected = max(100, len(whole) if size >= 100 else 0)
        with pytest.raises(StorageError) as caught:
            await open_storage(data_file)
        assert f"cut short: of at least {expected} bytes it has {size}" in str(caught.value)
        assert ".recover" in str(caught.value)
        assert content_of(data_file) == whole[:size]


async def test_a_file_whose_rest_is_in_its_log_is_not_taken_for_cut_short(data_file: Path) -> None:
    header = bytearray(100)
    header[16:18] = (4096).to_bytes(2, "big")
    header[28:32] = (10).to_bytes(4, "big")
    sqlite_file._check_size(bytes(header), 40960, data_file)
    with pytest.raises(StorageError, match="cut short"):
        sqlite_file._check_size(bytes(header), 40959, data_file)
    data_file.with_name("bus.db-wal").write_bytes(b"")
    with pytest.raises(StorageError, match="cut short"):
        sqlite_file._check_size(bytes(header), 40959, data_file)
    data_file.with_name("bus.db-wal").write_bytes(b"log")
    sqlite_file._check_size(bytes(header), 40959, data_file)


async def test_a_damaged_file_is_told_with_the_place_and_the_way_out(
    open_storage: OpenStorage, data_file: Path
) -> None:
    await make_file(open_storage, data_file)
    content = bytearray(content_of(data_file))
    content[100:16384] = b"\xff" * (16384 - 100)
    overwrite(data_file, content)
    with pytest.raises(StorageError, match=r"is damaged: .*page 1.*sqlite3 .*\.recover"):
        await open_storage(data_file)
    assert content_of(data_file) == content


async def test_damage_found_while_reading_is_told_with_the_way_out(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_id = await make_file(open_storage, data_file)
    content = bytearray(content_of(data_file))
    last_page = len(content) - 16384
    content[last_page:] = b"\xff" * 16384
    overwrite(data_file, content)
    monkeypatch.setattr(sqlite, "CHECKED_AT_ONCE_BYTES", 0)
    storage = await open_storage(data_file)
    with pytest.raises(StorageError, match=r"is damaged: .*sqlite3 .*\.recover"):
        await storage.read_batches(log_id, 0, 100, 1 << 20)


async def test_a_batch_whose_crc_is_wrong_is_told_and_comes_alone_and_marked(
    open_storage: OpenStorage,
    data_file: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite_reads, "damaged_batches", damaged_batches)
    log_id = await make_file(open_storage, data_file)
    storage = await open_storage(data_file)
    assert len(await storage.read_batches(log_id, 0, 100, 1 << 20)) == 40
    assert caplog.text == ""
    await storage.close()
    value = b"0007" * 250
    overwrite(data_file, content_of(data_file).replace(value, value[:-1] + b"8"))
    storage = await open_storage(data_file)
    [topic] = await storage.load_topics()
    assert [each.base_offset for each in await storage.read_batches(log_id, 0, 100, 1 << 20)] == [
        *range(7)
    ]
    assert caplog.text == ""
    with caplog.at_level(logging.ERROR):
        found = await storage.read_batches(log_id, 7, 100, 1 << 20)
    assert isinstance(found, DamagedBatch)
    assert [each.base_offset for each in found] == [7]
    [line] = caplog.messages
    assert f"the batch at offset 7 of {topic.name}:0 is damaged in {data_file}" in line
    assert "not as it was written. Nobody is given it; consumers go on behind it after" in line
    assert line.endswith(f"fakebus groups GROUP --reset {topic.name}:0=8")
    behind = await storage.read_batches(log_id, 8, 100, 1 << 20)
    assert not isinstance(behind, DamagedBatch)
    assert len(behind) == 32


async def test_a_disk_that_fails_at_the_look_is_told_with_the_file_and_what_follows_is_stored(
    data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_transaction, "LOOK_INTERVAL_S", 0)
    storage = await SqliteStorage.open(data_file, durable=False)
    log_id = await new_log(storage)

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "pread", fail)
        with pytest.raises(StorageError) as told:
            await append(storage, log_id, batch(0))
    assert str(told.value) == f"{data_file}: Input/output error"
    await append(storage, log_id, batch(0))
    await storage.close()


async def test_what_fetches_read_ends_before_a_damaged_batch_too(
    open_storage: OpenStorage,
    data_file: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite_reads, "damaged_batches", damaged_batches)
    log_id = await make_file(open_storage, data_file)
    storage = await open_storage(data_file)
    whole = [each.data for each in await storage.read_batches(log_id, 0, 100, 1 << 20)]

    async def read(first: int, max_bytes: int, most: int) -> tuple[bytes, int]:
        data, last = await storage.read_data(log_id, first, 100, max_bytes, most) or ([], -1)
        return b"".join(data), last

    def those(first: int, end: int) -> tuple[bytes, int]:
        return b"".join(whole[first:end]), end - 1

    assert await read(0, 1 << 20, 100) == those(0, 40)
    size = len(whole[0])
    assert await read(0, 3 * size + 9, 100) == those(0, 3)
    assert await read(5, 1, 100) == those(5, 6)
    assert await read(5, 1 << 20, 4) == those(5, 9)
    assert await storage.read_data(log_id, 40, 100, 1 << 20, 4) == ([], -1)
    await storage.close()
    value = b"0007" * 250
    overwrite(data_file, content_of(data_file).replace(value, value[:-1] + b"8"))
    storage = await open_storage(data_file)
    assert await read(0, 1 << 20, 100) == those(0, 7)
    assert caplog.text == ""
    assert await storage.read_data(log_id, 7, 100, 1 << 20, 100) is None
    assert "the batch at offset 7 of" in caplog.text
    assert await read(8, 1 << 20, 100) == those(8, 40)


async def test_what_fetches_read_of_a_log_with_gaps_is_what_is_there(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_reads, "damaged_batches", damaged_batches)
    log_id = await make_file(open_storage, data_file)
    storage = await open_storage(data_file)
    kept = await storage.read_batches(log_id, 0, 100, 1 << 20)
    await storage.replace_batches(log_id, 3, 20, [kept[7]])
    there = [*kept[:3], kept[7], *kept[20:]]
    for first, most in ((0, 100), (0, 3), (1, 5), (4, 100), (8, 2), (20, 100)):
        wanted = [each for each in there if each.last_offset >= first][:most]
        data, last = await storage.read_data(log_id, first, 100, 1 << 20, most) or ([], -1)
        assert b"".join(data) == b"".join(each.data for each in wanted)
        assert last == wanted[-1].last_offset
