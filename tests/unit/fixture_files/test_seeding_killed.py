"""A process that is killed while it seeds leaves a file that the next one completes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import process_of
from tests.unit.fixture_files.conftest import WriteSet
from tests.unit.fixture_files.test_seeding import NOW_MS, ORDERS, SeedBus, events

COUNT = 40_000
SEEDER = """
import asyncio, sys
from pathlib import Path
from fakebus.broker.broker import Broker
from fakebus.fixture_files.loader import load_fixtures
from fakebus.fixture_files.seeding.seeder import seed
from fakebus.storage.sqlite import SqliteStorage

async def main():
    broker = Broker(await SqliteStorage.open(Path(sys.argv[1])))
    await broker.start()
    fixture_set = load_fixtures(Path(sys.argv[2]), now_ms=int(sys.argv[3]))
    await seed(broker, fixture_set, progress=lambda done, total: print(done, flush=True))

asyncio.run(main())
"""


def seed_and_be_killed(data: Path, root: Path, parts_before_the_kill: int) -> int:
    """Return the number of events that the process had reported when it was killed."""
    command = [sys.executable, "-c", SEEDER, str(data), str(root), str(NOW_MS)]
    with process_of(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(parts_before_the_kill)]
        process.kill()
    return int(lines[-1])


@pytest.mark.kill
@pytest.mark.parametrize("parts_before_the_kill", [1, 4])
async def test_killed_seed_is_completed_without_doubles(
    tmp_path: Path, write_set: WriteSet, parts_before_the_kill: int
) -> None:
    root = write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(*range(COUNT))})
    data = tmp_path / "fakebus.db"
    reported = seed_and_be_killed(data, root, parts_before_the_kill)
    bus = SeedBus(data)
    report = await bus.seed(root)
    assert report.skipped >= reported == 5000 * parts_before_the_kill
    assert report.skipped % 5000 == 0
    assert report.records + report.skipped == COUNT
    assert await bus.values("orders", 0) == [str(number).encode() for number in range(COUNT)]
