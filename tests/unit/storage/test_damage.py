"""What has changed in a data file or its log is told at the start, with place and remedy."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sqlite3
from pathlib import Path
from uuid import UUID

import pytest

from fakebus.errors import StorageError
from fakebus.real_time import machine_start_ns
from fakebus.records.batch import assign_offset
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fakebus.storage import sqlite_reads
from fakebus.storage.damage import LogFrames, damaged_batches, is_of_its_row
from fakebus.storage.interface import KeptRange, LogChange, OffsetRow, StoredBatch, TopicRow
from fakebus.storage.lineage_interface import ClientRow, IdentityRow, NoteRow
from fakebus.storage.sqlite import SqliteStorage

OFFSET = OffsetRow(
    topic="t",
    partition=0,
    offset=1234567,
    leader_epoch=0,
    metadata="meta",
    commit_timestamp_ms=5,
    expire_timestamp_ms=None,
)


@pytest.fixture(autouse=True)
def batches_as_they_are(monkeypatch: pytest.MonkeyPatch, invented_batches: None) -> None:
    monkeypatch.setattr(sqlite_reads, "damaged_batches", damaged_batches)
    monkeypatch.setattr(sqlite_reads, "is_of_its_row", is_of_its_row)


def row(offset: int, producer_id: int = -1) -> StoredBatch:
    producer = {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": offset}
    data = build_batch([NewRecord(key=None, value=b"v", timestamp_ms=1)], **producer)
    assign_offset(data, offset, 0)
    return StoredBatch(offset, offset, 1, producer_id, 0, offset, 0, bytes(data))


async def fill(path: Path) -> None:
    storage = await SqliteStorage.open(path, durable=False)
    log_id = storage.next_log_id()
    await storage.save_topic(
        TopicRow(name="t", topic_id=UUID(int=7), log_ids=(log_id,), configs={"retention.ms": "77"})
    )
    done: list[BaseException | None] = []
    for offset in range(3):
        storage.append_batches(log_id, [row(offset, 4711)], done.append)
    storage.commit_offsets("g", [OFFSET])
    await storage.set_meta("a", "it's so")
    storage.lineage.add_notes([], [ClientRow(8, 1, 2, {"name": "shop", "topics": ["t"]})])
    await storage.close()
    assert done == [None] * 3


@pytest.fixture
async def filled(data_file: Path) -> Path:
    await fill(data_file)
    return data_file


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


async def told(path: Path) -> str:
    with pytest.raises(StorageError) as caught:
        await load(path)
    return str(caught.value)


async def load(path: Path) -> None:
    storage = await SqliteStorage.open(path)
    try:
        [topic] = await storage.load_topics()
        await storage.producer_batches(topic.log_ids[0], 5)
    finally:
        await storage.close()


def flip(path: Path, content: bytes, place: int = 0) -> None:
    before = read(path)
    assert before.count(content) == 1
    at = before.index(content) + place
    write(path, before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :])


def change_the_index(path: Path) -> None:
    """Give a batch another producer, in the index of them alone."""
    connection = sqlite3.connect(path)
    [page] = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'batches_by_producer'"
    ).fetchone()
    connection.close()
    content = bytearray(read(path))
    at = content.rindex((4711).to_bytes(2, "big"), 0, page * 16384)
    assert at > (page - 1) * 16384
    content[at + 1] ^= 1
    write(path, content)


@pytest.mark.parametrize(
    ("content", "row"),
    [
        (b"it's so", "table meta with key = 'a'"),
        (b"g" + b"t" + (1234567).to_bytes(3, "big"), "table group_offsets with group_id = 'f' AND"),
        (b'{"retention.ms": "77"}', "table topics with id = 1"),
        (b'{"name": "shop"', "table lineage_clients with client = 8"),
        (b'"shop", ', "table lineage_clients with client = 8"),
    ],
)
async def test_a_row_that_has_changed_is_told_by_its_key(
    filled: Path, content: bytes, row: str
) -> None:
    flip(filled, content)
    before = read(filled)
    message = await told(filled)
    assert f"{filled} is damaged: the row of {row}" in message
    assert read(filled) == before


async def test_a_row_that_has_changed_can_be_gone_without(filled: Path) -> None:
    flip(filled, b"it's so")
    message = await told(filled)
    command = shlex.split(message.split("go on without it: ")[1])
    assert command[:2] == ["sqlite3", str(filled)]
    connection = sqlite3.connect(filled)
    connection.execute(command[2])
    connection.commit()
    connection.close()
    storage = await SqliteStorage.open(filled)
    assert storage.get_meta("a") is None
    assert [group.offsets for group in await storage.load_groups()] == [(OFFSET,)]
    [client] = (await storage.lineage.load_clients())[1]
    assert client == (8, 1, 2, {"name": "shop", "topics": ["t"]})
    await storage.close()


def execute(path: Path, statements: str) -> None:
    """Do as the program of SQLite does, which knows nothing of sums."""
    connection = sqlite3.connect(path)
    connection.executescript(statements)
    connection.close()


@pytest.mark.parametrize("column", ["cumulative_bytes", "running_max_timestamp"])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("bit", [1, 1 << 40])
async def test_totals_that_have_changed_are_told_and_can_be_counted_anew(
    filled: Path, column: str, place: int, bit: int
) -> None:
    offset = f"WHERE id & 255 = {place}"
    execute(filled, f"UPDATE batches SET {column} = {column} + {bit} {offset}")  # noqa: S608
    message = await told(filled)
    assert f"{filled} is damaged: the row of table batches with id = " in message
    execute(filled, shlex.split(message.split("have it counted anew: ")[1])[2])
    storage = await SqliteStorage.open(filled)
    assert await storage.size_bytes(1) == 3 * len(row(0).data)
    await storage.close()


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_no_log_is_cut_by_totals_that_have_changed(
    filled: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr("fakebus.storage.sqlite.CHECKED_AT_ONCE_BYTES", 0)
    change = "SET cumulative_bytes = cumulative_bytes + 1000000"
    execute(filled, f"UPDATE batches {change} WHERE id & 255 = {place}")
    storage = await SqliteStorage.open(filled)
    with pytest.raises(StorageError, match="is damaged: the row of table batches with id = "):
        await storage.retention_cut(1, oldest_timestamp=None, max_size_bytes=200)
    await storage.close()


async def test_totals_are_those_of_the_batch_before_also_where_some_were_taken_out(
    data_file: Path,
) -> None:
    storage = await SqliteStorage.open(data_file, durable=False)
    log_id = storage.next_log_id()
    await storage.save_topic(TopicRow(name="t", topic_id=UUID(int=7), log_ids=(log_id,)))
    for offset in range(9):
        storage.append_batches(log_id, [row(offset)], lambda _: None)
    await storage.flush()
    await storage.replace_batches(log_id, 1, 3, [row(2)])
    await storage.replace_batches(log_id, 4, 6, [])
    await storage.replace_batches(log_id, 7, 9, [row(8)])
    await storage.close()
    storage = await SqliteStorage.open(data_file)
    assert await storage.size_bytes(log_id) == 5 * len(row(0).data)
    assert await storage.retention_cut(log_id, oldest_timestamp=None, max_size_bytes=200) == 3
    await storage.close()


@pytest.mark.parametrize(
    ("change", "which"),
    [
        ("notes SET last = 3", "notes with seq = 1"),
        ("notes SET detail = 'another'", "notes with seq = 1"),
        ("identities SET kind = rule", "identities with id = 1"),
    ],
)
async def test_what_is_known_of_records_is_not_told_if_it_has_changed(
    data_file: Path, change: str, which: str
) -> None:
    storage = await SqliteStorage.open(data_file, durable=False)
    note = NoteRow(1, 10, 20, "produced", 8, "t", 0, 0, 2, "g", "m", "d")
    storage.lineage.add_notes([note], [])
    identity = IdentityRow("key", b"k", "t", 0, 1, "other")
    storage.lineage.add_identities([identity], {})
    await storage.close()
    execute(data_file, f"UPDATE {change}")
    storage = await SqliteStorage.open(data_file)
    with pytest.raises(StorageError, match=f"the row of table {which} is not as") as caught:
        await asyncio.gather(
            storage.lineage.notes_in("t", 0, 0, 9, 9), storage.lineage.identities_in("t", 0, 0, 9)
        )
    await storage.close()
    execute(data_file, shlex.split(str(caught.value).split("go on without it: ")[1])[2])
    storage = await SqliteStorage.open(data_file)
    notes = await storage.lineage.notes_in("t", 0, 0, 9, 9)
    identities = await storage.lineage.identities_in("t", 0, 0, 9)
    assert len(notes) + len(identities) == 1
    await storage.close()


async def test_tables_that_are_described_otherwise_are_told(filled: Path) -> None:
    flip(filled, b"log_start_offset INTEGER NOT NULL DEFAULT 0", -1 + 43)
    assert "its tables are not described as they were" in await told(filled)


@pytest.mark.parametrize("place", [0, 4])
async def test_a_table_whose_description_cannot_be_read_is_told(filled: Path, place: int) -> None:
    before = read(filled)
    at = before.index(b"CREATE TABLE freed_bytes") + 7 + place
    write(filled, before[:at] + b"\xff" + before[at + 1 :])
    assert f"{filled} is damaged: " in await told(filled)


async def test_an_index_that_says_another_thing_than_its_table_is_told(filled: Path) -> None:
    change_the_index(filled)
    assert "is damaged: " in await told(filled)


async def test_a_producers_batch_that_its_row_belies_is_told(filled: Path) -> None:
    connection = sqlite3.connect(filled)
    connection.execute("UPDATE batches SET base_sequence = 9 WHERE base_sequence = 2")
    connection.commit()
    connection.close()
    assert "the row of table batches with id = " in await told(filled)


async def test_a_text_that_cannot_be_read_is_told(filled: Path) -> None:
    storage = await SqliteStorage.open(filled)
    with pytest.raises(StorageError, match="is damaged: Could not decode"):
        await storage._reader_connection.read(
            lambda connection: connection.execute("SELECT CAST(x'ff' AS TEXT)").fetchall()
        )
    await storage.close()


@pytest.mark.parametrize("field", ["base_offset", "length", "magic"])
def test_what_no_crc_covers_is_compared_with_the_row(field: str) -> None:
    whole = row(5)
    place = {"base_offset": 7, "length": 11, "magic": 16}[field]
    data = bytearray(whole.data)
    data[place] ^= 1
    assert damaged_batches([whole, whole._replace(data=bytes(data)), whole]) == [1]


@pytest.mark.parametrize(
    "change",
    [{"attributes": 16}, {"last_offset": 6}, {"producer_id": 1}, {"max_timestamp": 2}],
)
def test_a_row_that_says_another_thing_than_its_batch_is_damaged(change: dict[str, int]) -> None:
    assert damaged_batches([row(5)._replace(**change)]) == [0]  # type: ignore[arg-type]


def killed(path: Path, copy: Path) -> Path:
    """Copy the files while they are in use, as a killed process leaves them."""
    for ending in ("", "-wal", "-shm"):
        shutil.copy(f"{path}{ending}", f"{copy}{ending}")
    return copy


@pytest.fixture
async def left(tmp_path: Path) -> Path:
    path = tmp_path / "used.db"
    storage = await SqliteStorage.open(path, durable=False)
    for number in range(5):
        await storage.set_meta("a", str(number))
    copy = killed(path, tmp_path / "left.db")
    await storage.close()
    return copy


def open_files() -> list[str]:
    """Return the paths of what this process has open, as far as the system tells."""
    return [os.path.realpath(each) for each in Path("/proc/self/fd").glob("*")]


async def test_a_log_that_is_as_it_was_is_gone_on_with(left: Path) -> None:
    assert LogFrames(left).written > 4
    storage = await SqliteStorage.open(left)
    assert storage.get_meta("a") == "4"
    await storage.close()
    assert not any(str(left) in name for name in open_files()), "all are closed in the end"


@pytest.mark.parametrize("has_index", [True, False])
@pytest.mark.parametrize("frame", ["first", "last"])
async def test_a_frame_that_has_changed_is_told_and_the_log_left_alone(
    left: Path, has_index: bool, frame: str
) -> None:
    if not has_index and frame == "first":
        os.unlink(f"{left}-shm")
    log = Path(f"{left}-wal")
    content = bytearray(read(log))
    frames = LogFrames(left).written
    number = 1 if frame == "first" else frames
    begin = 32 + (number - 1) * (24 + 16384)
    content[begin + 5000] ^= 4
    write(log, content)
    with pytest.raises(StorageError) as caught:
        await SqliteStorage.open(left)
    place = begin if number > 1 else 0
    assert f"{log} is damaged at byte {place}, in frame {number} of {frames}" in str(caught.value)
    assert f"truncate -s {place} {log}" in str(caught.value)
    assert read(log) == content


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_log_without_its_file_is_told_and_left_alone(left: Path, is_there: bool) -> None:
    log, content = Path(f"{left}-wal"), read(left)
    before = read(log)
    write(left, b"")
    if not is_there:
        os.unlink(left)
    with pytest.raises(StorageError, match="empty, but" if is_there else "not there, but") as told:
        await SqliteStorage.open(left)
    assert str(told.value).endswith(f"rm {log}")
    assert read(log) == before
    assert (left.name in os.listdir(left.parent)) == is_there
    write(left, content)
    await (await SqliteStorage.open(left)).close()


async def test_what_was_not_on_the_disk_when_the_machine_stopped_is_gone_with_a_word(
    left: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = Path(f"{left}-wal")
    content = read(log)
    frames = LogFrames(left).written
    write(log, content[: 32 + (frames - 1) * (24 + 16384)] + bytes(24 + 16384))
    before = machine_start_ns() - 60_000_000_000
    os.utime(log, ns=(before, before))
    storage = await SqliteStorage.open(left)
    assert storage.get_meta("a") == "3"
    await storage.close()
    assert f"{log} ends after frame {frames - 1} of {frames}: " in caplog.text


async def test_a_header_of_a_log_that_has_changed_is_told(left: Path) -> None:
    log = Path(f"{left}-wal")
    content = bytearray(read(log))
    content[17] ^= 1
    write(log, content)
    with pytest.raises(StorageError, match="is damaged at byte 0"):
        await SqliteStorage.open(left)
    assert read(log) == content


async def test_a_transaction_that_was_not_ended_is_no_damage(left: Path) -> None:
    # A process that is killed may leave a frame whose bytes have not all been written.
    log = Path(f"{left}-wal")
    content = read(log)
    write(log, content + content[-(24 + 16384) : -16000])
    storage = await SqliteStorage.open(left)
    assert storage.get_meta("a") == "4"
    await storage.close()


async def test_a_large_file_is_looked_through_beside_the_work(
    filled: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("fakebus.storage.sqlite.CHECKED_AT_ONCE_BYTES", 0)
    change_the_index(filled)
    storage = await SqliteStorage.open(filled)
    assert storage._check is not None
    await storage._check
    await storage.close()
    assert f"{filled} is damaged: " in caplog.text


async def test_a_batch_that_was_moved_is_told(filled: Path) -> None:
    execute(filled, "UPDATE batches SET id = id + (1 << 44) WHERE id & 255 = 2")
    assert "the row of table batches with id = " in await told(filled)


async def test_a_batch_of_a_snapshot_that_has_changed_is_not_gone_back_to(
    data_file: Path,
) -> None:
    await fill(data_file)
    storage = await SqliteStorage.open(data_file, durable=False)
    await storage.keep_batches(LogChange(1, 1, 0, 3))
    await storage.close()
    execute(data_file, "UPDATE kept_batches SET data = CAST(substr(data, 1, 68) || x'07' AS BLOB)")
    storage = await SqliteStorage.open(data_file)
    with pytest.raises(StorageError, match="the row of table kept_batches with change = 1 AND"):
        await storage.read_kept(KeptRange(0, 3, 1), 9)
    await storage.close()
