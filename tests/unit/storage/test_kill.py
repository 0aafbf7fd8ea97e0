from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from fakebus.storage.sqlite import SqliteStorage

from .batches import END, new_topic
from .killed_writer import payload

KILLS = int(os.environ.get("KILLS", "12"))
CHECKOUT = Path(__file__).parents[3]


async def write_and_kill(path: Path, first: int, acknowledgements: int, durable: str) -> int:
    """Return the last acknowledged number of a writer killed while it writes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.unit.storage.killed_writer",
        path,
        str(first),
        durable,
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    for _ in range(acknowledgements):
        await process.stdout.readline()
    process.kill()
    rest = await process.stdout.read()
    assert await process.wait() == -signal.SIGKILL
    # The last line may have been cut off by the kill.
    whole = rest[: rest.rfind(b"\n") + 1]
    return first + acknowledgements - 1 + whole.count(b"\n")


async def check(path: Path, acknowledged: int, log_ids: tuple[int, ...]) -> int:
    """Check that everything acknowledged is there and nothing is half there."""
    storage = await SqliteStorage.open(path)
    try:
        ends = [state.log_end_offset for state in await storage.load_logs()]
        end = ends[0]
        assert ends == [end, end]
        assert end > acknowledged
        assert storage.get_meta("number") == str(end - 1)
        [group] = await storage.load_groups()
        assert group.offsets[0].offset == end - 1
        for log_number, (log_id, state) in enumerate(
            zip(log_ids, await storage.load_logs(), strict=True)
        ):
            found = await storage.read_batches(log_id, 0, END, 1 << 30)
            start = state.log_start_offset
            assert [b.base_offset for b in found] == list(range(start, end))
            assert all(b.data == payload(log_number, b.base_offset) for b in found)
            assert state.size_bytes == sum(len(b.data) for b in found)
        assert (await storage.load_logs())[1].log_start_offset == 0
        return end
    finally:
        await storage.close()


@pytest.mark.kill
@pytest.mark.parametrize("durable", ["durable", "throw-away"])
async def test_whatever_was_acknowledged_survives_a_kill(data_file: Path, durable: str) -> None:
    storage = await SqliteStorage.open(data_file)
    log_ids = (await new_topic(storage, "t", partitions=2)).log_ids
    await storage.close()
    source, end = random.Random(7), 0
    for _ in range(KILLS):
        acknowledged = await write_and_kill(data_file, end, source.randrange(1, 300), durable)
        assert acknowledged >= end
        end = await check(data_file, acknowledged, log_ids)
    with sqlite3.connect(data_file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
