"""Streams groups at the handlers: tasks, who has them, and what members are told."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.groups.requests import OffsetCommit, PartitionOffset
from fakebus.broker.groups.streams.group import StreamsGroup
from fakebus.errors import ErrorCode
from fakebus.kafka.api import ClientConnection
from fakebus.kafka.handlers.streams_group_describe import handle_streams_group_describe
from fakebus.kafka.handlers.streams_group_heartbeat import handle_streams_group_heartbeat
from fakebus.protocol.messages import (
    Endpoint,
    StreamsGroupDescribeRequest,
    StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatRequestSubtopology,
    StreamsGroupHeartbeatRequestTopology,
    TaskIds,
    TopicInfo,
)
from fakebus.storage.sqlite import SqliteStorage
from tests.manual_clock import ManualClock
from tests.unit.kafka.handlers.calling import call

Tasks = dict[str, list[int]]


def topology(source: str = "in") -> StreamsGroupHeartbeatRequestTopology:
    """Return a topology that counts: a repartition topic between two parts, and a changelog."""
    info: dict[str, Any] = {"partitions": 0, "replication_factor": 0, "topic_configs": []}
    again, store = TopicInfo(name="app-again", **info), TopicInfo(name="app-store", **info)
    parts: list[dict[str, Any]] = [
        {"source_topics": [source], "repartition_sink_topics": ["app-again"]},
        {"repartition_source_topics": [again], "state_changelog_topics": [store]},
    ]
    nothing: dict[str, Any] = {
        "source_topics": [],
        "source_topic_regex": [],
        "state_changelog_topics": [],
        "repartition_sink_topics": [],
        "repartition_source_topics": [],
        "copartition_groups": [],
    }
    return StreamsGroupHeartbeatRequestTopology(
        epoch=0,
        subtopologies=[
            StreamsGroupHeartbeatRequestSubtopology(subtopology_id=str(n), **nothing | part)
            for n, part in enumerate(parts)
        ],
    )


def wire(tasks: Tasks | None) -> list[TaskIds] | None:
    if tasks is None:
        return None
    return [TaskIds(subtopology_id=name, partitions=numbers) for name, numbers in tasks.items()]


class Thread:
    """A member of a group."""

    def __init__(self, broker: Broker, member_id: str, group_id: str = "app") -> None:
        self.broker = broker
        self.group_id = group_id
        self.member_id = member_id
        self.epoch = 0
        self.tasks: Tasks = {}
        self.status: list[int] = []

    async def ask(self, epoch: int, **fields: Any) -> Any:
        request = StreamsGroupHeartbeatRequest(
            group_id=self.group_id,
            member_id=self.member_id,
            member_epoch=epoch,
            endpoint_information_epoch=-1,
            **fields,
        )
        connection = ClientConnection(1, "PLAINTEXT", "/127.0.0.1")
        return await call(
            handle_streams_group_heartbeat, request, self.broker, connection=connection
        )

    def _take(self, answer: Any) -> Any:
        assert answer.error_code == 0, answer
        self.epoch = answer.member_epoch
        self.status = [each.status_code for each in answer.status]
        if answer.active_tasks is not None:
            self.tasks = {each.subtopology_id: each.partitions for each in answer.active_tasks}
        return answer

    async def join(self, **fields: Any) -> Any:
        said: dict[str, Any] = {
            "rebalance_timeout_ms": 60_000,
            "topology": topology(),
            "active_tasks": [],
            "standby_tasks": [],
            "warmup_tasks": [],
            "process_id": self.member_id,
        }
        return self._take(await self.ask(0, **said | fields))

    async def heartbeat(self, owned: Tasks | None = None, **fields: Any) -> Any:
        if owned is not None:
            fields = {"standby_tasks": [], "warmup_tasks": []} | fields
        answer = await self.ask(self.epoch, active_tasks=wire(owned), **fields)
        return self._take(answer)


@pytest.fixture
async def thread(broker: Broker) -> Thread:
    """A thread of an application that reads a topic of two partitions."""
    await broker.topics.create("in", 2, {})
    return Thread(broker, "a")


async def test_a_thread_gets_all_tasks_and_the_topics_that_they_need(
    broker: Broker, thread: Thread
) -> None:
    await thread.join()

    assert thread.tasks == {"0": [0, 1], "1": [0, 1]}
    assert thread.status == []
    for name in ("app-again", "app-store"):
        topic = broker.topics.get(name)
        assert topic is not None
        assert len(topic.partitions) == 2


async def test_a_thread_that_is_told_its_tasks_is_the_only_one_looked_at(
    thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A thousand threads that join would else be described a million times.
    monkeypatch.setattr(StreamsGroup, "describe", None)
    await thread.join()
    assert thread.tasks


@pytest.mark.parametrize(
    "said",
    [
        {"active_tasks": []},
        {"active_tasks": [], "standby_tasks": []},
        {"standby_tasks": [], "warmup_tasks": []},
        {"active_tasks": wire({"0": [2]}), "standby_tasks": [], "warmup_tasks": []},
        {"active_tasks": wire({"0": [-1]}), "standby_tasks": [], "warmup_tasks": []},
        {"active_tasks": [], "standby_tasks": wire({"9": [0]}), "warmup_tasks": []},
        {"task_offsets": []},
        {"task_end_offsets": []},
    ],
)
async def test_a_thread_that_says_what_cannot_be_is_refused_and_stays(
    thread: Thread, said: dict[str, Any]
) -> None:
    await thread.join()

    refused = await thread.ask(thread.epoch, **said)

    assert refused.error_code == ErrorCode.INVALID_REQUEST.code
    assert refused.error_message
    await thread.heartbeat(thread.tasks)


async def test_a_task_is_with_one_thread_at_a_time(
    broker: Broker, clock: ManualClock, thread: Thread
) -> None:
    other = Thread(broker, "b")
    await thread.join()
    before = thread.tasks

    clock.advance(2)
    await other.join()
    waits = other.tasks
    await thread.heartbeat()
    asked = thread.tasks
    # It says nothing of what it runs, which is no word that it has given anything up.
    await thread.heartbeat()
    await other.heartbeat()
    still_waits = other.tasks
    await thread.heartbeat(asked)
    await other.heartbeat()

    assert before == {"0": [0, 1], "1": [0, 1]}
    assert (waits, still_waits) == ({}, {})
    assert sum(map(len, asked.values())) == sum(map(len, other.tasks.values())) == 2
    both = [(name, n) for tasks in (asked, other.tasks) for name in tasks for n in tasks[name]]
    assert sorted(both) == [("0", 0), ("0", 1), ("1", 0), ("1", 1)]


async def test_a_thread_that_does_not_give_tasks_up_in_time_is_removed(
    broker: Broker, clock: ManualClock, thread: Thread
) -> None:
    other = Thread(broker, "b")
    await thread.join(rebalance_timeout_ms=5000)
    clock.advance(2)
    await other.join()
    await thread.heartbeat()

    clock.advance(5)
    await other.heartbeat()

    assert other.tasks == {"0": [0, 1], "1": [0, 1]}
    assert (await thread.ask(thread.epoch)).error_code == ErrorCode.UNKNOWN_MEMBER_ID.code


async def test_the_others_get_the_tasks_of_a_thread_that_leaves_or_is_silent(
    broker: Broker, clock: ManualClock, thread: Thread
) -> None:
    other = Thread(broker, "b")
    await thread.join()
    clock.advance(40)
    await other.join()
    clock.advance(5)

    await other.heartbeat()
    assert other.tasks == {"0": [0, 1], "1": [0, 1]}
    await other.ask(-1)
    assert (await other.ask(other.epoch)).error_code == ErrorCode.UNKNOWN_MEMBER_ID.code


async def test_a_group_waits_for_a_source_topic_that_is_missing(
    broker: Broker, clock: ManualClock, thread: Thread
) -> None:
    await thread.join(topology=topology("later"))
    missing, nothing = thread.status, thread.tasks

    await broker.topics.create("later", 1, {})
    clock.advance(2)
    await thread.heartbeat()

    assert (missing, nothing) == ([1], {})
    assert thread.tasks == {"0": [0], "1": [0]}


async def test_more_threads_are_waited_for_as_long_as_the_group_says(
    broker: Broker, clock: ManualClock, thread: Thread
) -> None:
    broker.config.group_overrides["app"] = {"streams.initial.rebalance.delay.ms": "3000"}

    await thread.join()
    delayed, nothing = thread.status, thread.tasks
    clock.advance(3)
    await thread.heartbeat()

    assert (delayed, nothing) == ([5], {})
    assert thread.tasks == {"0": [0, 1], "1": [0, 1]}


async def test_threads_are_told_that_tasks_are_given_out_later_because_they_were_a_moment_ago(
    broker: Broker, clock: ManualClock, thread: Thread
) -> None:
    other = Thread(broker, "b")
    await thread.join()
    await other.join()
    assert (thread.status, other.status) == ([], [5])
    clock.advance(1)
    await other.heartbeat()
    assert other.status == []


async def test_all_threads_are_told_to_end_when_one_has_said_so(
    broker: Broker, clock: ManualClock, thread: Thread
) -> None:
    broker.config.group_overrides["app"] = {"streams.assignment.interval.ms": "0"}
    other = Thread(broker, "b")
    await thread.join()
    await other.join()

    await thread.ask(-1, shutdown_application=True)
    await other.heartbeat()

    assert other.status == [4]

    # Who comes when all are gone begins anew.
    await other.ask(-1)
    await thread.join()
    assert thread.status == []


async def test_a_topology_stays_as_long_as_the_group_has_members(thread: Thread) -> None:
    await thread.join()

    answer = await thread.ask(
        0,
        rebalance_timeout_ms=60_000,
        topology=topology("other"),
        active_tasks=[],
        standby_tasks=[],
        warmup_tasks=[],
    )

    assert answer.error_code == ErrorCode.INVALID_REQUEST.code


@pytest.mark.parametrize(
    ("names", "error"),
    [
        ({"source_topics": ["not a name"]}, ErrorCode.STREAMS_INVALID_TOPOLOGY),
        ({"source_topics": ["__consumer_offsets"]}, ErrorCode.STREAMS_INVALID_TOPOLOGY),
        ({"repartition_sink_topics": [""]}, ErrorCode.STREAMS_INVALID_TOPOLOGY),
        (
            {"state_changelog_topics": [TopicInfo(name="store", partitions=3)]},
            ErrorCode.STREAMS_INVALID_TOPOLOGY,
        ),
        ({"source_topic_regex": ["in.*"]}, ErrorCode.INVALID_REQUEST),
    ],
)
async def test_a_topology_names_topics_that_an_application_may_have(
    thread: Thread, names: dict[str, Any], error: ErrorCode
) -> None:
    part = StreamsGroupHeartbeatRequestSubtopology(subtopology_id="0", **names)
    wanted = StreamsGroupHeartbeatRequestTopology(epoch=0, subtopologies=[part])
    tasks: dict[str, Any] = {"active_tasks": [], "standby_tasks": [], "warmup_tasks": []}
    answer = await thread.ask(0, rebalance_timeout_ms=1000, topology=wanted, **tasks)
    assert answer.error_code == error.code


async def test_a_rack_has_a_name_and_only_a_client_that_joins_may_speak_of_warm_up_tasks(
    thread: Thread,
) -> None:
    await thread.join()
    for fields in ({"rack_id": ""}, {"warmup_tasks": wire({"0": [0]})}):
        answer = await thread.ask(thread.epoch, **fields)
        assert answer.error_code == ErrorCode.INVALID_REQUEST.code


async def test_another_rebalance_timeout_is_another_epoch(
    clock: ManualClock, thread: Thread
) -> None:
    await thread.join()
    clock.advance(2)
    before = (await thread.join()).member_epoch
    assert (await thread.join(rebalance_timeout_ms=50_000)).member_epoch == before + 1


async def test_endpoints_are_told_with_what_is_there(thread: Thread) -> None:
    answer = await thread.join(user_endpoint=Endpoint(host="here", port=80))

    (endpoint,) = answer.partitions_by_user_endpoint
    assert (endpoint.user_endpoint.host, endpoint.user_endpoint.port) == ("here", 80)
    found = {each.topic: each.partitions for each in endpoint.active_partitions}
    assert found == {"in": [0, 1], "app-again": [0, 1]}


async def test_endpoints_are_numbered_anew_when_a_member_with_one_is_told_of_tasks(
    broker: Broker, thread: Thread
) -> None:
    here, there = Endpoint(host="here", port=80), Endpoint(host="there", port=80)

    first = await thread.join(user_endpoint=here)
    without = await Thread(broker, "b").join()
    last = await Thread(broker, "c").join(user_endpoint=there)

    epochs = [each.endpoint_information_epoch for each in (first, without, last)]
    assert [each - epochs[0] for each in epochs] == [0, 0, 1]


async def test_the_endpoint_that_a_group_begins_with_is_not_counted(
    broker: Broker, thread: Thread
) -> None:
    for name in ("app-again", "app-store"):
        await broker.topics.create(name, 2, {})
    first = await thread.join(user_endpoint=Endpoint(host="here", port=80))
    assert first.endpoint_information_epoch == 0


async def test_a_group_keeps_its_topology_when_all_members_have_left(
    broker: Broker, thread: Thread
) -> None:
    await thread.join()
    await thread.ask(-1)

    with_another = await Thread(broker, "b").ask(
        0,
        rebalance_timeout_ms=1000,
        topology=topology("other"),
        active_tasks=[],
        standby_tasks=[],
        warmup_tasks=[],
    )

    assert with_another.error_code == ErrorCode.INVALID_REQUEST.code
    await thread.join()


async def test_another_number_of_standby_tasks_is_another_epoch(
    broker: Broker, clock: ManualClock, thread: Thread
) -> None:
    await thread.join()
    before = thread.epoch

    clock.advance(2)
    broker.config.group_overrides["app"] = {"streams.num.standby.replicas": "1"}
    await thread.heartbeat()

    assert thread.epoch == before + 1


async def test_tasks_that_a_member_is_to_give_up_are_not_described_as_its_own(
    broker: Broker, clock: ManualClock, thread: Thread
) -> None:
    await thread.join()
    clock.advance(2)
    await Thread(broker, "b").join()
    await thread.heartbeat()

    request = StreamsGroupDescribeRequest(group_ids=["app"], include_authorized_operations=False)
    (group,) = (await call(handle_streams_group_describe, request, broker)).groups

    mine = next(each for each in group.members if each.member_id == "a")
    assert mine.assignment == mine.target_assignment


async def test_a_thread_that_joins_anew_gets_what_it_was_giving_up_one_heartbeat_later(
    broker: Broker, clock: ManualClock, thread: Thread
) -> None:
    other = Thread(broker, "b")
    await thread.join()
    everything = thread.tasks
    clock.advance(2)
    await other.join()
    await thread.heartbeat()
    kept = thread.tasks
    assert kept != everything
    await other.ask(-1)
    clock.advance(2)

    await thread.join()
    at_first = thread.tasks
    await thread.heartbeat(kept)

    assert at_first == kept
    assert thread.tasks == everything


async def test_a_streams_group_is_described_and_there_after_a_restart(clock: ManualClock) -> None:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, clock=clock)
    await broker.start()
    await broker.topics.create("in", 2, {})
    thread = Thread(broker, "a")
    await thread.join()
    await broker.close()
    again = Broker(storage, clock=clock)
    await again.start()

    request = StreamsGroupDescribeRequest(group_ids=["app"], include_authorized_operations=True)
    (described,) = (await call(handle_streams_group_describe, request, again)).groups
    await again.close()
    await storage.close()

    assert (described.error_code, described.group_state) == (0, "Stable")
    assert described.topology.subtopologies[1].state_changelog_topics[0].partitions == 2
    (member,) = described.members
    assert member.assignment == member.target_assignment
    assert [each.partitions for each in member.assignment.active_tasks] == [[0, 1], [0, 1]]


@pytest.mark.parametrize("gives_up", [True, False])
async def test_what_is_to_be_given_up_is_remembered_over_a_restart(
    clock: ManualClock, *, gives_up: bool
) -> None:
    storage = await SqliteStorage.open(None)
    first = Broker(storage, clock=clock)
    await first.start()
    await first.topics.create("in", 2, {})
    thread, other = Thread(first, "a"), Thread(first, "b")
    await thread.join(rebalance_timeout_ms=5000)
    clock.advance(2)
    await other.join()
    await thread.heartbeat()
    await first.close()
    again = Broker(storage, clock=clock)
    await again.start()
    thread.broker = other.broker = again

    if gives_up:
        await thread.heartbeat(thread.tasks)
    else:
        clock.advance(5)
    await other.heartbeat()
    await again.close()
    await storage.close()

    assert sum(map(len, other.tasks.values())) == (2 if gives_up else 4)


async def test_a_producer_that_says_nothing_of_its_group_commits_in_a_transaction_only(
    broker: Broker, thread: Thread
) -> None:
    await thread.join()
    commit = OffsetCommit(group_id="app", offsets=[PartitionOffset("in", 0, 1)])
    admitted = [
        broker.group_coordinator.admit_offsets(each)[0]
        for each in (commit, commit._replace(transactional=True))
    ]
    assert admitted == [[ErrorCode.UNKNOWN_MEMBER_ID], [None]]


async def test_the_state_says_what_a_group_waits_for(
    broker: Broker, thread: Thread, clock: ManualClock
) -> None:
    def state() -> str:
        (group,) = broker.group_coordinator.list_groups()
        return group.state

    broker.config.group_overrides["app"] = {"streams.initial.rebalance.delay.ms": "3000"}
    await thread.join()
    assert state() == "Assigning"
    clock.advance(3)
    await thread.heartbeat()
    assert state() == "Stable"
    other = Thread(broker, "other")
    await other.join()
    clock.advance(5)
    await other.heartbeat()
    assert state() == "Reconciling"
    source = broker.topics.get("in")
    assert source is not None
    await broker.topics.delete(source)
    await thread.heartbeat()
    assert state() == "NotReady"
