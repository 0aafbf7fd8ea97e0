from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from fakebus.errors import StorageError
from fakebus.storage import sqlite, sqlite_file
from fakebus.storage.migrations import APPLICATION_ID, MIGRATIONS, migrate

from .batches import append, batch, new_log, offsets
from .conftest import OpenStorage

NOBODY = 65534


def make_text(path: Path) -> None:
    path.write_text("# my notes\n" * 100)


def make_short_file(path: Path) -> None:
    path.write_bytes(b"x")


def make_foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE meta (key TEXT)")
    connection.close()


def make_foreign_wal_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE meta (key TEXT)")
    connection.close()


def make_database_with_other_application_id(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA application_id = 252006673")
        connection.execute("CREATE TABLE event (id)")
    connection.close()


def contents(directory: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_text, "no database, not a data file of fakebus"),
        (make_short_file, "no database, not a data file of fakebus"),
        (make_foreign_database, "SQLite database of another program"),
        (make_foreign_wal_database, "SQLite database of another program"),
        (make_database_with_other_application_id, "SQLite database of another program"),
    ],
)
async def test_a_file_that_is_not_ours_is_refused_and_not_touched(
    open_storage: OpenStorage, data_file: Path, make: Callable[[Path], None], message: str
) -> None:
    make(data_file)
    before = contents(data_file.parent)
    with pytest.raises(StorageError, match=message):
        await open_storage(data_file)
    assert contents(data_file.parent) == before


async def test_a_file_of_a_newer_fakebus_is_refused_and_not_touched(
    open_storage: OpenStorage, data_file: Path
) -> None:
    await (await open_storage(data_file)).close()
    newer = len(MIGRATIONS) + 1
    with sqlite3.connect(data_file) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    connection.close()
    before = contents(data_file.parent)
    with pytest.raises(StorageError) as caught:
        await open_storage(data_file)
    assert f"version {newer}" in str(caught.value)
    assert f"up to {len(MIGRATIONS)}" in str(caught.value)
    assert "Upgrade fakebus" in str(caught.value)
    assert contents(data_file.parent) == before


async def test_a_directory_is_refused(open_storage: OpenStorage, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    with pytest.raises(StorageError, match="directory"):
        await open_storage(directory)
    assert os.listdir(tmp_path) == ["data"]


async def test_a_pipe_is_refused(open_storage: OpenStorage, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(StorageError, match="not a regular file"):
        await open_storage(pipe)


async def test_a_directory_that_does_not_exist_is_said(
    open_storage: OpenStorage, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match=r"No such file or directory.*has to exist"):
        await open_storage(tmp_path / "nowhere" / "bus.db")


def copied(data_file: Path, directory: Path) -> dict[str, str]:
    """Copy a data file and its write-ahead log, as a process leaves them that is killed."""
    directory.mkdir()
    for path in (data_file, data_file.with_name(f"{data_file.name}-wal")):
        (directory / path.name).write_bytes(path.read_bytes())
    return contents(directory)


def user_version(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[60:64], "big")


def application_id(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[68:72], "big")


async def test_an_empty_file_becomes_a_data_file(open_storage: OpenStorage, tmp_path: Path) -> None:
    descriptor, path = tempfile.mkstemp(dir=tmp_path)
    os.close(descriptor)
    storage = await open_storage(Path(path))
    # From the first moment the header says whose it is, not only the write-ahead log.
    assert application_id(Path(path)) == APPLICATION_ID
    await storage.close()
    assert application_id(Path(path)) == APPLICATION_ID


async def test_an_old_data_file_is_brought_up_to_date_and_then_too_new_for_old_code(
    open_storage: OpenStorage, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = await open_storage(data_file)
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0), batch(1))
    await storage.close()
    next_step = ("ALTER TABLE groups ADD COLUMN colour TEXT",)
    with monkeypatch.context() as patch:
        newer = partial(migrate, migrations=(*MIGRATIONS, next_step))
        patch.setattr(sqlite, "migrate", newer)
        storage = await open_storage(data_file)
        assert await offsets(storage, log_id) == [0, 1]
        # Seen by others even before the file is closed.
        assert user_version(data_file) == len(MIGRATIONS) + 1
        await append(storage, log_id, batch(2))
        killed = data_file.with_name("killed")
        left = copied(data_file, killed)
        assert len(left) > 1
        await storage.close()
    with pytest.raises(StorageError, match="newer fakebus"):
        await open_storage(data_file)
    with pytest.raises(StorageError, match="newer fakebus"):
        await open_storage(killed / data_file.name)
    # What the newer one has not yet moved over it shall find where it was.
    assert contents(killed) == left


async def test_a_damaged_file_is_a_storage_error(
    open_storage: OpenStorage, data_file: Path
) -> None:
    storage = await open_storage(data_file)
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n, size=1000) for n in range(100)))
    await storage.close()
    with data_file.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(16_000))
    with pytest.raises(StorageError, match=r"bus\.db"):
        await open_storage(data_file)
    assert not data_file.with_name("bus.db.lock").exists()


@pytest.fixture
def unprivileged_directory() -> Iterator[Path]:
    """A directory that belongs to the user the test runs as, who is not root."""
    directory = Path(tempfile.mkdtemp(prefix="fakebus-test-"))
    was_root = os.geteuid() == 0
    if was_root:
        os.chown(directory, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield directory
    finally:
        if was_root:
            os.seteuid(0)
        directory.chmod(0o755)
        shutil.rmtree(directory)


async def test_a_file_that_may_not_be_written_is_said(
    open_storage: OpenStorage, unprivileged_directory: Path
) -> None:
    path = unprivileged_directory / "bus.db"
    await (await open_storage(path)).close()
    path.chmod(0o444)
    before = contents(unprivileged_directory)
    with pytest.raises(StorageError, match=r"cannot use .*bus\.db: Permission denied"):
        await open_storage(path)
    assert contents(unprivileged_directory) == before


async def test_a_directory_that_may_not_be_written_is_said(
    open_storage: OpenStorage, unprivileged_directory: Path
) -> None:
    os.chmod(unprivileged_directory, 0o555)  # noqa: S103 - nobody may write
    with pytest.raises(StorageError, match=r"Permission denied.*has to exist and be writable"):
        await open_storage(unprivileged_directory / "bus.db")


async def test_a_second_bus_on_the_same_file_is_refused(
    open_storage: OpenStorage, data_file: Path, tmp_path: Path
) -> None:
    storage = await open_storage(data_file)
    alias = tmp_path / "alias.db"
    alias.symlink_to(data_file)
    for path in (data_file, alias):
        with pytest.raises(
            StorageError, match=rf"in use by another fakebus \(process {os.getpid()}"
        ):
            await open_storage(path)
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0))
    await storage.close()
    storage = await open_storage(alias)
    assert await offsets(storage, log_id) == [0]
    await storage.close()


async def test_the_lock_of_a_process_that_was_killed_is_free(
    open_storage: OpenStorage, data_file: Path
) -> None:
    lock = data_file.with_name("bus.db.lock")
    lock.write_text("4711\n")
    storage = await open_storage(data_file)
    assert lock.read_text() == f"{os.getpid()}\n"
    await storage.close()
    assert not lock.exists()


def test_a_lock_file_that_was_removed_while_we_waited_is_not_trusted(
    data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_path = data_file.with_name("bus.db.lock")
    flock = fcntl.flock
    removed: list[bool] = []

    def remove_then_lock(descriptor: int, operation: int) -> None:
        # As if the owner closed between our open and our flock.
        if not removed:
            removed.append(True)
            lock_path.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(sqlite_file.fcntl, "flock", remove_then_lock)
    first = sqlite_file.FileLock(data_file)
    with pytest.raises(StorageError, match="in use"):
        sqlite_file.FileLock(data_file)
    first.release()
    assert removed == [True]


@pytest.mark.parametrize("call", ["flock", "write"])
def test_a_lock_that_the_file_system_cannot_give_is_a_storage_error(
    data_file: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl if call == "flock" else os, call, fail)
    with pytest.raises(StorageError, match=r"cannot lock .*bus\.db: No locks available"):
        sqlite_file.FileLock(data_file)


@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOLCK, "no locks"), BlockingIOError(errno.EAGAIN, "taken")]
)
def test_a_lock_that_cannot_be_had_leaves_no_file_open(
    data_file: Path, monkeypatch: pytest.MonkeyPatch, failure: OSError
) -> None:
    opened, closed = [], []
    open_file, close_file = os.open, os.close

    def noted(path: Path, *arguments: int) -> int:
        opened.append(open_file(path, *arguments))
        return opened[-1]

    def lock(descriptor: int, operation: int) -> None:
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_file.fcntl, "flock", lock)
        patched.setattr(sqlite_file.os, "open", noted)
        patched.setattr(
            sqlite_file.os, "close", lambda number: [closed.append(number), close_file(number)]
        )
        with pytest.raises(StorageError):
            sqlite_file.FileLock(data_file)
    assert set(opened) & set(closed) == set(opened) != set()


HANGS_IF_A_THREAD_IS_LEFT = """
import asyncio, sqlite3, sys
from pathlib import Path
from fakebus.errors import StorageError
from fakebus.storage import sqlite

def broken(*args, **kwargs):
    raise sqlite3.OperationalError("no such luck")

async def main(name, path):
    if name == "cancelled":
        task = asyncio.ensure_future(sqlite.SqliteStorage.open(path))
        for _ in range(int(sys.argv[3])):
            await asyncio.sleep(0)
        task.cancel()
        try:
            storage = await task
        except asyncio.CancelledError:
            print("stopped")
        else:
            await storage.close()
            print("stopped")
        return
    setattr(sqlite, name, broken)
    try:
        await sqlite.SqliteStorage.open(path)
    except StorageError:
        print("stopped")

asyncio.run(main(sys.argv[1], Path(sys.argv[2]) if sys.argv[2] else None))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("_prepare", "bus.db"),
        ("_prepare", ""),
        ("_prepare_reader", "bus.db"),
        *(("cancelled", "bus.db", str(steps)) for steps in (0, 1, 2, 5, 50, 500)),
    ],
)
async def test_a_failed_start_does_not_hang_the_interpreter(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HANGS_IF_A_THREAD_IS_LEFT,
        *arguments,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, output) == (0, b"stopped\n")
    assert not (tmp_path / "bus.db.lock").exists()


@pytest.mark.parametrize("link", [False, True])
def test_a_file_that_has_the_name_of_the_lock_file_stays(tmp_path: Path, link: bool) -> None:
    lock, mine = tmp_path / "bus.db.lock", tmp_path / "mine"
    (mine if link else lock).write_text("my notes" if not link else "12")
    if link:
        lock.symlink_to(mine)
    before = lock.read_text()
    with pytest.raises(
        StorageError, match=r"its lock file would be .*bus\.db\.lock.*left as it is"
    ):
        sqlite_file.FileLock(tmp_path / "bus.db")
    assert lock.read_text() == before
    assert lock.is_symlink() == link
