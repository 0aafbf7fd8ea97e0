from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from fakebus.storage import sqlite_reads, sqlite_search
from fakebus.storage.migrations import migrate


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
