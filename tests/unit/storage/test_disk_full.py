from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakebus.errors import StorageError

from .batches import append, batch, new_log, offsets
from .conftest import OpenStorage

MB = 1024 * 1024


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_writes_fail_while_the_file_cannot_grow_and_work_again_when_it_can(
    open_storage: OpenStorage,
    data_file: Path,
) -> None:
    storage = await open_storage(data_file)
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0))
    with files_no_larger_than(MB):
        futures = [append(storage, log_id, batch(n, size=400_000)) for n in range(1, 9)]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {StorageError}
        assert await offsets(storage, log_id) == [0]
        assert isinstance(storage.writes.failure, StorageError)
    await append(storage, log_id, batch(1, size=5 * MB))
    assert storage.writes.failure is None
    assert await offsets(storage, log_id) == [0, 1]
    await storage.close()
    storage = await open_storage(data_file)
    assert await offsets(storage, log_id) == [0, 1]
    await storage.close()


FILL_THE_DISK = """
import asyncio, sys
from pathlib import Path
from fakebus.errors import StorageError
from fakebus.storage import sqlite_reads
from fakebus.storage.sqlite import SqliteStorage
from tests.unit.storage.batches import append, batch, new_log, offsets

sqlite_reads.damaged_batches = lambda batches: []
sqlite_reads.is_of_its_row = lambda row, head: True

async def main(directory):
    storage = await SqliteStorage.open(directory / "bus.db")
    log_id = await new_log(storage)
    ballast = directory / "ballast"
    ballast.write_bytes(bytes(2_000_000))
    stored = 0
    while True:
        try:
            await append(storage, log_id, batch(stored, size=300_000))
        except StorageError as error:
            print("failed:", error)
            break
        stored += 1
    assert stored > 3
    assert await offsets(storage, log_id) == list(range(stored))
    waiting = [append(storage, log_id, batch(stored + n, size=300_000)) for n in range(5)]
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, StorageError), outcome
    ballast.unlink()
    # Long enough for a quiet moment, in which the write-ahead log would be copied if it fitted.
    await asyncio.sleep(0.2)
    await append(storage, log_id, batch(stored, size=300_000))
    await storage.close()
    storage = await SqliteStorage.open(directory / "bus.db")
    assert await offsets(storage, log_id) == list(range(stored + 1))
    await storage.close()
    print("fine")

asyncio.run(main(Path(sys.argv[1])))
"""


def can_mount() -> bool:
    try:
        return not subprocess.run(
            ["unshare", "-rm", "true"], capture_output=True, check=False
        ).returncode
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_mount(), reason="this system lets nobody mount a small file system")
async def test_a_full_disk_fails_what_waits_and_room_makes_it_work_again(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        "unshare",
        "-rm",
        "sh",
        "-c",
        'mount -t tmpfs -o size=12m tmpfs "$1" && exec "$2" -c "$3" "$1"',
        "sh",
        tmp_path,
        sys.executable,
        FILL_THE_DISK,
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            output = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output
    assert "database or disk is full" in output
    assert output.endswith("fine\n")


async def test_a_start_without_room_is_a_storage_error(
    open_storage: OpenStorage, data_file: Path
) -> None:
    with files_no_larger_than(20_000), pytest.raises(StorageError, match=r"bus\.db"):
        await open_storage(data_file)
    assert not data_file.with_name("bus.db.lock").exists()
    storage = await open_storage(data_file)
    await append(storage, await new_log(storage), batch(0))
    await storage.close()
