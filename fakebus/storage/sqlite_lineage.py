"""Lineage in SQLite: the LineageStore of the interface.

Names (topics, groups, verbs, kinds) are kept once and stand in the rows as numbers, so that a row
takes some 40 bytes. What is noted of an offset is found by the *span* of a note: the smallest
aligned range of 2**n offsets that holds it all. An offset lies in 45 of these, one for each n, so
a question is 45 look-ups in one index however many notes there are: an interval tree kept in rows.

Writes ride with the groups of the writer, in pieces so small that no acknowledgement in the same
group waits noticeably. They are never committed on the event loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from fakebus.errors import StorageError
from fakebus.storage.damage import demand_sum, facts_of, summed_facts, with_sum
from fakebus.storage.lineage_interface import ClientRow, IdentityRow, NoteRow
from fakebus.storage.lineage_names import forget_names, give_numbers, names_of, numbers_of
from fakebus.storage.sqlite_connection import WorkerConnection
from fakebus.storage.sqlite_transaction import MAX_OFFSET, OFFSET_BITS, Operation, Transaction
from fakebus.storage.sqlite_writer import GroupCommitWriter, tell_nobody

_ROWS_AT_ONCE = 100
"""Rows of one write: a millisecond."""
_FORGOTTEN_AT_ONCE = 2000
"""Identities that are forgotten in one transaction; some milliseconds."""
_LEVELS = OFFSET_BITS + 1

_NOTE = "SELECT * FROM notes "
_IDENTITY = 'SELECT kind, value, topic, partition, "offset", rule, id, sum FROM identities '
_OLDEST_NOTES = """
DELETE FROM notes WHERE seq IN (
    SELECT seq FROM (SELECT seq, until_ms FROM notes ORDER BY seq LIMIT ?)
    WHERE seq <= (SELECT max(seq) FROM notes) - ? OR until_ms < ?
) RETURNING topic, group_name
"""
_OLDEST_IDENTITIES = """
DELETE FROM identities WHERE id IN (
    SELECT id FROM identities WHERE id <= (SELECT max(id) FROM identities) - ? ORDER BY id LIMIT ?
) RETURNING topic
"""
_SOME_IDENTITIES = """
DELETE FROM identities WHERE id IN (
    SELECT id FROM identities WHERE topic = (SELECT id FROM lineage_names WHERE name = ?)
    AND partition = ? AND "offset" >= ? AND id <= ? LIMIT ?
) RETURNING topic
"""


class SqliteLineage:
    """Notes, clients and identities: a ``LineageStore``.

    Args:
        writer: takes the writes.
        reader: answers the questions.
    """

    def __init__(self, writer: GroupCommitWriter, reader: WorkerConnection) -> None:
        self._writer = writer
        self.load_clients = reader.reading(_load_clients)
        self.notes_at = reader.reading(_notes_at)
        self.notes_in = reader.reading(_notes_in)
        self.notes_of_clients = reader.reading(_notes_of_clients)
        self.notes_of_group = reader.reading(_notes_of_group)
        self.notes_of_topic = reader.reading(_notes_of_topic)
        self.identity_positions = reader.reading(_identity_positions)
        self.with_identity = reader.reading(_with_identity)
        self.identities_like = reader.reading(_identities_like)
        self.identities_in = reader.reading(_identities_in)

    def _enqueue(self, operation: Operation, *arguments: Any) -> None:
        self._writer.enqueue(operation, arguments, tell_nobody, lazily=True)

    def add_notes(self, notes: Sequence[NoteRow], clients: Sequence[ClientRow]) -> None:
        """Enqueue: keep notes, and keep or replace clients; nobody waits for it."""
        for at in range(0, len(clients), _ROWS_AT_ONCE):
            self._enqueue(_keep_clients, clients[at : at + _ROWS_AT_ONCE])
        for at in range(0, len(notes), _ROWS_AT_ONCE):
            self._enqueue(_keep_notes, notes[at : at + _ROWS_AT_ONCE])

    def trim_notes(self, most: int, before_ms: int) -> None:
        """Enqueue: forget the oldest notes beyond a number or before a time, some of them."""
        self._enqueue(_trim_notes, most, before_ms)

    def trim_identities(self, most: int) -> None:
        """Enqueue: forget the oldest identities beyond a number, some of them."""
        self._enqueue(_trim_identities, most)

    def forget_clients(self, clients: Sequence[int]) -> None:
        """Enqueue: forget clients, some at a time."""
        for at in range(0, len(clients), _ROWS_AT_ONCE):
            self._enqueue(_forget_clients, clients[at : at + _ROWS_AT_ONCE])

    def forget_notes_after(self, seq: int, client: int) -> asyncio.Future[None]:
        """Enqueue: forget the notes and the clients that came later, as a rollback does."""
        return self._writer.enqueue_with_future(_forget_after, (seq, client), lazily=True)

    def add_identities(
        self, rows: Sequence[IdentityRow], positions: Mapping[tuple[str, int], int]
    ) -> None:
        """Enqueue: keep what records say, and up to where each partition has been looked at."""
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            self._enqueue(_keep_identities, rows[at : at + _ROWS_AT_ONCE])
        if positions:
            self._enqueue(_keep_positions, positions)

    def forget_identities_from(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Enqueue: forget what is known of records from an offset on, some of it at a time."""
        self._forget_identities(positions, [])

    def _forget_identities(self, positions: Mapping[tuple[str, int], int], upto: list[int]) -> None:
        more: list[bool] = []

        def go_on(failure: BaseException | None) -> None:
            # What is left when the bus ends goes as the oldest do.
            with suppress(StorageError):
                if failure is None and more:
                    self._forget_identities(positions, upto)

        self._writer.enqueue(_forget_identities, (positions, upto, more), go_on, lazily=True)


def _text(value: str) -> str:
    # What SQLite refuses would fail the whole group, and with it records of others.
    return value if value.isascii() else value.encode(errors="replace").decode()


# -- notes --


def _span(first: int, last: int) -> int | None:
    """Return the number of the smallest aligned range that holds offsets; none for no offsets."""
    if not 0 <= first <= last <= MAX_OFFSET:
        return None
    level = (first ^ last).bit_length()
    return level << OFFSET_BITS | last >> level


def _keep_clients(transaction: Transaction, clients: Sequence[ClientRow]) -> None:
    rows = [(*row[:3], summed_facts(row)) for row in clients]
    transaction.insert("INSERT OR REPLACE INTO lineage_clients", rows)


def _keep_notes(transaction: Transaction, notes: Sequence[NoteRow]) -> None:
    names = {_text(name) for row in notes for name in (row.topic, row.group)}
    numbers = give_numbers(transaction, names, {row.verb for row in notes})
    rows = [
        with_sum(
            *row[:3],
            numbers[row.verb],
            row.client,
            numbers[_text(row.topic)],
            *row[6:9],
            _span(row.first, row.last),
            numbers[_text(row.group)],
            _text(row.member),
            _text(row.detail),
        )
        for row in notes
    ]
    transaction.insert("INSERT OR REPLACE INTO notes", rows)


def _trim_notes(transaction: Transaction, most: int, before_ms: int) -> None:
    gone = transaction.execute(_OLDEST_NOTES, (2 * _ROWS_AT_ONCE, most, before_ms)).fetchall()
    forget_names(transaction, gone)


def _trim_identities(transaction: Transaction, most: int) -> None:
    gone = transaction.execute(_OLDEST_IDENTITIES, (most, 2 * _ROWS_AT_ONCE)).fetchall()
    forget_names(transaction, gone)


def _forget_after(transaction: Transaction, seq: int, client: int) -> None:
    later = "DELETE FROM notes WHERE seq > ? RETURNING topic, group_name"
    forget_names(transaction, transaction.execute(later, (seq,)).fetchall())
    transaction.execute("DELETE FROM lineage_clients WHERE client > ?", (client,))


def _forget_clients(transaction: Transaction, clients: Sequence[int]) -> None:
    rows = ((client,) for client in clients)
    transaction.executemany("DELETE FROM lineage_clients WHERE client = ?", rows)


def _load_clients(connection: sqlite3.Connection) -> tuple[int, list[ClientRow]]:
    [seq] = connection.execute("SELECT ifnull(max(seq), 0) FROM notes").fetchone()
    rows = connection.execute("SELECT * FROM lineage_clients ORDER BY client")
    found = ((*row[:3], facts_of(row)) for row in rows)
    return seq, [ClientRow._make(row) for row in found if row[3] is not None]


def _notes(
    connection: sqlite3.Connection, verbs: Sequence[str], where: str, arguments: Sequence[int]
) -> list[NoteRow]:
    """Return the notes of some verbs that a condition, its order and its limit select."""
    kinds = list(numbers_of(connection.cursor(), verbs).values())
    condition = f"WHERE verb IN ({_marks(kinds)}) AND {where}"
    return _notes_where(connection, condition, (*kinds, *arguments))


def _notes_where(
    connection: sqlite3.Connection, condition: str, arguments: Sequence[int]
) -> list[NoteRow]:
    rows = connection.execute(_NOTE + condition, arguments).fetchall()
    for row in rows:
        demand_sum("notes", f"seq = {row[0]}", row[:-1], row[-1])
    names = names_of(connection, {row[at] for row in rows for at in (3, 5, 10)})
    return [
        NoteRow._make(
            (*row[:3], names[row[3]], row[4], names[row[5]], *row[6:9], names[row[10]], *row[11:13])
        )
        for row in rows
    ]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _notes_at(
    connection: sqlite3.Connection,
    topic: str,
    partition: int,
    offset: int,
    verbs: Sequence[str],
    most: int,
) -> list[NoteRow]:
    place = numbers_of(connection.cursor(), [topic])
    if not place:
        return []
    spans = [level << OFFSET_BITS | offset >> level for level in range(_LEVELS)]
    where = (
        f"topic = ? AND partition = ? AND span IN ({_marks(spans)}) AND first <= ? AND last >= ? "
        "ORDER BY seq LIMIT ?"
    )
    return _notes(connection, verbs, where, (place[topic], partition, *spans, offset, offset, most))


def _notes_in(
    connection: sqlite3.Connection, topic: str, partition: int, first: int, last: int, most: int
) -> list[NoteRow]:
    place = numbers_of(connection.cursor(), [topic])
    if not place:
        return []
    spans = [
        level << OFFSET_BITS | offset >> level
        for level in range(_LEVELS)
        for offset in (first, last)
    ]
    in_span = " OR ".join(["span BETWEEN ? AND ?"] * _LEVELS)
    where = f"WHERE topic = ? AND partition = ? AND ({in_span}) "
    where += "AND first <= ? AND last >= ? ORDER BY seq LIMIT ?"
    return _notes_where(connection, where, (place[topic], partition, *spans, last, first, most))


def _notes_of_clients(
    connection: sqlite3.Connection,
    clients: Sequence[int] | None,
    seqs: tuple[int, int],
    verbs: Sequence[str],
    most: int,
) -> list[NoteRow]:
    where = "" if clients is None else f"client IN ({_marks(clients)}) AND "
    where += "seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?"
    return _notes(connection, verbs, where, (*(clients or ()), *seqs, most))


def _notes_of_topic(
    connection: sqlite3.Connection, topic: str, verbs: Sequence[str], most: int
) -> list[NoteRow]:
    place = numbers_of(connection.cursor(), [topic])
    if not place:
        return []
    # The index has no empty name, which has the lowest number.
    where = "topic = ? AND topic > 0 AND span IS NULL ORDER BY seq DESC LIMIT ?"
    return _notes(connection, verbs, where, (place[topic], most))


def _notes_of_group(
    connection: sqlite3.Connection,
    group: str,
    verbs: Sequence[str],
    most: int,
    topic: str = "",
    partition: int = -1,
    until_ms: int | None = None,
) -> list[NoteRow]:
    names = numbers_of(connection.cursor(), {group, topic})
    if group not in names or topic not in names:
        return []
    where, place = "group_name = ? ", [names[group]]
    if topic:
        where, place = where + "AND topic = ? ", [*place, names[topic]]
    if partition >= 0:
        where, place = where + "AND partition = ? ", [*place, partition]
    if until_ms is not None:
        where, place = where + "AND at_ms <= ? ", [*place, until_ms]
    return _notes(connection, verbs, where + "ORDER BY seq DESC LIMIT ?", (*place, most))


# -- identities --


def _keep_identities(transaction: Transaction, rows: Sequence[IdentityRow]) -> None:
    words = {_text(name) for row in rows for name in (row.kind, row.rule)}
    numbers = give_numbers(transaction, {_text(row.topic) for row in rows}, words)
    found = [
        with_sum(numbers[kind], value, numbers[_text(topic)], *place, numbers[_text(rule)])
        for kind, value, topic, *place, rule in rows
    ]
    into = 'INSERT INTO identities (kind, value, topic, partition, "offset", rule, sum)'
    transaction.insert(into, found)


def _keep_positions(transaction: Transaction, positions: Mapping[tuple[str, int], int]) -> None:
    rows = [(_text(topic), partition, offset) for (topic, partition), offset in positions.items()]
    into = 'INSERT OR REPLACE INTO identity_positions (topic, partition, "offset")'
    transaction.insert(into, rows)


def _forget_identities(
    transaction: Transaction,
    positions: Mapping[tuple[str, int], int],
    upto: list[int],
    more: list[bool],
) -> None:
    """Forget some of what is known of records from an offset on.

    Args:
        transaction: to work in.
        positions: the offsets, by partition.
        upto: the newest row that is meant; what is found in the meantime stays.
        more: gets an item if there may be more to forget.
    """
    if not upto:
        upto.append(transaction.execute("SELECT max(id) FROM identities").fetchone()[0] or 0)
        _lower_positions(transaction, positions)
    left = _FORGOTTEN_AT_ONCE
    for (topic, partition), offset in positions.items():
        gone = transaction.execute(_SOME_IDENTITIES, (_text(topic), partition, offset, *upto, left))
        rows = gone.fetchall()
        forget_names(transaction, rows)
        left -= len(rows)
        if not left:
            more.append(True)
            return


def _lower_positions(transaction: Transaction, positions: Mapping[tuple[str, int], int]) -> None:
    transaction.executemany(
        'UPDATE identity_positions SET "offset" = min("offset", ?) '
        "WHERE topic = ? AND partition = ?",
        ((offset, _text(topic), partition) for (topic, partition), offset in positions.items()),
    )
    transaction.execute('DELETE FROM identity_positions WHERE "offset" <= 0')


def _identity_positions(connection: sqlite3.Connection) -> dict[tuple[str, int], int]:
    rows = connection.execute('SELECT topic, partition, "offset" FROM identity_positions')
    return {(topic, partition): offset for topic, partition, offset in rows}


def _identities(
    connection: sqlite3.Connection, where: str, arguments: Sequence[object]
) -> list[IdentityRow]:
    rows = connection.execute(_IDENTITY + where, arguments).fetchall()
    for row in rows:
        demand_sum("identities", f"id = {row[6]}", row[:6], row[7])
    names = names_of(connection, {row[at] for row in rows for at in (0, 2, 5)})
    return [
        IdentityRow(names[kind], value, names[topic], partition, offset, names[rule])
        for kind, value, topic, partition, offset, rule, *_ in rows
    ]


def _with_identity(
    connection: sqlite3.Connection, kinds: Sequence[str], value: bytes, most: int
) -> list[IdentityRow]:
    numbers = list(numbers_of(connection.cursor(), kinds).values())
    where = f"WHERE value = ? AND kind IN ({_marks(numbers)}) ORDER BY id DESC LIMIT ?"
    return _identities(connection, where, (value, *numbers, most))


def _identities_like(
    connection: sqlite3.Connection, kind: str, begin: bytes, most: int
) -> list[IdentityRow]:
    where = (
        "WHERE kind = (SELECT id FROM lineage_names WHERE name = ?) AND value >= ? AND value < ? "
        "ORDER BY +id DESC LIMIT ?"  # By the index of the values, not through all in their order.
    )
    return _identities(connection, where, (kind, begin, begin + b"\xff", most))


def _identities_in(
    connection: sqlite3.Connection, topic: str, partition: int, first: int, last: int
) -> list[IdentityRow]:
    where = (
        "WHERE topic = (SELECT id FROM lineage_names WHERE name = ?) AND partition = ? "
        'AND "offset" BETWEEN ? AND ? ORDER BY id'
    )
    return _identities(connection, where, (topic, partition, first, last))
