"""Searches by time behind a larger timestamp, held against looking at every batch."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator

import pytest

from fakebus.storage import sqlite_times
from fakebus.storage.interface import Storage
from fakebus.storage.sqlite_times import TimeBlocks

from .batches import append, batch, new_log


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_times, "BLOCK_ROWS", 4)


class Rows:
    """Batches without bytes; the list stands for what the table ought to be searched for."""

    def __init__(self) -> None:
        self.cursor = sqlite3.connect(":memory:").cursor()
        self.cursor.execute("CREATE TABLE batches (id INTEGER PRIMARY KEY, max_timestamp INTEGER)")
        self.rows: dict[int, int] = {}

    def add(self, row_id: int, timestamp: int) -> None:
        self.rows[row_id] = timestamp
        self.cursor.execute("INSERT INTO batches VALUES (?, ?)", (row_id, timestamp))

    def remove(self, row_id: int) -> None:
        del self.rows[row_id]
        self.cursor.execute("DELETE FROM batches WHERE id = ?", (row_id,))

    def first(self, from_id: int, upto_id: int, timestamp: int) -> int | None:
        return min(
            (i for i, t in self.rows.items() if from_id <= i <= upto_id and t >= timestamp),
            default=None,
        )

    def largest(self, from_id: int, upto_id: int) -> int:
        return max((t for i, t in self.rows.items() if from_id <= i <= upto_id), default=-1)


@pytest.fixture
def rows() -> Iterator[Rows]:
    made = Rows()
    yield made
    made.cursor.connection.close()


@pytest.mark.parametrize("seed", range(20))
def test_blocks_find_what_looking_at_every_batch_finds(rows: Rows, seed: int) -> None:
    randomness = random.Random(seed)
    blocks, next_id, start = TimeBlocks(), 100, 100
    for _ in range(150):
        for _ in range(randomness.randrange(6)):
            rows.add(next_id, randomness.randrange(1000) if seed % 2 else next_id)
            next_id += randomness.randrange(1, 4)
        if rows.rows and randomness.random() < 0.2:
            rows.remove(randomness.choice(list(rows.rows)))
        if randomness.random() < 0.1:
            start = randomness.randrange(start, next_id + 1)
        low = randomness.choice([start, randomness.randrange(start, next_id + 1)])
        high = randomness.choice([next_id, randomness.randrange(low, next_id + 1)])
        timestamp = randomness.randrange(1200)
        assert blocks.first(rows.cursor, low, high, timestamp) == rows.first(low, high, timestamp)
        assert blocks.largest(rows.cursor, low, high) == rows.largest(low, high)


def test_a_search_looks_at_one_block_only(rows: Rows) -> None:
    for row_id in range(1000):
        rows.add(row_id, row_id)
    blocks = TimeBlocks()
    assert blocks.largest(rows.cursor, 0, 999) == 999
    looked: list[tuple[int, int]] = []

    class Cursor:
        def execute(self, sql: str, parameters: tuple[int, ...]) -> sqlite3.Cursor:
            looked.append((parameters[0], parameters[1]))
            return rows.cursor.execute(sql, parameters)

    cursor: sqlite3.Cursor = Cursor()  # type: ignore[assignment]
    assert blocks.first(cursor, 0, 999, 701) == 701
    assert blocks.largest(cursor, 0, 999) == 999
    assert all(high - low < 4 for low, high in looked), looked


async def test_a_truncated_log_is_searched_anew(storage: Storage) -> None:
    log_id = await new_log(storage)
    late = [batch(offset, timestamp=5000 if offset == 0 else 100) for offset in range(12)]
    await append(storage, log_id, *late)
    await storage.delete_before(log_id, 1)
    assert await storage.first_batch_at_or_after(log_id, 300, 1, 100) is None
    await storage.truncate(log_id, 4, [])
    await append(storage, log_id, *(batch(offset, timestamp=400) for offset in range(4, 12)))
    found = await storage.first_batch_at_or_after(log_id, 300, 1, 100)
    assert found is not None
    assert found.base_offset == 4
    largest = await storage.batch_with_max_timestamp(log_id, 1, 100)
    assert largest is not None
    assert (largest.base_offset, largest.max_timestamp) == (4, 400)
