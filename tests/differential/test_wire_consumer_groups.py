"""Consumer groups (KIP-848) beside a real Kafka: all versions of their APIs."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
    DeleteGroupsRequest,
    DescribeGroupsRequest,
    ListGroupsRequest,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
)
from tests.differential.group_cases import configure_group, new_group
from tests.differential.sides import Side, Sides

pytestmark = pytest.mark.kafka

MEMBERS = 3
SUBSCRIPTIONS = ((), (0,), (1,), (0, 1))
"""By the numbers of the topics, of which there are two."""


class Member:
    """Member that says and does what it is told; the last one of a group is static."""

    def __init__(self, talk: Talk, number: int) -> None:
        self._talk = talk
        self._number = number
        self._lives = 0
        self.member_id = ""
        self.epoch = 0
        self.owned: dict[Any, list[int]] = {}
        self.wanted: dict[Any, list[int]] = {}

    @property
    def instance_id(self) -> str | None:
        return "static" if self._number == MEMBERS - 1 else None

    def send(self, **fields: Any) -> Any:
        request: dict[str, Any] = {
            "group_id": self._talk.group,
            "member_id": self.member_id,
            "member_epoch": self.epoch,
            "instance_id": self.instance_id,
            **fields,
        }
        answer = self._talk.side.call(
            ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, ConsumerGroupHeartbeatRequest(**request)
        )
        if answer.error_code == 0 and request["member_epoch"] >= 0:
            self.epoch = answer.member_epoch
            if answer.assignment is not None:
                rows = answer.assignment.topic_partitions
                self.wanted = {row.topic_id: sorted(row.partitions) for row in rows}
        return self._talk.plain(answer)

    def rows(self, owned: dict[Any, list[int]]) -> list[Any]:
        return [
            ConsumerGroupHeartbeatRequestTopicPartitions(topic_id=topic, partitions=partitions)
            for topic, partitions in owned.items()
        ]

    def play(self, operation: str, subscription: int) -> Any:
        topics = [self._talk.topics[number] for number in SUBSCRIPTIONS[subscription]]
        if operation == "join":
            if not self.member_id or self.epoch <= 0:
                self._lives += 1
                self.member_id = f"member-{self._number}-{self._lives}"
            self.owned = {}
            return self.send(
                member_epoch=0,
                rebalance_timeout_ms=60_000,
                subscribed_topic_names=topics,
                server_assignor="range",
                topic_partitions=[],
            )
        if operation == "beat":
            return self.send()
        if operation == "subscribe":
            return self.send(subscribed_topic_names=topics)
        if operation == "acknowledge":
            self.owned = dict(self.wanted)
            return self.send(topic_partitions=self.rows(self.owned))
        if operation == "repeat":
            return self.send(member_epoch=self.epoch - 1, topic_partitions=self.rows(self.owned))
        if operation == "commit":
            return self._talk.commit(self)
        if operation == "fetch":
            return self._talk.fetch(self)
        left = self.send(member_epoch=-2 if operation == "away" else -1)
        self.epoch, self.owned, self.wanted = -1, {}, {}
        return left


class Talk:
    """Conversation with one side about a group of its own with two topics."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.group = new_group(side)
        self.topics = [side.new_topic(partitions=4), side.new_topic(partitions=3)]
        configure_group(side, self.group, {"consumer.assignment.interval.ms": "0"})

    def plain(self, answer: Any) -> Any:
        """Return an answer whose topics stand in one order on both sides."""
        return in_order(self.side.plain(answer))

    def commit(self, member: Member) -> Any:
        partitions = [
            OffsetCommitRequestPartition(
                partition_index=number, committed_offset=number, committed_metadata=""
            )
            for number in range(4)
        ]
        return self.side.ask(
            ApiKey.OFFSET_COMMIT,
            9,
            OffsetCommitRequest(
                group_id=self.group,
                member_id=member.member_id,
                generation_id_or_member_epoch=member.epoch,
                topics=[OffsetCommitRequestTopic(name=self.topics[0], partitions=partitions)],
            ),
        )

    def fetch(self, member: Member) -> Any:
        group = OffsetFetchRequestGroup(
            group_id=self.group,
            member_id=member.member_id,
            member_epoch=member.epoch,
            topics=None,
        )
        answer = self.plain(
            self.side.call(ApiKey.OFFSET_FETCH, 9, OffsetFetchRequest(groups=[group]))
        )
        for found in answer["groups"]:
            for topic in found["topics"]:
                topic["partitions"].sort(key=lambda row: row["partition_index"])
        return answer

    def described(self, version: int = 1) -> Any:
        answer = self.plain(
            self.side.call(
                ApiKey.CONSUMER_GROUP_DESCRIBE,
                version,
                ConsumerGroupDescribeRequest(
                    group_ids=[self.group], include_authorized_operations=True
                ),
            )
        )
        for found in answer["groups"]:
            found["members"].sort(key=lambda row: row["member_id"])
        return answer


def in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: in_order(each) for name, each in value.items() if name != "client_id"}
    if isinstance(value, list):
        ordered = [in_order(each) for each in value]
        if all(isinstance(each, dict) and "topic_id" in each for each in ordered):
            for each in ordered:
                if "partitions" in each and all(isinstance(n, int) for n in each["partitions"]):
                    each["partitions"].sort()
            ordered.sort(key=lambda each: str(each["topic_id"]))
        elif all(isinstance(each, str) for each in ordered):
            ordered.sort()
        return ordered
    return value


@pytest.mark.parametrize("version", range(2))
def test_a_group_from_its_first_member_to_its_end(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        talk = Talk(side)
        asked = ConsumerGroupDescribeRequest(group_ids=[talk.group, "nobody", ""])
        heard = [side.ask(ApiKey.CONSUMER_GROUP_DESCRIBE, version, asked)]
        request: dict[str, Any] = {"group_id": talk.group, "member_id": "m", "member_epoch": 0}
        request |= {"rebalance_timeout_ms": 60_000, "topic_partitions": []}
        request |= {"subscribed_topic_names": talk.topics, "server_assignor": "range"}
        for wrong in (
            {"group_id": ""},
            {"member_id": "" if version else " "},
            {"rebalance_timeout_ms": -1},
            {"topic_partitions": None},
            {"subscribed_topic_names": None},
            {"server_assignor": "sticky"},
            {"instance_id": ""},
            {"rack_id": ""},
            {"member_epoch": 1},
            {"member_epoch": -1},
            {"member_epoch": -2},
            {"member_epoch": -2, "instance_id": "i"},
            {"member_epoch": -3},
            {},
            {"member_epoch": 7},
            {"member_epoch": 1, "member_id": "x"},
            {"member_epoch": 1, "instance_id": "i"},
            {"rack_id": "r", "subscribed_topic_names": talk.topics[:1]},
        ):
            beat = ConsumerGroupHeartbeatRequest(**(request | wrong))
            answer = side.call(ApiKey.CONSUMER_GROUP_HEARTBEAT, version, beat)
            heard.append((wrong.keys(), talk.plain(answer)))
        listed = side.call(ApiKey.LIST_GROUPS, 5, ListGroupsRequest(types_filter=["Consumer"]))
        heard.append([side.plain(row) for row in listed.groups if row.group_id == talk.group])
        for classic in (5, 6):
            request_of_classic = DescribeGroupsRequest(groups=[talk.group])
            heard.append(side.ask(ApiKey.DESCRIBE_GROUPS, classic, request_of_classic))
        heard.append(talk.described(version))
        deletion = DeleteGroupsRequest(groups_names=[talk.group])
        heard.append(side.ask(ApiKey.DELETE_GROUPS, 2, deletion))
        leave = ConsumerGroupHeartbeatRequest(**(request | {"member_epoch": -1}))
        heard.append(side.ask(ApiKey.CONSUMER_GROUP_HEARTBEAT, version, leave))
        heard.append(talk.described(version))
        heard.append(side.ask(ApiKey.DELETE_GROUPS, 2, deletion))
        return heard

    sides.compare(scenario)


@pytest.mark.parametrize("regex", ["wire-.*", "(", "a(?=b)", "[[:alpha:]]+", "\\pL+", ""])
def test_a_regular_expression_is_taken_or_refused(sides: Sides, regex: str) -> None:
    def scenario(side: Side) -> Any:
        talk = Talk(side)
        beat = ConsumerGroupHeartbeatRequest(
            group_id=talk.group,
            member_id="m",
            member_epoch=0,
            rebalance_timeout_ms=60_000,
            topic_partitions=[],
            subscribed_topic_regex=regex,
        )
        answer = side.call(ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, beat)
        found = side.call(
            ApiKey.CONSUMER_GROUP_DESCRIBE, 1, ConsumerGroupDescribeRequest(group_ids=[talk.group])
        )
        members = [row.subscribed_topic_regex for row in found.groups[0].members]
        return answer.error_code, answer.error_message is None, members

    sides.compare(scenario)
