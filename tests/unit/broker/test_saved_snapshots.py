"""Snapshots with names: how many and how old they may be, and what a restart leaves of them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.saved_snapshots import (
    SnapshotNameError,
    TooManySnapshotsError,
    UnknownSnapshotError,
)
from fakebus.errors import BrokerError, StorageError
from fakebus.storage.damage import add_sum_function
from fakebus.storage.sqlite import SqliteStorage
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import T0, batch, read


@asynccontextmanager
async def bus(
    path: Path | None = None, clock: ManualClock | None = None, **configs: str
) -> AsyncIterator[Broker]:
    storage = await SqliteStorage.open(path, durable=False)
    config = BrokerConfig({f"fakebus.snapshot.{name}": text for name, text in configs.items()})
    broker = Broker(storage, config=config, clock=clock or ManualClock(1_700_000_000_000))
    await broker.start()
    yield broker
    await broker.close()
    await storage.close()


async def values(broker: Broker) -> list[bytes | None]:
    return [
        record.value for record in await read(broker, broker.partition_log(T0).log_start_offset)
    ]


async def test_a_snapshot_of_another_process_brings_everything_back(tmp_path: Path) -> None:
    async with bus(tmp_path / "bus.db") as broker:
        topic = await broker.topics.create("t", 1, {"retention.ms": "5"})
        await broker.produce(T0, batch(b"a"))
        await broker.group_coordinator.set_offsets("g", {T0: 1})
        await broker.saved_snapshots.save("before")
        old_id = topic.topic_id
        await broker.topics.delete(topic)
    async with bus(tmp_path / "bus.db") as broker:
        await broker.topics.create("other", 1, {})
        saved = await broker.saved_snapshots.restore("before")
        assert (saved.topics, saved.records) == (1, 1)
        assert [each.name for each in broker.topics] == ["t"]
        back = broker.topics.get("t")
        assert back is not None
        assert dict(back.config.overrides) == {"retention.ms": "5"}
        assert back.topic_id != old_id
        assert await values(broker) == [b"a"]
        assert broker.group_coordinator.committed_offset("g", T0) == 1


async def test_a_snapshot_of_many_logs_and_offsets_is_written_a_piece_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakebus.broker.saved_snapshots.PIECE", 3)
    largest, dumps = 0, json.dumps

    def noting(value: Any, **options: Any) -> str:
        nonlocal largest
        largest = max(largest, len(value))
        return dumps(value, **options)

    places = {TopicPartition("t", index): index for index in range(7)}
    async with bus(tmp_path / "bus.db") as broker:
        await broker.topics.create("t", 7, {})
        for group in ("g", 'a "quoted" group'):
            await broker.group_coordinator.set_offsets(group, places)
        offsets = broker.group_coordinator.all_offsets()
        with monkeypatch.context() as context:
            context.setattr("fakebus.broker.saved_snapshots.json.dumps", noting)
            await broker.saved_snapshots.save("s")
        assert 0 < largest <= len('a "quoted" group')
        for group in offsets:
            await broker.group_coordinator.delete_group(group)
    async with bus(tmp_path / "bus.db") as broker:
        await broker.saved_snapshots.restore("s")
        assert broker.group_coordinator.all_offsets() == offsets
        topic = broker.topics.get("t")
        assert topic is not None
        assert len(topic.partitions) == 7


async def test_a_snapshot_that_was_not_compressed_can_be_gone_back_to(tmp_path: Path) -> None:
    async with bus(tmp_path / "bus.db") as broker:
        await broker.topics.create("t", 1, {})
        await broker.produce(T0, batch(b"a"))
        await broker.saved_snapshots.save("s")
    with closing(sqlite3.connect(tmp_path / "bus.db", isolation_level=None)) as file:
        add_sum_function(file)
        [content] = file.execute("SELECT content FROM snapshots").fetchone()
        file.execute("UPDATE snapshots SET content = ?", (zlib.decompress(content).decode(),))
    async with bus(tmp_path / "bus.db") as broker:
        await broker.produce(T0, batch(b"b"))
        await broker.saved_snapshots.restore("s")
        assert await values(broker) == [b"a"]


async def test_a_snapshot_can_be_gone_back_to_again_and_again_over_restarts(tmp_path: Path) -> None:
    async with bus(tmp_path / "bus.db") as broker:
        await broker.topics.create("t", 1, {})
        await broker.produce(T0, batch(b"a"))
        await broker.produce(T0, batch(b"b"))
        await broker.saved_snapshots.save("s")
    for _ in range(3):
        async with bus(tmp_path / "bus.db") as broker:
            await broker.partition_log(T0).delete_records(1)
            await broker.produce(T0, batch(b"c"))
            assert await values(broker) == [b"b", b"c"]
            await broker.saved_snapshots.restore("s")
            assert await values(broker) == [b"a", b"b"]


async def nothing_is_kept(broker: Broker) -> None:
    for _ in range(10_000):
        if not await broker._storage.kept_bytes():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


async def test_what_a_deleted_snapshot_needed_leaves_the_file(tmp_path: Path) -> None:
    async with bus(tmp_path / "bus.db") as broker:
        await broker.topics.create("t", 1, {})
        await broker.produce(T0, batch(b"x" * 1000))
        await broker.saved_snapshots.save("s")
        small = (await broker.saved_snapshots.sizes())["s"]
        await broker.partition_log(T0).delete_records(-1)
        assert (await broker.saved_snapshots.sizes())["s"] > small + 1000
        await broker.saved_snapshots.delete("s")
        await broker.settle()
        assert await broker._storage.load_snapshots() == ({}, [])
        await nothing_is_kept(broker)


async def test_what_a_killed_process_kept_for_snapshots_without_names_leaves_the_file(
    tmp_path: Path,
) -> None:
    async with bus(tmp_path / "bus.db") as broker:
        await broker.topics.create("t", 1, {})
        await broker.produce(T0, batch(b"a"))
        await broker.snapshots.take()
        await broker.partition_log(T0).delete_records(-1)
        assert await broker._storage.kept_bytes()
    async with bus(tmp_path / "bus.db") as broker:
        await nothing_is_kept(broker)


async def test_a_change_is_kept_once_for_all_snapshots() -> None:
    async with bus() as broker:
        await broker.topics.create("t", 1, {})
        await broker.produce(T0, batch(b"x" * 1000))
        for name in ("one", "two", "three"):
            await broker.saved_snapshots.save(name)
        await broker.partition_log(T0).delete_records(-1)
        kept = await broker._storage.kept_bytes()
        assert len(kept) == 1
        assert sum(kept.values()) < 1200


async def test_much_is_kept_a_few_megabytes_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bus() as broker:
        await broker.topics.create("t", 1, {})
        for _ in range(12):
            await broker.produce(T0, batch(b"x" * 900_000))
        await broker.saved_snapshots.save("s")
        await broker.partition_log(T0).delete_records(-1)
        kept = await broker._storage.kept_bytes()
        assert len(kept) == 3
        assert max(kept.values()) < 4 << 20
        await broker.saved_snapshots.restore("s")
        assert len(await values(broker)) == 12


async def test_there_are_no_more_snapshots_than_the_config_allows() -> None:
    async with bus(**{"max.count": "2"}) as broker:
        await broker.saved_snapshots.save("a")
        await broker.saved_snapshots.save("b")
        await broker.saved_snapshots.save("b")
        with pytest.raises(TooManySnapshotsError, match=r"max\.count is 2; delete one"):
            await broker.saved_snapshots.save("c")
        await broker.saved_snapshots.delete("a")
        await broker.saved_snapshots.save("c")
        assert {each.name for each in broker.saved_snapshots.all()} == {"b", "c"}


async def test_a_snapshot_that_is_too_old_is_forgotten() -> None:
    clock = ManualClock(1_700_000_000_000)
    async with bus(clock=clock, **{"retention.ms": "1000"}) as broker:
        await broker.saved_snapshots.save("old")
        clock.advance(0.8)
        await broker.saved_snapshots.save("new")
        clock.advance(0.5)
        await broker.run_housekeeping()
        assert [each.name for each in broker.saved_snapshots.all()] == ["new"]


@pytest.mark.parametrize("name", ["", "../x", ".", "..", "a b", "a/b", "x" * 101, "é", "a\n"])
async def test_what_is_no_name_is_refused(name: str) -> None:
    async with bus() as broker:
        with pytest.raises(SnapshotNameError, match="is no name of a snapshot"):
            await broker.saved_snapshots.save(name)


async def test_an_unknown_snapshot_is_told_with_those_there_are() -> None:
    async with bus() as broker:
        await broker.saved_snapshots.save("known")
        for work in (broker.saved_snapshots.restore, broker.saved_snapshots.delete):
            with pytest.raises(UnknownSnapshotError, match="'nown'; did you mean known"):
                await work("nown")


class _Notes:
    """State of a front end that takes part in snapshots."""

    name = "notes"

    def __init__(self, value: object) -> None:
        self.value: Any = value

    def mark(self) -> object:
        return self.value

    async def roll_back(self, mark: object, new_ids: Mapping[UUID, UUID]) -> None:
        self.value = mark


async def test_marks_of_json_outlive_the_process_and_others_are_told_by_topics(
    tmp_path: Path,
) -> None:
    for first, after in (({"a": [1]}, {"a": [1]}), (object(), None)):
        async with bus(tmp_path / "bus.db") as broker:
            broker.participants.append(_Notes(first))
            await broker.saved_snapshots.save("s")
        async with bus(tmp_path / "bus.db") as broker:
            notes = _Notes("later")
            broker.participants.append(notes)
            await broker.saved_snapshots.restore("s")
            assert notes.value == after


async def test_what_is_written_after_a_restore_that_failed_outlives_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bus(tmp_path / "bus.db") as broker:
        for name in ("t", "u"):
            await broker.topics.create(name, 1, {})
        await broker.saved_snapshots.save("s")
        await broker.produce(T0, batch(b"a"))
        writes: Any = broker._storage.writes
        # It is noted that everything is to go back, and the first step cannot be stored.
        answers = [None, StorageError("no room"), StorageError("no room")]
        monkeypatch.setattr(writes, "refusal", lambda: answers.pop(0) if answers else None)
        with pytest.raises(StorageError, match="no room"):
            await broker.saved_snapshots.restore("s")
        # Nothing else is stored as long as there is no room.
        with pytest.raises(BrokerError, match="no room"):
            await broker.produce(TopicPartition("u", 0), batch(b"refused"))
        await broker.produce(TopicPartition("u", 0), batch(b"acknowledged"))
    async with bus(tmp_path / "bus.db") as broker:
        records = await read(broker, 0, TopicPartition("u", 0))
        assert [record.value for record in records] == [b"acknowledged"]


async def test_a_restore_that_failed_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bus() as broker:
        for name in ("t", "u"):
            await broker.topics.create(name, 1, {})
            await broker.produce(TopicPartition(name, 0), batch(b"a"))
        await broker.saved_snapshots.save("s")
        for topic in broker.topics:
            await broker.topics.delete(topic)
        create, fails = broker.topics.begin_create, [False, True]

        def failing(*arguments: Any) -> Any:
            if fails and fails.pop(0):
                raise OSError("no room")
            return create(*arguments)

        monkeypatch.setattr(broker.topics, "begin_create", failing)
        with pytest.raises(OSError, match="no room"):
            await broker.saved_snapshots.restore("s")
        await broker.partition_log(T0).delete_records(-1)
        await broker.saved_snapshots.restore("s")
        for name in ("t", "u"):
            assert len(await read(broker, 0, TopicPartition(name, 0))) == 1
