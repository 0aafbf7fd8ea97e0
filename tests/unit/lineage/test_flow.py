"""The flow of records on a whole bus, with clients that are played."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fakebus.app import FakeBus
from fakebus.broker import turns
from fakebus.broker.activity import Origin
from fakebus.broker.fetching import FetchTarget
from fakebus.broker.groups.requests import OffsetCommit, PartitionOffset
from fakebus.broker.peer import Peer
from fakebus.config import Settings
from fakebus.lineage import causes, flow, flow_walk
from fakebus.lineage.owing import TIMES
from fakebus.lineage.place import FlowError, Place, asked_place
from fakebus.processes import Process
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord, Record
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock

ANOTHER_PID = os.getpid() + 1_000_000


class Played:
    """Services that write, read and commit through the broker's doors.

    A service is a process of its own; those named ``test …`` live in the process of the bus.
    """

    def __init__(self, bus: FakeBus) -> None:
        self.bus = bus
        self.timestamp_ms = 1000
        self._origins: dict[tuple[str, str], Origin] = {}

    def origin(self, service: str, client_id: str) -> Origin:
        key = service, client_id
        if key not in self._origins:
            pid = os.getpid() if service.startswith("test") else ANOTHER_PID + len(self._origins)
            pids = [
                each.peer.process.pid
                for (name, _), each in self._origins.items()
                if name == service and each.peer and each.peer.process
            ]
            process = Process((pids or [pid])[0], ("python", f"{service}.py"), "/srv", 1)
            peer = Peer(host="127.0.0.1", port=1, local_port=2, process=process, looked_up=True)
            self._origins[key] = Origin(front_end="kafka", client_id=client_id, peer=peer)
        return self._origins[key]

    async def write(
        self,
        service: str,
        topic: str,
        *headers: tuple[str, str],
        client_id: str = "rdkafka",
        value: bytes = b"{}",
        key: bytes | None = None,
    ) -> str:
        """Let a service write a record; return its name."""
        if self.bus.broker.topics.get(topic) is None:
            await self.bus.broker.topic_admin.auto_create(topic, allowed=True)
        record = NewRecord(
            key, value, [(name, text.encode()) for name, text in headers], self.timestamp_ms
        )
        info = await self.bus.broker.produce(
            TopicPartition(topic, 0),
            build_batch([record]),
            origin=self.origin(service, client_id),
        )
        return f"{topic}[0]@{info.base_offset}"

    async def fetch(self, service: str, name: str, *, client_id: str = "rdkafka") -> None:
        """Let a service be sent everything from a record on."""
        topic, offset = name.split("[0]@")
        log = self.bus.broker.topics.logs[TopicPartition(topic, 0)]
        self.bus.broker.begin_fetch(
            [FetchTarget(log, int(offset), 1 << 20)],
            lambda _: None,
            origin=self.origin(service, client_id),
        )

    async def commit(
        self, service: str, name: str, *, group: str = "", client_id: str = "rdkafka"
    ) -> None:
        """Let a service commit behind a record."""
        topic, offset = name.split("[0]@")
        offsets = [PartitionOffset(topic, 0, int(offset) + 1)]
        commit = OffsetCommit(group_id=group or service, offsets=offsets)
        self.bus.broker.commit_offsets(commit, lambda _: None, self.origin(service, client_id))
        await self.bus.broker.settle()

    async def handle(self, service: str, name: str, topic: str, *headers: tuple[str, str]) -> str:
        """Let a service be sent a record, write another one and commit."""
        await self.fetch(service, name)
        written = await self.write(service, topic, *headers)
        await self.commit(service, name)
        return written

    async def flow(self, name: str, depth: int | None = None) -> dict[str, Any]:
        return await self.bus.flows.of_record(name, depth)

    async def edges(self, name: str, depth: int | None = None) -> list[str]:
        return [
            f"{edge['from']} -> {edge['to']} {edge['evidence']} {edge['rivals']}"
            for edge in (await self.flow(name, depth))["edges"]
        ]

    async def state(self, name: str, group: str) -> dict[str, Any]:
        records = {each["record"]: each for each in (await self.flow(name))["records"]}
        groups = {each["group"]: each for each in records[name]["groups"]}
        found: dict[str, Any] = groups[group]
        return found


def settings(data: Path | None = None, **configs: str) -> Settings:
    return Settings(data=data, kafka=(), http=(), set=configs)


@pytest.fixture
async def played() -> AsyncIterator[Played]:
    async with FakeBus(settings()) as bus:
        yield Played(bus)


async def passed_along(played: Played) -> tuple[str, str, str]:
    order = await played.write("shop", "orders")
    invoice = await played.handle("billing", order, "invoices")
    return order, invoice, await played.handle("shipping", invoice, "parcels")


CHAIN = [
    "orders[0]@0 -> invoices[0]@0 observed 0",
    "invoices[0]@0 -> parcels[0]@0 observed 0",
]


async def test_the_flow_of_any_step_is_that_of_all_steps(played: Played) -> None:
    for name in await passed_along(played):
        assert await played.edges(name) == CHAIN


async def test_the_depth_says_how_many_steps_are_told(played: Played) -> None:
    order, invoice, _ = await passed_along(played)
    assert await played.edges(order, 1) == CHAIN[:1]
    assert await played.edges(invoice, 1) == CHAIN
    assert await played.edges(order, 0) == []
    assert [each["record"] for each in (await played.flow(order, 0))["records"]] == [order]


async def test_a_record_tells_who_wrote_it(played: Played) -> None:
    order, _, _ = await passed_along(played)
    flow = await played.flow(order)
    assert (flow["asked"], flow["behind"], flow["left_out"]) == (order, 0, [])
    first = flow["records"][0]
    assert {name: first[name] for name in ("topic", "partition", "offset", "timestamp_ms")} == {
        "topic": "orders",
        "partition": 0,
        "offset": 0,
        "timestamp_ms": 1000,
    }
    assert (first["service"], first["client_id"], first["origin"]) == (
        "shop",
        "rdkafka",
        "produced",
    )
    assert first["process"]["command"] == "python shop.py"
    assert flow["edges"][0]["delay_ms"] == 0
    assert flow["edges"][0]["by"] == "fetch"


async def test_what_became_of_a_record_is_told_by_group(played: Played) -> None:
    order, _, _ = await passed_along(played)
    state = await played.state(order, "billing")
    assert (state["state"], state["attempts"], state["service"]) == ("handled", 1, "billing")
    assert state["committed_at_ms"] >= state["fetched_at_ms"] > 0


@pytest.mark.parametrize("client_id", ["rdkafka", "worker"])
@pytest.mark.parametrize("is_noted_first", [True, False])
async def test_clients_that_are_gone_before_they_are_found_are_not_taken_for_one(
    played: Played, client_id: str, is_noted_first: bool
) -> None:
    def connect(service: str) -> Origin:
        port = len(played._origins) + 10
        peer = Peer(host="127.0.0.1", port=port, local_port=9, local_host="127.0.0.1")
        found = Origin(front_end="kafka", client_id=client_id, peer=peer)
        played._origins[service, "rdkafka"] = found
        return found

    async def go(origin: Origin) -> None:
        if is_noted_first:
            await played.bus.lineage.settle()
        assert origin.peer is not None
        origin.closed = origin.peer.looked_up = True
        played.bus.lineage.clients.looked_up(origin.peer)

    order = await played.write("shop", "orders")
    reader = connect("reader")
    await played.fetch("reader", order)
    await go(reader)
    writer = connect("writer")
    invoice = await played.write("writer", "invoices")
    await go(writer)
    assert await played.edges(invoice) == await played.edges(order) == []
    committer = connect("committer")
    await played.commit("committer", order, group="readers")
    await go(committer)
    # What one connection was sent and another one has committed is handled all the same.
    assert (await played.state(order, "readers"))["state"] == "handled"


@pytest.mark.parametrize("found", ["reader", "committer"])
async def test_what_a_client_commits_of_which_one_connection_was_found_is_handled(
    played: Played, found: str
) -> None:
    order = await played.write("shop", "orders")
    for port, (name, do) in enumerate([("reader", played.fetch), ("committer", played.commit)], 10):
        peer = Peer(host="127.0.0.1", port=port, local_port=9, local_host="127.0.0.1")
        origin = Origin(front_end="kafka", client_id="billing", peer=peer)
        played._origins[name, "rdkafka"] = origin
        await do(name, order, **({"group": "billing"} if name == "committer" else {}))
        # Its process ends right behind the commit.
        peer.process = Process(ANOTHER_PID - 1, ("python",), "/srv", 1) if name == found else None
        origin.closed = peer.looked_up = True
        played.bus.lineage.clients.looked_up(peer)
    assert (await played.state(order, "billing"))["state"] == "handled"


async def test_what_a_service_writes_is_held_against_its_commits_when_both_are_found_late() -> None:
    clock, process = ManualClock(), Process(ANOTHER_PID - 1, ("python", "billing.py"), "/srv", 1)
    async with FakeBus(settings(), clock=clock) as bus:
        played, invoices = Played(bus), []
        for port, name in enumerate(("reader", "committer", "producer"), 1):
            known = None if name == "producer" else process
            host = "127.0.0.1"
            peer = Peer(
                host=host, port=port, local_port=9, process=known, looked_up=known is not None
            )
            origin = Origin(front_end="kafka", client_id="billing", peer=peer)
            played._origins[name, "rdkafka"] = origin
        for number in range(2 * TIMES):
            order = await played.write("shop", "orders")
            await played.fetch("reader", order)
            invoices.append(await played.write("producer", "invoices"))
            await played.commit("committer", order, group="billing")
            clock.advance(2)
            if number == 1:
                peer.process, peer.looked_up = process, True
                bus.lineage.clients.looked_up(peer)
        for number, invoice in enumerate(invoices):
            assert await played.edges(invoice) == [f"orders[0]@{number} -> {invoice} observed 0"]


async def test_connections_of_one_client_are_one_however_late_its_process_is_found(
    played: Played,
) -> None:
    orders, invoices = [], []
    process = Process(ANOTHER_PID - 1, ("python", "billing.py"), "/srv", 1)
    fetching, committing, producing = (
        Origin(
            front_end="kafka",
            client_id="rdkafka",
            peer=Peer(host="127.0.0.1", port=port, local_port=9092),
        )
        for port in (1, 2, 3)
    )
    as_billing = played._origins.__setitem__
    for _ in range(2):
        orders.append(order := await played.write("shop", "orders"))
        as_billing(("billing", "rdkafka"), fetching)
        await played.fetch("billing", order)
        as_billing(("billing", "rdkafka"), producing)
        invoices.append(await played.write("billing", "invoices"))
        as_billing(("billing", "rdkafka"), committing)
        await played.commit("billing", order)
    await played.bus.lineage.settle()
    for each in (fetching, committing, producing):
        assert each.peer is not None
        each.peer.process, each.peer.looked_up = process, True
        played.bus.lineage.clients.looked_up(each.peer)

    # The first order was committed before the second one was sent.
    for order, invoice in zip(orders, invoices, strict=True):
        assert await played.edges(invoice) == [f"{order} -> {invoice} observed 0"]
    for order in orders:
        assert (await played.state(order, "billing"))["state"] == "handled"
    billing = [each for each in await played.bus.lineage.list_clients() if each["process"]]
    assert [each["produces"] for each in billing if each["groups"]] == [["invoices"]]


async def test_a_record_that_is_sent_and_not_committed_is_fetched(played: Played) -> None:
    first = await played.write("shop", "orders")
    await played.fetch("billing", first)
    await played.commit("billing", first)
    order = await played.write("shop", "orders")
    await played.fetch("billing", order)
    state = await played.state(order, "billing")
    assert (state["state"], state["attempts"], state["committed_at_ms"]) == ("fetched", 1, None)


async def test_a_group_that_had_a_position_in_a_topic_is_told_after_it_was_deleted(
    played: Played,
) -> None:
    first, second = await played.write("shop", "orders"), await played.write("shop", "orders")
    await played.fetch("billing", first)
    await played.commit("billing", first)
    await played.bus.broker.group_coordinator.delete_group("billing")
    state = await played.state(second, "billing")
    assert (state["state"], state["reason"]) == ("fetched", "sent 1 time and not committed")
    assert (await played.state(first, "billing"))["state"] == "handled"


async def test_attempts_are_counted_over_all_processes_of_a_group(played: Played) -> None:
    first = await played.write("shop", "orders")
    for service in ("billing", "billing again"):
        await played.fetch(service, first)
        await played.commit(service, first, group="billing")
    order = await played.write("shop", "orders")
    await played.fetch("billing", order)
    await played.fetch("billing", order)
    await played.fetch("billing again", order)
    assert (await played.state(order, "billing"))["attempts"] == 3


async def test_a_record_that_a_commit_has_passed_unsent_is_skipped(played: Played) -> None:
    names = [await played.write("shop", "orders") for _ in range(4)]
    await played.fetch("billing", names[0])
    await played.commit("billing", names[0])
    late = await played.write("shop", "orders")
    last = await played.write("shop", "orders")
    await played.fetch("billing", last)
    await played.commit("billing", last)
    state = await played.state(late, "billing")
    assert state["state"] == "skipped"
    assert "was set past it" in state["reason"]
    assert (await played.state(last, "billing"))["state"] == "handled"


async def test_a_record_that_waits_says_for_what(played: Played) -> None:
    first = await played.write("shop", "orders")
    await played.fetch("billing", first)
    await played.commit("billing", first)
    order = await played.write("shop", "orders")
    state = await played.state(order, "billing")
    assert (state["state"], state["reason"]) == ("waiting", "the group has no member")


async def test_a_record_that_went_before_it_was_committed_is_gone(played: Played) -> None:
    first = await played.write("shop", "orders")
    await played.fetch("billing", first)
    await played.commit("billing", first)
    order = await played.write("shop", "orders")
    await played.bus.broker.topics.logs[TopicPartition("orders", 0)].delete_records(-1)
    flow = await played.flow(order)
    assert flow["records"][0]["gone"]
    assert (await played.state(order, "billing"))["state"] == "gone"
    assert (await played.state(first, "billing"))["state"] == "handled"


async def test_a_record_that_went_with_its_topic_is_still_answered(played: Played) -> None:
    order, _, _ = await passed_along(played)
    topic = played.bus.broker.topics.get("orders")
    assert topic is not None
    await played.bus.broker.topics.delete(topic)
    assert await played.edges(order) == CHAIN
    assert (await played.flow(order))["records"][0]["service"] == "shop"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("order[0]@0", "there is no topic 'order': did you mean orders?"),
        ("orders[3]@0", "has no partition 3: its partitions are 0 to 0"),
        ("orders[0]@9", "there never was a record orders[0]@9: the newest one has offset 0"),
        ("orders", "'orders' is no record: write TOPIC[PARTITION]@OFFSET"),
        ("orders[0]@-1", "is no record"),
    ],
)
async def test_a_record_that_never_was_is_told(played: Played, name: str, message: str) -> None:
    await passed_along(played)
    with pytest.raises(FlowError) as told:
        await played.flow(name)
    assert message in str(told.value)


async def test_the_flow_survives_a_restart(tmp_path: Path) -> None:
    async with FakeBus(settings(tmp_path / "bus.db")) as bus:
        order, *_ = await passed_along(Played(bus))
    async with FakeBus(settings(tmp_path / "bus.db")) as bus:
        again = Played(bus)
        assert await again.edges(order) == CHAIN
        assert (await again.flow(order))["records"][1]["process"]["command"] == "python billing.py"


async def test_what_was_sent_before_the_bus_ended_in_order_may_be_a_cause_after_that(
    tmp_path: Path,
) -> None:
    async with FakeBus(settings(tmp_path / "bus.db")) as bus:
        played = Played(bus)
        order = await played.write("shop", "orders")
        await played.fetch("billing", order)
    async with FakeBus(settings(tmp_path / "bus.db")) as bus:
        again = Played(bus)
        again.origin("shop", "rdkafka")
        invoice = await again.write("billing", "invoices")
        assert await again.edges(invoice) == [f"{order} -> {invoice} observed 0"]


async def test_what_was_not_noted_when_the_bus_was_killed_makes_no_other_record_a_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeBus(settings(tmp_path / "bus.db")) as bus:
        played = Played(bus)
        order = await played.write("shop", "orders")
        await played.fetch("billing", order)
        another = await played.write("shop", "orders")
        await bus.lineage.settle()
        monkeypatch.setattr(bus.lineage.store, "add_notes", lambda *_: None)
        await played.commit("billing", order)
        await played.fetch("billing", another)
    async with FakeBus(settings(tmp_path / "bus.db")) as bus:
        again = Played(bus)
        again.origin("shop", "rdkafka")
        invoice = await again.write("billing", "invoices")
        assert await again.edges(invoice) == []
        parcel = await again.handle("shipping", invoice, "parcels")
        assert await again.edges(invoice) == [f"{invoice} -> {parcel} observed 0"]


async def test_what_a_group_did_before_the_bus_was_killed_is_not_told_as_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeBus(settings(tmp_path / "bus.db")) as bus:
        played = Played(bus)
        orders = [await played.write("shop", "orders") for _ in range(4)]
        await played.fetch("late", orders[3])
        await played.commit("late", orders[3])
        await bus.lineage.settle()
        monkeypatch.setattr(bus.lineage.store, "add_notes", lambda *_: None)
        await played.fetch("billing", orders[0])
        await played.commit("billing", orders[0])
        await played.fetch("shipping", orders[0])
    async with FakeBus(settings(tmp_path / "bus.db")) as bus:
        again = Played(bus)
        for group in ("shipping", "another"):
            await again.commit(group, orders[1])
        newest = await again.write("shop", "orders")
        for record, group, state in (
            (orders[0], "late", "skipped"),  # As was known before.
            (orders[0], "billing", "handled"),
            (orders[1], "shipping", "handled"),
            (orders[0], "another", "handled"),
            (orders[3], "shipping", "waiting"),
        ):
            told = await again.state(record, group)
            assert (group, told["state"]) == (group, state)
            assert ("bus was killed are lost" in told["reason"]) == (group != "late")
            assert told["certain"] == (group == "late")
        await again.commit("shipping", newest)
        told = await again.state(newest, "shipping")
        assert (told["state"], "lost" in told["reason"]) == ("skipped", False)


async def test_a_rollback_takes_the_flow_back(played: Played) -> None:
    order = await played.write("shop", "orders", ("ce_id", "1"))
    snapshot = await played.bus.broker.snapshots.take()
    await played.handle("billing", order, "invoices", ("ce_causationid", "1"))
    assert await played.edges(order) == ["orders[0]@0 -> invoices[0]@0 stated 0"]
    await played.bus.broker.snapshots.roll_back(snapshot)
    assert await played.edges(order) == []


async def test_services_in_the_process_of_a_test_are_told_apart_by_client_ids(
    played: Played,
) -> None:
    one = await played.write("shop", "orders")
    other = await played.write("shop", "ticks")
    for client_id, name in (("billing", one), ("clock", other)):
        await played.fetch("test", name, client_id=client_id)
        await played.write("test", f"from-{client_id}", client_id=client_id)
    assert await played.edges(one) == ["orders[0]@0 -> from-billing[0]@0 observed 0"]
    assert await played.edges(other) == ["ticks[0]@0 -> from-clock[0]@0 observed 0"]


async def test_services_of_a_test_that_are_not_told_apart_are_rivals(played: Played) -> None:
    one = await played.write("shop", "orders")
    other = await played.write("shop", "ticks")
    await played.fetch("test", one, client_id="billing reader")
    await played.fetch("test", other, client_id="clock reader")
    await played.write("test", "invoices", client_id="billing writer")
    assert await played.edges("invoices[0]@0") == [
        "orders[0]@0 -> invoices[0]@0 observed 1",
        "ticks[0]@0 -> invoices[0]@0 observed 1",
    ]


async def test_what_a_test_publishes_itself_has_no_cause(played: Played) -> None:
    order = await played.write("shop", "orders")
    await played.fetch("test", order)
    await played.bus.broker.produce(
        TopicPartition("orders", 0),
        build_batch([NewRecord(None, b"x")]),
        origin=Origin(front_end="test", client_id="the test"),
    )
    assert await played.edges("orders[0]@1") == []


async def test_some_possible_causes_are_all_followed_and_many_are_not(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [await played.write("shop", "orders") for _ in range(3)]
    await played.fetch("billing", orders[0])
    for _ in orders:
        await played.write("billing", "invoices")
    for name in (*orders, "invoices[0]@2"):
        edges = (await played.flow(name))["edges"]
        assert len(edges) == 9
        for edge in edges:
            rivals = [each for each in edges if each["to"] == edge["to"]]
            assert edge["rivals"] == len(rivals) - 1
            assert sorted(each["rank"] for each in rivals) == [1, 2, 3]
    assert len(await played.edges(orders[1], 1)) == 3
    monkeypatch.setattr(flow_walk, "MOST_FOLLOWED", 2)
    assert len(await played.edges(orders[1])) == 5


async def test_a_hint_is_told_and_not_followed(played: Played) -> None:
    for service, topic in (("shop", "orders"), ("audit", "entries"), ("mail", "letters")):
        await played.write(service, topic, key=b"k")
    assert await played.edges("orders[0]@0") == [
        "orders[0]@0 -> entries[0]@0 hinted 0",
        "orders[0]@0 -> letters[0]@0 hinted 1",
    ]
    told = (await played.flow("letters[0]@0"))["edges"]
    assert [(edge["from"], edge["rank"], edge["by"]) for edge in told] == [
        ("entries[0]@0", 1, "key"),
        ("orders[0]@0", 2, "key"),
    ]


async def test_records_are_found_by_their_ids(played: Played) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = f"00-{trace}-00f067aa0ba902b7-01"
    await played.write("shop", "orders", ("traceparent", parent), ("ce_id", "A-1"))
    await played.write("billing", "invoices", ("traceparent", parent))
    flows = played.bus.flows
    assert [str(place) for place in await flows.with_id(trace.upper())] == [
        "invoices[0]@0",
        "orders[0]@0",
    ]
    assert [str(place) for place in await flows.with_id("A-1")] == ["orders[0]@0"]
    assert await flows.with_id("A-2") == []


async def test_an_answer_is_bounded_in_edges_and_time(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    causes = [await played.write("shop", "orders") for _ in range(3)]
    await played.fetch("billing", causes[0])
    effects = [await played.write("billing", "invoices") for _ in range(3)]
    assert len((await played.bus.flows.of_record(effects[0]))["edges"]) > 4
    monkeypatch.setattr(flow_walk, "MOST_EDGES", 4)
    told = await played.bus.flows.of_record(effects[0])
    more = "asked for by edges=10000"
    assert (len(told["edges"]), told["left_out"]) == (4, [f"edges beyond the first 4, {more}"])
    told = await played.bus.flows.of_record(effects[0], most_edges=5)
    assert (len(told["edges"]), told["left_out"]) == (5, ["edges beyond the first 5"])
    monkeypatch.setattr(flow_walk, "MOST_EDGES", 1000)
    monkeypatch.setattr(flow_walk, "MOST_UNLIKELY", 0)
    told = await played.bus.flows.of_record(effects[0])
    assert (len(told["edges"]), told["left_out"]) == (
        5,
        [f"what lies behind unlikely causes, {more}"],
    )
    assert len((await played.bus.flows.of_record(effects[0], most_edges=1000))["edges"]) == 9
    monkeypatch.setattr(flow_walk, "WALK_S", -1.0)
    told = await played.bus.flows.of_record(effects[0])
    assert (told["edges"], len(told["records"])) == ([], 1)
    assert told["left_out"] == ["what was not found within -1 s"]


async def test_a_flow_is_told_as_it_was_at_a_time() -> None:
    clock = ManualClock()
    async with FakeBus(settings(), clock=clock) as bus:
        played = Played(bus)

        def pass_second() -> int:
            clock.advance(1)
            played.timestamp_ms = clock.now_ms()
            return played.timestamp_ms

        pass_second()
        await played.handle("billing", await played.write("shop", "orders"), "invoices")
        moments = {"nothing": pass_second(), "written": pass_second()}
        order = await played.write("shop", "orders")
        moments["fetched"] = pass_second()
        await played.fetch("billing", order)
        moments["answered"] = pass_second()
        invoice = await played.write("billing", "invoices")
        moments["committed"] = pass_second()
        await played.commit("billing", order)
        moments["handled"] = pass_second()
        await played.handle("shipping", invoice, "parcels")
        pass_second()

        async def then(name: str, record: str = order) -> tuple[list[str], list[str], str]:
            # What happens in the same millisecond has happened.
            flow = await bus.flows.of_record(record, None, moments[name] - 1)
            told = {each["record"]: each for each in flow["records"]}
            edges = [f"{edge['from']} -> {edge['to']}" for edge in flow["edges"]]
            groups = [group["state"] for group in told[record]["groups"]]
            return list(told), edges, " ".join(groups)

        with pytest.raises(FlowError, match="was not there yet at that time"):
            await then("nothing")
        edge = f"{order} -> {invoice}"
        assert await then("fetched") == ([order], [], "waiting")
        assert await then("answered") == ([order], [], "fetched")
        assert await then("committed") == ([order, invoice], [edge], "fetched")
        assert await then("handled") == ([order, invoice], [edge], "handled")
        # The one who reads them was not a group yet.
        assert await then("handled", invoice) == ([order, invoice], [edge], "")
        assert len((await bus.flows.of_record(order))["records"]) == 3
        found = await bus.flows.of_records(
            "both", [Place("orders", 0, 0), asked_place(order)], 0, moments["nothing"]
        )
        assert [each["record"] for each in found["records"]] == ["orders[0]@0"]
        assert found["as_of_ms"] == moments["nothing"]


async def test_questions_that_are_asked_at_once_are_answered_as_each_alone(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_walk, "MOST_EDGES", 6)
    monkeypatch.setattr(causes, "MOST_EFFECTS", 2)
    monkeypatch.setattr(causes, "MOST_RIVALS", 2)
    monkeypatch.setattr(causes, "_FEW", 1)
    monkeypatch.setattr(causes, "MOST_OF_A_FLOW", 2)
    trace = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    names = [await played.write("shop", "orders") for _ in range(4)]
    await played.fetch("billing", names[0])
    names += [await played.write("billing", "invoices") for _ in range(4)]
    names += [await played.write("mail", "letters", trace) for _ in range(3)]
    await played.commit("billing", names[1])
    alone = [await played.flow(name) for name in names]
    assert {each.lstrip("0123456789 ") for told in alone for each in told["left_out"]} == {
        "possible causes",
        "possible effects",
        "trace with older records than its newest 2",
    }
    catch_ups = 0
    catch_up = flow.Flows._catch_up

    async def counted(flows: flow.Flows) -> object:
        nonlocal catch_ups
        catch_ups += 1
        return await catch_up(flows)

    monkeypatch.setattr(flow.Flows, "_catch_up", counted)
    assert await asyncio.gather(*(played.flow(name) for name in names)) == alone
    assert catch_ups == 3, "what is known is looked up once a round, the first two begin at once"


async def test_all_who_look_for_an_id_at_once_wait_for_one_look_through_the_partitions(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    seen = flow.Identities.seen

    async def counted(identities: flow.Identities) -> object:
        nonlocal looks
        looks += 1
        return await seen(identities)

    monkeypatch.setattr(flow.Identities, "seen", counted)
    await asyncio.gather(*(played.bus.flows.with_id("none") for _ in range(50)))
    assert looks == 1
    await played.bus.flows.with_id("none")
    assert looks == 2


async def test_questions_about_other_times_do_not_share_what_is_known(played: Played) -> None:
    order = await played.write("shop", "orders")
    await played.handle("billing", order, "invoices")
    flows, now_ms = played.bus.flows, played.bus.broker.clock.now_ms()
    place = asked_place(order)
    told = await asyncio.gather(
        *(flows.of_records("", [place], None, as_of) for as_of in (None, 1000, None, now_ms))
    )
    assert [len(each["records"]) for each in told] == [2, 0, 2, 2]
    assert [each.get("as_of_ms") for each in told] == [None, 1000, None, now_ms]


async def test_the_declared_readers_of_a_topic_are_looked_up_once_for_all_its_records(
    played: Played,
) -> None:
    looked_up, read = list[str](), list[int]()

    async def readers(topic: str) -> object:
        async def refusal(services: object, record: Record) -> str | None:
            read.append(record.offset)
            return "no such field" if record.offset == 1 else None

        looked_up.append(topic)
        return refusal if topic == "orders" else None

    played.bus.flows._readers = readers  # type: ignore[assignment]  # one that is counted
    names = [await played.write("shop", "orders") for _ in range(3)]
    for name in names:
        await played.handle("billing", name, "invoices")
    flow = await played.bus.flows.of_records("", map(asked_place, names))
    states = {
        each["record"]: [group["state"] for group in each["groups"]] for each in flow["records"]
    }
    assert [states[name] for name in names] == [["handled"], ["unreadable"], ["handled"]]
    assert (sorted(looked_up), sorted(read)) == (["invoices", "orders"], [0, 1, 2])


def test_a_record_has_the_name_that_flows_and_that_tail_has_for_it() -> None:
    assert asked_place("a-1[2]@3") == asked_place(" a-1-2@3 ") == Place("a-1", 2, 3)
    assert asked_place(str(Place("a", 0, 1))) == Place("a", 0, 1)
    for wrong in ("a@1", "-1@2", "a b-1@2", "a-1@", "a-1@2@3", "a[1]-2@3"):
        with pytest.raises(FlowError, match="is no record"):
            asked_place(wrong)


async def test_what_was_asked_before_is_told_in_turns_too(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [await played.write("shop", "orders") for _ in range(3)]
    await played.fetch("billing", orders[0])
    for _ in orders:
        await played.write("billing", "invoices")
    monkeypatch.setattr(turns, "SLICE_S", 0.0)
    knowledge = await played.bus.flows._known(None)
    place = asked_place(orders[0])
    await knowledge.tell("", [place], None, None)
    turns_of_others = 0

    async def others() -> None:
        nonlocal turns_of_others
        while True:
            turns_of_others += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    told = await knowledge.tell("", [place], None, None)
    task.cancel()
    assert turns_of_others >= len(told["records"]) + len(told["edges"])
