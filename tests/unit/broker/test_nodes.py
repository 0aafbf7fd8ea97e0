"""Which node leads what, and what is remembered of it over restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.nodes import NOBODY
from fakebus.broker.topic_names import partition_of
from fakebus.broker.topic_requests import NewTopic
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.storage.sqlite import SqliteStorage
from fakebus.types import TopicPartition


async def restarted(path: Path, nodes: int) -> tuple[SqliteStorage, Broker]:
    storage = await SqliteStorage.open(path)
    broker = Broker(storage, nodes=nodes)
    await broker.start()
    return storage, broker


async def test_replicas_are_remembered_and_those_that_are_gone_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    storage, broker = await restarted(path, 3)
    wanted = NewTopic(name="t", assignments=((0, (3, 1)), (1, (3, 2))))
    await broker.topic_admin.create_topics([wanted])
    topic = broker.topics.get("t")
    assert topic is not None
    await broker.nodes.stop(3)
    assert [broker.nodes.leader(log) for log in topic.partitions] == [1, 2]
    in_sync = [
        broker.nodes.in_sync(log, broker.nodes.replicas(topic, number))
        for number, log in enumerate(topic.partitions)
    ]
    assert in_sync == [[1], [2]], "who does not run is not in sync"
    assert [log.leader_epoch for log in topic.partitions] == [1, 1]
    await broker.close()
    await storage.close()
    for nodes, leaders in ((3, [3, 3]), (2, [1, 2])):
        storage, broker = await restarted(path, nodes)
        topic = broker.topics.get("t")
        assert topic is not None
        assert [broker.nodes.leader(log) for log in topic.partitions] == leaders
        assert [log.leader_epoch for log in topic.partitions] == [1, 1]
        await broker.close()
        await storage.close()


async def test_a_change_of_nodes_that_cannot_be_stored_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fakebus.broker")
    storage, broker = await restarted(tmp_path / "bus.db", 3)
    wanted = NewTopic(name="t", assignments=((0, (3, 1)), (1, (3, 2))))
    await broker.topic_admin.create_topics([wanted])
    topic, nodes = broker.topics.get("t"), broker.nodes
    assert topic is not None
    await nodes.place(topic, {1: [3]})
    told: list[tuple[int, bool]] = []

    async def listener(node_id: int, running: bool) -> None:
        told.append((node_id, running))

    nodes.on_change.append(listener)

    def state() -> object:
        logs = topic.partitions
        return (
            [nodes.is_running(each) for each in nodes.ids],
            [nodes.leader(log) for log in logs],
            [nodes.replicas(topic, index) for index in range(2)],
            [log.leader_epoch for log in logs],
        )

    async def refused(change: Awaitable[None]) -> None:
        before = state()
        broker.faults.fill_storage(count=1)
        with pytest.raises(StorageError, match="the disk is full"):
            await change
        assert state() == before

    await refused(nodes.stop(3))
    assert told == []
    await nodes.stop(3)
    assert [nodes.leader(log) for log in topic.partitions] == [1, NOBODY]
    await refused(nodes.start(3))
    assert told == [(3, False), (3, True), (3, False)]
    await refused(nodes.place(topic, {0: [2]}))
    await nodes.start(3)
    assert [nodes.leader(log) for log in topic.partitions] == [1, 3]
    await refused(nodes.elect(topic, 0))
    assert [each.message for each in caplog.records if each.message.startswith("broker 3")] == [
        "broker 3 stops; others lead 1 partition of it, and nobody 1",
        "broker 3 starts; it leads 1 partition that nobody could",
    ]
    await broker.close()
    await storage.close()


async def test_leaders_are_elected_only_where_that_is_needed_and_can_be() -> None:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, nodes=2)
    await broker.start()
    wanted = NewTopic(name="t", assignments=((0, (2, 1)),))
    await broker.topic_admin.create_topics([wanted])
    topic, nodes = broker.topics.get("t"), broker.nodes
    assert topic is not None

    async def refused(*, unclean: bool = False) -> ErrorCode:
        with pytest.raises(BrokerError) as error:
            await nodes.elect(topic, 0, unclean=unclean)
        return error.value.error_code

    assert await refused() is ErrorCode.ELECTION_NOT_NEEDED
    await nodes.stop(2)
    assert await refused() is ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE
    assert await refused(unclean=True) is ErrorCode.ELECTION_NOT_NEEDED
    await nodes.place(topic, {0: [2]})
    assert nodes.leader(topic.partitions[0]) == NOBODY
    assert await refused(unclean=True) is ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE
    await nodes.start(2)
    assert nodes.leader(topic.partitions[0]) == 2
    await broker.close()
    await storage.close()


async def test_a_partition_that_nobody_leads_waits_for_its_last_leader_unless_any_may_lead() -> (
    None
):
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, nodes=3)
    await broker.start()
    may = (("unclean.leader.election.enable", "true"),)
    for name, configs in (("waits", ()), ("may", may)):
        wanted = NewTopic(name=name, assignments=((0, (2, 3)),), configs=configs)
        await broker.topic_admin.create_topics([wanted])
    nodes = broker.nodes
    logs = [broker.partition_log(TopicPartition(name, 0)) for name in ("waits", "may")]

    def led() -> list[tuple[int, list[int], list[int]]]:
        return [
            (nodes.leader(log), nodes.in_sync(log, [2, 3]), nodes.eligible(log)) for log in logs
        ]

    await nodes.stop(2)
    await nodes.stop(3)
    assert led() == [(NOBODY, [], [3])] * 2
    await nodes.start(2)
    assert led() == [(NOBODY, [], [3]), (2, [2], [])]
    waits = broker.topics.get("waits")
    assert waits is not None
    with pytest.raises(BrokerError) as error:
        await nodes.elect(waits, 0)
    assert error.value.error_code is ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE
    await nodes.elect(waits, 0, unclean=True)
    await nodes.start(3)
    assert led() == [(2, [2, 3], [])] * 2
    await nodes.stop(2)
    await nodes.stop(3)
    await nodes.start(3)
    assert led() == [(3, [3], [])] * 2
    await broker.close()
    await storage.close()


async def test_what_waits_for_its_last_leader_gets_another_when_that_is_permitted_meanwhile() -> (
    None
):
    """As in Kafka, that is looked for at intervals."""
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, nodes=3)
    await broker.start()
    wanted = NewTopic(name="t", assignments=((0, (2, 3)),))
    await broker.topic_admin.create_topics([wanted])
    nodes, topic = broker.nodes, broker.topics.get("t")
    assert topic is not None
    log = topic.partitions[0]
    await nodes.stop(2)
    await nodes.stop(3)
    await nodes.start(2)
    await broker.run_housekeeping()
    assert (nodes.leader(log), nodes.eligible(log)) == (NOBODY, [3])
    await broker.topics.set_configs(topic, {"unclean.leader.election.enable": "true"})
    assert nodes.leader(log) == NOBODY
    await broker.run_housekeeping()
    assert (nodes.leader(log), nodes.in_sync(log, [2, 3]), log.leader_epoch) == (2, [2], 2)
    await nodes.stop(2)
    await broker.run_housekeeping()
    assert nodes.leader(log) == NOBODY
    await broker.close()
    await storage.close()


async def test_others_get_their_turns_while_leaders_of_many_topics_are_elected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, nodes=3)
    await broker.start()
    assigned = ((0, (3,)),)
    wanted = [NewTopic(name=f"t{number}", assignments=assigned) for number in range(50)]
    await broker.topic_admin.create_topics(wanted)
    await broker.nodes.stop(3)
    monkeypatch.setattr("fakebus.broker.turns.SLICE_S", -1)
    turns, electing = 0, asyncio.ensure_future(broker.nodes.elect_unclean())
    while not electing.done():
        await asyncio.sleep(0)
        turns += 1
    await electing
    assert turns > 50
    await broker.close()
    await storage.close()


async def test_a_new_partition_is_led_by_the_first_that_runs_and_stays_there() -> None:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, nodes=3)
    await broker.start()
    await broker.nodes.stop(2)
    wanted = NewTopic(name="t", assignments=((0, (2, 3)),))
    await broker.topic_admin.create_topics([wanted])
    log = broker.partition_log(TopicPartition("t", 0))
    assert broker.nodes.leader(log) == 3
    await broker.nodes.start(2)
    assert (broker.nodes.leader(log), log.leader_epoch) == (3, 0)
    await broker.close()
    await storage.close()


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        ("", 0),
        ("a", 97),
        ("my-group", 1_906_497_762),
        ("polygenelubricants", 0),
        ("\U0001f600", 1_772_899),
    ],
)
def test_groups_lie_where_kafka_would_keep_them(key: str, hashed: int) -> None:
    """The second to last has the smallest number of 32 bits for its hash."""
    assert partition_of(key, 1 << 31) == hashed
