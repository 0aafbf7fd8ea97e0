from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakebus.storage.interface import BatchPosition, Storage, StoredBatch
from fakebus.storage.migrations import migrate
from fakebus.storage.sqlite import SqliteStorage
from fakebus.storage.sqlite_reads import read_batches
from fakebus.storage.sqlite_search import LogRange
from fakebus.storage.sqlite_transaction import Transaction

from .batches import END, append, batch, new_log


def position(found: StoredBatch) -> BatchPosition:
    return BatchPosition(found.base_offset, found.last_offset, found.max_timestamp)


def visible(batches: list[StoredBatch], start: int, upto: int) -> list[StoredBatch]:
    return [b for b in batches if b.last_offset >= start and b.base_offset < upto]


async def check(
    storage: Storage, log_id: int, batches: list[StoredBatch], start: int, upto: int, time: int
) -> None:
    """Compare both look-ups with a look at every batch."""
    inside = visible(batches, start, upto)
    expected = next((position(b) for b in inside if b.max_timestamp >= time), None)
    assert await storage.first_batch_at_or_after(log_id, time, start, upto) == expected
    newest = max(inside, key=lambda b: (b.max_timestamp, -b.base_offset), default=None)
    found = await storage.batch_with_max_timestamp(log_id, start, upto)
    assert found == (None if newest is None else position(newest))


def make_log(seed: int, shape: str) -> list[StoredBatch]:
    source = random.Random(seed)
    batches, offset, now = [], 0, 1000
    for index in range(60):
        now += source.randrange(0, 5)
        timestamp = {
            "rising": now,
            "jittered": now + source.randrange(-20, 20),
            "random": source.randrange(1000, 1100),
            "falling": 2000 - now,
            "equal": 1000,
            "early giant": 5000 if index == 3 else now,
        }[shape]
        records = source.randrange(1, 6)
        batches.append(batch(offset, records, timestamp=timestamp))
        offset += records
        if source.random() < 0.3:
            offset += source.randrange(1, 50)
    return batches


SHAPES = ["rising", "jittered", "random", "falling", "equal", "early giant"]


@pytest.mark.parametrize("shape", SHAPES)
async def test_look_ups_by_time_agree_with_a_look_at_every_batch(
    storage: Storage, shape: str
) -> None:
    log_id = await new_log(storage)
    batches = make_log(1, shape)
    await append(storage, log_id, *batches)
    source = random.Random(2)
    last = batches[-1].last_offset
    for _ in range(200):
        start, upto = source.randrange(0, last + 5), source.randrange(0, last + 5)
        time = source.choice(batches).max_timestamp + source.randrange(-1, 2)
        await check(storage, log_id, batches, start, upto, time)


@pytest.mark.parametrize("shape", SHAPES)
async def test_look_ups_by_time_agree_after_the_ends_were_cut_off(
    storage: Storage, shape: str
) -> None:
    log_id = await new_log(storage)
    batches = make_log(3, shape)
    await append(storage, log_id, *batches)
    start, end = batches[20].base_offset, batches[40].base_offset
    await storage.delete_before(log_id, start)
    await storage.truncate(log_id, end, [])
    more = [
        b._replace(base_offset=b.base_offset + end, last_offset=b.last_offset + end)
        for b in make_log(4, shape)
    ]
    await append(storage, log_id, *more)
    left = [b for b in batches if b.base_offset < end and b.last_offset >= start] + more
    for time in sorted({b.max_timestamp for b in left}):
        await check(storage, log_id, left, 0, END, time)
        await check(storage, log_id, left, start, END, time + 1)
    [state] = await storage.load_logs()
    assert state.max_timestamp == max(b.max_timestamp for b in left)


async def test_look_ups_by_time_begin_anew_when_a_log_is_cut_and_again_when_it_has_been(
    file_storage: SqliteStorage,
) -> None:
    log_id = await new_log(file_storage)
    await append(file_storage, log_id, *(batch(n) for n in range(3)))
    # What a look-up meanwhile learns of the log may be of before or after.
    times = [file_storage._logs._times(log_id)]
    cut = file_storage.truncate(log_id, 1, [])
    times.append(file_storage._logs._times(log_id))
    await cut
    times.append(file_storage._logs._times(log_id))
    assert len(set(map(id, times))) == 3


async def test_a_larger_timestamp_below_the_log_start_counts_no_more(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0, timestamp=9000), batch(1, timestamp=1000))
    await storage.delete_before(log_id, 1)
    await append(storage, log_id, batch(2, timestamp=2000), batch(3, timestamp=1500))
    assert await storage.batch_with_max_timestamp(log_id, 0, END) == (2, 2, 2000)
    assert await storage.first_batch_at_or_after(log_id, 1100, 0, END) == (2, 2, 2000)
    assert await storage.first_batch_at_or_after(log_id, 2001, 0, END) is None
    [state] = await storage.load_logs()
    assert state.max_timestamp == 2000


async def test_an_empty_log_finds_nothing(storage: Storage) -> None:
    log_id = await new_log(storage)
    assert await storage.first_batch_at_or_after(log_id, 0, 0, END) is None
    assert await storage.batch_with_max_timestamp(log_id, 0, END) is None


async def test_batches_without_a_timestamp_are_found_as_minus_one(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0, timestamp=-1), batch(1, timestamp=-1))
    assert await storage.batch_with_max_timestamp(log_id, 0, END) == (0, 0, -1)
    assert await storage.first_batch_at_or_after(log_id, 0, 0, END) is None


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, "db")
    yield connection
    connection.close()


def test_a_read_takes_as_many_steps_in_a_long_log_as_in_a_short_one(
    database: sqlite3.Connection,
) -> None:
    taken: list[int] = []
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    for log_id, length in ((1, 1_000), (2, 20_000)):
        batches = [batch(n, timestamp=n, size=70) for n in range(length)]
        Transaction(database).run([(Transaction.append, (log_id, batches))])
        steps = 0
        database.set_progress_handler(count, 10)
        found, _ = read_batches(database, log_id, length // 2, END, 70 * 300, 1_000)
        database.set_progress_handler(None, 0)
        assert [each.base_offset for each in found] == list(range(length // 2, length // 2 + 300))
        taken.append(steps)
    assert taken[1] < taken[0] * 1.2


@pytest.mark.parametrize("jitter", [0, 50])
def test_a_look_up_in_a_long_log_takes_few_steps(database: sqlite3.Connection, jitter: int) -> None:
    source = random.Random(5)
    batches = [batch(n, timestamp=n * 10 + source.randint(0, jitter)) for n in range(5000)]
    Transaction(database).run([(Transaction.append, (1, batches))])
    newest = max(batches, key=lambda b: (b.max_timestamp, -b.base_offset))
    statements: list[str] = []
    database.set_trace_callback(statements.append)
    log = LogRange(database, 1, 0, END)
    assert log.with_max_timestamp().position == position(newest)  # type: ignore[union-attr]
    for time in range(100, 49_000, 1234):
        expected = next(b for b in batches if b.max_timestamp >= time)
        del statements[:]
        found = log.first_with_timestamp(time)
        assert found is not None
        assert found.position == position(expected)
        assert len(statements) < 25
        # None of them looks at one batch after the other.
        assert not [sql for sql in statements if "max_timestamp >=" in sql]
    del statements[:]
    assert log.first_with_bytes(31_415).base_offset == 3141  # type: ignore[union-attr]
    assert log.size_bytes() == 50_000
    log.with_max_timestamp()
    assert len(statements) < 50
    assert not [sql for sql in statements if "BY max_timestamp" in sql]


async def test_a_log_that_was_emptied_starts_over_with_its_timestamps(
    file_storage: SqliteStorage, data_file: Path
) -> None:
    log_id = await new_log(file_storage)
    await append(file_storage, log_id, batch(0, timestamp=9000))
    await file_storage.delete_before(log_id, 1)
    await append(file_storage, log_id, batch(1, timestamp=5))
    with sqlite3.connect(data_file) as connection:
        rows = connection.execute("SELECT running_max_timestamp FROM batches").fetchall()
    connection.close()
    assert rows == [(5,)]
