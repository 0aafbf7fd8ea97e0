"""Who does over HTTP what lineage tells, and how offsets are set past the door of clients."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from aiohttp import ClientSession

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.broker.activity import Origin
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.cluster.interface import NewSchema
from fakebus.config import Settings
from fakebus.lineage.place import Place
from fakebus.types import TopicPartition
from tests.unit.broker.batches import batch

SETTINGS = Settings(data=None, kafka=(), http=(Address("127.0.0.1", 0),))


async def test_http_clients_are_known_by_what_they_register_and_write() -> None:
    headers = {"User-Agent": "curl/8.1"}
    async with FakeBus(SETTINGS) as bus, ClientSession(bus.http_url, headers=headers) as http:
        await bus.broker.topics.create("t", 1, {})
        schema = {"schema": '"string"'}
        async with http.post("/subjects/t-value/versions", json=schema) as answer:
            assert answer.status == 200
        async with http.post("/_fakebus/v1/records", json={"topic": "t", "value": 1}) as answer:
            assert answer.status == 200
        console = Origin(front_end="console", client_id="console")
        await bus.broker.produce(TopicPartition("t", 0), batch(b"2"), origin=console)
        flows = [await bus.flows.of_record(f"t[0]@{offset}", 0) for offset in (0, 1)]
        told = [(flow["records"][0]["origin"], flow["records"][0]["client_id"]) for flow in flows]
        assert told == [("rest", "curl/8.1"), ("rest", "console")]
        numbers = list(bus.lineage.clients.by_number)
        verbs = ["schema registered"]
        [note] = await bus.lineage.store.notes_of_clients(numbers, (0, 99), verbs, 9)
        facts = bus.lineage.clients.by_number[note.client].facts
        assert (facts["front_end"], facts["client_id"]) == ("registry", "curl/8.1")
        assert (facts["address"], facts["process"]["pid"]) == ("127.0.0.1", os.getpid())


async def test_what_the_console_registers_is_not_told_of_the_bus() -> None:
    async with FakeBus(SETTINGS) as bus:
        console = EmbeddedCluster(bus, Origin(front_end="console", client_id="console"))
        await console.schemas.register("t-value", NewSchema(text='"string"'))
        await bus.lineage.settle()
        numbers = list(bus.lineage.clients.by_number)
        [note] = await bus.lineage.store.notes_of_clients(
            numbers, (0, 99), ["schema registered"], 9
        )
        assert bus.lineage.clients.by_number[note.client].facts["client_id"] == "console"


async def test_offsets_that_no_member_has_set_tell_how_they_were_set(tmp_path: Path) -> None:
    (tmp_path / "fakebus.yaml").write_text(
        "version: 1\ntopics: [{name: t, load: e.ndjson}]\n"
        "groups: [{group: g, offsets: {t: {0: 1}}}]\n"
    )
    (tmp_path / "e.ndjson").write_text('{"value": 1}\n{"value": 2}\n{"value": 3}\n')
    async with FakeBus(replace(SETTINGS, fixtures=(tmp_path,))) as bus:
        console = EmbeddedCluster(bus, Origin(front_end="console", client_id="console"))
        await console.set_offsets("g", {TopicPartition("t", 0): 3})
        await bus.lineage.settle()
        found = [await bus.lineage.store.notes_at("t", 0, at, ["skipped"], 9) for at in range(3)]
        told = [(note.group, note.detail.rpartition("/")[2]) for [note] in found]
        assert told == [
            ("g", "fakebus.yaml:3 set the offset to 1"),
            ("g", "the console set the offset to 3"),
            ("g", "the console set the offset to 3"),
        ]
        flow = await bus.flows.of_record("t[0]@1", 0)
        [state] = flow["records"][0]["groups"]
        assert state["state"] == "skipped"
        await console.set_offsets("g", {TopicPartition("t", 0): 0})
        await bus.lineage.settle()
        [back] = await bus.lineage.store.notes_of_group("g", ["committed"], 9)
        assert (back.first, back.detail) == (0, "back from 3")


async def test_a_replayed_record_tells_who_replayed_it_and_of_which_one_it_is_a_copy() -> None:
    headers = {"User-Agent": "curl/8.1"}
    async with FakeBus(SETTINGS) as bus, ClientSession(bus.http_url, headers=headers) as http:
        await bus.broker.topics.create("t", 1, {})
        for value in (b"0", b"1", b"2"):
            await bus.broker.produce(TopicPartition("t", 0), batch(value))
        await bus.broker.saved_snapshots.save("s")

        async def replay(**wanted: object) -> dict[str, object]:
            async with http.post("/_fakebus/v1/replay", json=wanted) as answer:
                return {"status": answer.status, **await answer.json()}

        done = await replay(ranges=["t[0]@0", "t[0]@2"], headers="keep")
        assert (done["status"], done["replayed"], done["cursor"]) == (200, 2, None)
        await replay(ranges=["t[0]@1"])
        flow = await bus.flows.of_record("t[0]@1")
        assert [(each["from"], each["evidence"], each["by"]) for each in flow["edges"]] == [
            ("t[0]@1", "stated", "fakebus-replay-of")
        ]
        told = [await bus.flows.written(Place("t", 0, offset)) for offset in range(6)]
        assert [(each["origin"], each["origin_detail"]) for each in told] == [
            *[("produced", "")] * 3,
            *[("replayed", f"t[0]@{offset}") for offset in (0, 2, 1)],
        ]
        assert told[3]["client_id"] == "curl/8.1"
        known = bus.lineage.clients.by_number.values()
        curl = [each.facts for each in known if each.facts["client_id"] == "curl/8.1"]
        assert [each["produces"] for each in curl] == [[]], "a replay makes nobody an owner"

        # What has come since a snapshot is replayed from a later one, though it is gone.
        await bus.broker.saved_snapshots.save("later")
        await bus.broker.saved_snapshots.restore("s")
        done = await replay(since="s", until="later", filter="value = 1")
        assert done["records"] == [{"from": "snapshot later: t[0]@5", "to": "t[0]@3"}]
        told = [await bus.flows.written(Place("t", 0, 3))]
        assert told[0]["origin_detail"] == "snapshot later: t[0]@5"
        flow = await bus.flows.of_record("t[0]@3")
        assert flow["edges"] == [], "another record may stand there by now"

        assert (await replay(ranges=["x"]))["status"] == 404
        assert (await replay(since="no"))["status"] == 404
        for wrong in ({}, {"range": "t"}, {"ranges": [1]}, {"ranges": "t"}, {"speed": True}):
            refused = await replay(**wrong)
            assert (refused["status"], "message" in refused) == (422, True), wrong
