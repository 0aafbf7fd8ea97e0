"""The lineage of a whole bus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fakebus.app import FakeBus
from fakebus.broker.activity import Origin
from fakebus.broker.fault import Api
from fakebus.broker.fetching import FetchTarget
from fakebus.broker.verbs import VERBS
from fakebus.config import Settings
from fakebus.lineage import clients
from fakebus.lineage.clients import THE_BUS
from fakebus.lineage.services import ServiceRule, Services
from fakebus.registry.model import SchemaRequest
from fakebus.storage.lineage_interface import NoteRow
from fakebus.types import TopicPartition
from tests.unit.broker.batches import batch

T0 = TopicPartition("t", 0)


def settings(data: Path | None = None, **configs: str) -> Settings:
    return Settings(data=data, kafka=(), http=(), set=configs)


async def produced(bus: FakeBus, offset: int) -> list[NoteRow]:
    await bus.lineage.settle()
    return await bus.lineage.store.notes_at("t", 0, offset, ["produced"], 9)


def shop() -> Origin:
    return Origin(front_end="kafka", client_id="shop")


async def test_who_produced_is_known_after_a_restart(tmp_path: Path) -> None:
    async with FakeBus(settings(tmp_path / "bus.db")) as bus:
        await bus.broker.topics.create("t", 1, {})
        await bus.broker.produce(T0, batch(b"a"), origin=shop())
    async with FakeBus(settings(tmp_path / "bus.db")) as bus:
        [note] = await produced(bus, 0)
        assert bus.lineage.clients.by_number[note.client].facts["client_id"] == "shop"
        await bus.broker.produce(T0, batch(b"b"), origin=shop())
        [later] = await produced(bus, 1)
        assert (later.client, later.seq > note.seq) == (note.client, True)
        [told] = await bus.lineage.list_clients()
        assert (told["client_id"], told["produces"]) == ("shop", ["t"])


async def test_a_bus_keeps_what_sets_say_of_services_whoever_seeds_them(tmp_path: Path) -> None:
    (tmp_path / "fakebus.yaml").write_text(
        "version: 1\ntopics: [{name: t, owner: till}]\nservices: {post: {client_ids: [wms-*]}}\n"
    )
    fixtures = replace(settings(tmp_path / "bus.db"), fixtures=(tmp_path,))

    async def services(bus: FakeBus) -> list[str]:
        return [each["service"] for each in await bus.lineage.list_clients()]

    async with FakeBus(fixtures) as bus:
        for name in ("wms-a", "till-3"):
            origin = Origin(front_end="kafka", client_id=name)
            await bus.broker.produce(T0, batch(b"a"), origin=origin)
        assert await services(bus) == ["post", "till"]
    async with FakeBus(settings(tmp_path / "bus.db")) as bus:
        assert await services(bus) == ["post", "till"]
        await bus.lineage.set_service(ServiceRule("shop", client_ids=("wms-a",)))
        assert await services(bus) == ["shop", "till"]


async def test_each_seeded_record_tells_its_file_and_line_also_after_a_restart(
    tmp_path: Path,
) -> None:
    (tmp_path / "fakebus.yaml").write_text(
        "version: 1\ntopics: [{name: t, partitions: 2, load: [a.ndjson, b.ndjson]}]\n"
    )
    partitions = (0, 1, 1, 0, 0, 1, 0)
    lines = [f'{{"partition": {each}, "value": {each}}}\n' for each in partitions]
    (tmp_path / "a.ndjson").write_text("\n".join(lines[:4]))
    (tmp_path / "b.ndjson").write_text("".join(lines[4:]))

    async def places(bus: FakeBus) -> list[list[str]]:
        found = []
        for partition, count in ((0, 4), (1, 3)):
            flows = [await bus.flows.of_record(f"t[{partition}]@{at}", 0) for at in range(count)]
            told = [record for flow in flows for record in flow["records"]]
            assert {record["origin"] for record in told} == {"seeded"}
            found.append([record["origin_detail"].rpartition("/")[2] for record in told])
        return found

    expected = [
        ["a.ndjson:1", "a.ndjson:7", "b.ndjson:1", "b.ndjson:3"],
        ["a.ndjson:3", "a.ndjson:5", "b.ndjson:2"],
    ]
    async with FakeBus(replace(settings(tmp_path / "bus.db"), fixtures=(tmp_path,))) as bus:
        assert await places(bus) == expected
    async with FakeBus(settings(tmp_path / "bus.db")) as bus:
        assert await places(bus) == expected


async def test_a_rollback_takes_back_notes_and_clients() -> None:
    async with FakeBus(settings()) as bus:
        await bus.broker.topics.create("t", 1, {})
        who = shop()
        await bus.broker.produce(T0, batch(b"a"), origin=who)
        snapshot = await bus.broker.snapshots.take()
        await bus.broker.produce(T0, batch(b"b"), origin=who)
        await bus.broker.produce(T0, batch(b"c"), origin=Origin(front_end="test", client_id="x"))
        assert len(await bus.lineage.list_clients()) == 2
        await bus.broker.snapshots.roll_back(snapshot)
        assert [each["client_id"] for each in await bus.lineage.list_clients()] == ["shop"]
        assert [note.last for note in await produced(bus, 0)] == [0]
        assert await produced(bus, 1) == []
        await bus.broker.produce(T0, batch(b"d"), origin=Origin(front_end="test", client_id="y"))
        assert [each["client_id"] for each in await bus.lineage.list_clients()] == ["shop", "y"]


async def test_a_rollback_takes_back_what_clients_were_sent() -> None:
    async with FakeBus(settings()) as bus:
        broker, who = bus.broker, Origin(front_end="kafka", client_id="shop", connection_id=1)
        await broker.topics.create("t", 1, {})
        log, positions = broker.topics.logs[T0], broker.activity.positions

        async def send(offset: int) -> None:
            await broker.produce(T0, batch(b"a"))
            broker.begin_fetch([FetchTarget(log, offset, 1000)], lambda _: None, origin=who)
            await broker.settle()

        await send(0)
        snapshot = await broker.snapshots.take()
        for _ in range(4):
            await send(1)
            # It was sent another record each time, and the first one once.
            assert [each.offset for each in positions.beginnings(T0)] in ([0], [0, 1])
            assert [each.sent_to for each in positions.at(T0)] == [2]
            await broker.snapshots.roll_back(snapshot)
            assert [each.offset for each in positions.beginnings(T0)] == [0]
            assert [(each.sent_to, each.sent_ms(1)) for each in positions.at(T0)] == [(1, None)]


async def test_notes_are_stored_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakebus.lineage.lineage._WRITE_S", 0.001)
    async with FakeBus(settings()) as bus:
        await bus.broker.topics.create("t", 1, {})
        await bus.broker.produce(T0, batch(b"a"), origin=shop())
        while not await bus.lineage.store.notes_at("t", 0, 0, ["produced"], 9):
            pass


async def test_notes_are_bounded_by_their_number() -> None:
    async with FakeBus(settings(**{"fakebus.lineage.max.notes": "100"})) as bus:
        await bus.broker.topics.create("t", 1, {})
        for number in range(250):
            bus.broker.activity.note("fault fired", shop(), T0, (number, number))
        await bus.lineage.settle()
        kept = await bus.lineage.store.notes_of_clients([1], (0, 999), ["fault fired"], 999)
        assert 100 <= len(kept) < 250


async def test_nothing_is_kept_where_lineage_is_switched_off() -> None:
    async with FakeBus(settings(**{"fakebus.lineage.enable": "false"})) as bus:
        await bus.broker.topics.create("t", 1, {})
        await bus.broker.produce(T0, batch(b"a"), origin=shop())
        assert await produced(bus, 0) == []
        assert await bus.lineage.list_clients() == []


async def test_what_becomes_of_topics_records_schemas_and_groups_is_noted() -> None:
    async with FakeBus(settings()) as bus:
        broker, verbs = bus.broker, [*VERBS]
        topic = await broker.topics.create("t", 1, {})
        await broker.topics.set_configs(topic, {"retention.ms": "5"})
        await broker.topics.add_partitions(topic, 2)
        await broker.produce(T0, batch(b"a", b"b", b"c"))
        await broker.topic_admin.delete_records(T0, 2)
        await bus.registry.register("s", SchemaRequest(schema='"string"'))
        broker.faults.serve("kafka", ["Fetch"])
        broker.faults.delay(seconds=0.0, api="Fetch")
        broker.faults.find(Api("kafka", "Fetch"), "shop", list, list)
        broker.group_coordinator.history.note("expelled", "g", "shop", "m", "its session timed out")
        await broker.topics.delete(topic)
        await bus.lineage.settle()
        found = await bus.lineage.store.notes_of_clients([THE_BUS], (0, 999), verbs, 999)
        told = [(each.verb, each.topic, each.first, each.last, each.detail) for each in found[::-1]]
        assert [each for each in told if each[1] != "_schemas"] == [
            ("topic created", "t", -1, -1, "1 partition"),
            ("topic changed", "t", -1, -1, "retention.ms"),
            ("topic changed", "t", -1, -1, "2 partitions"),
            ("produced", "t", 0, 2, ""),
            ("records deleted", "t", 0, 1, "a client has asked for it"),
            ("schema registered", "", -1, -1, "s version 1"),
            ("fault fired", "", -1, -1, "shop: delay Fetch by 0 s"),
            ("expelled", "", -1, -1, "shop: its session timed out"),
            ("topic deleted", "t", -1, -1, ""),
        ]
        [deleted] = await bus.lineage.store.notes_at("t", 0, 1, ["records deleted"], 9)
        assert (deleted.client, deleted.group, found[1].group) == (THE_BUS, "", "g")


async def test_a_topic_that_is_there_by_now_was_not_asked_for_in_vain() -> None:
    async with FakeBus(settings()) as bus:
        for topic in ("orders", "ordres"):
            bus.broker.activity.note_missing_topic(shop(), topic, created=False)
        await bus.broker.topics.create("orders", 1, {})
        [told] = await bus.lineage.list_clients()
        assert told["asked_for_unknown"] == ["ordres"]


async def test_clients_are_bounded_also_if_all_of_them_are_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clients, "_MOST_CLIENTS", 20)
    async with FakeBus(settings()) as bus:
        await bus.broker.topics.create("t", 1, {})
        origins = [Origin(front_end="kafka", client_id=f"c{n}") for n in range(50)]
        for origin in origins:
            await bus.broker.produce(T0, batch(b"a"), origin=origin)
        told = await bus.lineage.list_clients()
        assert 10 < len(told) <= 20
        assert [each.number for each in bus.lineage.clients.by_number.values()] == [
            row.client for row in (await bus.lineage.store.load_clients())[1]
        ]
        # One that was forgotten is there again when it does something.
        await bus.broker.produce(T0, batch(b"a"), origin=origins[0])
        assert "c0" in [each["client_id"] for each in await bus.lineage.list_clients()]


def test_of_too_many_clients_those_go_first_that_are_not_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clients, "_MOST_CLIENTS", 10)
    known = clients.Clients(Services())
    origins = [Origin(front_end="kafka", client_id=f"c{n}", closed=n == 9) for n in range(10)]
    for at_ms, origin in enumerate(origins):
        known.of(origin, at_ms)
    known.of(shop(), 99)
    assert known.forgotten() == [10]
    known.of(Origin(front_end="kafka", client_id="x"), 99)
    assert (known.forgotten(), known.forgotten()) == ([1], [])
