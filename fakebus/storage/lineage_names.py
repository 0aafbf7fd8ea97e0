"""Names in the rows of lineage: each is kept once, and has a number."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial

from fakebus.storage.sqlite_transaction import Transaction, lots_of, marks_of

_UNUSED_NAME = """
DELETE FROM lineage_names AS known WHERE known.id = ? AND known.id > 0 AND NOT known.is_word
AND NOT EXISTS (SELECT 1 FROM notes WHERE topic = known.id AND span IS NOT NULL)
AND NOT EXISTS (SELECT 1 FROM notes WHERE topic = known.id AND span IS NULL AND topic > 0)
AND NOT EXISTS (SELECT 1 FROM notes WHERE group_name = known.id AND group_name > 0)
AND NOT EXISTS (SELECT 1 FROM identities WHERE topic = known.id)
"""


def numbers_of(connection: sqlite3.Cursor | Transaction, names: Iterable[str]) -> dict[str, int]:
    """Return the numbers of those of the names that have one."""
    found: dict[str, int] = {}
    for lot in lots_of(list(names)):
        wanted = f"SELECT name, id FROM lineage_names WHERE name IN {marks_of(len(lot), 1)}"  # noqa: S608
        found.update(connection.execute(wanted, tuple(lot)).fetchall())
    return found


def give_numbers(
    transaction: Transaction, names: Iterable[str], words: Iterable[str]
) -> dict[str, int]:
    """Return the numbers of names, and of words that are kept for ever; new ones get one."""
    rows = [*((name, 0) for name in names), *((word, 1) for word in words)]
    transaction.insert(
        "INSERT INTO lineage_names (name, is_word)",
        rows,
        "ON CONFLICT (name) DO UPDATE SET is_word = 1 WHERE excluded.is_word > is_word",
    )
    return numbers_of(transaction, (name for name, _ in rows))


def forget_names(transaction: Transaction, rows: Iterable[Sequence[int]]) -> None:
    """Forget those names of rows that have been deleted which no other row has."""
    numbers = {number for row in rows for number in row}
    transaction.executemany(_UNUSED_NAME, [(number,) for number in numbers])


def names_of(connection: sqlite3.Connection, numbers: set[int]) -> dict[int, str]:
    """Return the names that some numbers stand for; empty for those that are gone."""
    find = partial(connection.execute, "SELECT name FROM lineage_names WHERE id = ?")
    # A row that is forgotten between two statements takes its name along.
    return {number: (find((number,)).fetchone() or ("",))[0] for number in numbers}
