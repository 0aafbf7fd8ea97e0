from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fakebus.errors import StorageError
from fakebus.storage.interface import Storage

from .batches import append, batch, new_log
from .conftest import OpenStorage


async def test_a_value_can_be_read_before_it_is_stored(storage: Storage) -> None:
    stored = storage.set_meta("cluster id", "abc")
    assert storage.get_meta("cluster id") == "abc"
    assert not stored.done()
    await stored
    assert storage.get_meta("cluster id") == "abc"
    assert storage.get_meta("other") is None


async def test_values_are_there_after_a_restart(open_storage: OpenStorage, data_file: Path) -> None:
    storage = await open_storage(data_file)
    storage.set_meta("seed/b", "1")
    storage.set_meta("seed/a", "2")
    storage.set_meta("gone", "3")
    await storage.set_meta("gone", None)
    await storage.close()
    storage = await open_storage(data_file)
    assert storage.meta_keys("seed/") == ["seed/a", "seed/b"]
    assert storage.get_meta("seed/b") == "1"
    assert storage.get_meta("gone") is None
    await storage.close()


async def test_a_value_that_was_not_stored_is_forgotten(storage: Storage) -> None:
    log_id = await new_log(storage)
    await storage.set_meta("a", "stored")
    await append(storage, log_id, batch(0))
    again = append(storage, log_id, batch(0))
    first, second = storage.set_meta("a", "lost"), storage.set_meta("b", "lost")
    for failing in (again, first, second):
        with pytest.raises(StorageError):
            await failing
    assert storage.get_meta("a") == "stored"
    assert storage.get_meta("b") is None
    assert storage.meta_keys("") == ["a"]


async def test_what_is_to_be_forgotten_soon_goes_with_the_next_write_that_is_stored(
    open_storage: OpenStorage, data_file: Path
) -> None:
    storage = await open_storage(data_file)
    log_id = await new_log(storage)
    await storage.set_meta("a", "stored")
    await append(storage, log_id, batch(0))
    storage.forget_meta_soon("a")
    assert storage.get_meta("a") is None
    with pytest.raises(StorageError):
        await append(storage, log_id, batch(0))
    assert _in_file(data_file, "a") == [("stored",)]
    await append(storage, log_id, batch(1))
    assert _in_file(data_file, "a") == []
    await storage.set_meta("a", "again")
    await append(storage, log_id, batch(2))
    assert _in_file(data_file, "a") == [("again",)]
    await storage.close()


def _in_file(path: Path, key: str) -> list[tuple[str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchall()


async def test_it_is_told_in_the_turn_of_the_commit_that_a_value_is_stored_or_not(
    storage: Storage,
) -> None:
    log_id = await new_log(storage)
    told: list[tuple[str, BaseException | None, str | None]] = []

    def write(key: str) -> None:
        storage.write_meta(
            key,
            "kept",
            lambda failure: told.append((key, failure, storage.get_meta(key))),
            lambda: told.append((key, None, "undone")),
        )

    write("a")
    await storage.flush()
    assert told == [("a", None, "kept")]
    told.clear()
    await append(storage, log_id, batch(0))
    failing = append(storage, log_id, batch(0))
    write("b")
    with pytest.raises(StorageError):
        await failing

    undone, (key, failure, value) = told
    assert undone == ("b", None, "undone")
    assert (key, value) == ("b", None)
    assert isinstance(failure, StorageError)
