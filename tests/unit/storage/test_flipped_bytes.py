"""Every byte of a small data file, one at a time another than it was: told, or without effect."""

from __future__ import annotations

import os
import random
import sqlite3
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from fakebus.errors import StorageError
from fakebus.storage import sqlite_reads
from fakebus.storage.damage import damaged_batches, is_of_its_row
from fakebus.storage.interface import (
    DamagedBatch,
    KeptRange,
    LogChange,
    OffsetRow,
    StoredBatch,
    TopicRow,
)
from fakebus.storage.lineage_interface import ClientRow, IdentityRow, NoteRow
from fakebus.storage.sqlite import SqliteStorage
from tests.unit.storage.test_damage import row

PLACES = int(os.environ.get("FLIPPED_BYTES", "60"))
"""How many bytes are changed; all that are something if it is 0, which takes minutes."""
VERBS = ("produced", "sent")


@pytest.fixture(autouse=True)
def batches_as_they_are(monkeypatch: pytest.MonkeyPatch, invented_batches: None) -> None:
    monkeypatch.setattr(sqlite_reads, "damaged_batches", damaged_batches)
    monkeypatch.setattr(sqlite_reads, "is_of_its_row", is_of_its_row)


async def fill(path: Path) -> None:
    """Make a file with rows of all tables."""
    storage = await SqliteStorage.open(path, durable=False)
    log_ids = (storage.next_log_id(), storage.next_log_id())
    configs = {"retention.ms": "77"}
    await storage.save_topic(
        TopicRow(name="t", topic_id=UUID(int=7), log_ids=log_ids, configs=configs)
    )
    for offset in range(6):
        storage.append_batches(log_ids[0], [row(offset, 4711)], lambda _: None)
        storage.append_batches(log_ids[1], [row(offset)], lambda _: None)
    await storage.flush()
    await storage.begin_epoch(log_ids[0], 3, 4)
    await storage.keep_batches(LogChange(1, log_ids[0], 0, 3))
    await storage.save_snapshot("before", b"what there was")
    await storage.save_group("g", b"members")
    await storage.commit_offsets("g", [OffsetRow("t", 0, 1234567, 0, "meta", 5, None)])
    await storage.set_meta("a", "it's so")
    storage.lineage.add_notes(
        [
            NoteRow(number, 10, 20, VERBS[number % 2], 8, "t", 0, number, number + 1, "g", "m", "d")
            for number in range(1, 6)
        ],
        [ClientRow(8, 1, 2, {"name": "shop", "topics": ["t"]})],
    )
    storage.lineage.add_identities(
        [IdentityRow("key", b"k%d" % number, "t", 0, number, "key") for number in range(5)],
        {("t", 0): 5},
    )
    await storage.flush()
    await storage.close()


async def everything(path: Path) -> dict[str, Any]:
    """Return what storage says of all that there is; StorageError if it tells of damage."""
    storage = await SqliteStorage.open(path)
    try:
        found: dict[str, Any] = {
            "topics": await storage.load_topics(),
            "logs": await storage.load_logs(),
            "groups": await storage.load_groups(),
            "snapshots": await storage.load_snapshots(),
            "kept bytes": await storage.kept_bytes(),
            "meta": {key: storage.get_meta(key) for key in storage.meta_keys("")},
            "next log": storage.next_log_id(),
            "clients": await storage.lineage.load_clients(),
            "positions": await storage.lineage.identity_positions(),
            "notes": await storage.lineage.notes_in("t", 0, 0, 99, 100),
            "notes of g": await storage.lineage.notes_of_group("g", VERBS, 100),
            "notes of 8": await storage.lineage.notes_of_clients([8], (0, 99), VERBS, 100),
            "notes at 3": await storage.lineage.notes_at("t", 0, 3, VERBS, 100),
            "identities": await storage.lineage.identities_in("t", 0, 0, 99),
            "identity": await storage.lineage.with_identity(["key"], b"k3", 100),
        }
        kept = await storage.read_kept(KeptRange(0, 3, 1), 100)
        found["kept"] = [bytes(batch.data) for batch in kept]
        for log_id in (1, 2):
            found[f"batches of {log_id}"] = [each async for each in _batches(storage, log_id)]
            found[f"producers of {log_id}"] = await storage.producer_batches(log_id, 5)
            found[f"size of {log_id}"] = await storage.size_bytes(log_id)
            found[f"at 1 ms of {log_id}"] = await storage.first_batch_at_or_after(log_id, 1, 0, 6)
            found[f"largest of {log_id}"] = await storage.batch_with_max_timestamp(log_id, 0, 6)
            found[f"aborted of {log_id}"] = await storage.aborted_transactions(log_id)
        return found
    finally:
        await storage.close()


async def _batches(storage: SqliteStorage, log_id: int) -> Any:
    offset = 0
    while offset < 6:
        batches = await storage.read_batches(log_id, offset, 6, 1_000_000)
        if isinstance(batches, DamagedBatch):
            raise StorageError("a batch is damaged")
        if not batches:
            return
        for batch in batches:
            yield (
                batch._replace(data=bytes(batch.data)) if isinstance(batch, StoredBatch) else batch
            )
        offset = batches[-1].last_offset + 1


def is_served(key: str, before: Any, now: Any, log: str) -> bool:
    """Whether something else is given than what was written, and nobody is told."""
    if key == "next log" and now > before:
        return False  # a number that is not given means nothing
    return before != now and "is damaged" not in log


async def test_a_byte_that_has_changed_is_told_or_without_effect(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    original, copy = tmp_path / "original.db", tmp_path / "copy.db"
    await fill(original)
    before = await everything(original)
    content = original.read_bytes()
    places = [place for place, byte in enumerate(content) if byte]
    choice = random.Random(1)
    served, refused = [], 0
    chosen = choice.sample(places, PLACES) if PLACES else places
    for place in chosen:
        changed = bytearray(content)
        changed[place] ^= 1 << choice.randrange(8)
        copy.write_bytes(changed)
        caplog.clear()
        try:
            now = await everything(copy)
        except StorageError:
            refused += 1
            continue
        served += [
            (place, key, before[key], now[key])
            for key in before
            if is_served(key, before[key], now[key], caplog.text)
        ]
    assert served == []
    assert 0 < refused < len(chosen)


async def test_a_value_of_another_type_than_was_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "original.db"
    await fill(path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE batches SET running_max_timestamp = 'x'")
    connection.commit()
    connection.close()
    with pytest.raises(StorageError, match="is damaged: a value is not as it was written"):
        await everything(path)
