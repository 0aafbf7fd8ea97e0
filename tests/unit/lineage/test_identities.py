"""The follower of all topics, on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.topic_requests import NewTopic
from fakebus.errors import ErrorCode
from fakebus.lineage.header_rules import FieldRule, HeaderRule, IdentityReader, IdentityRule
from fakebus.lineage.identities import Identities
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fakebus.storage.sqlite import SqliteStorage
from fakebus.types import TopicPartition
from tests.unit.lineage.memory_store import MemoryLineageStore

SOON_S = 60.0


class Declared:
    """Rules that users have declared so far."""

    def __init__(self) -> None:
        self.rules: tuple[IdentityRule, ...] = ()

    async def __call__(self) -> tuple[IdentityRule, ...]:
        return self.rules


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage)
    await broker.start()
    yield broker
    await broker.close()
    await storage.close()


@pytest.fixture
def store() -> MemoryLineageStore:
    return MemoryLineageStore()


@pytest.fixture
async def identities(broker: Broker, store: MemoryLineageStore) -> AsyncIterator[Identities]:
    identities = Identities(broker.topics, store, Declared(), most=1000)
    broker.participants.append(identities)
    await identities.start()
    yield identities
    await identities.close()


async def write(broker: Broker, topic: str, *ids: str, count: int = 1) -> None:
    """Write a record for each id, or plain ones."""
    if broker.topics.get(topic) is None:
        await broker.topic_admin.auto_create(topic, allowed=True)
    records = [NewRecord(None, b"x", [("ce_id", each.encode())]) for each in ids]
    records = records or [NewRecord(b"k", b"x" * 100)] * count
    await broker.produce(TopicPartition(topic, 0), build_batch(records))


async def known(identities: Identities, store: MemoryLineageStore) -> list[str]:
    assert await identities.catch_up(SOON_S)
    return [f"{row.topic}@{row.offset}={row.value.decode()}" for row in store.identities]


async def test_what_records_say_is_found_in_all_topics_also_in_new_ones(
    broker: Broker, identities: Identities, store: MemoryLineageStore
) -> None:
    await write(broker, "orders", "1", "2")
    assert await known(identities, store) == ["orders@0=1", "orders@1=2"]
    await write(broker, "invoices", "3")
    await write(broker, "orders", "4")
    assert sorted(await known(identities, store))[0] == "invoices@0=3"
    assert len(store.identities) == 4
    assert (await identities.seen()).behind == 0


async def test_how_far_behind_it_is_is_told(broker: Broker, store: MemoryLineageStore) -> None:
    await write(broker, "orders", "1", "2", "3")
    identities = Identities(broker.topics, store, Declared(), most=1000)
    await identities.start()
    assert (await identities.seen()).behind == 3
    assert not await identities.catch_up(0)
    assert await identities.catch_up(SOON_S)
    assert (await identities.seen()).behind == 0
    await identities.close()


async def test_where_much_is_left_it_is_not_waited_for(
    broker: Broker, identities: Identities, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(broker, "orders", "1", "2", "3")
    monkeypatch.setattr("fakebus.lineage.identities._FAR_BEHIND", 2)
    assert await identities.catch_up(SOON_S, 0) is None
    monkeypatch.setattr("fakebus.lineage.identities._FAR_BEHIND", 3)
    assert await identities.catch_up(SOON_S, 0)


async def test_others_get_their_turns_while_many_partitions_are_gone_through(
    broker: Broker, identities: Identities, monkeypatch: pytest.MonkeyPatch
) -> None:
    [made] = await broker.topic_admin.create_topics([NewTopic("wide", 50, 1)])
    assert made.error_code is ErrorCode.NONE
    monkeypatch.setattr("fakebus.broker.turns.SLICE_S", -1)
    turns = 0
    looking = asyncio.ensure_future(identities.seen())
    while not looking.done():
        await asyncio.sleep(0)
        turns += 1
    assert looking.result().unseen == {("wide", at): 0 for at in range(50)}
    assert turns > 50


async def test_records_that_say_nothing_leave_a_position_and_no_rows(
    broker: Broker, identities: Identities, store: MemoryLineageStore
) -> None:
    for _ in range(5):
        await write(broker, "orders", count=1000)
    assert await known(identities, store) == []
    assert store.positions["orders", 0] == 5000


async def test_what_has_been_looked_at_and_is_not_kept_yet_is_waited_for(
    broker: Broker, identities: Identities, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, go_on = asyncio.Event(), asyncio.Event()
    rests: list[int] = []

    async def rest(took_s: float) -> None:
        rests.append((await identities.seen()).behind)
        if not rests[-1]:
            looked.set()
            await go_on.wait()

    monkeypatch.setattr(identities, "_rest", rest)
    await write(broker, "orders")
    identities.wake()
    await looked.wait()
    # Others come first, before it looks and after.
    assert rests == [1, 0]
    asyncio.get_running_loop().call_soon(go_on.set)
    assert await identities.catch_up(SOON_S)
    assert (await identities.seen()).unseen == {("orders", 0): 1}


async def test_the_oldest_identities_go(
    broker: Broker, identities: Identities, store: MemoryLineageStore
) -> None:
    await write(broker, "orders", *map(str, range(1200)))
    await known(identities, store)
    assert len(store.identities) == 1000
    assert store.identities[-1].value == b"1199"


async def test_after_a_restart_it_goes_on_where_it_was(
    broker: Broker, identities: Identities, store: MemoryLineageStore
) -> None:
    await write(broker, "orders", "1")
    await known(identities, store)
    await identities.close()
    await write(broker, "orders", "2")
    again = Identities(broker.topics, store, Declared(), most=1000)
    await again.start()
    assert (await again.seen()).behind == 1
    assert await known(again, store) == ["orders@0=1", "orders@1=2"]
    await again.close()


async def test_a_rollback_takes_back_what_was_known(
    broker: Broker, identities: Identities, store: MemoryLineageStore
) -> None:
    await write(broker, "orders", "1")
    snapshot = await broker.snapshots.take()
    await write(broker, "orders", "2")
    await write(broker, "invoices", "3")
    await known(identities, store)
    await broker.snapshots.roll_back(snapshot)
    assert [row.value for row in store.identities] == [b"1"]
    await write(broker, "orders", "4")
    assert await known(identities, store) == ["orders@0=1", "orders@1=4"]


async def test_a_rollback_takes_back_what_was_found_and_not_kept_yet(
    broker: Broker, identities: Identities, store: MemoryLineageStore
) -> None:
    await write(broker, "orders", "1")
    snapshot = await broker.snapshots.take()
    await write(broker, "orders", "2")
    await known(identities, store)
    await write(broker, "orders", "3")
    await broker.snapshots.roll_back(snapshot)
    await write(broker, "orders", "5", "6", "7")
    assert await known(identities, store) == [
        f"orders@{at}={value}" for at, value in enumerate(("1", "5", "6", "7"))
    ]


async def test_a_topic_that_comes_again_is_another_one(
    broker: Broker, identities: Identities, store: MemoryLineageStore
) -> None:
    await write(broker, "orders", "1", "2")
    await known(identities, store)
    topic = broker.topics.get("orders")
    assert topic is not None
    await broker.topics.delete(topic)
    assert store.identities == []
    await write(broker, "orders", "3")
    assert await known(identities, store) == ["orders@0=3"]


async def test_a_record_that_cannot_be_looked_at_keeps_nothing_from_the_others(
    broker: Broker,
    store: MemoryLineageStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    read = IdentityReader.read

    def fails(reader: IdentityReader, topic: str, record: NewRecord) -> list[object]:
        if topic == "bad":
            raise ZeroDivisionError
        return list(read(reader, topic, record))

    monkeypatch.setattr(IdentityReader, "read", fails)
    identities = Identities(broker.topics, store, Declared(), most=1000)
    await identities.start()
    await write(broker, "bad", "1")
    await write(broker, "orders", "2")
    await identities.catch_up(SOON_S)
    assert await known(identities, store) == ["orders@0=2"]
    assert "looking at records failed" in caplog.text
    await identities.close()


async def test_what_has_no_headers_is_not_read(
    broker: Broker,
    identities: Identities,
    store: MemoryLineageStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []
    reader = IdentityReader.read
    monkeypatch.setattr(
        IdentityReader,
        "read",
        lambda own, topic, record: read.append(record.offset) or reader(own, topic, record),
    )
    for count in (500, 700):
        await write(broker, "plain", count=count)
    await write(broker, "plain", "1")
    task = NewRecord(None, b'{"headers": {"task": "t", "id": "7", "root_id": "6"}}')
    await broker.produce(TopicPartition("plain", 0), build_batch([task]))
    assert set(await known(identities, store)) == {"plain@1200=1", "plain@1201=7", "plain@1201=6"}
    assert read == [1200, 1201]


async def test_what_was_looked_at_is_looked_at_anew_when_users_have_other_rules(
    broker: Broker, store: MemoryLineageStore
) -> None:
    declared = Declared()
    identities = Identities(broker.topics, store, declared, most=1000)
    await identities.start()
    records = [NewRecord(None, b'{"no": "7"}', [("x-order", b"1")])]
    for topic in ("orders", "invoices"):
        await write(broker, topic, "5")
        await broker.produce(TopicPartition(topic, 0), build_batch(records))
    assert len(await known(identities, store)) == 2
    declared.rules = (HeaderRule("X_Order", "correlation"), FieldRule("no", "cause", topic="o*"))
    wanted = ["invoices@0=5", "invoices@1=1", "orders@0=5", "orders@1=1", "orders@1=7"]
    assert sorted(await known(identities, store)) == wanted
    await identities.close()
    again = Identities(broker.topics, store, declared, most=1000)
    await again.start()
    assert (await again.seen()).behind == 0
    assert sorted(await known(again, store)) == wanted
    await again.close()
    declared.rules = declared.rules[:1]
    fewer = Identities(broker.topics, store, declared, most=1000)
    await fewer.start()
    assert sorted(await known(fewer, store)) == wanted[:-1]
    await fewer.close()
