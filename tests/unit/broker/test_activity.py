"""Activity of clients as the broker notes it, whichever front end they use."""

from __future__ import annotations

import asyncio

import pytest

from fakebus.broker.activity import MOST_REMEMBERED, MOST_WAITING, Activity, Origin
from fakebus.broker.appending import AppendResult, LogAppendInfo
from fakebus.broker.broker import Broker
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.fetching import FetchTarget
from fakebus.broker.groups.requests import OffsetCommit, PartitionOffset
from fakebus.broker.peer import Peer
from fakebus.errors import BrokerError, ErrorCode
from fakebus.processes import Process
from fakebus.storage.sqlite import SqliteStorage
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import T0, batch
from tests.unit.broker.conftest import NOW_MS

U0 = TopicPartition("u", 0)
SHOP = Origin(front_end="kafka", client_id="shop", connection_id=7, principal="User:anna")


@pytest.fixture
async def noting(broker: Broker) -> Broker:
    await broker.topics.create("t", 1, {})
    list(broker.activity.take())
    broker.activity.clear()
    return broker


def noted(broker: Broker) -> list[tuple[str, int, int, str]]:
    found = list(broker.activity.newest)
    assert {(a.topic, a.partition, a.at_ms, a.origin) for a in found} <= {("t", 0, NOW_MS, SHOP)}
    return [(a.verb, a.offset, a.last_offset, a.group) for a in found]


async def test_produced_batches_are_noted_with_their_offsets(noting: Broker) -> None:
    await noting.produce(T0, batch(b"a", b"b"), origin=SHOP)
    await noting.produce(T0, batch(b"c"), origin=SHOP)
    assert noted(noting) == [("produced", 0, 2, "")]


async def test_only_batches_that_go_on_at_the_same_time_are_one_activity(
    noting: Broker, clock: ManualClock
) -> None:
    other = Origin(front_end="kafka", client_id="other")
    seeding = Origin(front_end="fixtures", source="orders.jsonl:1", verb="seeded")
    await noting.topics.create("u", 1, {})
    list(noting.activity.take())
    for place, origin in (
        *((T0, SHOP), (T0, SHOP), (T0, other), (U0, other), (T0, other)),
        *((T0, seeding), (T0, seeding), (T0, SHOP)),
    ):
        await noting.produce(place, batch(b"a"), origin=origin)
    clock.advance(0.001)
    await noting.produce(T0, batch(b"a"), origin=SHOP)
    found = [(a.origin, a.topic, a.offset, a.last_offset) for a in noting.activity.take()]
    assert found == [
        (SHOP, "t", 0, 1),
        (other, "t", 2, 2),
        (other, "u", 0, 0),
        (other, "t", 3, 3),
        (seeding, "t", 4, 4),
        (seeding, "t", 5, 5),
        (SHOP, "t", 6, 6),
        (SHOP, "t", 7, 7),
    ]


async def test_batches_that_are_not_stored_part_those_before_and_behind(
    noting: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [AppendResult() for _ in range(4)]
    monkeypatch.setattr(noting.partition_log(T0), "append", lambda *_: results.pop(0))
    first, lost, second, under_way = results
    for _ in range(4):
        noting.produce(T0, batch(b"a"), origin=SHOP)
    first.settle(LogAppendInfo(0, 0, -1, 0))
    lost.settle(BrokerError(ErrorCode.KAFKA_STORAGE_ERROR))
    second.settle(LogAppendInfo(1, 1, -1, 0))
    assert noted(noting) == [("produced", 0, 0, ""), ("produced", 1, 1, "")]
    assert noting.activity.unsettled is under_way


async def test_batches_between_which_others_lie_are_two_activities(
    noting: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [AppendResult() for _ in range(2)]
    monkeypatch.setattr(noting.partition_log(T0), "append", lambda *_: results.pop(0))
    for offset, result in zip((0, 2), tuple(results), strict=True):
        noting.produce(T0, batch(b"a"), origin=SHOP)
        result.settle(LogAppendInfo(offset, offset, -1, 0))
    assert noted(noting) == [("produced", 0, 0, ""), ("produced", 2, 2, "")]


async def test_what_is_written_in_a_transaction_parts_from_what_is_not(noting: Broker) -> None:
    results = [AppendResult() for _ in range(3)]
    for offset, (result, part_of) in enumerate(zip(results, ("", "pay", "pay"), strict=True)):
        noting.activity.waiting.append((NOW_MS, SHOP, T0, result, part_of))
        result.settle(LogAppendInfo(offset, offset, -1, 0))
    assert [(a.offset, a.last_offset, a.member) for a in noting.activity.take()] == [
        (0, 0, ""),
        (1, 2, "pay"),
    ]


async def test_a_batch_that_is_refused_or_not_stored_is_not_noted(
    noting: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BrokerError):
        noting.produce(T0, batch(b"x" * 2_000_000), origin=SHOP)
    lost = AppendResult()
    monkeypatch.setattr(noting.partition_log(T0), "append", lambda *_: lost)
    noting.produce(T0, batch(b"a"), origin=SHOP)
    lost.settle(BrokerError(ErrorCode.KAFKA_STORAGE_ERROR))
    assert noted(noting) == []


async def test_what_a_fetch_finds_is_noted_and_an_empty_one_is_not(noting: Broker) -> None:
    log = noting.partition_log(T0)
    await noting.produce(T0, batch(b"a", b"b"), origin=SHOP)
    await noting.produce(T0, batch(b"c", b"d"), origin=SHOP)
    noting.activity.clear()
    found: asyncio.Queue[object] = asyncio.Queue()
    noting.begin_fetch([FetchTarget(log, 1, 10_000)], found.put_nowait, origin=SHOP)
    await found.get()
    noting.begin_fetch([FetchTarget(log, 4, 10_000)], found.put_nowait, origin=SHOP)
    await found.get()
    assert noted(noting) == [("fetched", 1, 3, "")]


async def test_only_offsets_that_were_kept_are_noted_as_committed(noting: Broker) -> None:
    done: asyncio.Future[list[ErrorCode]] = asyncio.get_running_loop().create_future()
    offsets = [PartitionOffset("t", 0, 5), PartitionOffset("no-such-topic", 0, 6)]
    commit = OffsetCommit(group_id="g", offsets=offsets)
    noting.commit_offsets(commit, done.set_result, SHOP)
    assert [error is ErrorCode.NONE for error in await done] == [True, False]
    assert [(each.verb, each.offset, each.detail) for each in noting.activity.newest] == [
        ("committed", 5, ""),
        ("commit refused", 6, "UNKNOWN_TOPIC_OR_PARTITION"),
    ]


async def test_nothing_is_noted_where_lineage_is_switched_off() -> None:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, config=BrokerConfig({"fakebus.lineage.enable": "false"}))
    await broker.start()
    await broker.topics.create("t", 1, {})
    await broker.produce(T0, batch(b"a"))
    await broker.fetch([FetchTarget(broker.partition_log(T0), 0, 1000)])
    broker.activity.note_missing_topic(SHOP, "u", created=False)
    assert not broker.activity.newest
    await broker.close()
    await storage.close()


async def test_an_append_under_way_holds_back_what_came_after_it(
    noting: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way = AppendResult()
    monkeypatch.setattr(noting.partition_log(T0), "append", lambda *_: under_way)
    noting.produce(T0, batch(b"a"), origin=SHOP)
    noting.activity.note("left", SHOP)
    assert not list(noting.activity.take())
    assert noting.activity.unsettled is under_way
    under_way.settle(LogAppendInfo(4, 4, -1, 0))
    assert [each.verb for each in noting.activity.take()] == ["produced", "left"]
    assert noting.activity.unsettled is None


async def test_what_clients_do_waits_a_while_for_their_processes(
    noting: Broker, clock: ManualClock
) -> None:
    peer = Peer(host="127.0.0.1", port=1, local_port=2)
    unknown, activity = Origin(front_end="kafka", client_id="shop", peer=peer), noting.activity
    for origin in (SHOP, unknown, SHOP):
        activity.note("left", origin)

    def taken(patience_ms: int = 1000) -> list[Origin]:
        return [each.origin for each in activity.take(patience_ms)]

    assert taken() == [SHOP]
    clock.advance(0.9)
    assert (taken(), activity.is_empty) == ([], False)
    clock.advance(0.1)
    assert (taken(), activity.is_empty) == ([unknown, SHOP], True)
    activity.note("left", unknown)
    assert (taken(), taken(0)) == ([], [unknown])
    activity.note("left", unknown)
    peer.looked_up = True
    assert taken() == [unknown]


async def test_what_waits_for_a_process_does_not_fill_the_room(noting: Broker) -> None:
    peer = Peer(host="127.0.0.1", port=1, local_port=2)
    origin = Origin(front_end="kafka", client_id="shop", peer=peer)
    for _ in range(MOST_WAITING):
        noting.activity.note("left", origin)
    left = MOST_WAITING - sum(1 for _ in noting.activity.take(1000))
    assert left == MOST_WAITING // 4 - 1


async def test_who_takes_activities_is_woken_once(noting: Broker) -> None:
    woken: list[int] = []
    list(noting.activity.take())
    noting.activity.wake = lambda: woken.append(1)
    await noting.produce(T0, batch(b"a"), origin=SHOP)
    noting.activity.note("left", SHOP)
    assert woken == [1]


async def test_what_nobody_takes_is_bounded(noting: Broker) -> None:
    for _ in range(MOST_WAITING + 5):
        noting.activity.note("left", SHOP)
    assert len(noting.activity.waiting) == MOST_WAITING


async def test_what_is_rare_is_always_noted_and_of_names_only_so_much(broker: Broker) -> None:
    activity, long = broker.activity, "x" * 5000
    activity.note_join(SHOP, long, "m", b"")
    activity.note_assignment(SHOP, "g", "m", b"")
    activity.note_committed_offsets(SHOP, "g", "t", {0: None})
    activity.note_lookup(SHOP, T0, "latest", 1)
    activity.note_missing_topic(SHOP, long, created=False)
    verbs = ["joined", "was assigned", "found", "looked up", "asked for"]
    assert [each.verb for each in activity.rare()] == verbs
    assert max(len(each.group + each.topic) for each in activity.newest) == 1000


async def test_who_asked_for_missing_topics_is_not_crowded_out(noting: Broker) -> None:
    activity = noting.activity
    activity.note_missing_topic(SHOP, "u", created=False)
    for offset in range(MOST_REMEMBERED + 5):
        activity.note("fetched", SHOP, T0, (offset, offset))
    assert [(each.verb, each.topic) for each in activity.rare()] == [("asked for", "u")]


async def test_clients_that_ask_for_ever_new_topics_are_remembered_up_to_a_bound(
    broker: Broker,
) -> None:
    for number in range(MOST_REMEMBERED + 5):
        broker.activity.note_missing_topic(SHOP, f"u{number}", created=False)
    assert [each.topic for each in broker.activity.rare()] == [
        f"u{MOST_REMEMBERED + n}" for n in range(5)
    ]


async def test_a_client_stands_where_its_newest_fetch_begins(noting: Broker) -> None:
    log, activity = noting.partition_log(T0), noting.activity

    def fetch(connection_id: int, offset: int) -> None:
        origin = Origin(front_end="kafka", client_id="shop", connection_id=connection_id)
        target = FetchTarget(log, offset, 1000)
        noting.begin_fetch([target], lambda _: None, origin=origin)

    assert activity.positions.position("shop", T0) is None
    for offset in (3, 5, 4):
        fetch(7, offset)
    assert activity.positions.position("shop", T0) == 4
    assert activity.positions.position("other", T0) is None
    # Another client of that name is farther behind, until it has gone.
    fetch(8, 1)
    assert activity.positions.position("shop", T0) == 1
    activity.connection_closed(8)
    assert activity.positions.position("shop", T0) == 4
    activity.clear()
    assert activity.positions.position("shop", T0) is None


async def test_a_missing_topic_is_noted_once_for_each_client(noting: Broker) -> None:
    for _ in range(2):
        noting.activity.note_missing_topic(SHOP, "u", created=False)
    noting.activity.note_missing_topic(SHOP, "v", created=True)
    assert [(each.verb, each.topic, each.detail) for each in noting.activity.newest] == [
        ("asked for", "u", ""),
        ("asked for", "v", "created"),
    ]


async def test_only_the_newest_activities_are_remembered(noting: Broker) -> None:
    for offset in range(MOST_REMEMBERED + 5):
        noting.activity.note("produced", SHOP, T0, (offset, offset))
    newest = noting.activity.newest
    assert (len(newest), newest[0].offset) == (MOST_REMEMBERED, 5)
    assert isinstance(newest[0], Activity)


async def test_processes_of_one_client_id_ask_for_missing_topics_each_for_itself(
    noting: Broker,
) -> None:
    for pid in (1, 2, 1, 2):
        process = Process(pid, ("kcat",), "/srv", 1)
        peer = Peer(host="127.0.0.1", port=1, local_port=2, process=process)
        origin = Origin(front_end="kafka", client_id="rdkafka", peer=peer)
        noting.activity.note_missing_topic(origin, "ordesr", created=False)
    asked = [each.origin.peer for each in noting.activity.missing_topics()]
    assert [each.process.pid for each in asked if each and each.process] == [1, 2]
