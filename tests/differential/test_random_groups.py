"""Random members beside a real Kafka: consumer, share and streams groups.

Each machine plays the same operations on both sides and compares every answer.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example

from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.consumer_protocol import assigned_partitions, encode_assignment
from fakebus.types import TopicPartition
from tests.differential import group_cases
from tests.differential.group_cases import commit, configure_group, new_group
from tests.differential.machines import LONGEST, TIMEOUT, Operations, compare, machine, op
from tests.differential.sides import Side, Sides
from tests.differential.test_wire_consumer_groups import MEMBERS, Member, Talk, in_order
from tests.differential.test_wire_share_groups import GIVEN_BACK_S, RECORDS, ShareTalk

pytestmark = [pytest.mark.kafka, TIMEOUT]

ANY_MEMBER = tuple(range(MEMBERS))


def delete_group(side: Side, group: str) -> Any:
    return side.ask(ApiKey.DELETE_GROUPS, 2, m.DeleteGroupsRequest(groups_names=[group]))


# --- consumer groups -----------------------------------------------------------------------------


class Consumers:
    """Group of two topics with three members of KIP-848, the last one static, and a classic one."""

    def __init__(self, side: Side) -> None:
        self.talk = Talk(side)
        self.side, self.group = side, self.talk.group
        self.members = [Member(self.talk, number) for number in ANY_MEMBER]
        reads = (("range", group_cases.subscription(self.talk.topics[0])),)
        self.old = group_cases.Member(
            side, self.group, 5, reads, session_timeout_ms=45_000, rebalance_timeout_ms=60_000
        )

    def play(self, name: str, *arguments: Any) -> Any:
        heard = getattr(self, name)(*arguments)
        return name, arguments, heard, self.talk.described()

    def member(self, number: int, verb: str, subscription: int) -> Any:
        return self.members[number].play(verb, subscription)

    def old_join(self) -> Any:
        answers = self.old.enter()
        for each in (each for answer in answers for each in answer["members"]):
            each["metadata"] = each["metadata"].replace(self.talk.topics[0].encode(), b"topic 1")
        return answers

    def old_sync(self, share: tuple[int, ...]) -> Any:
        """Ask for the share; where the member leads a classic group, it decides itself."""
        places = [TopicPartition(self.talk.topics[0], number) for number in share]
        own = {self.old.member_id: encode_assignment(places, 0)} if self.old.member_id else None
        answer = self.old.sync(own)
        answer["assignment"] = sorted(
            (self.side.plain(topic), number)
            for topic, number in assigned_partitions(answer["assignment"])
        )
        return answer

    def old_beat(self) -> Any:
        return self.old.heartbeat()

    def old_commit(self, offset: int) -> Any:
        return self.old.commit(self.talk.topics[0], offset)

    def old_leave(self) -> Any:
        return self.old.leave()

    def outside(self, offset: int) -> Any:
        return commit(self.side, self.group, 8, (self.talk.topics[0], {0: (offset, -1, "")}))

    def forget(self, number: int) -> Any:
        """Delete a committed offset."""
        partition = m.OffsetDeleteRequestPartition(partition_index=0)
        topic = m.OffsetDeleteRequestTopic(name=self.talk.topics[number], partitions=[partition])
        asked = m.OffsetDeleteRequest(group_id=self.group, topics=[topic])
        return self.side.ask(ApiKey.OFFSET_DELETE, 0, asked)

    def delete(self) -> Any:
        return delete_group(self.side, self.group)

    def listed(self) -> Any:
        found = self.side.call(ApiKey.LIST_GROUPS, 5, m.ListGroupsRequest())
        return [self.side.plain(row) for row in found.groups if row.group_id == self.group]


VERBS = ("join", "join", "beat", "beat", "acknowledge", "acknowledge", "repeat", "leave", "away")


@machine(
    op("member", ANY_MEMBER, VERBS, (0, 1, 2, 3)),
    op("member", ANY_MEMBER, VERBS, (0, 1, 2, 3)),
    op("member", ANY_MEMBER, ("subscribe", "commit", "fetch"), (0, 1, 2, 3)),
    op("old_join"),
    op("old_sync", ((), (0,), (1, 2, 3))),
    op("old_beat"),
    op("old_commit", (1, 2)),
    op("old_leave"),
    op("outside", (1, 2)),
    op("forget", (0, 1)),
    op("delete"),
    op("listed"),
)
def test_consumer_groups(sides: Sides, operations: Operations) -> None:
    def scenario(side: Side) -> Any:
        group = Consumers(side)
        try:
            return [group.play(*each) for each in operations]
        finally:
            group.old.close()

    # Of members that are alike Kafka serves first whom its hash map names first: the id that it has
    # made up for the classic one decides.
    compare(sides, scenario, times=8)


# --- share groups --------------------------------------------------------------------------------


class Shares(ShareTalk):
    """Group that two members read with, and whose offsets are administered."""

    def leave(self) -> Any:
        return self.heartbeat(member_epoch=-1).error_code

    def enter(self) -> None:
        self._join()

    def alter(self, offset: int) -> Any:
        partition = m.AlterShareGroupOffsetsRequestPartition(partition_index=0, start_offset=offset)
        topic = m.AlterShareGroupOffsetsRequestTopic(topic_name=self.topic, partitions=[partition])
        asked = m.AlterShareGroupOffsetsRequest(group_id=self.group, topics=[topic])
        return self.side.ask(ApiKey.ALTER_SHARE_GROUP_OFFSETS, 0, asked)

    def forget(self) -> Any:
        topic = m.DeleteShareGroupOffsetsRequestTopic(topic_name=self.topic)
        asked = m.DeleteShareGroupOffsetsRequest(group_id=self.group, topics=[topic])
        return self.side.ask(ApiKey.DELETE_SHARE_GROUP_OFFSETS, 0, asked)

    def described(self) -> Any:
        asked = m.ShareGroupDescribeRequest(group_ids=[self.group])
        (found,) = self.side.ask(ApiKey.SHARE_GROUP_DESCRIBE, 1, asked)["groups"]
        return found["error_code"], found["group_state"], len(found["members"])

    def operate(self, name: str, *arguments: Any) -> Any:
        if name == "play":
            heard = self.play(*arguments)
            if arguments[3] in GIVEN_BACK:
                time.sleep(GIVEN_BACK_S)
            return name, arguments, heard
        return name, arguments, getattr(self, name)(*arguments)


KEPT = ((1,), (3,), (4,), (0,), (3, 1), (1, 9), ())
GIVEN_BACK = ((2,), (1, 2), (2, 3, 1), (4, 2))


@machine(
    # Unless it is to be exact, the number is a wish, and batches are not divided.
    op("play", ("fetch",), (0, 1), (RECORDS,), (0,)),
    op("play", ("fetch",), (0, 1), range(1, RECORDS + 1), (1,)),
    op("play", ("acknowledge",), (0, 1), range(RECORDS + 1), (*KEPT, *GIVEN_BACK)),
    # What a request gives back, it may get itself; in Kafka a later one does.
    op("play", ("fetch and acknowledge",), (0, 1), range(RECORDS + 1), KEPT),
    op("play", ("close", "again"), (0, 1), (0,), (0,)),
    op("lag"),
    op("alter", (0, 3, RECORDS)),
    op("forget"),
    op("described"),
)
def test_share_groups(sides: Sides, operations: Operations) -> None:
    def scenario(side: Side) -> Any:
        talk = Shares(side)
        return [talk.operate(*each) for each in (*operations, ("lag",))]

    compare(sides, scenario)


# --- streams groups ------------------------------------------------------------------------------

PARTITIONS = 3


def _task(partition: int) -> Any:
    return m.TaskIds(subtopology_id="1", partitions=[partition])


class Thread:
    """Thread of an application; the first two are of one process."""

    def __init__(self, app: Application, number: int) -> None:
        self.app = app
        self._number = number
        self.member_id = ""
        self.epoch = 0
        self.endpoint_epoch = -1
        self.tasks: dict[str, list[Any]] = {}
        """What it is to have, by kind."""

    def send(self, epoch: int | None = None, **fields: Any) -> Any:
        asked = m.StreamsGroupHeartbeatRequest(
            group_id=self.app.group,
            member_id=self.member_id,
            member_epoch=self.epoch if epoch is None else epoch,
            endpoint_information_epoch=self.endpoint_epoch,
            **fields,
        )
        answer = self.app.side.call(ApiKey.STREAMS_GROUP_HEARTBEAT, 0, asked)
        if answer.error_code == 0 and asked.member_epoch >= 0:
            self.epoch, self.endpoint_epoch = answer.member_epoch, answer.endpoint_information_epoch
            for kind in ("active_tasks", "standby_tasks", "warmup_tasks"):
                if getattr(answer, kind) is not None:
                    self.tasks[kind] = getattr(answer, kind)
        return self.app.plain(answer)

    def join(self, *, stateful: bool) -> Any:
        if not self.member_id or self.epoch <= 0:
            self.member_id = next(self.app.ids)
        self.tasks = {}
        return self.send(
            0,
            rebalance_timeout_ms=60_000,
            topology=self.app.topology(stateful=stateful),
            active_tasks=[],
            standby_tasks=[],
            warmup_tasks=[],
            process_id="pq"[self._number // 2],
            user_endpoint=m.Endpoint(host="h", port=self._number + 1) if self._number else None,
            client_tags=[],
        )

    def beat(self) -> Any:
        return self.send()

    def acknowledge(self) -> Any:
        """Say that it runs what it is to run, and nothing else."""
        return self.send(**self.tasks)

    def repeat(self) -> Any:
        return self.send(self.epoch - 1, **self.tasks)

    def claim(self) -> Any:
        """Say that it has what it may or may not have."""
        return self.send(active_tasks=[_task(0)], standby_tasks=[_task(2)], warmup_tasks=[])

    def claim_before(self) -> Any:
        return self.send(self.epoch - 1, active_tasks=[], standby_tasks=[_task(2)], warmup_tasks=[])

    def claim_in_part(self) -> Any:
        return self.send(active_tasks=self.tasks.get("active_tasks", []))

    def claim_none(self) -> Any:
        """Say that it has a task that there is not."""
        return self.send(active_tasks=[], standby_tasks=[_task(PARTITIONS)], warmup_tasks=[])

    def shut_down(self) -> Any:
        return self.send(shutdown_application=True)

    def leave(self) -> Any:
        left = self.send(-1)
        self.epoch, self.tasks = -1, {}
        return left

    def commit(self) -> Any:
        fields = {"member_id": self.member_id, "generation_id_or_member_epoch": self.epoch}
        return self.app.commit(9, 5, **fields)


class Application:
    """Streams group that reads a topic into a repartition topic and that into a store."""

    def __init__(self, side: Side) -> None:
        self.side = side
        # Where there is nothing else to decide by, Kafka goes through hash maps: in this order.
        self.ids = iter("abcdefghijklmno" * LONGEST)
        self.source = side.new_topic(partitions=PARTITIONS)
        self.numbers_endpoints = True
        # They are there: Kafka makes them a little later than it says.
        self.again, self.store = (side.new_topic(partitions=PARTITIONS) for _ in range(2))
        self.group = new_group(side)
        configs = {"streams.initial.rebalance.delay.ms": "0", "streams.assignment.interval.ms": "0"}
        configure_group(side, self.group, configs)
        self.threads = [Thread(self, number) for number in range(MEMBERS)]

    def topology(self, *, stateful: bool) -> Any:
        info: dict[str, Any] = {"partitions": 0, "replication_factor": 1, "topic_configs": []}
        again, store = m.TopicInfo(name=self.again, **info), m.TopicInfo(name=self.store, **info)
        nothing: dict[str, Any] = {
            "source_topics": [],
            "source_topic_regex": [],
            "state_changelog_topics": [],
            "repartition_sink_topics": [],
            "repartition_source_topics": [],
            "copartition_groups": [],
        }
        parts: list[dict[str, Any]] = [
            {"source_topics": [self.source], "repartition_sink_topics": [self.again] * stateful},
            {"repartition_source_topics": [again], "state_changelog_topics": [store]},
        ]
        return m.StreamsGroupHeartbeatRequestTopology(
            epoch=0,
            subtopologies=[
                m.StreamsGroupHeartbeatRequestSubtopology(subtopology_id=str(n), **nothing | part)
                for n, part in enumerate(parts[: 1 + stateful])
            ],
        )

    def plain(self, answer: Any) -> Any:
        """Return an answer whose tasks and topics stand in one order on both sides."""
        plain = _tasks_in_order(in_order(self.side.plain(answer)))
        if not self.numbers_endpoints and "endpoint_information_epoch" in plain:
            del plain["endpoint_information_epoch"], plain["partitions_by_user_endpoint"]
        return plain

    def play(self, name: str, *arguments: Any) -> Any:
        return name, arguments, getattr(self, name)(*arguments), self.described()

    def thread(self, number: int, verb: str) -> Any:
        return getattr(self.threads[number], verb)()

    def join(self, number: int, stateful: bool) -> Any:
        return self.threads[number].join(stateful=stateful)

    def standbys(self, count: str) -> Any:
        configure_group(self.side, self.group, {"streams.num.standby.replicas": count})

    def described(self) -> Any:
        asked = m.StreamsGroupDescribeRequest(
            group_ids=[self.group], include_authorized_operations=True
        )
        answer = self.plain(self.side.call(ApiKey.STREAMS_GROUP_DESCRIBE, 0, asked))
        for found in answer["groups"]:
            found["members"].sort(key=lambda row: row["member_id"])
            for part in (found["topology"] or {"subtopologies": []})["subtopologies"]:
                for topic in part["repartition_source_topics"] + part["state_changelog_topics"]:
                    # Kafka shows no sizes of topics that were there before the group.
                    del topic["partitions"]
        return answer

    def outside(self, offset: int) -> Any:
        return self.commit(8, offset)

    def commit(self, version: int, offset: int, **fields: Any) -> Any:
        # A group that offsets have made begins to number its endpoints twice in Kafka; who has not
        # joined yet can commit, too.
        self.numbers_endpoints &= self.described()["groups"][0]["error_code"] == 0
        return commit(
            self.side, self.group, version, (self.source, {0: (offset, -1, "")}), **fields
        )

    def fetched(self) -> Any:
        return group_cases.fetch_offsets(self.side, self.group, 8, [(self.source, [0])])

    def delete(self) -> Any:
        return delete_group(self.side, self.group)


def _tasks_in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _tasks_in_order(each) for name, each in value.items()}
    if isinstance(value, list):
        ordered = [_tasks_in_order(each) for each in value]
        if all(isinstance(each, dict) for each in ordered):
            for each in ordered:
                if isinstance(each.get("partitions"), list):
                    each["partitions"].sort()
            ordered.sort(key=str)
        return ordered
    return value


@example(
    operations=[
        *(("join", 2, True), ("join", 0, True), ("join", 2, True), ("thread", 2, "acknowledge")),
        *(("thread", 0, "leave"), ("join", 2, True), ("thread", 2, "acknowledge")),
    ]
)
@example(
    operations=[
        *(("join", 2, True), ("join", 0, True), ("thread", 2, "beat"), ("thread", 0, "leave")),
        *(("join", 2, True), ("thread", 2, "beat"), ("thread", 2, "acknowledge")),
    ]
)
@example(
    operations=[("thread", 0, "commit"), ("join", 2, True), ("join", 2, True), ("join", 1, True)]
)
@example(
    operations=[
        *(("join", 1, True), ("join", 0, True), ("standbys", "1"), ("join", 2, True)),
        *(("thread", 0, "acknowledge"), ("thread", 0, "acknowledge")),
    ]
)
@example(
    operations=[
        *(("join", 1, True), ("join", 1, False), ("thread", 1, "leave"), ("delete",)),
        *(("join", 1, True), ("outside", 2), ("thread", 1, "beat")),
    ]
)
@machine(
    op("join", ANY_MEMBER, (True, True, False)),
    op("thread", ANY_MEMBER, ("beat", "acknowledge", "acknowledge", "repeat", "leave", "commit")),
    op("thread", ANY_MEMBER, ("beat", "acknowledge", "acknowledge", "repeat", "leave", "commit")),
    op("thread", ANY_MEMBER, ("beat", "acknowledge", "shut_down")),
    op("thread", ANY_MEMBER, ("claim", "claim_before", "claim_in_part", "claim_none")),
    op("standbys", ("0", "1")),
    op("outside", (1, 2)),
    op("fetched"),
    op("delete"),
)
def test_streams_groups(sides: Sides, operations: Operations) -> None:
    def scenario(side: Side) -> Any:
        application = Application(side)
        return [application.play(*each) for each in operations]

    compare(sides, scenario)
