"""Damage: what is in the data file, or its write-ahead log, otherwise than it was written.

SQLite knows how its pages hang together, and has sums for the frames of its log; of what stands in
a page it knows nothing, and a log whose sums are wrong it takes for one that ends there. So every
row of the small tables has a sum of its own, which is checked when all of them are read, at the
start; notes and identities have one that is checked when they are read; batches have their CRC,
which is checked whenever they are read, and what their rows say of all before them is held against
those; and the frames that the log had are counted before SQLite looks at it.
"""

from __future__ import annotations

import json
import logging
import shlex
import sqlite3
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from fakebus.errors import StorageError
from fakebus.real_time import machine_start_ns
from fakebus.records.batch import HEADER, HEADER_SIZE, LENGTH_OVERHEAD, MAGIC, invalid_crcs
from fakebus.storage.interface import ProducerBatch, StoredBatch
from fakebus.storage.sqlite_transaction import (
    FRAME_HEADER_BYTES,
    INDEX_HEADER_BYTES,
    LOG_HEADER_BYTES,
    frames_of,
)

logger = logging.getLogger("fakebus.storage")

_FRAME = struct.Struct(">II8s8x")
"""Page, size of the database in pages if it ends a transaction, salt."""

SCHEMA_KEY = "schema"
"""Of the value that only this module knows."""
SUMMED = (
    ("meta", "key", "value"),
    ("topics", "id", "topic_id, name, configs"),
    ("logs", "log_id", "topic, partition, log_start_offset, first_dirty_offset"),
    ("purges", "log_id", "before_offset"),
    ("groups", "group_id", "snapshot"),
    (
        "group_offsets",
        "group_id, topic, partition",
        '"offset", leader_epoch, metadata, commit_timestamp_ms, expire_timestamp_ms',
    ),
    ("freed_bytes", "log_id, from_offset", "bytes"),
    ("leader_epochs", "log_id, epoch", "start_offset"),
    ("snapshots", "name", "content"),
    ("log_changes", "id", "log_id, from_offset, upto_offset"),
)
"""Tables whose rows have a sum, their keys and their other columns, as of the step that adds it."""
SUMMED_LATER = (
    ("lineage_names", "id", "name, is_word"),
    ("identity_positions", "topic, partition", '"offset"'),
)
"""Tables whose rows have got a sum by a later step."""
_WITHOUT_LINEAGE = (
    "DELETE FROM notes; DELETE FROM identities; DELETE FROM identity_positions; "
    "DELETE FROM lineage_names WHERE id > 0"
)
_SUM = "sum"


class Damage(NamedTuple):
    """Damage of a row."""

    what: str
    """What is wrong, and where."""
    statement: str = ""
    """SQL that does something about it, and to nothing else; empty where there is none."""
    so_as_to: str = "go on without it"
    """What the statement is for."""


class ChangedRowError(sqlite3.DatabaseError):
    """Row is not as it was written; an error as SQLite has one for its pages.

    Args:
        damage: which row.
    """

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage.what)
        self.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        self.damage = damage


def damaged_batches(batches: Sequence[StoredBatch]) -> list[int]:
    """Return the places of batches with another CRC than theirs, or not as their row says.

    The CRC covers neither the offset of a batch nor its length.
    """
    places = invalid_crcs([batch.data for batch in batches])
    known = set(places)
    places += [
        place
        for place, batch in enumerate(batches)
        if place not in known and not _is_of_its_row(batch)
    ]
    return sorted(places)


def _is_of_its_row(batch: StoredBatch) -> bool:
    base, last, *times_and_producer, attributes, data = batch
    header = HEADER.unpack_from(data)
    return (
        header[1] + LENGTH_OVERHEAD == len(data)
        and header[3] == MAGIC
        and header[5] == attributes & 0xFFFF
        and header[0] == base
        and header[6] == last - base
        and [*header[8:12]] == times_and_producer
    )


def is_of_its_row(row: ProducerBatch, head: bytes) -> bool:
    """Whether the beginning of a batch says what its row does.

    Args:
        row: what is known of a batch without a look at it.
        head: the first bytes of the batch, its header.
    """
    if len(head) < HEADER_SIZE:
        return False
    header = HEADER.unpack(head)
    return (header[0], header[5], header[0] + header[6], *header[8:12]) == (
        row.base_offset,
        row.attributes & 0xFFFF,
        row.last_offset,
        row.max_timestamp,
        row.producer_id,
        row.producer_epoch,
        row.base_sequence,
    )


def other_row(table: str, which: str, *, is_alone: bool = True) -> Damage:
    """Return the damage of a row that is not as it was written.

    Args:
        table: where it is.
        which: tells it from others, in SQL.
        is_alone: whether others mean the same without it.
    """
    what = f"the row of table {table} with {which} is not as it was written"
    return Damage(what, f"DELETE FROM {table} WHERE {which}" if is_alone else "")  # noqa: S608


def with_sum(*values: object) -> tuple[object, ...]:
    """Return the values of a row and their sum, for tables where a trigger would take too long."""
    return (*values, _row_sum(*values))


def demand_sum(table: str, which: str, values: Sequence[object], found: int | None) -> None:
    """See whether a row that is read has the sum of :func:`with_sum`.

    What earlier versions have written has none.

    Raises:
        ChangedRowError: it is not as it was written.
    """
    if found is not None and found != _row_sum(*values):
        raise ChangedRowError(other_row(table, which))


def sums(tables: Sequence[tuple[str, str, str]] = SUMMED) -> tuple[str, ...]:
    """Return the statements that give rows their sums; whoever writes a row need not know of them.

    A connection that writes, or looks for damage, needs :func:`add_sum_function`.
    """
    statements = []
    for table, key, columns in tables:
        names = key.split(", ")
        where = " AND ".join(f"{name} = new.{name}" for name in names)
        statements.append(f"ALTER TABLE {table} ADD COLUMN sum INTEGER")
        statements.append(f"UPDATE {table} SET sum = row_sum({key}, {columns})")  # noqa: S608
        for event in ("INSERT", f"UPDATE OF {key}, {columns}"):
            statements.append(
                f"CREATE TRIGGER {table}_{event[:6].lower()} AFTER {event} ON {table} BEGIN "  # noqa: S608
                f"UPDATE {table} SET sum = row_sum({key}, {columns}) WHERE {where}; END"
            )
    return tuple(statements)


def add_sum_function(connection: sqlite3.Connection) -> None:
    """Let statements of a connection use the sum of a row."""
    connection.create_function("row_sum", -1, _row_sum, deterministic=True)
    connection.create_function("with_facts_sum", 4, _with_facts_sum, deterministic=True)


def _row_sum(*values: object) -> int:
    return crc32(repr(values).encode())


def note_schema(connection: sqlite3.Connection) -> None:
    """Write down how the tables are described, which no row's sum says anything of."""
    connection.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (SCHEMA_KEY, _schema(connection))
    )


def _schema(connection: sqlite3.Connection) -> str:
    described = connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name")
    return str(_row_sum(*described.fetchall()))


def summed_facts(row: Sequence[Any]) -> str:
    """Return what a client of the lineage has in its last column: facts, and a sum of the row.

    The table is written far too often for a trigger.
    """
    return json.dumps({**row[3], _SUM: _row_sum(*row[:3], json.dumps(row[3]))})


def facts_of(row: Sequence[Any]) -> dict[str, Any] | None:
    """Return the facts of a stored client; ``None`` if the row is not as it was written."""
    try:
        facts = json.loads(row[3])
        known = facts.pop(_SUM, None)
    except (AttributeError, TypeError, ValueError):
        return None
    return facts if known == _row_sum(*row[:3], json.dumps(facts)) else None


def _with_facts_sum(*row: Any) -> str:
    """Return the facts of a client that an earlier version has written, which may have no sum."""
    try:
        facts = json.loads(row[3])
        return row[3] if _SUM in facts else summed_facts((*row[:3], facts))
    except (TypeError, ValueError):
        return row[3]  # type: ignore[no-any-return] # it is told when it is read


def changed_row(connection: sqlite3.Connection) -> Damage | None:
    """Find what is not as it was written in tables that have sums, the first that there is."""
    for table, key, columns in (*SUMMED, *SUMMED_LATER):
        where = f"FROM {table} WHERE sum IS NOT row_sum({key}, {columns}) LIMIT 1"
        quoted = " || ' AND ' || ".join(f"'{name} = ' || quote({name})" for name in key.split(", "))
        found = connection.execute(f"SELECT {quoted} {where}").fetchone()
        if found is not None:
            other = other_row(table, found[0], is_alone=table not in ("topics", "logs"))
            if table == "lineage_names":
                so_as_to = "go on without what is known of who wrote what"
                other = other._replace(statement=_WITHOUT_LINEAGE, so_as_to=so_as_to)
            return other
    for row in connection.execute("SELECT * FROM lineage_clients"):
        if facts_of(row) is None:
            return other_row("lineage_clients", f"client = {row[0]}")
    known = connection.execute("SELECT value FROM meta WHERE key = ?", (SCHEMA_KEY,)).fetchone()
    if known != (_schema(connection),):
        return Damage("its tables are not described as they were")
    return None


class LogFrames:
    """Frames of a write-ahead log, as they are before SQLite looks at them.

    Args:
        path: the data file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + "-wal")
        self.written = 0
        """How many there are up to the last transaction that was ended."""
        header, index = (
            _begin(path.with_name(path.name + ending), size)
            for ending, size in (("-wal", LOG_HEADER_BYTES), ("-shm", 2 * INDEX_HEADER_BYTES))
        )
        if len(header) < LOG_HEADER_BYTES:
            return  # the last end was a clean one, and all of it is in the data file
        self._is_of_earlier_start = self._path.stat().st_mtime_ns < machine_start_ns()
        counted, _, salt = frames_of(index)
        self._page_bytes = int.from_bytes(header[8:12], "big")
        if not _is_right(header):
            self.written = max(1, counted)
        elif counted and salt == header[16:24]:
            self.written = counted
        else:
            self.written = self._count(header[16:24])

    def _count(self, salt: bytes) -> int:
        """Count without an index: what is left of the log before has another salt."""
        last = 0
        with self._path.open("rb") as file:
            size = file.seek(0, 2)
            places = range(LOG_HEADER_BYTES, size, FRAME_HEADER_BYTES + self._page_bytes)
            for number, place in enumerate(places, start=1):
                file.seek(place)
                frame = file.read(FRAME_HEADER_BYTES)
                if len(frame) == FRAME_HEADER_BYTES:
                    _, pages, found = _FRAME.unpack(frame)
                    last = number if pages and found == salt else last
        return last

    def demand_file(self, path: Path) -> None:
        """See whether the data file is there that they belong to: SQLite would delete them.

        Args:
            path: where it has to be.

        Raises:
            StorageError: it is not there, or empty.
        """
        if self.written and not (path.exists() and path.stat().st_size):
            what = "is empty" if path.exists() else "is not there"
            raise StorageError(
                f"{path} {what}, but {self._path} is left of it, with what was stored last. "
                "Nothing was changed. Put the data file back in its place; to begin anew without "
                f"what was stored:  rm {self._path}"
            )

    def demand(self, frames: int) -> None:
        """See whether SQLite has found all of them.

        Args:
            frames: how many it has found.

        What was not on the disk when the machine itself stopped is no damage: no commit waits for
        the disk, and an index may be there before the frames that it counts.

        Raises:
            StorageError: it has not, and takes the log for one that ends before.
        """
        if frames >= self.written:
            return
        if self._is_of_earlier_start:
            logger.warning(
                "%s ends after frame %d of %d: what was stored last was not on the disk yet when "
                "the machine stopped, and is gone",
                self._path,
                frames,
                self.written,
            )
        else:
            place = LOG_HEADER_BYTES + frames * (FRAME_HEADER_BYTES + self._page_bytes)
            raise StorageError(
                f"{self._path} is damaged at byte {place if frames else 0}, in frame {frames + 1} "
                f"of {self.written}: what was stored from there on cannot be read. It was left as "
                "it is. Put a backup of it and of the data file in its place, choose another file, "
                f"or go on with what was stored before:  truncate -s {place if frames else 0} "
                f"{self._path}"
            )


def _begin(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        return b""


def _is_right(header: bytes) -> bool:
    """Whether the header of a log has the sums that it says."""
    order = ">" if header[3] & 1 else "<"
    first = second = 0
    numbers = struct.unpack(f"{order}6I", header[:24])
    for left, right in zip(numbers[::2], numbers[1::2], strict=True):
        first = (first + left + second) & 0xFFFFFFFF
        second = (second + right + first) & 0xFFFFFFFF
    return header[:3] == b"\x37\x7f\x06" and struct.pack(">II", first, second) == header[24:32]


def damaged(name: str, damage: Damage) -> str:
    """Say that a file is damaged, how, and what can be done."""
    remedy = f"save what can be read: sqlite3 {name} .recover | sqlite3 NEW_FILE"
    if damage.statement:
        remedy = f"{damage.so_as_to}: sqlite3 {name} {shlex.quote(damage.statement)}"
    return (
        f"{name} is damaged: {damage.what}. Put a backup in its place, choose another file, or "
        f"{remedy}"
    )


def first_damage(connection: sqlite3.Connection) -> str | None:
    """Return what is wrong first in the structure of a database; it is read as a whole."""
    try:
        [found] = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        found = "page 1, where its tables are named, cannot be read"
    return None if found == "ok" else " ".join(found.split())
