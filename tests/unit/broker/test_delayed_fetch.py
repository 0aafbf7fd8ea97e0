"""Fetches that wait: what wakes them, what they look at again, and when they are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fakebus.broker import delayed_fetch
from fakebus.broker.broker import Broker
from fakebus.broker.fetching import FetchTarget
from fakebus.broker.partition_log import PartitionLog
from fakebus.errors import ErrorCode, StorageError
from fakebus.storage.interface import StoredBatch
from fakebus.types import Buffer, TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import T0, batch

SIZE = len(batch(b"x"))


def at_end(broker: Broker, partitions: int) -> list[FetchTarget]:
    logs = [broker.partition_log(TopicPartition("t", index)) for index in range(partitions)]
    return [FetchTarget(log, log.high_watermark, 1000) for log in logs]


class Answers(list[Sequence[FetchTarget]]):
    """The outcomes that fetches were answered with."""


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_waiting_fetch_looks_again_only_at_logs_that_have_changed(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.topics.create("t", 50, {})
    answers = Answers()
    broker.begin_fetch(at_end(broker, 50), answers.append, max_wait_ms=1000)
    looked: list[int] = []
    look = FetchTarget.look

    def note(target: FetchTarget, *arguments: object) -> None:
        looked.append(target.index)
        look(target, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(FetchTarget, "look", note)
    await broker.produce(TopicPartition("t", 31), batch(b"x"))
    await turns()
    (found,) = answers
    assert looked == [31]
    assert [target.size_bytes for target in found] == [SIZE if n == 31 else 0 for n in range(50)]


async def test_a_fetch_waits_for_all_of_its_min_bytes(broker: Broker, clock: ManualClock) -> None:
    await broker.topics.create("t", 2, {})
    answers = Answers()
    broker.begin_fetch(at_end(broker, 2), answers.append, max_wait_ms=1000, min_bytes=3 * SIZE)
    for partition in (0, 1):
        await broker.produce(TopicPartition("t", partition), batch(b"x"))
        await turns()
    assert answers == []
    await broker.produce(T0, batch(b"x"))
    await turns()
    assert [target.size_bytes for target in answers[0]] == [2 * SIZE, SIZE]
    broker.begin_fetch(at_end(broker, 2), answers.append, max_wait_ms=1000, min_bytes=3 * SIZE)
    await broker.produce(T0, batch(b"x"))
    clock.advance(1.001)
    await turns()
    assert [target.size_bytes for target in answers[1]] == [SIZE, 0]


class ColdLog:
    """Reading from storage that takes as long as the test wants."""

    def __init__(self, log: PartitionLog, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads = 0
        self.go_on = asyncio.Event()
        self._read = log.read_data
        self._read_cached = log.read_cached
        monkeypatch.setattr(log, "read_data", self.read)
        monkeypatch.setattr(log, "read_cached", self.read_cached)

    def read_cached(self, *arguments: int) -> list[StoredBatch] | None:
        return self._read_cached(*arguments) if self.reads else None

    async def read(self, *arguments: int) -> tuple[list[Buffer], int] | None:
        self.reads += 1
        await self.go_on.wait()
        return await self._read(*arguments)


async def test_a_fetch_counts_what_is_appended_while_it_reads_stored_batches(
    broker: Broker, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.topics.create("t", 2, {})
    await broker.produce(T0, batch(b"x"))
    targets = at_end(broker, 2)
    targets[0].fetch_offset = 0
    cold = ColdLog(broker.partition_log(T0), monkeypatch)
    answers = Answers()
    broker.begin_fetch(targets, answers.append, max_wait_ms=1000, min_bytes=4 * SIZE)
    await turns()
    assert cold.reads == 1
    await broker.produce(T0, batch(b"x"))
    cold.go_on.set()
    await turns(10)
    assert answers == [], "there is less than min_bytes, and time is left"
    await broker.produce(TopicPartition("t", 1), batch(b"x"))
    await turns(10)
    assert answers == []
    await broker.produce(TopicPartition("t", 1), batch(b"x"))
    await turns(10)
    assert [target.size_bytes for target in answers[0]] == [2 * SIZE, 2 * SIZE]


async def test_a_fetch_is_told_what_was_appended_while_it_read_stored_batches(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.topics.create("t", 2, {})
    await broker.produce(T0, batch(b"x"))
    targets = at_end(broker, 2)
    targets[0].fetch_offset = 0
    cold = ColdLog(broker.partition_log(T0), monkeypatch)
    answers = Answers()
    broker.begin_fetch(targets, answers.append, max_wait_ms=1000, min_bytes=2 * SIZE)
    await turns()
    await broker.produce(T0, batch(b"x"))
    cold.go_on.set()
    await turns(10)
    assert [target.size_bytes for target in answers[0]] == [2 * SIZE, 0]


async def test_batches_that_cannot_be_read_are_an_error_of_their_partition(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await broker.topics.create("t", 2, {})
    logs = [broker.partition_log(TopicPartition("t", index)) for index in range(2)]
    for index in range(2):
        await broker.produce(TopicPartition("t", index), batch(b"x"))

    async def fail(*_: int) -> Sequence[StoredBatch]:
        raise StorageError("the disk is gone")

    monkeypatch.setattr(logs[0], "read_data", fail)
    monkeypatch.setattr(logs[0], "read_cached", lambda *_: None)
    targets = [FetchTarget(log, 0, 1000) for log in logs]
    found = await broker.fetch(targets, max_wait_ms=1000, min_bytes=1000)
    assert [target.error for target in found] == [ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NONE]
    assert [target.size_bytes for target in found] == [0, SIZE]
    assert "t-0 cannot be read from offset 0: the disk is gone" in caplog.text
    assert not any(log._waiters for log in logs)


async def test_an_abandoned_fetch_leaves_nothing_behind(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.topics.create("t", 3, {})
    answers = Answers()
    waiting = broker.begin_fetch(at_end(broker, 3), answers.append, max_wait_ms=1000)
    logs = [broker.partition_log(TopicPartition("t", index)) for index in range(3)]
    assert all(log._waiters for log in logs)
    waiting.abandon()
    assert not any(log._waiters for log in logs)
    await broker.produce(T0, batch(b"x"))
    cold = ColdLog(logs[0], monkeypatch)
    reading = broker.begin_fetch([FetchTarget(logs[0], 0, 1000)], answers.append)
    await turns()
    reading.abandon()
    cold.go_on.set()
    await turns(10)
    assert answers == []
    assert not logs[0]._waiters


async def test_a_client_that_has_no_room_for_more_does_not_wait_for_it(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    for _ in range(3):
        await broker.produce(T0, batch(b"x" * 100))
    size = len(batch(b"x" * 100))
    answers = Answers()
    log = broker.partition_log(T0)
    limits = {"max_wait_ms": 1000, "min_bytes": 2 * size - 10, "max_bytes": 2 * size - 10}
    broker.begin_fetch([FetchTarget(log, 0, 10_000)], answers.append, **limits)
    assert [target.size_bytes for target in answers[0]] == [size]


async def test_an_answer_holds_a_bounded_number_of_tiny_batches(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delayed_fetch, "SLICE_BATCHES", 5)
    monkeypatch.setattr(delayed_fetch, "SLICE_STORED_BATCHES", 7)
    await broker.topics.create("t", 1, {})
    for _ in range(20):
        await broker.produce(T0, batch(b"x"))
    log = broker.partition_log(T0)
    [found] = await broker.fetch([FetchTarget(log, 3, 100_000)])
    assert len(found.batches) == 5
    [found] = await broker.fetch([FetchTarget(log, 3, 100_000)], min_bytes=12 * SIZE)
    assert len(found.batches) >= 12, "but what the client waits for goes before"
    monkeypatch.setattr(log, "read_cached", lambda *_: None)
    broker.topics._tail_cache.forget(log._tail)
    [found] = await broker.fetch([FetchTarget(log, 3, 100_000)])
    assert found.size_bytes == 7 * SIZE
    assert found.last_offset == 9
    [found] = await broker.fetch([FetchTarget(log, 3, 100_000)], min_bytes=12 * SIZE)
    assert found.size_bytes >= 12 * SIZE


async def test_a_log_that_is_deleted_ends_the_wait_and_one_that_never_was_does_not(
    broker: Broker, clock: ManualClock
) -> None:
    await broker.topics.create("t", 1, {})
    missing = FetchTarget(None, 0, 1000, error=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    answers = Answers()
    broker.begin_fetch([*at_end(broker, 1), missing], answers.append, max_wait_ms=1000)
    await turns()
    assert answers == []
    await broker.topics.delete(broker.topics.get("t"))  # type: ignore[arg-type]
    await turns()
    errors = [target.error for target in answers[0]]
    assert errors == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION] * 2


async def test_a_start_offset_that_moves_ends_the_wait_only_of_those_before_it(
    broker: Broker,
) -> None:
    await broker.topics.create("t", 1, {})
    await broker.produce(T0, batch(b"x"))
    answers = Answers()
    broker.begin_fetch(at_end(broker, 1), answers.append, max_wait_ms=1000, min_bytes=1000)
    await broker.partition_log(T0).delete_records(1)
    await turns()
    assert answers == []
    await broker.produce(T0, batch(b"x"))
    await broker.partition_log(T0).delete_records(2)
    await turns()
    assert answers[0][0].error is ErrorCode.OFFSET_OUT_OF_RANGE


async def test_hundreds_of_waiting_fetches_are_not_answered_in_one_go(broker: Broker) -> None:
    await broker.topics.create("t", 20, {})
    answers = Answers()
    for _ in range(100):
        broker.begin_fetch(at_end(broker, 20), answers.append, max_wait_ms=1000)
    await broker.produce(T0, batch(b"x"))
    await asyncio.sleep(0)
    assert len(answers) < 20
    # A producer that comes now is served before the last of them.
    acknowledged = broker.produce(T0, batch(b"y"))
    await acknowledged
    assert len(answers) < 60
    await turns(100)
    assert len(answers) == 100
