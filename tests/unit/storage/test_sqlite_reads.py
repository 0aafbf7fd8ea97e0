from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from fakebus.records.batch import assign_offset
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fakebus.storage import sqlite_reads, sqlite_search
from fakebus.storage.interface import Storage
from fakebus.storage.migrations import migrate

from .batches import END, append, batch, new_log


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, "db")
    yield connection
    connection.close()


def plan(database: sqlite3.Connection, sql: str) -> list[str]:
    parameters = (1,) * sql.count("?")
    return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]


@pytest.mark.parametrize("name", ["NEXT_PRODUCER", "PRODUCER_BATCHES"])
def test_producers_are_looked_up_in_their_index_and_never_sorted(
    database: sqlite3.Connection, name: str
) -> None:
    [step] = plan(database, getattr(sqlite_reads, name))
    assert step.startswith("SEARCH batches USING")
    assert "INDEX batches_by_producer (<expr>=? AND producer_id" in step


@pytest.mark.parametrize("name", ["AT_OR_BEFORE", "AT_OR_AFTER"])
def test_batches_are_looked_up_by_row_id(database: sqlite3.Connection, name: str) -> None:
    expected = "SEARCH batches USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
    assert plan(database, getattr(sqlite_search, name)) == [expected]


async def small_batches(storage: Storage, count: int, records: int = 3) -> tuple[int, list[bytes]]:
    """Fill a log with sound batches of some records; return its number and what it holds."""
    log_id = await new_log(storage)
    rows = []
    for base_offset in range(0, count * records, records):
        data = build_batch([NewRecord(key=None, value=b"v", timestamp_ms=1)] * records)
        assign_offset(data, base_offset, 0)
        rows.append(batch(base_offset, records)._replace(data=bytes(data), max_timestamp=1))
    await append(storage, log_id, *rows)
    return log_id, [row.data for row in rows]


@pytest.mark.parametrize("most", [1, 63, 64, 65, 100, 320, 321, 1000])
async def test_a_run_of_batches_with_several_records_is_read_whole_and_no_further(
    storage: Storage, most: int
) -> None:
    log_id, batches = await small_batches(storage, 400)
    for first in (0, 7, 250):
        found = await storage.read_data(log_id, 3 * first + 1, END, 1 << 20, most)
        assert found is not None
        wanted = batches[first : first + most]
        assert b"".join(found[0]) == b"".join(wanted)
        assert found[1] == 3 * (first + len(wanted)) - 1


async def test_a_run_before_what_was_compacted_has_no_more_bytes_than_asked_for(
    storage: Storage,
) -> None:
    log_id, batches = await small_batches(storage, 40)
    [kept] = await storage.read_batches(log_id, 30, 33, 1000)
    await storage.replace_batches(log_id, 30, 60, [kept])
    size = len(batches[0])
    found = await storage.read_data(log_id, 0, END, 4 * size, 100)
    assert found == ([b"".join(batches[:4])], 11)
