"""Notes, clients and identities as storage keeps them."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from fakebus.storage import sqlite_lineage
from fakebus.storage.lineage_interface import ClientRow, IdentityRow, NoteRow
from fakebus.storage.sqlite import SqliteStorage
from fakebus.storage.sqlite_transaction import Transaction
from tests.unit.storage.conftest import OpenStorage

ALL = ("produced", "fetched", "committed", "joined")


def note(seq: int, first: int = 0, last: int = 0, **changes: object) -> NoteRow:
    row = NoteRow(seq, seq, seq, "fetched", 1, "t", 0, first, last)
    return row._replace(**changes)


async def test_notes_are_found_by_any_offset_that_they_hold(storage: SqliteStorage) -> None:
    chance = random.Random(7)
    notes = []
    for seq in range(1, 400):
        first = chance.choice((0, chance.randrange(300), 2**40 + chance.randrange(50)))
        last = first + chance.choice((0, 1, chance.randrange(200)))
        place = {"verb": chance.choice(ALL), "partition": chance.randrange(2)}
        notes.append(note(seq, first, last, **place))
    storage.lineage.add_notes(notes, [])
    await storage.flush()
    for offset in (0, 1, 63, 64, 150, 299, 500, 2**40, 2**40 + 31, 2**43):
        expected = [
            each
            for each in notes
            if each.verb in ("fetched", "joined")
            and each.partition == 1
            and each.first <= offset <= each.last
        ]
        found = await storage.lineage.notes_at("t", 1, offset, ("fetched", "joined"), 1000)
        assert found == expected
        assert (
            await storage.lineage.notes_at("t", 1, offset, ALL, 1)
            == sorted(e for e in notes if e.partition == 1 and e.first <= offset <= e.last)[:1]
        )
    assert await storage.lineage.notes_at("u", 1, 0, ALL, 10) == []


async def test_a_note_without_records_or_with_impossible_offsets_is_at_no_offset(
    storage: SqliteStorage,
) -> None:
    odd = [note(1, 5, 4), note(2, -1, -1), note(3, 2**63 - 1, 2**63 - 1, group="g")]
    storage.lineage.add_notes(odd, [])
    await storage.flush()
    for offset in (4, 5, 2**44 - 1):
        assert await storage.lineage.notes_at("t", 0, offset, ALL, 10) == []
    assert await storage.lineage.notes_of_group("g", ALL, 10) == odd[2:]


async def test_a_note_that_has_grown_takes_the_place_of_the_old_one(
    storage: SqliteStorage,
) -> None:
    storage.lineage.add_notes([note(1, 0, 3)], [])
    storage.lineage.add_notes([note(1, 0, 9)], [])
    await storage.flush()
    assert await storage.lineage.notes_at("t", 0, 8, ALL, 10) == [note(1, 0, 9)]


async def test_notes_of_clients_and_groups_come_newest_first(storage: SqliteStorage) -> None:
    rows = [
        note(1, client=1),
        note(2, client=2, verb="joined", topic="", partition=-1, group="g", member="m"),
        note(3, client=1, verb="committed", group="g", detail="\ud800 and \x1b"),
        note(4, client=2, verb="committed", group="g", partition=1),
    ]
    storage.lineage.add_notes(rows, [])
    await storage.flush()
    rows[2] = rows[2]._replace(detail="? and \x1b")
    find = storage.lineage
    assert await find.notes_of_clients([1, 2], (2, 4), ALL, 2) == [rows[3], rows[2]]
    assert await find.notes_of_clients([1], (1, 9), ("fetched",), 9) == [rows[0]]
    assert await find.notes_of_group("g", ALL, 9) == rows[:0:-1]
    assert await find.notes_of_group("g", ("joined", "committed"), 9, "t", 1) == [rows[3]]
    assert await find.notes_of_group("no-such-group", ALL, 9) == []


async def test_the_oldest_notes_go_by_number_and_by_age(storage: SqliteStorage) -> None:
    storage.lineage.add_notes([note(seq) for seq in range(1, 301)], [])
    storage.lineage.trim_notes(250, 0)
    await storage.flush()
    left = await storage.lineage.notes_at("t", 0, 0, ALL, 999)
    assert [left[0].seq, len(left)] == [51, 250]
    storage.lineage.trim_notes(250, 100)
    await storage.flush()
    assert (await storage.lineage.notes_at("t", 0, 0, ALL, 1))[0].seq == 100
    for _ in range(3):
        storage.lineage.trim_notes(250, 10_000)
    await storage.flush()
    assert await storage.lineage.notes_at("t", 0, 0, ALL, 1) == []


async def test_what_came_after_a_number_is_forgotten(storage: SqliteStorage) -> None:
    clients = [ClientRow(1, 5, 6, {"client_id": "a"}), ClientRow(2, 7, 8, {"client_id": "b"})]
    storage.lineage.add_notes([note(1), note(2)], clients)
    await storage.lineage.forget_notes_after(1, 1)
    assert await storage.lineage.load_clients() == (1, clients[:1])


async def test_clients_and_notes_are_there_after_a_restart(
    open_storage: OpenStorage, data_file: Path
) -> None:
    storage = await open_storage(data_file)
    row = ClientRow(1, 5, 6, {"client_id": "a", "groups": ["g"], "process": None})
    storage.lineage.add_notes([note(1, group="g")], [row])
    storage.lineage.add_notes([], [row._replace(last_seen_ms=9)])
    await storage.close()
    storage = await open_storage(data_file)
    assert await storage.lineage.load_clients() == (1, [row._replace(last_seen_ms=9)])
    assert await storage.lineage.notes_of_group("g", ALL, 9) == [note(1, group="g")]


async def test_notes_of_a_range_are_those_that_any_of_its_offsets_has(
    storage: SqliteStorage,
) -> None:
    chosen = random.Random(1)
    notes = []
    for seq in range(1, 300):
        first = chosen.randrange(2000)
        last = first + chosen.choice([0, 1, 3, 100, 1500])
        notes.append(note(seq, first=first, last=last))
    storage.lineage.add_notes(notes, [])
    await storage.flush()
    for first, last in ((0, 255), (256, 511), (700, 700), (333, 1777), (3990, 5000)):
        wanted = [each for each in notes if each.first <= last and first <= each.last]
        assert await storage.lineage.notes_in("t", 0, first, last, 999) == wanted
        assert await storage.lineage.notes_in("t", 0, first, last, 2) == wanted[:2]
    assert await storage.lineage.notes_in("other", 0, 0, 9, 9) == []
    assert await storage.lineage.notes_in("t", 1, 0, 9, 9) == []


async def test_identities_are_found_by_value_and_by_record(storage: SqliteStorage) -> None:
    rows = [
        IdentityRow("identity", b"1", "t", 0, 4, "ce_id"),
        IdentityRow("cause", b"1", "t", 1, 5, "ce_causationid"),
        IdentityRow("identity", b"2", "t", 0, 5, "ce_id"),
    ]
    storage.lineage.add_identities(rows, {("t", 0): 6, ("t", 1): 6})
    await storage.flush()
    find = storage.lineage
    assert await find.with_identity(("identity", "cause"), b"1", 9) == [rows[1], rows[0]]
    assert await find.with_identity(("identity",), b"1", 9) == [rows[0]]
    assert await find.identities_like("identity", b"", 9) == [
        row for row in reversed(rows) if row.kind == "identity"
    ]
    assert await find.identities_like("identity", b"1", 9) == [rows[0]]
    assert await find.identities_like("cause", b"0", 9) == []
    assert await find.identities_in("t", 0, 5, 5) == [rows[2]]
    assert await find.identity_positions() == {("t", 0): 6, ("t", 1): 6}
    find.forget_identities_from({("t", 0): 5})
    await storage.flush()
    assert await find.identities_in("t", 0, 5, 5) == []
    assert await find.identities_in("t", 0, 0, 4) == [rows[0]]
    assert await find.identity_positions() == {("t", 0): 5, ("t", 1): 6}


async def test_many_identities_are_forgotten_some_at_a_time_and_what_comes_meanwhile_stays(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_lineage, "_FORGOTTEN_AT_ONCE", 2)
    forget_names, at_once = sqlite_lineage.forget_names, list[int]()

    def noting(transaction: Transaction, rows: Iterable[Sequence[int]]) -> None:
        at_once.append(len(rows := list(rows)))
        forget_names(transaction, rows)

    monkeypatch.setattr(sqlite_lineage, "forget_names", noting)
    rows = [
        IdentityRow("key", b"k", "t", partition, offset, "key")
        for partition in range(2)
        for offset in range(5)
    ]
    find = storage.lineage
    find.add_identities(rows, {("t", 0): 5, ("t", 1): 5})
    find.forget_identities_from({("t", 0): 0, ("t", 1): 4})
    find.add_identities(rows[:1], {("t", 0): 1})
    while sum(at_once) < 6:
        await storage.flush()
    assert max(at_once) == 2
    assert await find.with_identity(("key",), b"k", 99) == [rows[0], *rows[8:4:-1]]
    assert await find.identity_positions() == {("t", 0): 1, ("t", 1): 4}


async def test_the_oldest_identities_go_by_number(storage: SqliteStorage) -> None:
    rows = [IdentityRow("key", b"k", "t", 0, offset, "key") for offset in range(20)]
    storage.lineage.add_identities(rows, {})
    storage.lineage.trim_identities(15)
    await storage.flush()
    assert await storage.lineage.with_identity(("key",), b"k", 99) == rows[:4:-1]


async def test_names_of_topics_and_groups_go_with_the_last_row_that_has_them(
    storage: SqliteStorage,
) -> None:
    find, names = storage.lineage, ("wordy", "t", "asked", "g")
    plain = note(1, topic="wordy", group="g")
    find.add_notes([plain, note(2, topic="asked", partition=-1, first=-1, last=-1)], [])
    find.add_identities([IdentityRow("wordy", b"1", "t", 0, 4, "ce_id")], {})
    await storage.flush()

    def known(connection: sqlite3.Connection) -> list[str]:
        rows = connection.execute("SELECT name FROM lineage_names WHERE id > 0")
        return sorted(name for (name,) in rows if name in names)

    for row in (note(3, topic="t"), note(4, topic="u"), note(5, topic="u")):
        find.add_notes([row], [])
    find.trim_notes(4, 0)
    await storage.flush()
    # What is a kind too stays, and what others still name.
    assert await storage._reader_connection.read(known) == ["asked", "t", "wordy"]
    find.trim_notes(1, 0)
    await storage.flush()
    assert await storage._reader_connection.read(known) == ["t", "wordy"]
    find.forget_identities_from({("t", 0): 0})
    await storage.flush()
    assert await storage._reader_connection.read(known) == ["wordy"]
    find.add_notes([plain._replace(seq=6)], [])
    await find.forget_notes_after(5, 0)
    assert await storage._reader_connection.read(known) == ["wordy"]


async def test_clients_that_are_forgotten_are_not_loaded_again(storage: SqliteStorage) -> None:
    rows = [ClientRow(number, 5, 6, {}) for number in range(1, 251)]
    storage.lineage.add_notes([], rows)
    storage.lineage.forget_clients(range(1, 250))
    await storage.flush()
    assert await storage.lineage.load_clients() == (0, rows[-1:])
