"""Snapshots: what they hold, what they cost, and what is there again after a rollback."""

from __future__ import annotations

import asyncio
import copy
import shutil
import sqlite3
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from fakebus.broker import log_rewriting, snapshot_reading, snapshots
from fakebus.broker.broker import Broker
from fakebus.broker.fetching import FetchTarget
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.snapshot_reading import Pair
from fakebus.broker.snapshots import LogCopy, Snapshot
from fakebus.errors import ErrorCode, StorageError
from fakebus.records.reader import read_records
from fakebus.records.record import Record
from fakebus.storage import sqlite_purge, sqlite_snapshots
from fakebus.storage.interface import BatchSummary, KeptRange, LogState, StoredBatch
from fakebus.storage.sqlite import SqliteStorage
from fakebus.storage.sqlite_transaction import Transaction
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import T0, batch

Content = list[tuple[int, int, bytes]]


async def content(log: PartitionLog) -> Content:
    """Return a log's batches byte for byte, with their offsets."""
    found: Content = []
    offset = log.log_start_offset
    while offset < log.high_watermark:
        batches = await log.read(offset, log.high_watermark, 10_000_000)
        if not batches:
            break
        found += [(b.base_offset, b.last_offset, bytes(b.data)) for b in batches]
        offset = batches[-1].last_offset + 1
    return found


@pytest.fixture
async def log(broker: Broker) -> PartitionLog:
    topic = await broker.topics.create("t", 1, {})
    for value in (b"a", b"b", b"c"):
        await broker.produce(T0, batch(value, value))
    return topic.partitions[0]


async def kept(broker: Broker, snapshot: Snapshot, log: PartitionLog) -> dict[int, bytes]:
    """Return what storage has kept of a log for a snapshot, by base offset."""
    copy, found = snapshot.copy_of(log), {}
    assert copy is not None
    for begin, end, change in broker.snapshots.ranges(copy):
        if change is not None:
            for batch in await broker._storage.read_kept(KeptRange(begin, end, change), 100):
                found[batch.base_offset] = bytes(batch.data)
    return found


async def test_a_snapshot_waits_for_writes_under_way(broker: Broker, log: PartitionLog) -> None:
    result = broker.produce(T0, batch(b"under way"))
    assert not result.settled
    snapshot = await broker.snapshots.take()
    assert result.settled
    before = await content(log)
    await broker.produce(T0, batch(b"later"))
    await broker.snapshots.roll_back(snapshot)
    assert await content(log) == before
    assert log.high_watermark == 7


async def test_a_snapshot_reads_nothing_and_keeps_nothing(
    broker: Broker, log: PartitionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(*_: int) -> list[StoredBatch]:
        raise AssertionError("a snapshot must not read the log")

    monkeypatch.setattr(log, "read", read)
    snapshot = await broker.snapshots.take()
    await broker.produce(T0, batch(b"later"))
    broker.snapshots.forget(await broker.snapshots.take())
    await broker.snapshots.roll_back(snapshot)
    assert await kept(broker, snapshot, log) == {}


async def test_a_log_that_has_not_changed_is_left_alone(broker: Broker, log: PartitionLog) -> None:
    snapshot = await broker.snapshots.take()
    await broker.snapshots.roll_back(snapshot)
    assert log.leader_epoch == 0
    assert snapshot.end_of(log) == 6


async def test_others_get_their_turns_while_a_rollback_looks_at_many_topics(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        await broker.topics.create(f"t{number}", 1, {})
    snapshot = await broker.snapshots.take()
    monkeypatch.setattr("fakebus.broker.turns.SLICE_S", -1)
    turns = 0
    going_back = asyncio.ensure_future(broker.snapshots.roll_back(snapshot))
    while not going_back.done():
        await asyncio.sleep(0)
        turns += 1
    await going_back
    assert turns > 50


class _Marked:
    """Participant that notes in which turn of the event loop it is asked for its mark."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.turns: list[int] = []
        self.now = 0

    def mark(self) -> str:
        self.turns.append(self.now)
        return f"{len(self.turns)} of {self.name}"


async def test_what_marks_copy_is_copied_in_turns_before_the_moment_itself(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = [_Marked(name) for name in "abc"]
    monkeypatch.setattr(broker.snapshots, "_participants", marked)
    monkeypatch.setattr("fakebus.broker.turns.SLICE_S", -1)
    taking = asyncio.ensure_future(broker.snapshots.take())
    while not taking.done():
        await asyncio.sleep(0)
        for each in marked:
            each.now += 1
    before, itself = zip(*(each.turns for each in marked), strict=True)
    assert len(set(before)) == 3
    assert len(set(itself)) == 1
    assert taking.result().marks == {name: f"2 of {name}" for name in "abc"}


async def test_clients_are_told_anew_what_a_rollback_has_changed(
    broker: Broker, log: PartitionLog
) -> None:
    snapshot = await broker.snapshots.take()
    wanted = [(("t", 0), FetchTarget(log, 0, 1000))]
    plan = broker.fetch_sessions.plan(0, 0, wanted, [], uses_topic_ids=False)
    assert plan.session_id
    await broker.produce(T0, batch(b"later"))
    await broker.snapshots.roll_back(snapshot)
    again = broker.fetch_sessions.plan(plan.session_id, 1, [], [], uses_topic_ids=False)
    assert again.error is ErrorCode.FETCH_SESSION_ID_NOT_FOUND


async def test_records_that_are_deleted_are_kept_and_come_back_byte_for_byte(
    broker: Broker, log: PartitionLog
) -> None:
    before = await content(log)
    snapshot = await broker.snapshots.take()
    # The middle of the second batch.
    await log.delete_records(3)
    assert sorted(await kept(broker, snapshot, log)) == [0, 2]
    await log.delete_records(-1)
    await broker.produce(T0, batch(b"later"))
    await log.delete_records(-1)
    assert sorted(await kept(broker, snapshot, log)) == [0, 2, 4]
    await broker.snapshots.roll_back(snapshot)
    assert (log.log_start_offset, log.high_watermark) == (0, 6)
    assert await content(log) == before
    assert await kept(broker, snapshot, log) == {}


async def test_a_compacted_log_comes_back_byte_for_byte(broker: Broker, log: PartitionLog) -> None:
    before = await content(log)
    snapshot = await broker.snapshots.take()
    first, second, _ = await log.read(0, 6, 10_000)
    shorter = batch(b"B", b"B")
    shorter[:8] = (2).to_bytes(8, "big")
    await log.replace_batches(0, 4, [second._replace(data=shorter)])
    assert await content(log) != before
    await log.replace_batches(0, 4, [])
    assert (await kept(broker, snapshot, log))[0] == bytes(first.data)
    await broker.snapshots.roll_back(snapshot)
    assert await content(log) == before


async def test_a_deleted_topic_comes_back_byte_for_byte_with_its_place(
    broker: Broker, log: PartitionLog
) -> None:
    await log.delete_records(3)
    before = await content(log)
    snapshot = await broker.snapshots.take()
    for _ in range(2):
        topic = broker.topics.get("t")
        assert topic is not None
        await broker.topics.delete(topic)
        await broker.topics.create("t", 2, {})
        await broker.produce(T0, batch(b"another"))
        await broker.snapshots.roll_back(snapshot)
        back = broker.partition_log(T0)
        assert (back.log_start_offset, back.high_watermark) == (3, 6)
        assert await content(back) == before
        again = broker.topics.get("t")
        assert again is not None
        assert len(again.partitions) == 1


@pytest.mark.parametrize("deleted_to", [0, 3, 6])
async def test_a_copy_of_more_than_one_slice_is_read_once_and_whole(
    broker: Broker, log: PartitionLog, deleted_to: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_slices(monkeypatch, 1)
    snapshot = await broker.snapshots.take()
    await log.delete_records(deleted_to)
    reader, copy_ = broker.saved_snapshots.reader, snapshot.copy_of(log)
    for begin, end in ((0, 6), (1, 5), (3, 4)):
        found = [each.offset async for each in reader.records(copy_, begin, end)]
        assert found == list(range(begin, end))


async def test_an_older_and_a_newer_snapshot_do_not_spoil_each_other(
    broker: Broker, log: PartitionLog
) -> None:
    older, content_then = await broker.snapshots.take(), await content(log)
    await broker.produce(T0, batch(b"d", b"d"))
    newer, content_later = await broker.snapshots.take(), await content(log)
    await broker.snapshots.roll_back(older)
    await broker.produce(T0, batch(b"X"))
    await broker.snapshots.roll_back(newer)
    assert await content(log) == content_later
    await log.delete_records(4)
    await broker.snapshots.roll_back(older)
    assert await content(log) == content_then
    await broker.snapshots.roll_back(newer)
    assert await content(log) == content_later


async def test_a_snapshot_that_is_forgotten_keeps_nothing_and_is_not_gone_back_to(
    broker: Broker, log: PartitionLog
) -> None:
    snapshot = await broker.snapshots.take()
    broker.snapshots.forget(snapshot)
    await log.delete_records(4)
    assert await kept(broker, snapshot, log) == {}
    with pytest.raises(LookupError, match="forgotten"):
        await broker.snapshots.roll_back(snapshot)


async def test_what_is_produced_during_a_rollback_comes_behind(
    broker: Broker, log: PartitionLog
) -> None:
    before = await content(log)
    snapshot = await broker.snapshots.take()
    await broker.produce(T0, batch(b"later"))
    rolling_back = asyncio.create_task(broker.snapshots.roll_back(snapshot))
    results = []
    for _ in range(1000):
        results.append(broker.produce(T0, batch(b"meanwhile")))
        await asyncio.sleep(0)
        if rolling_back.done():
            break
    await rolling_back
    await asyncio.gather(*results)
    await broker.produce(T0, batch(b"after"))
    found = await content(log)
    assert found[:3] == before
    assert [offset for offset, _, _ in found[3:]] == list(range(6, log.high_watermark))
    assert b"later" not in b"".join(data for _, _, data in found)


async def test_records_that_only_one_of_two_snapshots_has_are_told(
    broker: Broker, log: PartitionLog
) -> None:
    first = log.high_watermark
    await broker.produce(T0, batch(b"a", b"b"))
    early = await broker.snapshots.take()
    await broker.produce(T0, batch(b"c"))
    late = await broker.snapshots.take()
    before, after = (each.topics["t"].logs[0] for each in (early, late))

    async def told(
        one: LogCopy | None, other: LogCopy | None
    ) -> list[tuple[int | None, int | None]]:
        found = broker.saved_snapshots.reader.differences(one, other)
        return [
            (left and left.offset, right and right.offset)
            async for left, right in found
            if max(each.offset for each in (left, right) if each) >= first
        ]

    new = [first, first + 1, first + 2]
    assert await told(before, before) == []
    assert await told(before, after) == [(None, new[2])]
    assert await told(after, before) == [(new[2], None)]
    assert await told(after, None) == [(offset, None) for offset in new]
    assert await told(None, after) == [(None, offset) for offset in new]


def small_slices(monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    for module in (sqlite_purge, sqlite_snapshots):
        monkeypatch.setattr(module, "CHUNK_ROWS", batches)
    monkeypatch.setattr(snapshot_reading, "SLICE_RECORDS", batches)


async def beside(rollback: Coroutine[Any, Any, None], broker: Broker) -> int:
    """Return how many acknowledgements a producer got while a rollback was under way."""
    rolling_back, place, count = asyncio.create_task(rollback), TopicPartition("other", 0), 0
    while not rolling_back.done():
        await broker.produce(place, batch(b"x"))
        count += 1
    await rolling_back
    return count


async def test_others_write_between_the_slices_of_a_topic_that_comes_back(
    broker: Broker, log: PartitionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(30):
        await broker.produce(T0, batch(b"a"))
    before = await content(log)
    await broker.topics.create("other", 1, {})
    snapshot = await broker.snapshots.take()
    topic = broker.topics.get("t")
    assert topic is not None
    await broker.topics.delete(topic)
    small_slices(monkeypatch, 3)
    seen = set()
    put_back = broker._storage.put_back_batches

    async def noted(log_id: int, kept: KeptRange) -> int:
        seen.add(broker.topics.get("t"))
        return await put_back(log_id, kept)

    monkeypatch.setattr(broker._storage, "put_back_batches", noted)
    assert await beside(broker.snapshots.roll_back(snapshot), broker) >= 10
    assert seen == {None}, "a topic that is back in parts is not served"
    assert await content(broker.partition_log(T0)) == before


async def test_a_topic_that_others_create_while_another_comes_back_gives_way_to_it(
    broker: Broker, log: PartitionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = await broker.snapshots.take()
    before = await content(log)
    [topic] = [each for each in broker.topics if each.name == "t"]
    await broker.topics.delete(topic)

    async def state_of(*arguments: Any) -> LogState:
        if broker.topics.get("t") is None:
            await broker.topics.create("t", 2, {})
        return await log_rewriting.state_of(*arguments)

    monkeypatch.setattr(snapshots, "state_of", state_of)
    await broker.snapshots.roll_back(snapshot)
    [log] = broker.topics.get("t").partitions
    assert await content(log) == before


async def test_others_write_between_the_slices_of_what_is_taken_back(
    broker: Broker, log: PartitionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.topics.create("other", 1, {})
    before, snapshot = await content(log), await broker.snapshots.take()
    for _ in range(30):
        await broker.produce(T0, batch(b"a"))
    small_slices(monkeypatch, 3)
    truncate, held = broker._storage.truncate, []

    def noted(*arguments: Any) -> asyncio.Future[None]:
        held.append(broker.produce(T0, batch(b"new")))
        return truncate(*arguments)

    monkeypatch.setattr(broker._storage, "truncate", noted)
    assert await beside(broker.snapshots.roll_back(snapshot), broker) >= 10
    assert len(held) > 10
    end = before[-1][1] + 1
    assert [(await each).base_offset for each in held] == list(range(end, end + len(held)))
    assert (await content(log))[: len(before)] == before
    assert len(await content(log)) == len(before) + len(held)


async def test_what_cannot_be_taken_back_any_more_ends_the_log_where_it_is_whole(
    broker: Broker, log: PartitionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = await broker.snapshots.take()
    for _ in range(30):
        await broker.produce(T0, batch(b"a"))
    before = await content(log)
    small_slices(monkeypatch, 3)
    run, runs = Transaction.run, 0

    def failing(transaction: Transaction, group: Any) -> None:
        nonlocal runs
        runs += any(each[0].__name__ == "_truncate" for each in group)
        if runs > 4:
            raise sqlite3.OperationalError("disk I/O error")
        run(transaction, group)

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "run", failing)
        with pytest.raises(StorageError, match="disk I/O error"):
            await broker.snapshots.roll_back(snapshot)
    assert await content(log) == before[:-12]
    assert (await broker.produce(T0, batch(b"b"))).base_offset == before[-12][0]
    await broker.snapshots.roll_back(snapshot)
    assert await content(log) == before[:-30]


async def test_compaction_that_a_rollback_has_overtaken_writes_nothing(
    broker: Broker, log: PartitionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await content(log)
    snapshot = await broker.snapshots.take()
    await broker.produce(T0, batch(b"later"))
    summaries, keeping, go_on = log.summaries, asyncio.Event(), asyncio.Event()

    async def slow(begin: int, limit: int) -> list[BatchSummary]:
        monkeypatch.undo()
        keeping.set()
        await go_on.wait()
        return await summaries(begin, limit)

    monkeypatch.setattr(log, "summaries", slow)
    compacting = asyncio.create_task(log.replace_batches(0, 4, []))
    await keeping.wait()
    await broker.snapshots.roll_back(snapshot)
    go_on.set()
    await compacting
    assert await content(log) == before


@dataclass
class _Counter:
    """State that takes part in snapshots."""

    name = "counter"
    value: int = 0
    new_ids: dict[UUID, UUID] = field(default_factory=dict)

    def mark(self) -> int:
        return self.value

    async def roll_back(self, mark: int, new_ids: Mapping[UUID, UUID]) -> None:
        self.value, self.new_ids = mark, dict(new_ids)


async def test_what_has_joined_goes_back_and_learns_of_new_ids(
    broker: Broker, log: PartitionLog
) -> None:
    counter = _Counter(1)
    broker.participants.append(counter)
    snapshot = await broker.snapshots.take()
    topic = broker.topics.get("t")
    assert topic is not None
    old_id = topic.topic_id
    for _ in range(2):
        counter.value = 2
        present = broker.topics.get("t")
        assert present is not None
        await broker.topics.delete(present)
        # Another topic of that name is not the one that was there.
        other = await broker.topics.create("t", 1, {})
        assert snapshot.end_of(other.partitions[0]) == 0
        await broker.snapshots.roll_back(snapshot)
        back = broker.topics.get("t")
        assert back is not None
        assert counter == _Counter(1, {old_id: back.topic_id})


async def test_who_has_read_further_than_a_log_reaches_now_waits_for_a_while(
    broker: Broker, log: PartitionLog, clock: ManualClock
) -> None:
    taken_back = broker.snapshots
    taken_back._has_members = True
    taken_back._before_rewriting(log)
    first = log.log_end_offset
    assert log.former_end_offset == first
    clock.advance(snapshots._NOTICE_S / 2)
    await broker.produce(T0, batch(b"more"))
    taken_back._before_rewriting(log)
    clock.advance(snapshots._NOTICE_S / 2)
    assert log.former_end_offset == first + 1, "the second time has not passed"
    clock.advance(snapshots._NOTICE_S / 2)
    assert log.former_end_offset == 0


@dataclass
class ModelLog:
    start: int = 0
    batches: Content = field(default_factory=list)
    end: int = 0

    @property
    def visible(self) -> Content:
        return [each for each in self.batches if each[1] >= self.start]


@dataclass
class Model:
    topics: dict[str, list[ModelLog]] = field(default_factory=dict)
    configs: dict[str, dict[str, str]] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)


NAMES = st.sampled_from(["a", "b"])
OFFSETS = st.integers(0, 12)


class BusMachine(RuleBasedStateMachine):
    """Bus and a model of what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = Model()
        self.written = 0

        self.start(None)

    def start(self, path: Path | None) -> None:
        async def start() -> tuple[SqliteStorage, Broker]:
            storage = await SqliteStorage.open(path, durable=False)
            broker = Broker(storage, clock=ManualClock(1_700_000_000_000))
            await broker.start()
            await broker.finish_restoring()
            return storage, broker

        self.storage, self.broker = self.runner.run(start())

    def stop(self) -> None:
        async def stop() -> None:
            await self.broker.close()
            await self.storage.close()

        self.runner.run(stop())

    def teardown(self) -> None:
        self.stop()
        self.runner.close()

    def log(self, name: str, index: int) -> tuple[PartitionLog, ModelLog] | None:
        logs = self.model.topics.get(name, [])
        if index >= len(logs):
            return None
        return self.broker.partition_log(TopicPartition(name, index)), logs[index]

    @rule(name=NAMES)
    def create(self, name: str) -> None:
        if name not in self.model.topics:
            self.model.topics[name] = [ModelLog()]
            self.model.configs[name] = {}
            self.runner.run(self.broker.topics.create(name, 1, {}))

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        topic = self.broker.topics.get(name)
        assert (topic is not None) == (name in self.model.topics)
        if topic is not None:
            self.runner.run(self.broker.topics.delete(topic))
            del self.model.topics[name], self.model.configs[name]
            self.model.offsets.pop(name, None)

    @rule(name=NAMES)
    def add_partition(self, name: str) -> None:
        topic = self.broker.topics.get(name)
        if topic is not None and len(topic.partitions) < 3:
            self.model.topics[name].append(ModelLog())
            self.runner.run(self.broker.topics.add_partitions(topic, len(topic.partitions) + 1))

    @rule(name=NAMES, index=st.integers(0, 2), count=st.integers(1, 3))
    def produce(self, name: str, index: int, count: int) -> None:
        found = self.log(name, index)
        if found is None:
            return
        log, model = found

        async def write() -> Content:
            self.written += 1
            value = str(self.written).encode()
            place = TopicPartition(name, index)
            info = await self.broker.produce(place, batch(*[value] * count, at=1_700_000_000_000))
            (stored,) = await log.read(info.base_offset, info.last_offset + 1, 1)
            return [(stored.base_offset, stored.last_offset, bytes(stored.data))]

        model.batches += self.runner.run(write())
        model.end = model.batches[-1][1] + 1

    @rule(name=NAMES, index=st.integers(0, 2), offset=OFFSETS)
    def delete_records(self, name: str, index: int, offset: int) -> None:
        found = self.log(name, index)
        if found is not None and offset <= found[1].end:
            self.runner.run(found[0].delete_records(offset))
            found[1].start = max(found[1].start, offset)

    @rule(name=NAMES, index=st.integers(0, 2), first=OFFSETS, count=st.integers(1, 3))
    def compact(self, name: str, index: int, first: int, count: int) -> None:
        found = self.log(name, index)
        if found is None:
            return
        log, model = found
        # The last batch stays where it is; what is left is another batch of the same offsets.
        chosen = [each for each in model.visible[:-1] if each[0] >= first][:count]
        if not chosen:
            return
        self.written += 1
        base, last, _ = chosen[-1]
        data = batch(*[str(self.written).encode()] * (last - base + 1), at=1_700_000_000_000)
        data[:8] = base.to_bytes(8, "big")
        kept = StoredBatch(base, last, 1_700_000_000_000, -1, -1, -1, 0, data)
        self.runner.run(log.replace_batches(chosen[0][0], last + 1, [kept]))
        at = model.batches.index(chosen[0])
        model.batches[at : at + len(chosen)] = [(base, last, bytes(data))]

    @rule(name=NAMES, retention=st.sampled_from(["1000", "2000"]))
    def set_config(self, name: str, retention: str) -> None:
        topic = self.broker.topics.get(name)
        if topic is not None:
            self.model.configs[name] = {"retention.bytes": retention}
            self.runner.run(self.broker.topics.set_configs(topic, self.model.configs[name]))

    @rule(name=NAMES, offset=OFFSETS)
    def commit(self, name: str, offset: int) -> None:
        if name in self.model.topics:
            place = TopicPartition(name, 0)

            async def commit() -> None:
                await self.broker.group_coordinator.set_offsets(f"group-{name}", {place: offset})

            self.runner.run(commit())
            self.model.offsets[name] = offset

    @invariant()
    def everything_is_as_in_the_model(self) -> None:
        self.compare(self.model)

    def compare(self, expected: Model) -> None:
        topics = {topic.name: topic for topic in self.broker.topics}
        assert {name: dict(topics[name].config.overrides) for name in topics} == expected.configs
        for name, models in expected.topics.items():
            assert len(topics[name].partitions) == len(models)
            for log, model in zip(topics[name].partitions, models, strict=True):
                assert (log.log_start_offset, log.high_watermark) == (model.start, model.end)
                assert self.runner.run(content(log)) == model.visible
        committed = {
            place.topic: row.offset
            for offsets in self.broker.group_coordinator.all_offsets().values()
            for place, row in offsets.items()
        }
        assert committed == expected.offsets


def _differences(before: Model, after: Model) -> dict[TopicPartition, list[Pair]]:
    found = {}
    for name in before.topics.keys() | after.topics.keys():
        logs = [each.topics.get(name, []) for each in (before, after)]
        for index in range(max(map(len, logs))):
            old, new = (_by_offset(each[index]) if index < len(each) else {} for each in logs)
            pairs = [(old.get(at), new.get(at)) for at in sorted(old.keys() | new.keys())]
            different = [pair for pair in pairs if pair[0] != pair[1]]
            if different:
                found[TopicPartition(name, index)] = different
    return found


def _by_offset(log: ModelLog) -> dict[int, Record]:
    records = [record for _, _, data in log.visible for record in read_records(data)]
    return {each.offset: each for each in records if each.offset >= log.start}


class SnapshotMachine(BusMachine):
    """Bus whose snapshots must give back what a model remembers."""

    snapshots = Bundle("snapshots")

    @rule(target=snapshots)
    def take(self) -> tuple[Snapshot, Model]:
        return self.runner.run(self.broker.snapshots.take()), copy.deepcopy(self.model)

    @rule(taken=snapshots)
    def roll_back(self, taken: tuple[Snapshot, Model]) -> None:
        self.runner.run(self.broker.snapshots.roll_back(taken[0]))
        self.model = copy.deepcopy(taken[1])

    @rule(taken=snapshots)
    def look_what_is_different(self, taken: tuple[Snapshot, Model]) -> None:
        before, model = taken

        async def pairs() -> dict[TopicPartition, list[Pair]]:
            now, found = await self.broker.snapshots.take(), {}
            for name in before.topics.keys() | now.topics.keys():
                old, new = (each.topics.get(name) for each in (before, now))
                for index in range(max(len(each.logs) for each in (old, new) if each)):
                    found[TopicPartition(name, index)] = [
                        pair
                        async for pair in self.broker.saved_snapshots.reader.differences(
                            old.logs[index] if old and index < len(old.logs) else None,
                            new.logs[index] if new and index < len(new.logs) else None,
                        )
                    ]
            self.broker.snapshots.forget(now)
            return {place: each for place, each in found.items() if each}

        assert self.runner.run(pairs()) == _differences(model, self.model)

    @rule(taken=consumes(snapshots))
    def forget(self, taken: tuple[Snapshot, Model]) -> None:
        async def forget() -> None:
            self.broker.snapshots.forget(taken[0])

        self.runner.run(forget())


LIMITS = settings(
    max_examples=30,
    stateful_step_count=30,
)


def test_snapshots_agree_with_a_model_that_remembers_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_slices(monkeypatch, 2)
    case = SnapshotMachine.TestCase
    case.settings = LIMITS
    case().runTest()


class SavedSnapshotMachine(BusMachine):
    """Bus whose snapshots have names and must survive that its process is killed."""

    saved = Bundle("saved")

    def __init__(self) -> None:
        self.directory = TemporaryDirectory()
        self.starts = 0
        super().__init__()

    def start(self, path: Path | None) -> None:
        super().start(self.path)

    @property
    def path(self) -> Path:
        return Path(self.directory.name, f"{self.starts}.db")

    def teardown(self) -> None:
        super().teardown()
        self.directory.cleanup()

    @rule(target=saved)
    def save(self) -> tuple[str, Model]:
        self.written += 1
        name = f"snapshot-{self.written}"
        self.runner.run(self.broker.saved_snapshots.save(name))
        return name, copy.deepcopy(self.model)

    @rule(taken=saved)
    def restore(self, taken: tuple[str, Model]) -> None:
        self.runner.run(self.broker.saved_snapshots.restore(taken[0]))
        self.model = copy.deepcopy(taken[1])

    @rule(taken=consumes(saved))
    def delete_saved(self, taken: tuple[str, Model]) -> None:
        self.runner.run(self.broker.saved_snapshots.delete(taken[0]))

    @rule(taken=saved, steps=st.integers(0, 40))
    def be_killed_while_restoring(self, taken: tuple[str, Model], steps: int) -> None:
        async def restore() -> None:
            restoring = asyncio.ensure_future(self.broker.saved_snapshots.restore(taken[0]))
            for _ in range(steps):
                await asyncio.sleep(0)
            self.copy_files()
            await restoring

        self.runner.run(restore())
        self.go_on_with_copy()
        with suppress(AssertionError):
            # All of it or nothing, as far as it had come.
            self.compare(taken[1])
            self.model = copy.deepcopy(taken[1])

    @rule()
    def be_killed(self) -> None:
        self.copy_files()
        self.go_on_with_copy()

    def copy_files(self) -> None:
        """Copy the files as they are, which is what a killed process leaves."""
        before = self.path
        self.starts += 1
        for suffix in ("", "-wal"):
            shutil.copy(f"{before}{suffix}", f"{self.path}{suffix}")

    def go_on_with_copy(self) -> None:
        self.stop()
        self.start(None)


def test_saved_snapshots_agree_with_the_model_however_often_the_process_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_slices(monkeypatch, 1)
    case = SavedSnapshotMachine.TestCase
    case.settings = settings(LIMITS, max_examples=12, stateful_step_count=19)
    case().runTest()
