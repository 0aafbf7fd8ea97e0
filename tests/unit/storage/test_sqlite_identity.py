"""A data file that goes away while it is in use, and one that is found damaged."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fakebus.errors import StorageError
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fakebus.storage import sqlite_file
from fakebus.storage.sqlite import SqliteStorage

from .batches import append, batch, new_log, offsets
from .conftest import OpenStorage


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


def empty(path: Path) -> None:
    path.write_bytes(b"")


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
        (empty, "bus.db was overwritten or cut short while it was in use"),
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
    if harm is not empty:
        assert await offsets(storage, log_id) == [0], "what is open can still be read"
    with pytest.raises(StorageError, match=message):
        await storage.close()
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
        await append(storage, log_id, batch(offset)._replace(data=bytes(data)))
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
    open_storage: OpenStorage, data_file: Path
) -> None:
    log_id = await make_file(open_storage, data_file)
    content = bytearray(content_of(data_file))
    last_page = len(content) - 16384
    content[last_page:] = b"\xff" * 16384
    overwrite(data_file, content)
    storage = await open_storage(data_file)
    with pytest.raises(StorageError, match=r"is damaged: .*sqlite3 .*\.recover"):
        await storage.read_batches(log_id, 0, 100, 1 << 20)


async def test_a_batch_whose_crc_is_wrong_is_logged_and_returned(
    open_storage: OpenStorage, data_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log_id = await make_file(open_storage, data_file)
    storage = await open_storage(data_file)
    assert len(await storage.read_batches(log_id, 0, 100, 1 << 20)) == 40
    assert caplog.text == ""
    await storage.close()
    value = b"0007" * 250
    overwrite(data_file, content_of(data_file).replace(value, value[:-1] + b"8"))
    storage = await open_storage(data_file)
    [topic] = await storage.load_topics()
    with caplog.at_level(logging.ERROR):
        found = await storage.read_batches(log_id, 0, 100, 1 << 20)
    assert len(found) == 40
    [line] = caplog.messages
    assert f"the batch at offset 7 of {topic.name}-0 is damaged" in line
    assert "its CRC is wrong" in line
