from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from unittest.mock import ANY

import pytest

from fakebus.errors import StorageError
from fakebus.storage.damage import changed_row, note_schema
from fakebus.storage.migrations import APPLICATION_ID, MIGRATIONS, Migration, migrate

FIRST: Migration = (
    "CREATE TABLE fruit (name TEXT)",
    "INSERT INTO fruit VALUES ('apple')",
)
SECOND: Migration = (
    "ALTER TABLE fruit ADD COLUMN colour TEXT",
    "UPDATE fruit SET colour = 'red'",
)
THIRD: Migration = ("INSERT INTO fruit VALUES ('plum', 'blue')",)
BROKEN: Migration = (
    "DELETE FROM fruit",
    "ALTER TABLE fruit ADD COLUMN size TEXT",
    "INSERT INTO no_such_table VALUES (1)",
)


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def fruit(database: sqlite3.Connection) -> list[tuple[str, ...]]:
    return database.execute("SELECT * FROM fruit ORDER BY name").fetchall()


def pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def test_a_new_database_goes_through_every_step(database: sqlite3.Connection) -> None:
    assert migrate(database, "db", (FIRST, SECOND, THIRD))
    assert fruit(database) == [("apple", "red"), ("plum", "blue")]
    assert pragma(database, "user_version") == 3
    assert pragma(database, "application_id") == APPLICATION_ID


def test_an_old_database_goes_through_the_steps_it_has_not_seen(
    database: sqlite3.Connection,
) -> None:
    migrate(database, "db", (FIRST,))
    database.execute("INSERT INTO fruit VALUES ('mine')")
    assert migrate(database, "db", (FIRST, SECOND, THIRD))
    assert fruit(database) == [("apple", "red"), ("mine", "red"), ("plum", "blue")]


def test_a_current_database_is_left_alone(database: sqlite3.Connection) -> None:
    migrate(database, "db", (FIRST, SECOND))
    changes = database.total_changes
    assert not migrate(database, "db", (FIRST, SECOND))
    assert database.total_changes == changes


def test_a_step_that_fails_leaves_no_trace_of_those_before_either(
    database: sqlite3.Connection,
) -> None:
    migrate(database, "db", (FIRST,))
    with pytest.raises(sqlite3.OperationalError, match="no_such_table"):
        migrate(database, "db", (FIRST, SECOND, BROKEN))
    assert fruit(database) == [("apple",)]
    assert pragma(database, "user_version") == 1
    assert not database.in_transaction


def test_a_newer_database_is_refused(database: sqlite3.Connection) -> None:
    migrate(database, "db", (FIRST, SECOND))
    with pytest.raises(StorageError, match=r"db was written .* version 2, .* up to 1"):
        migrate(database, "db", (FIRST,))


def test_the_steps_of_a_release_never_change() -> None:
    # A new schema is a new step. This is the first one, as data files out there have it.
    tables = [statement.split()[:3] for statement in MIGRATIONS[0]]
    assert tables == [
        ["CREATE", "TABLE", "meta"],
        ["CREATE", "TABLE", "topics"],
        ["CREATE", "TABLE", "logs"],
        ["CREATE", "INDEX", "logs_by_topic"],
        ["CREATE", "TABLE", "batches"],
        ["CREATE", "INDEX", "batches_by_producer"],
        ["CREATE", "TABLE", "purges"],
        ["CREATE", "TABLE", "groups"],
        ["CREATE", "TABLE", "group_offsets"],
    ]


def test_offsets_of_the_first_version_have_no_expiry_of_their_own(
    database: sqlite3.Connection,
) -> None:
    migrate(database, "db", MIGRATIONS[:1])
    database.execute("INSERT INTO groups VALUES ('g', NULL)")
    database.execute("INSERT INTO group_offsets VALUES ('g', 't', 0, 5, -1, '', 1234)")
    database.execute("INSERT INTO topics VALUES (1, x'01', 't', '{}')")
    database.execute("INSERT INTO logs VALUES (1, 1, 0, 3)")
    assert migrate(database, "db")
    assert database.execute(
        'SELECT "offset", expire_timestamp_ms FROM group_offsets'
    ).fetchall() == [(5, None)]
    assert database.execute("SELECT * FROM logs").fetchall() == [(1, 1, 0, 3, 0, ANY)]
    note_schema(database)
    assert changed_row(database) is None
