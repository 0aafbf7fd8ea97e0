"""What goes wrong in housekeeping ends neither it nor the broker, and is told once."""

from __future__ import annotations

import asyncio
import logging

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.partition_log import PartitionLog
from fakebus.errors import StorageError
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import T0, batch
from tests.unit.broker.conftest import NOW_MS

RETENTION_S = 300
OLD = {"retention.ms": "1000"}
COMPACT = {"cleanup.policy": "compact", "segment.ms": "1", "min.cleanable.dirty.ratio": "0.01"}


async def settle(broker: Broker) -> None:
    """Return when the runs that the clock has begun are over, and the next ones planned."""
    for chore in broker._housekeeping._chores:
        if chore._task is not None:
            await chore._task


class Breakage:
    """Makes a method of the logs of one topic raise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str, topic: str) -> None:
        self.error: Exception | None = None
        real = getattr(PartitionLog, method)

        async def broken(log: PartitionLog, *arguments: object, **options: object) -> object:
            if self.error is not None and log.topic_partition.topic == topic:
                raise self.error
            return await real(log, *arguments, **options)

        monkeypatch.setattr(PartitionLog, method, broken)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


async def test_retention_of_the_other_logs_goes_on_when_one_fails(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("t", "u"):
        await broker.topics.create(name, 1, OLD)
        await broker.produce(TopicPartition(name, 0), batch(b"x", at=NOW_MS - 5000))
    breakage = Breakage(monkeypatch, "retention_cut", "t")
    breakage.error = KeyError("surprise")
    with pytest.raises(KeyError, match="surprise"):
        await broker.run_housekeeping()
    assert broker.partition_log(TopicPartition("u", 0)).log_start_offset == 1
    assert broker.partition_log(T0).log_start_offset == 0
    assert errors(caplog) == ["retention failed for t-0: 'surprise'"]


async def test_compaction_of_the_other_logs_goes_on_when_one_fails(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("t", "u"):
        await broker.topics.create(name, 1, COMPACT)
        for at in range(3):
            data = batch(b"x", at=NOW_MS + at * 10)
            await broker.produce(TopicPartition(name, 0), data)
    breakage = Breakage(monkeypatch, "replace_batches", "t")
    breakage.error = StorageError("disk full")
    with pytest.raises(StorageError, match="disk full"):
        await broker.run_housekeeping()
    assert broker.partition_log(TopicPartition("u", 0)).first_dirty_offset == 2
    assert broker.partition_log(T0).first_dirty_offset == 0
    assert errors(caplog) == ["compaction failed for t-0: disk full"]
    breakage.error = None
    await broker.run_housekeeping()
    assert broker.partition_log(T0).first_dirty_offset == 2


async def test_the_next_run_comes_after_one_that_has_failed_as_a_whole(
    broker: Broker, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.topics.create("t", 1, OLD)
    await broker.produce(T0, batch(b"x", at=NOW_MS - 5000))
    real, broken = broker.config.get_int, True

    def get_int(name: str) -> int:
        if broken and name == "producer.id.expiration.ms":
            raise RuntimeError("surprise")
        return real(name)

    monkeypatch.setattr(broker.config, "get_int", get_int)
    clock.advance(RETENTION_S)
    await settle(broker)
    assert broker.partition_log(T0).log_start_offset == 0
    broken = False
    clock.advance(RETENTION_S)
    await settle(broker)
    assert broker.partition_log(T0).log_start_offset == 1


async def test_a_kind_of_failure_is_told_once_until_a_run_was_without_it(
    broker: Broker,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await broker.topics.create("t", 3, OLD)
    breakage = Breakage(monkeypatch, "retention_cut", "t")
    for error, lines in (
        (ValueError("first"), ["retention failed for t-0: first"]),
        (ValueError("second"), []),
        (None, []),
        (ValueError("third"), ["retention failed for t-0: third"]),
    ):
        caplog.clear()
        breakage.error = error
        clock.advance(RETENTION_S)
        await settle(broker)
        assert errors(caplog) == lines


async def test_only_what_is_not_foreseen_has_a_traceback(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await broker.topics.create("t", 1, OLD)
    breakage = Breakage(monkeypatch, "retention_cut", "t")
    for error in (StorageError("disk full"), KeyError("surprise")):
        breakage.error = error
        with pytest.raises(type(error)):
            await broker.run_housekeeping()
    assert [r.exc_info is not None for r in caplog.records if r.levelno >= logging.ERROR] == [
        False,
        True,
    ]


async def test_close_is_clean_while_a_run_fails(
    broker: Broker, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.topics.create("t", 1, OLD)
    reached, go_on, runs = asyncio.Event(), asyncio.Event(), 0

    async def stuck(log: PartitionLog, now_ms: int) -> int | None:
        nonlocal runs
        runs += 1
        reached.set()
        await go_on.wait()
        raise RuntimeError("surprise")

    monkeypatch.setattr(PartitionLog, "retention_cut", stuck)
    clock.advance(RETENTION_S)
    await reached.wait()
    closing = asyncio.ensure_future(broker.close())
    await asyncio.sleep(0)
    go_on.set()
    await closing
    clock.advance(10 * RETENTION_S)
    await settle(broker)
    assert runs == 1


async def test_retention_says_what_it_deletes(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await broker.topics.create("t", 1, OLD)
    await broker.produce(T0, batch(b"x", b"y", at=NOW_MS - 5000))
    await broker.run_housekeeping()
    assert "retention deletes the records of t-0 from offset 0 to 1" in caplog.messages


async def test_producers_that_were_idle_for_too_long_are_forgotten(
    broker: Broker, clock: ManualClock
) -> None:
    await broker.topics.create("t", 1, {})
    day_ms = 86_400_000
    for producer_id, at in ((7, NOW_MS), (8, NOW_MS + 1000)):
        data = batch(b"x", at=at, producer_id=producer_id, producer_epoch=0, base_sequence=0)
        await broker.produce(T0, data)
    clock.advance((day_ms + 500) / 1000)
    await settle(broker)
    assert set(broker.partition_log(T0).producers.entries) == {8}
