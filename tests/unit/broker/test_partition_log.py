"""What happens to a log when storage fails, and to batches that come twice."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from fakebus.broker.appending import AppendResult
from fakebus.broker.broker import Broker
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.tail_cache import TailCache
from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.batch import parse_header
from fakebus.storage.interface import LogState, OnDone, Storage, StoredBatch, Undo
from fakebus.types import TopicPartition
from tests.unit.broker.batches import batch


class SlowStore:
    """Keeps writes waiting until the test says how they end."""

    def __init__(self) -> None:
        self.waiting: list[tuple[StoredBatch, OnDone, Undo | None]] = []
        self.stored: list[StoredBatch] = []

    def append_batches(
        self,
        log_id: int,
        batches: Sequence[StoredBatch],
        on_done: OnDone,
        undo: Undo | None = None,
    ) -> None:
        (one,) = batches
        self.waiting.append((one, on_done, undo))

    def commit(self, count: int = 1) -> None:
        for _ in range(count):
            one, on_done, _ = self.waiting.pop(0)
            self.stored.append(one)
            on_done(None)

    def fail(self) -> None:
        waiting, self.waiting = self.waiting, []
        for _, _, undo in reversed(waiting):
            assert undo is not None
            undo()
        for _, on_done, _ in waiting:
            on_done(OSError("no space left"))


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


@pytest.fixture
def log(store: SlowStore) -> PartitionLog:
    state = LogState(log_id=1, log_start_offset=0, log_end_offset=0, size_bytes=0, max_timestamp=-1)
    config = TopicConfig({}, BrokerConfig())
    return PartitionLog(TopicPartition("t", 0), state, config, cast(Storage, store), TailCache())


Append = Callable[..., AppendResult]


@pytest.fixture
def append(log: PartitionLog) -> Append:
    def send(*values: bytes, **options: int) -> AppendResult:
        data = batch(*values, **options)
        return log.append(data, parse_header(data))

    return send


def numbered(sequence: int, epoch: int = 0, producer: int = 7) -> dict[str, int]:
    return {"producer_id": producer, "producer_epoch": epoch, "base_sequence": sequence}


def test_a_failed_commit_takes_back_everything_behind_it(
    log: PartitionLog, store: SlowStore, append: Append
) -> None:
    append(b"a")
    store.commit()
    lost = [append(b"b", b"c"), append(b"d")]
    assert log.log_end_offset == 4
    store.fail()
    assert (log.log_end_offset, log.high_watermark) == (1, 1)
    for result in lost:
        assert isinstance(result.outcome, BrokerError)
        assert result.outcome.error_code is ErrorCode.KAFKA_STORAGE_ERROR
    again = append(b"e")
    store.commit()
    assert again.result().base_offset == 1


def test_a_failed_commit_takes_back_the_producers_sequence(
    store: SlowStore, append: Append
) -> None:
    append(b"a", **numbered(0))
    store.commit()
    append(b"b", **numbered(1))
    append(b"c", **numbered(2))
    store.fail()
    with pytest.raises(BrokerError) as caught:
        append(b"d", **numbered(3))
    assert caught.value.error_code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    append(b"b", **numbered(1))
    store.commit()


def test_whoever_hears_of_a_failure_can_append_at_once(
    log: PartitionLog, store: SlowStore, append: Append
) -> None:
    retried: list[AppendResult] = []
    append(b"a").when_settled(lambda _: retried.append(append(b"a")))
    append(b"b")
    store.fail()
    store.commit()
    assert retried[0].result().base_offset == 0
    assert log.high_watermark == 1


def test_a_repeat_of_a_batch_under_way_shares_its_outcome(store: SlowStore, append: Append) -> None:
    first, second = append(b"a", **numbered(0)), append(b"a", **numbered(0))
    assert not second.settled
    store.commit()
    assert first.result().base_offset == second.result().base_offset == 0
    assert store.waiting == []


def test_five_batches_are_remembered_and_a_sixth_is_not(store: SlowStore, append: Append) -> None:
    for sequence in range(6):
        append(b"x", **numbered(sequence))
    store.commit(6)
    for sequence in range(1, 6):
        assert append(b"x", **numbered(sequence)).result().base_offset == sequence
    with pytest.raises(BrokerError) as caught:
        append(b"x", **numbered(0))
    assert caught.value.error_code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_sequences_wrap_around(store: SlowStore, append: Append) -> None:
    last = 2**31 - 1
    append(b"x", b"y", **numbered(last - 1))
    append(b"z", **numbered(0))
    store.commit(2)
    assert append(b"z", **numbered(0)).result().base_offset == 2


def test_a_producer_without_state_may_begin_anywhere(append: Append, store: SlowStore) -> None:
    append(b"x", **numbered(41))
    store.commit()
    append(b"x", **numbered(42))
    store.commit()


def test_epochs_only_grow_and_begin_at_zero(append: Append, store: SlowStore) -> None:
    append(b"x", **numbered(0, epoch=3))
    store.commit()
    for sequence, epoch, code in (
        (1, 2, ErrorCode.INVALID_PRODUCER_EPOCH),
        (1, 4, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER),
    ):
        with pytest.raises(BrokerError) as caught:
            append(b"x", **numbered(sequence, epoch=epoch))
        assert caught.value.error_code is code
    append(b"x", **numbered(0, epoch=4))
    store.commit()


def test_producers_expire(log: PartitionLog, append: Append, store: SlowStore) -> None:
    append(b"x", at=1000, **numbered(0))
    store.commit()
    log.producers.expire(1000)
    assert 7 in log.producers.entries
    log.producers.expire(1001)
    assert 7 not in log.producers.entries


def test_the_tail_is_read_from_memory_and_bounded(store: SlowStore) -> None:
    cache = TailCache(max_bytes=5_000)
    state = LogState(log_id=1, log_start_offset=0, log_end_offset=0, size_bytes=0, max_timestamp=-1)
    config = TopicConfig({}, BrokerConfig())
    logs = [
        PartitionLog(TopicPartition("t", n), state, config, cast(Storage, store), cache)
        for n in range(2)
    ]
    for number in range(200):
        data = batch(b"x" * 100)
        logs[number % 2].append(data, parse_header(data))
        store.commit()
    assert cache.size_bytes <= 5_000
    assert logs[0].read_cached(0, 100, 1000) is None
    (newest,) = logs[0].read_cached(99, 100, 1000) or ()
    assert newest.base_offset == 99
    several = logs[1].read_cached(97, 100, 300) or ()
    assert [b.base_offset for b in several] == [97]
    logs[0].mark_deleted()
    logs[1].mark_deleted()
    assert cache.size_bytes == 0


def test_what_is_stored_after_a_deletion_takes_no_memory(
    log: PartitionLog, store: SlowStore, append: Append
) -> None:
    append(b"a")
    log.mark_deleted()
    store.commit()
    assert log._tail_cache.size_bytes == 0
    assert log.read_cached(0, 1, 1000) is None


async def test_compaction_brings_nothing_back_that_was_deleted_meanwhile(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = await broker.topics.create("t", 1, {})
    for value in (b"a", b"b", b"c"):
        await broker.produce(TopicPartition("t", 0), batch(value))
    log = topic.partitions[0]
    read = list(await log.read(0, 2, 10_000))
    await log.delete_records(1)
    written: list[int] = []
    replace_batches = log._storage.replace_batches

    def note(log_id: int, start: int, end: int, batches: Sequence[StoredBatch]) -> Future[None]:
        written.extend(one.base_offset for one in batches)
        return replace_batches(log_id, start, end, batches)

    monkeypatch.setattr(log._storage, "replace_batches", note)
    await log.replace_batches(0, 2, read)
    assert written == [1]


@pytest.mark.parametrize(("cut", "used"), [(0, None), (1, None), (2, 2), (3, 3), (4, None)])
async def test_retention_moves_the_start_only_forward_and_within_the_log(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, cut: int, used: int | None
) -> None:
    topic = await broker.topics.create("t", 1, {})
    for value in (b"a", b"b", b"c"):
        await broker.produce(TopicPartition("t", 0), batch(value))
    log = topic.partitions[0]
    await log.delete_records(1)

    async def answer(log_id: int, **limits: int | None) -> int:
        return cut

    monkeypatch.setattr(log._storage, "retention_cut", answer)
    assert await log.retention_cut(10**13) == used
