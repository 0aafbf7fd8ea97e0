"""Transactions in the broker: what is seen, what ends them, and what a restart finds."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakebus.broker.activity import Origin
from fakebus.broker.broker import Broker
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.fetching import FetchTarget, IsolationLevel
from fakebus.broker.log_transactions import LogTransactions
from fakebus.broker.topic_names import CONSUMER_OFFSETS
from fakebus.broker.transactions.coordinator import TransactionCoordinator
from fakebus.broker.transactions.markers import append_marker
from fakebus.broker.transactions.state import (
    LAST_EPOCH,
    ProducerIdAndEpoch,
    TransactionState,
    decode,
    encode,
)
from fakebus.broker.transactions.writing import TransactionalWrite
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.records.batch import parse_header
from fakebus.storage.interface import AbortedTransaction
from fakebus.storage.sqlite import SqliteStorage
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import T0, batch
from tests.unit.broker.transactions.producer import TIMEOUT_MS, TransactionalProducer, committed

T1 = TopicPartition("t", 1)


@pytest.fixture
async def producer(broker: Broker) -> TransactionalProducer:
    await broker.topics.create("t", 2, {"retention.ms": "-1"})
    return await TransactionalProducer(broker).init()


async def test_every_refusal_has_a_line_in_the_log(
    broker: Broker, producer: TransactionalProducer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fakebus.broker.transactions")
    transactions, name = broker.transactions, producer.name
    there = producer.identity
    fenced, unknown = there._replace(epoch=there.epoch + 1), there._replace(producer_id=99)
    for identity in (fenced, unknown, there):
        with pytest.raises(BrokerError):
            await transactions.end(name, identity, commit=True, bumps_epoch=False)
    with pytest.raises(BrokerError):
        await transactions.init_producer_id(name, 2**31 - 1, None)
    with pytest.raises(BrokerError):
        transactions.verify_partition(name, there, T0)
    codes = [message.split(": ")[1] for message in caplog.messages]
    assert codes == [
        "PRODUCER_FENCED",
        "INVALID_PRODUCER_ID_MAPPING",
        "INVALID_TXN_STATE",
        "INVALID_TRANSACTION_TIMEOUT",
        "TRANSACTION_ABORTABLE",
    ]
    assert all(message.startswith(f"{name} is refused to go on: ") for message in caplog.messages)


async def test_a_batch_that_goes_on_with_a_transaction_is_let_in_without_a_look(
    producer: TransactionalProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[TopicPartition] = []
    join = TransactionalWrite.join

    def note(
        write: TransactionalWrite,
        coordinator: TransactionCoordinator,
        identity: ProducerIdAndEpoch,
        partition: TopicPartition,
    ) -> None:
        joined.append(partition)
        join(write, coordinator, identity, partition)

    monkeypatch.setattr(TransactionalWrite, "join", note)
    # The transaction starts with the log, at offset 0.
    await producer.write(b"a")
    await producer.write(b"b")
    assert joined == [T0]
    await producer.end(commit=True)
    await producer.write(b"c")
    assert joined == [T0, T0]


@contextlib.asynccontextmanager
async def running(path: Path, clock: ManualClock | None = None) -> AsyncIterator[Broker]:
    storage = await SqliteStorage.open(path)
    broker = Broker(storage, clock=clock or ManualClock())
    await broker.start()
    try:
        yield broker
    finally:
        await broker.close()
        await storage.close()


def refused(error: pytest.ExceptionInfo[BrokerError]) -> ErrorCode:
    return error.value.error_code


@pytest.mark.parametrize("second", [True, False])
async def test_the_last_stable_offset_stands_where_the_oldest_open_transaction_begins(
    broker: Broker, second: bool
) -> None:
    await broker.topics.create("t", 1, {})
    a = await TransactionalProducer(broker, "a", second=second).init()
    b = await TransactionalProducer(broker, "b", second=second).init()
    log = broker.partition_log(T0)
    await broker.produce(T0, batch(b"plain"))
    await a.write(b"of a")
    await b.write(b"of b")
    assert (log.last_stable_offset, log.high_watermark) == (1, 3)
    await a.end(commit=True)
    assert (log.last_stable_offset, log.high_watermark) == (2, 4)
    await a.write(b"more of a")
    await b.end(commit=False)
    assert (log.last_stable_offset, log.high_watermark) == (4, 6)
    assert await committed(broker) == [b"plain", b"of a"]
    await a.end(commit=True)
    assert log.last_stable_offset == log.high_watermark == 7
    assert await committed(broker) == [b"plain", b"of a", b"more of a"]


async def test_who_reads_what_is_committed_is_given_nothing_behind_the_last_stable_offset(
    broker: Broker, producer: TransactionalProducer
) -> None:
    await broker.produce(T0, batch(b"plain", at=10))
    await producer.write(b"open")
    await broker.produce(T0, batch(b"behind", at=20))
    log = broker.partition_log(T0)
    for isolation, end in (
        (IsolationLevel.READ_UNCOMMITTED, 3),
        (IsolationLevel.READ_COMMITTED, 1),
    ):
        (found,) = await broker.fetch([FetchTarget(log, 0, 10_000)], isolation=isolation)
        assert (found.last_offset, len(found.batches)) == (end - 1, end)
        assert (found.last_stable_offset, found.high_watermark) == (1, 3)
        assert (await broker.find_offset(log, -1, isolation)).offset == end


async def test_the_last_stable_offset_is_never_before_the_start_of_the_log(
    broker: Broker, producer: TransactionalProducer
) -> None:
    log = broker.partition_log(T0)
    await producer.write(b"deleted", b"left")
    await broker.produce(T0, batch(b"plain"))
    for start in (1, 3):
        await log.delete_records(start)
        assert log.last_stable_offset == log.log_start_offset == start
    await producer.end(commit=False)
    assert log.last_stable_offset == log.high_watermark == 4


async def test_a_fetch_names_the_aborted_transactions_that_reach_into_what_it_returns(
    broker: Broker, producer: TransactionalProducer
) -> None:
    other = await TransactionalProducer(broker, "other").init()
    await other.write(b"0")
    for _ in range(3):
        await producer.write(b"aborted")
        await producer.end(commit=False)
    await other.end(commit=False)
    mine, its = producer.identity.producer_id, other.identity.producer_id
    transactions = broker.partition_log(T0).producers.transactions
    assert transactions is not None
    for begin, end, expected in (
        (0, 8, [(mine, 1, 2), (mine, 3, 4), (mine, 5, 6), (its, 0, 7)]),
        (3, 4, [(mine, 3, 4), (its, 0, 7)]),
        (7, 8, [(its, 0, 7)]),
        (8, 9, []),
    ):
        assert transactions.aborted(begin, end) == [AbortedTransaction(*each) for each in expected]
    await broker.partition_log(T0).delete_records(3)
    assert [each.first_offset for each in transactions.aborted(0, 9)] == [3, 5, 0]


async def test_a_fetch_of_committed_records_waits_for_the_end_whatever_it_is(
    broker: Broker, producer: TransactionalProducer
) -> None:
    target = FetchTarget(broker.partition_log(T0), 0, 1_000_000)
    fetch = asyncio.ensure_future(
        broker.fetch(
            [target],
            max_wait_ms=10_000,
            min_bytes=1000,
            isolation=IsolationLevel.READ_COMMITTED,
        )
    )
    await producer.write(b"x" * 2000)
    await asyncio.sleep(0)
    assert not fetch.done()
    await producer.end(commit=True)
    [found] = await asyncio.wait_for(fetch, 60)
    assert len(found.batches) == 2


@pytest.mark.parametrize("commit", [True, False])
async def test_offsets_of_a_transaction_count_when_it_commits(
    broker: Broker, producer: TransactionalProducer, commit: bool
) -> None:
    assert await producer.commit_offset("g", 5) is ErrorCode.NONE
    assert broker.transactions.pending_offsets("g") == {T0}
    assert broker.group_coordinator.committed_offset("g", T0) is None
    await producer.end(commit=commit)
    assert broker.transactions.pending_offsets("g") == set()
    assert broker.group_coordinator.committed_offset("g", T0) == (5 if commit else None)


async def test_a_producer_is_known_before_the_member_that_its_offsets_come_from(
    producer: TransactionalProducer,
) -> None:
    member = {"member_id": "nobody", "generation_id": 3}
    nothing = TopicPartition("nothing", 0)
    assert await producer.commit_offset("g", 5, **member) is ErrorCode.ILLEGAL_GENERATION
    producer.name = "somebody else"
    assert await producer.commit_offset("g", 5, **member) is ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert await producer.commit_offset("g", 5, nothing) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert await producer.commit_offset("", 5) is ErrorCode.INVALID_GROUP_ID
    assert await producer.commit_offset("", 5, nothing) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_a_transaction_founds_the_group_of_its_offsets_unless_it_is_refused(
    broker: Broker, producer: TransactionalProducer
) -> None:
    def found() -> list[str]:
        return [each.group_id for each in broker.group_coordinator.list_groups()]

    name, producer.name = producer.name, "somebody else"
    assert await producer.commit_offset("g", 5) is ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert found() == []

    producer.name = name
    assert await producer.commit_offset("g", 5) is ErrorCode.NONE
    assert found() == ["g"]


async def test_offsets_of_a_topic_that_was_deleted_meanwhile_are_not_committed(
    broker: Broker, producer: TransactionalProducer
) -> None:
    await producer.commit_offset("g", 5)
    topic = broker.topics.get("t")
    assert topic is not None
    await broker.topics.delete(topic)
    await producer.end(commit=True)
    assert broker.group_coordinator.committed_offset("g", T0) is None


async def test_a_batch_without_a_transaction_that_the_coordinator_knows_is_refused(
    broker: Broker, producer: TransactionalProducer
) -> None:
    producer_id, epoch = producer.identity
    fields = {"producer_id": producer_id, "producer_epoch": epoch, "base_sequence": 0}
    for transaction, error in (
        (None, ErrorCode.INVALID_TXN_STATE),
        (TransactionalWrite("p"), ErrorCode.INVALID_TXN_STATE),
        (TransactionalWrite("nobody", True), ErrorCode.INVALID_PRODUCER_ID_MAPPING),
    ):
        with pytest.raises(BrokerError) as raised:
            broker.produce(T0, batch(b"x", transactional=True, **fields), transaction=transaction)
        assert refused(raised) is error
    assert broker.partition_log(T0).log_end_offset == 0


async def test_a_batch_of_the_time_before_the_end_does_not_begin_a_transaction_anew(
    broker: Broker, producer: TransactionalProducer
) -> None:
    producer.second = False
    await producer.write(b"a")
    write = TransactionalWrite("p")
    data = batch(b"b", producer_id=0, producer_epoch=0, base_sequence=1, transactional=True)
    # It was let in, and then waited for its turn while the transaction was committed.
    log = broker.partition_log(T0)
    write.admit(broker.transactions, log, parse_header(data))
    await producer.end(commit=True)
    with pytest.raises(BrokerError) as raised:
        log.append(data, parse_header(data))
    assert refused(raised) is ErrorCode.INVALID_TXN_STATE
    assert log.last_stable_offset == log.high_watermark == 2


async def test_a_second_producer_aborts_what_is_open_and_fences_the_first(
    broker: Broker, producer: TransactionalProducer
) -> None:
    await producer.write(b"x")
    second = TransactionalProducer(broker)
    with pytest.raises(BrokerError) as raised:
        await second.init()
    assert refused(raised) is ErrorCode.CONCURRENT_TRANSACTIONS
    await second.init()
    assert second.identity == (producer.identity.producer_id, 2)
    for fenced in (producer.write(b"y"), producer.end(commit=True)):
        with pytest.raises(BrokerError) as raised:
            await fenced
    assert refused(raised) is ErrorCode.PRODUCER_FENCED
    assert await committed(broker) == []


async def test_a_producer_that_asks_for_its_next_epoch_gets_it_once_however_often_it_asks(
    broker: Broker,
) -> None:
    init = broker.transactions.init_producer_id
    first = await init("id", TIMEOUT_MS, None)
    # It has not heard the first answer, and asks once more with what it has.
    for _ in range(2):
        following = await init("id", TIMEOUT_MS, first)
        assert following == first._replace(epoch=first.epoch + 1)
    assert (await init("id", TIMEOUT_MS, following)).epoch == first.epoch + 2
    with pytest.raises(BrokerError) as caught:
        await init("id", TIMEOUT_MS, first)
    assert caught.value.error_code is ErrorCode.PRODUCER_FENCED


async def test_a_producer_without_epochs_left_gets_another_id_and_may_ask_once_more(
    broker: Broker, producer: TransactionalProducer
) -> None:
    state = broker.transactions.get("p")
    assert state is not None
    await broker.transactions.save("p", state._replace(producer_epoch=LAST_EPOCH))
    old = producer.identity = ProducerIdAndEpoch(producer.identity.producer_id, LAST_EPOCH)
    await producer.write(b"x")
    await producer.end(commit=True)
    assert producer.identity.epoch == 0
    assert producer.identity.producer_id != old.producer_id
    again = await broker.transactions.end("p", old, commit=True, bumps_epoch=True)
    assert again == producer.identity
    await producer.write(b"y")
    await producer.end(commit=True)
    assert await committed(broker) == [b"x", b"y"]
    # By now it has heard of the first end: whoever comes with the old id is another one.
    with pytest.raises(BrokerError) as raised:
        await broker.transactions.end("p", old, commit=True, bumps_epoch=True)
    assert refused(raised) is not ErrorCode.NONE


async def test_an_end_that_comes_again_does_not_end_the_next_transaction(
    broker: Broker, producer: TransactionalProducer
) -> None:
    before = producer.identity
    await producer.write(b"x")
    await producer.end(commit=True)
    assert await broker.transactions.end("p", before, commit=True, bumps_epoch=True)
    await producer.write(b"y")
    with pytest.raises(BrokerError) as raised:
        await broker.transactions.end("p", before, commit=True, bumps_epoch=True)
    assert refused(raised) is ErrorCode.PRODUCER_FENCED
    assert await committed(broker) == [b"x"]
    await producer.end(commit=True)
    assert await committed(broker) == [b"x", b"y"]


async def test_a_transaction_that_takes_too_long_is_aborted_by_the_clock(
    broker: Broker, producer: TransactionalProducer, clock: ManualClock
) -> None:
    await producer.write(b"x")
    clock.advance(60)
    await broker.run_housekeeping()
    assert broker.partition_log(T0).last_stable_offset == 0
    clock.advance(0.001)
    await broker.run_housekeeping()
    assert broker.partition_log(T0).last_stable_offset == 2
    with pytest.raises(BrokerError) as raised:
        await producer.end(commit=True)
    assert refused(raised) is ErrorCode.INVALID_TXN_STATE


async def test_a_transactional_id_that_nobody_uses_expires(
    broker: Broker, producer: TransactionalProducer, clock: ManualClock
) -> None:
    clock.advance(7 * 86_400 - 1)
    await broker.run_housekeeping()
    assert [state.transactional_id for state in broker.transactions] == ["p"]
    clock.advance(1)
    await broker.run_housekeeping()
    assert list(broker.transactions) == []


async def test_the_time_of_a_transaction_counts_from_its_first_partition(
    broker: Broker, producer: TransactionalProducer, clock: ManualClock
) -> None:
    await producer.write(b"x")
    clock.advance(40)
    await producer.write(b"y", to=T1)
    clock.advance(20.001)
    await broker.run_housekeeping()
    assert broker.transactions.ongoing == []


async def test_an_id_does_not_expire_while_its_transaction_is_open(clock: ManualClock) -> None:
    storage = await SqliteStorage.open(None)
    config = BrokerConfig({"transactional.id.expiration.ms": "1000"})
    broker = Broker(storage, clock=clock, config=config)
    await broker.start()
    await broker.topics.create("t", 1, {"retention.ms": "-1"})
    producer = await TransactionalProducer(broker).init()
    await producer.write(b"x")
    clock.advance(30)
    await broker.run_housekeeping()
    await producer.end(commit=True)
    assert await committed(broker) == [b"x"]
    await broker.close()
    await storage.close()


async def test_who_comes_while_its_transaction_is_being_ended_is_to_come_again(
    broker: Broker, producer: TransactionalProducer
) -> None:
    await producer.write(b"x")
    ending = asyncio.ensure_future(producer.end(commit=True))
    await asyncio.sleep(0)
    with pytest.raises(BrokerError) as raised:
        await broker.transactions.init_producer_id("p", 1000, None)
    await ending
    assert refused(raised) is ErrorCode.CONCURRENT_TRANSACTIONS
    await producer.write(b"y")


async def test_offsets_of_a_transaction_leave_no_marker_in_the_topic_of_offsets(
    broker: Broker, producer: TransactionalProducer
) -> None:
    await broker.ensure_internal_topic(CONSUMER_OFFSETS)
    place = broker.transactions.offsets_partition("g")
    await producer.commit_offset("g", 5)
    before = broker.partition_log(place).log_end_offset
    await producer.end(commit=False)
    assert broker.partition_log(place).log_end_offset == before


async def test_a_marker_from_an_older_epoch_or_coordinator_is_refused(
    broker: Broker, producer: TransactionalProducer
) -> None:
    log = broker.partition_log(T0)
    newer = ProducerIdAndEpoch(9, 5)
    await append_marker(log, newer, 3, commit=True, now_ms=0)
    for signed, coordinator, error in (
        (ProducerIdAndEpoch(9, 4), 3, ErrorCode.INVALID_PRODUCER_EPOCH),
        (ProducerIdAndEpoch(9, 4), 2, ErrorCode.INVALID_PRODUCER_EPOCH),
        (newer, 2, ErrorCode.TRANSACTION_COORDINATOR_FENCED),
    ):
        with pytest.raises(BrokerError) as raised:
            append_marker(log, signed, coordinator, commit=True, now_ms=0)
        assert refused(raised) is error


async def test_what_storage_does_not_keep_was_never_ended(
    broker: Broker, producer: TransactionalProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await producer.write(b"x")
    await producer.commit_offset("g", 3)
    with monkeypatch.context() as patch:
        full = StorageError("the disk is full")
        patch.setattr(broker._storage.writes, "refusal", lambda: full)
        with pytest.raises(StorageError):
            await producer.end(commit=True)
    log = broker.partition_log(T0)
    assert (log.last_stable_offset, log.log_end_offset) == (0, 1)
    assert broker.transactions.get("p").status == "Ongoing"  # type: ignore[union-attr]
    await producer.end(commit=True)
    assert await committed(broker) == [b"x"]
    assert broker.group_coordinator.committed_offset("g", T0) == 3


async def test_a_stored_state_is_read_as_it_was(
    broker: Broker, producer: TransactionalProducer
) -> None:
    await producer.write(b"x")
    await producer.commit_offset("g", 3)
    state = broker.transactions.get("p")
    assert state is not None
    assert decode("p", encode(state)) == state
    with pytest.raises(StorageError):
        decode("p", "{}")


async def test_a_rollback_takes_open_transactions_along(
    broker: Broker, producer: TransactionalProducer
) -> None:
    await producer.write(b"open at the snapshot")
    before = await broker.snapshots.take()
    await producer.end(commit=True)
    await producer.write(b"later")
    await producer.commit_offset("g", 3)
    await broker.snapshots.roll_back(before)
    log = broker.partition_log(T0)
    # Nobody would end what was open then; what is open now goes on.
    assert (log.last_stable_offset, log.high_watermark) == (2, 2)
    await producer.end(commit=True)
    assert await committed(broker) == []
    assert broker.group_coordinator.committed_offset("g", T0) is None
    await producer.write(b"after")
    await producer.end(commit=True)
    assert await committed(broker) == [b"after"]


class Model:
    """Two producers on a broker that is started again and again, and lists of what must hold."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, bytes]] = []
        """Committed records by offset."""
        self.offset: int | None = None
        self.records: dict[str, list[tuple[int, bytes]]] = {"a": [], "b": []}
        self.offsets: dict[str, int | None] = {"a": None, "b": None}
        self.producers: dict[str, TransactionalProducer] = {}
        self.count = 0

    async def begin(self, broker: Broker) -> None:
        if broker.topics.get("t") is None:
            await broker.topics.create("t", 1, {})
            self.producers = {
                name: await TransactionalProducer(broker, name).init() for name in "ab"
            }
        for producer in self.producers.values():
            producer.broker = broker

    async def play(self, step: str, name: str) -> None:
        producer = self.producers[name]
        self.count += 1
        if step == "write":
            value = b"%d" % self.count
            self.records[name].append(((await producer.write(value)).base_offset, value))
        elif step == "offset":
            await producer.commit_offset("g", self.count)
            self.offsets[name] = self.count
        elif step == "init":
            with contextlib.suppress(BrokerError):
                await producer.init()
            await producer.init()
            self.end(name, commit=False)
        elif self.records[name] or self.offsets[name] is not None:
            await producer.end(commit=step == "commit")
            self.end(name, commit=step == "commit")

    def end(self, name: str, *, commit: bool) -> None:
        if commit:
            self.seen += self.records[name]
            self.offset = self.offset if self.offsets[name] is None else self.offsets[name]
        self.records[name], self.offsets[name] = [], None

    async def check(self, broker: Broker) -> None:
        log = broker.partition_log(T0)
        begun = [records[0][0] for records in self.records.values() if records]
        assert log.last_stable_offset == min(begun, default=log.high_watermark)
        stable = [value for place, value in sorted(self.seen) if place < log.last_stable_offset]
        assert await committed(broker) == stable
        assert broker.group_coordinator.committed_offset("g", T0) == self.offset


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("write", "offset", "commit", "abort", "init", "restart")),
        st.sampled_from("ab"),
    ),
    max_size=14,
)


@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_random_transactions_with_restarts_between_any_two_steps(
    tmp_path: Path, steps: list[tuple[str, str]]
) -> None:
    asyncio.run(play(tmp_path / f"{len(list(tmp_path.iterdir()))}.db", steps))


async def play(path: Path, steps: list[tuple[str, str]]) -> None:
    model, rest = Model(), deque(steps)
    while True:
        async with running(path) as broker:
            await model.begin(broker)
            await model.check(broker)
            while rest:
                step, name = rest.popleft()
                if step == "restart":
                    break
                await model.play(step, name)
                await model.check(broker)
            else:
                return


@pytest.mark.parametrize("anew", [False, True])
async def test_a_producer_whose_transaction_took_too_long_goes_on_if_it_asks(
    broker: Broker, clock: ManualClock, producer: TransactionalProducer, *, anew: bool
) -> None:
    transactions = broker.transactions
    await producer.write(b"too long")
    before = producer.identity
    if anew:
        with pytest.raises(BrokerError, match="is being ended"):
            await transactions.init_producer_id("p", TIMEOUT_MS, before)
    else:
        clock.advance(TIMEOUT_MS / 1000 + 1)
        await transactions.expire()

    # As of any end that it has not heard of (KIP-890).
    following = ProducerIdAndEpoch(before.producer_id, before.epoch + 1)
    assert await transactions.end("p", before, commit=False, bumps_epoch=True) == following
    with pytest.raises(BrokerError) as refused:
        await transactions.end("p", before, commit=True, bumps_epoch=True)
    assert refused.value.error_code is ErrorCode.INVALID_TXN_STATE
    with pytest.raises(BrokerError) as refused:
        await transactions.end("p", before, commit=False, bumps_epoch=False)
    assert refused.value.error_code is ErrorCode.PRODUCER_FENCED

    assert await transactions.init_producer_id("p", TIMEOUT_MS, before) == following
    producer.identity = following
    producer.sequences.clear()
    await producer.write(b"in time")
    await producer.end(commit=True)


async def test_the_longest_timeout_is_that_of_the_config(clock: ManualClock) -> None:
    storage = await SqliteStorage.open(None)
    config = BrokerConfig({"transaction.max.timeout.ms": "1000"})
    broker = Broker(storage, clock=clock, config=config)
    for timeout_ms in (0, 1001):
        with pytest.raises(BrokerError) as raised:
            await broker.transactions.init_producer_id("p", timeout_ms, None)
        assert refused(raised) is ErrorCode.INVALID_TRANSACTION_TIMEOUT
    assert await broker.transactions.init_producer_id("p", 1000, None) == (0, 0)
    await storage.close()


async def test_offsets_that_a_transaction_has_committed_are_noted_as_its_producers(
    broker: Broker, producer: TransactionalProducer
) -> None:
    broker.transactions.origins["p"] = Origin(front_end="kafka", client_id="billing")
    for offset in (5, 6):
        await producer.commit_offset("g", offset)
        await producer.end(commit=offset == 5)
    [note] = [each for each in broker.activity.newest if each.verb == "committed"]
    assert (note.origin.client_id, note.group, note.topic, note.offset) == ("billing", "g", "t", 5)


async def test_an_offset_is_not_stable_before_it_can_be_fetched(
    broker: Broker, producer: TransactionalProducer
) -> None:
    await producer.commit_offset("g", 5)
    transactions = broker.transactions
    assert transactions.pending_offsets("g") == {T0}
    ending = asyncio.ensure_future(producer.end(commit=True))
    await asyncio.sleep(0)
    seen = []
    while broker.group_coordinator.committed_offset("g", T0) is None:
        seen.append(transactions.pending_offsets("g"))
        await asyncio.sleep(0)
    await ending
    assert seen
    assert set(map(frozenset, seen)) == {frozenset({T0})}
    assert transactions.pending_offsets("g") == set()


async def with_another_one_too_long(
    broker: Broker, clock: ManualClock, producer: TransactionalProducer
) -> TransactionalProducer:
    """Return another producer, when transactions of both have taken too long."""
    second = await TransactionalProducer(broker, "q").init()
    for each in (producer, second):
        await each.write(b"too long")
    # Nothing but what is asked for later aborts them.
    await broker._housekeeping.close()
    clock.advance(60.001)
    return second


async def test_what_its_producer_has_begun_meanwhile_is_not_aborted_with_others(
    broker: Broker,
    clock: ManualClock,
    producer: TransactionalProducer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = await with_another_one_too_long(broker, clock, producer)
    abort = broker.transactions._fence

    async def abort_slowly(state: TransactionState, reason: str) -> None:
        await abort(state, reason)
        assert state.transactional_id == "p"
        await second.end(commit=True)
        await second.write(b"in time")

    monkeypatch.setattr(broker.transactions, "_fence", abort_slowly)
    await broker.transactions.expire()
    await second.end(commit=True)
    assert await committed(broker) == [b"too long", b"in time"]


async def test_what_its_producer_has_ended_meanwhile_is_not_aborted_with_others(
    broker: Broker,
    clock: ManualClock,
    producer: TransactionalProducer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = await with_another_one_too_long(broker, clock, producer)
    abort, aborted = broker.transactions._fence, list[str]()

    async def abort_slowly(state: TransactionState, reason: str) -> None:
        aborted.append(state.transactional_id)
        await abort(state, reason)
        if state.transactional_id == "p":
            await second.end(commit=True)

    monkeypatch.setattr(broker.transactions, "_fence", abort_slowly)
    await broker.transactions.expire()
    assert aborted == ["p"]
    await second.write(b"goes on")


def test_what_is_aborted_after_a_start_is_found_behind_what_was_aborted_before_it() -> None:
    first, second, third = (
        AbortedTransaction(producer_id, start, start + 4)
        for producer_id, start in enumerate((0, 5, 10))
    )
    transactions = LogTransactions([first], [(second.first_offset, second.producer_id)])
    transactions.end(1, second.first_offset, second.last_offset, abort=True)
    transactions.open[third.first_offset] = third.producer_id
    transactions.end(2, third.first_offset, third.last_offset, abort=True)
    for start in (0, 4):
        assert transactions.aborted(start, 100) == [first, second, third]
    assert LogTransactions([first]).aborted(0, 100) == [first]
    later = LogTransactions([first])
    later.open[5] = 1
    later.end(1, 5, 9, abort=True)
    assert later.aborted(0, 100) == [first, second]
    assert later.aborted(0, 5) == [first]


def test_a_transaction_whose_marker_is_cut_off_was_not_aborted() -> None:
    aborted = AbortedTransaction(0, 0, 4)
    assert LogTransactions([aborted]).up_to(4).aborted(0, 100) == []
    assert LogTransactions([aborted]).up_to(5).aborted(0, 100) == [aborted]
