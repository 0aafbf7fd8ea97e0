"""What flows tell of transactions: causes that they state, and records that nobody is given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fakebus.app import FakeBus
from fakebus.broker.activity import Origin
from fakebus.broker.fetching import FetchTarget, IsolationLevel
from fakebus.broker.groups.requests import OffsetCommit, PartitionOffset
from fakebus.broker.topic_requests import TopicToDelete
from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.broker.transactions.writing import TransactionalWrite, commit_offsets
from fakebus.errors import ErrorCode
from fakebus.lineage.place import FlowError
from fakebus.lineage.why.broker_view import explain_group
from fakebus.lineage.why.transaction_view import explain_transaction
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition
from tests.unit.lineage.test_flow import Played, settings

READ_COMMITTED, READ_UNCOMMITTED = IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED


class Worker:
    """Service that reads with a consumer and writes with a transactional producer.

    Args:
        played: the bus.
        service: its name and its group's.
        bumps_epoch: whether its producer knows KIP-890.
    """

    def __init__(self, played: Played, service: str, *, bumps_epoch: bool = True) -> None:
        self.played, self.service, self.bumps_epoch = played, service, bumps_epoch
        self.producer = ProducerIdAndEpoch(-1, -1)
        self._sequences: dict[str, int] = {}

    @property
    def write_origin(self) -> Origin:
        return self.played.origin(self.service, "producer")

    async def begin(self) -> Worker:
        transactions = self.played.bus.broker.transactions
        self.producer = await transactions.init_producer_id(self.service, 60_000, None)
        return self

    async def read(
        self, topic: str, offset: int, isolation: IsolationLevel = READ_COMMITTED
    ) -> None:
        """Be sent everything from an offset on."""
        broker = self.played.bus.broker
        log = broker.topics.logs[TopicPartition(topic, 0)]
        origin = self.played.origin(self.service, "consumer")
        target = FetchTarget(log, offset, 1 << 20)
        broker.begin_fetch([target], lambda _: None, isolation=isolation, origin=origin)

    async def write(self, topic: str, *headers: tuple[str, str], value: bytes = b"{}") -> str:
        broker = self.played.bus.broker
        place = TopicPartition(topic, 0)
        if broker.topics.get(topic) is None:
            await broker.topic_admin.auto_create(topic, allowed=True)
        if not self.bumps_epoch:
            broker.transactions.add_partitions(self.service, self.producer, (place,))
        record = NewRecord(None, value, [(name, text.encode()) for name, text in headers], 1000)
        data = build_batch(
            [record],
            producer_id=self.producer.producer_id,
            producer_epoch=self.producer.epoch,
            base_sequence=self._sequences.get(topic, 0),
            transactional=True,
        )
        self._sequences[topic] = self._sequences.get(topic, 0) + 1
        write = TransactionalWrite(self.service, self.bumps_epoch, origin=self.write_origin)
        info = await broker.produce(place, data, origin=self.write_origin, transaction=write)
        return f"{topic}[0]@{info.base_offset}"

    async def give_offsets(self, **offsets: int) -> None:
        """Let offsets be committed with the transaction."""
        told: asyncio.Future[list[ErrorCode]] = asyncio.get_running_loop().create_future()
        positions = [PartitionOffset(topic, 0, offset) for topic, offset in offsets.items()]
        commit = OffsetCommit(group_id=self.service, offsets=positions, transactional=True)
        write = TransactionalWrite(self.service, True, origin=self.write_origin)
        transactions = self.played.bus.broker.transactions
        commit_offsets(write, self.producer, commit, transactions, told.set_result)
        assert set(await told) == {ErrorCode.NONE}

    async def end(self, *, commit: bool = True) -> None:
        before, transactions = self.producer, self.played.bus.broker.transactions
        self.producer = await transactions.end(
            self.service, before, commit=commit, bumps_epoch=self.bumps_epoch
        )
        if self.producer != before:
            self._sequences.clear()


@pytest.fixture
async def played() -> AsyncIterator[Played]:
    async with FakeBus(settings()) as bus:
        yield Played(bus)


async def edges(played: Played, name: str) -> list[tuple[str, str, str, str, int]]:
    found: dict[str, Any] = await played.flow(name, 1)
    return [
        (each["from"], each["to"], each["evidence"], each["by"], each["rivals"])
        for each in found["edges"]
    ]


async def transaction(played: Played, name: str) -> Any:
    flow = await played.flow(name, 0)
    return flow["records"][0]["transaction"]


@pytest.mark.parametrize("bumps_epoch", [True, False])
async def test_what_is_written_with_the_offset_of_a_record_is_stated_to_come_from_it(
    played: Played, bumps_epoch: bool
) -> None:
    worker = await Worker(played, "billing", bumps_epoch=bumps_epoch).begin()
    orders = [await played.write("shop", "orders") for _ in range(2)]
    invoices = []
    for offset, order in enumerate(orders):
        # Both were sent at once, and each has a transaction of its own.
        if not offset:
            await worker.read("orders", 0)
        invoices.append(await worker.write("invoices"))
        await worker.give_offsets(orders=offset + 1)
        await worker.end()
        found = [(order, invoices[-1], "stated", "transaction", 0)]
        assert await edges(played, invoices[-1]) == found
    for order, invoice in zip(orders, invoices, strict=True):
        assert await edges(played, order) == [(order, invoice, "stated", "transaction", 0)]
        told = await transaction(played, invoice)
        assert (told["transactional_id"], told["state"]) == ("billing", "committed")
    assert await transaction(played, orders[0]) is None
    assert (await played.state(orders[0], "billing"))["state"] == "handled"


async def test_of_several_records_committed_together_all_are_stated_and_ranked(
    played: Played,
) -> None:
    worker = await Worker(played, "billing").begin()
    inputs = [await played.write("shop", topic) for topic in ("orders", "orders", "prices")]
    await worker.read("orders", 0)
    await worker.read("prices", 0)
    invoice = await worker.write("invoices")
    await worker.give_offsets(orders=2, prices=1)
    await worker.end()
    found = await edges(played, invoice)
    assert sorted(each[0] for each in found) == sorted(inputs)
    assert {each[1:] for each in found} == {(invoice, "stated", "transaction", 2)}
    flow = await played.flow(invoice, 1)
    assert sorted(each["rank"] for each in flow["edges"]) == [1, 2, 3]


async def test_an_aborted_transaction_states_nothing_and_its_records_are_told_as_aborted(
    played: Played,
) -> None:
    worker = await Worker(played, "billing").begin()
    order = await played.write("shop", "orders")
    await worker.read("orders", 0)
    aborted = await worker.write("invoices")
    await worker.give_offsets(orders=1)
    await worker.end(commit=False)
    await worker.read("orders", 0)
    invoice = await worker.write("invoices")
    open_one = await transaction(played, invoice)
    assert open_one["state"] == "open"
    await worker.give_offsets(orders=1)
    await worker.end()
    assert {each[2] for each in await edges(played, aborted)} <= {"observed"}
    assert (await transaction(played, aborted))["state"] == "aborted"
    assert await edges(played, invoice) == [(order, invoice, "stated", "transaction", 0)]


async def test_neither_markers_nor_aborted_records_are_causes_for_readers_of_committed_ones(
    played: Played,
) -> None:
    shop = await Worker(played, "shop").begin()
    for commit in (False, True):
        order = await shop.write("orders")
        await shop.end(commit=commit)
    worker = await Worker(played, "billing").begin()
    await worker.read("orders", 0)
    invoice = await worker.write("invoices")
    await worker.give_offsets(orders=4)
    await worker.end()
    assert order == "orders[0]@2"
    assert await edges(played, invoice) == [(order, invoice, "stated", "transaction", 0)]
    assert await edges(played, "orders[0]@0") == []
    hidden = await played.state("orders[0]@0", "billing")
    assert (hidden["state"], hidden["attempts"]) == ("hidden", 0)
    assert "was aborted" in hidden["reason"]
    with pytest.raises(FlowError, match="marker by which the transaction of 'shop' was committed"):
        await played.flow("orders[0]@3")


async def test_a_reader_of_uncommitted_records_is_told_to_have_handled_an_aborted_one(
    played: Played,
) -> None:
    shop = await Worker(played, "shop").begin()
    order = await shop.write("orders")
    await shop.end(commit=False)
    worker = await Worker(played, "billing").begin()
    await worker.read("orders", 0, READ_UNCOMMITTED)
    invoice = await worker.write("invoices")
    await worker.give_offsets(orders=2)
    await worker.end()
    assert await edges(played, invoice) == [(order, invoice, "stated", "transaction", 0)]
    state = await played.state(order, "billing")
    assert state["state"] == "handled"
    assert "reads uncommitted, and its transaction is aborted" in state["reason"]


async def test_what_the_transaction_passed_without_reading_it_states_nothing(
    played: Played,
) -> None:
    worker = await Worker(played, "billing").begin()
    orders = [await played.write("shop", "orders") for _ in range(3)]
    await worker.read("orders", 2)
    first = await worker.write("invoices")
    await played.write("shop", "prices")
    await worker.read("prices", 0)
    second = await worker.write("invoices")
    await worker.give_offsets(orders=3, prices=1)
    await worker.end()
    assert await edges(played, first) == [(orders[2], first, "stated", "transaction", 0)]
    assert {each[0] for each in await edges(played, second)} == {orders[2], "prices[0]@0"}


async def test_a_record_behind_an_open_transaction_waits_for_its_end(played: Played) -> None:
    shop = await Worker(played, "shop").begin()
    held = await shop.write("orders")
    behind = await played.write("web", "orders")
    worker = await Worker(played, "billing").begin()
    await worker.give_offsets(orders=0)
    await worker.end()
    for name in (held, behind):
        state = await played.state(name, "billing")
        assert state["state"] == "hidden"
        assert state["reason"] == (
            "it waits for the end of the transaction of shop (client producer)"
        )
    await shop.end()
    assert (await played.state(behind, "billing"))["state"] == "waiting"


async def test_a_transactional_id_tells_what_it_holds_back_and_for_whom(played: Played) -> None:
    assert await explain_transaction(played.bus.broker, played.bus.lineage, "shop") is None
    shop = await Worker(played, "shop").begin()
    found = await explain_transaction(played.bus.broker, played.bus.lineage, "shop")
    assert found is not None
    assert (found["state"], found["well"], found["causes"]) == ("Empty", True, [])
    committed = await played.write("web", "orders")
    await shop.write("orders")
    await played.handle("billing", committed, "invoices")
    await shop.give_offsets(orders=1)

    found = await explain_transaction(played.bus.broker, played.bus.lineage, "shop")
    assert found is not None
    [cause] = found["causes"]
    assert (found["state"], found["well"], cause["code"]) == ("Ongoing", False, "open_transaction")
    assert cause["text"].startswith(
        "the transaction of shop (client producer, service shop) has been open for "
    )
    assert cause["text"].endswith(
        " and holds back orders[0] from offset 1 on: readers of committed records do not see what "
        "is there; 1 group can read no further: billing; it is to commit offsets of shop"
    )
    assert "transaction.timeout.ms" in cause["remedy"]
    held = {"topic": "orders", "partition": 0, "first_offset": 1, "end_offset": 2}
    assert cause["evidence"]["partitions"] == [held]
    assert cause["evidence"]["waiting_groups"] == ["billing"]


@pytest.mark.parametrize(
    ("header", "effect", "by"),
    [
        ("ce_id", "ce_causationid", "ce_causationid"),
        ("correlation_id", "correlation_id", "transaction"),
    ],
)
async def test_of_what_a_transaction_has_read_an_id_tells_which_record_it_was(
    played: Played, header: str, effect: str, by: str
) -> None:
    worker = await Worker(played, "billing").begin()
    orders = [await played.write("shop", "orders", (header, f"id-{n}")) for n in range(3)]
    await worker.read("orders", 0)
    first = await worker.write("invoices", (effect, "id-1"))
    second = await worker.write("invoices")
    await worker.give_offsets(orders=3)
    await worker.end()
    assert await edges(played, first) == [(orders[1], first, "stated", by, 0)]
    assert {each[0] for each in await edges(played, second)} == set(orders)


async def test_a_cause_that_is_named_and_was_not_read_stands_beside_what_was(
    played: Played,
) -> None:
    worker = await Worker(played, "billing").begin()
    cart = await played.write("shop", "carts", ("ce_id", "cart-1"))
    order = await played.write("shop", "orders")
    await worker.read("orders", 0)
    invoice = await worker.write("invoices", ("ce_causationid", "cart-1"))
    await worker.give_offsets(orders=1)
    await worker.end()
    assert sorted(await edges(played, invoice)) == [
        (cart, invoice, "stated", "ce_causationid", 1),
        (order, invoice, "stated", "transaction", 1),
    ]


async def test_transactions_are_told_after_a_restart_and_when_their_records_are_gone(
    tmp_path: Path,
) -> None:
    data = tmp_path / "bus.db"
    async with FakeBus(settings(data)) as bus:
        played = Played(bus)
        worker = await Worker(played, "billing").begin()
        order = await played.write("shop", "orders")
        await worker.read("orders", 0)
        invoice = await worker.write("invoices")
        await worker.give_offsets(orders=1)
        await worker.end()
        held = await worker.write("invoices")
    async with FakeBus(settings(data)) as bus:
        played = Played(bus)
        found = [(order, invoice, "stated", "transaction", 0)]
        assert await edges(played, invoice) == found
        assert (await edges(played, order))[:1] == found
        assert (await transaction(played, held))["state"] == "open"
        assert bus.broker.topics.logs[TopicPartition("invoices", 0)].producers.transactions
        await bus.broker.topic_admin.delete_topics([TopicToDelete(name="invoices")])
        gone = await transaction(played, invoice)
        assert (gone["transactional_id"], gone["state"]) == ("billing", "committed")
        assert await edges(played, invoice) == found


async def test_a_producer_that_is_no_process_of_its_consumer_states_what_its_group_was_sent(
    played: Played,
) -> None:
    """As it is where neither of them is a process of this machine."""
    worker = await Worker(played, "billing").begin()
    order = await played.write("shop", "orders")
    await played.fetch("reader", order)
    await played.commit("reader", "orders[0]@-1", group="billing")
    invoice = await worker.write("invoices")
    await worker.give_offsets(orders=1)
    await worker.end()
    found = [(order, invoice, "stated", "transaction", 0)]
    assert await edges(played, invoice) == await edges(played, order) == found


async def test_a_group_is_held_back_behind_markers_and_aborted_records_too(played: Played) -> None:
    shop, till = await Worker(played, "shop").begin(), await Worker(played, "till").begin()
    await played.handle("billing", await shop.write("orders"), "invoices")
    await shop.end()
    await shop.write("orders")
    await shop.end(commit=False)
    await till.write("orders")
    found = await explain_transaction(played.bus.broker, played.bus.lineage, "till")
    assert found is not None
    assert found["causes"][0]["evidence"]["waiting_groups"] == ["billing"]


@pytest.mark.parametrize(
    ("isolation", "causes"),
    [(READ_COMMITTED, []), (READ_UNCOMMITTED, ["no_member"]), (None, ["no_member"])],
)
async def test_a_group_does_not_wait_for_what_it_is_never_given(
    played: Played, isolation: IsolationLevel | None, causes: list[str]
) -> None:
    broker, lineage = played.bus.broker, played.bus.lineage
    shop = await Worker(played, "shop").begin()
    await shop.write("orders")
    await shop.end()
    worker = await Worker(played, "billing").begin()
    await worker.give_offsets(orders=1)
    await worker.end()
    found = await explain_group(broker, lineage, "billing")
    # Behind the record there is only the marker.
    assert found is not None
    assert (found["lag"], found["causes"]) == (1, [])

    await shop.write("orders")
    await shop.end(commit=False)
    if isolation is not None:
        place = TopicPartition("orders", 0)
        origin = played.origin("billing", "consumer")
        broker.activity.positions.expect(origin.client_id, place, "billing", 1)
        await worker.read("orders", 1, isolation)
        broker.activity.connection_closed(origin.connection_id)
    found = await explain_group(broker, lineage, "billing")
    assert found is not None
    assert (found["lag"], [each["code"] for each in found["causes"]]) == (3, causes)

    await played.write("web", "orders")
    found = await explain_group(broker, lineage, "billing")
    assert found is not None
    assert [each["code"] for each in found["causes"]] == ["no_member"]
