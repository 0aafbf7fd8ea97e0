"""What a group of one kind says to requests for another kind, beside a real Kafka."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.differential.group_cases import (
    commit,
    configure_group,
    in_order,
    new_group,
    subscription,
)
from tests.differential.sides import Side, Sides
from tests.differential.test_wire_consumer_groups import in_order as sorted_lists
from tests.differential.transaction_cases import TransactionalProducer

pytestmark = pytest.mark.kafka

MEMBER = "member"
JOINS, LEAVES = 0, -1


class Group:
    """Group whose requests are those of every kind.

    Args:
        side: the broker.
    """

    def __init__(self, side: Side) -> None:
        self.side = side
        self.group, self.topic = new_group(side), side.new_topic()
        # Kafka waits three seconds for more threads of an application.
        configure_group(side, self.group, {"streams.initial.rebalance.delay.ms": "0"})
        self.classic_member = ""

    def ask(self, api: ApiKey, version: int, request: Any) -> Any:
        answer = self.side.ask(api, version, request)
        return sorted_lists(answer)

    def classic(self, member_id: str = MEMBER) -> Any:
        """Join with the classic protocol, as a member or as one that wants an id."""
        protocol = m.JoinGroupRequestProtocol(name="range", metadata=subscription(self.topic))
        request = m.JoinGroupRequest(
            group_id=self.group,
            member_id=member_id,
            protocol_type="consumer",
            session_timeout_ms=45_000,
            rebalance_timeout_ms=60_000,
            protocols=[protocol],
        )
        answer = self.side.call(ApiKey.JOIN_GROUP, 5, request)
        if answer.member_id:
            self.side.name(answer.member_id, "member")
        return answer

    def consumer(self, epoch: int = JOINS) -> Any:
        answer = self.ask(
            ApiKey.CONSUMER_GROUP_HEARTBEAT,
            1,
            m.ConsumerGroupHeartbeatRequest(
                group_id=self.group,
                member_id=MEMBER,
                member_epoch=epoch,
                rebalance_timeout_ms=60_000,
                subscribed_topic_names=[self.topic],
                topic_partitions=[],
            ),
        )
        # Of members that are alike Kafka serves first whom a hash map names first.
        del answer["assignment"]
        return answer

    def share(self, epoch: int = JOINS) -> Any:
        request = m.ShareGroupHeartbeatRequest(
            group_id=self.group,
            member_id=MEMBER,
            member_epoch=epoch,
            subscribed_topic_names=[self.topic],
        )
        answer = self.ask(ApiKey.SHARE_GROUP_HEARTBEAT, 1, request)
        # Kafka gives partitions out some heartbeats later.
        del answer["assignment"]
        return answer

    def streams(self, epoch: int = JOINS) -> Any:
        subtopology = m.StreamsGroupHeartbeatRequestSubtopology(
            subtopology_id="0",
            source_topics=[self.topic],
            source_topic_regex=[],
            state_changelog_topics=[],
            repartition_sink_topics=[],
            repartition_source_topics=[],
            copartition_groups=[],
        )
        topology = m.StreamsGroupHeartbeatRequestTopology(epoch=0, subtopologies=[subtopology])
        joins = epoch == JOINS
        request = m.StreamsGroupHeartbeatRequest(
            group_id=self.group,
            member_id=MEMBER,
            member_epoch=epoch,
            endpoint_information_epoch=-1,
            rebalance_timeout_ms=60_000 if joins else -1,
            topology=topology if joins else None,
            active_tasks=[] if joins else None,
            standby_tasks=[] if joins else None,
            warmup_tasks=[] if joins else None,
            process_id="p" if joins else None,
            client_tags=[] if joins else None,
        )
        return self.ask(ApiKey.STREAMS_GROUP_HEARTBEAT, 0, request)

    def begin(self, kind: str) -> None:
        """Make it a group of a kind, with one member."""
        if kind == "classic":
            self.classic_member = self.classic("").member_id
            assert self.classic(self.classic_member).error_code == 0
        else:
            getattr(self, kind)()

    def end(self, kind: str) -> None:
        """Let its member leave."""
        if kind == "classic":
            self.leave(self.classic_member)
        else:
            getattr(self, kind)(LEAVES)

    def leave(self, member_id: str) -> Any:
        member = m.MemberIdentity(member_id=member_id)
        request = m.LeaveGroupRequest(group_id=self.group, members=[member])
        return self.ask(ApiKey.LEAVE_GROUP, 4, request)

    def beat(self) -> Any:
        request = m.HeartbeatRequest(group_id=self.group, generation_id=1, member_id=MEMBER)
        return self.ask(ApiKey.HEARTBEAT, 4, request)

    def sync(self) -> Any:
        request = m.SyncGroupRequest(group_id=self.group, generation_id=1, member_id=MEMBER)
        return self.ask(ApiKey.SYNC_GROUP, 4, request)

    def commit(self, version: int, epoch: int, member_id: str) -> Any:
        fields = {"generation_id_or_member_epoch": epoch, "member_id": member_id}
        return commit(self.side, self.group, version, (self.topic, {0: (1, -1, "")}), **fields)

    def commit_in_transaction(self, epoch: int, member_id: str) -> Any:
        producer = TransactionalProducer(self.side, 2)
        producer.init()
        producer.add_offsets(self.group)
        fields = {"generation_id": epoch, "member_id": member_id}
        told = producer.commit_offset(self.group, self.topic, 1, **fields)
        return told, producer.end(commit=False)

    def fetch(self, member_id: str | None, epoch: int, *, named: bool = False) -> Any:
        topic = m.OffsetFetchRequestTopics(name=self.topic, partition_indexes=[0])
        group = m.OffsetFetchRequestGroup(
            group_id=self.group,
            member_id=member_id,
            member_epoch=epoch,
            topics=[topic] if named else None,
        )
        return in_order(self.ask(ApiKey.OFFSET_FETCH, 9, m.OffsetFetchRequest(groups=[group])))

    def forget(self) -> Any:
        partition = m.OffsetDeleteRequestPartition(partition_index=0)
        topic = m.OffsetDeleteRequestTopic(name=self.topic, partitions=[partition])
        request = m.OffsetDeleteRequest(group_id=self.group, topics=[topic])
        return self.ask(ApiKey.OFFSET_DELETE, 0, request)

    def share_fetch(self) -> Any:
        request = m.ShareFetchRequest(
            group_id=self.group,
            member_id=MEMBER,
            share_session_epoch=0,
            max_wait_ms=0,
            min_bytes=0,
            max_records=1,
            batch_size=1,
            topics=[],
            forgotten_topics_data=[],
        )
        return self.ask(ApiKey.SHARE_FETCH, 2, request)

    def share_offsets(self) -> list[Any]:
        named = m.AlterShareGroupOffsetsRequestPartition(partition_index=0, start_offset=0)
        topic = m.AlterShareGroupOffsetsRequestTopic(topic_name=self.topic, partitions=[named])
        gone = m.DeleteShareGroupOffsetsRequestTopic(topic_name=self.topic)
        wanted = m.DescribeShareGroupOffsetsRequestTopic(topic_name=self.topic, partitions=[0])
        asked = m.DescribeShareGroupOffsetsRequestGroup(group_id=self.group, topics=[wanted])
        return [
            self.ask(
                ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS,
                1,
                m.DescribeShareGroupOffsetsRequest(groups=[asked]),
            ),
            self.ask(
                ApiKey.ALTER_SHARE_GROUP_OFFSETS,
                0,
                m.AlterShareGroupOffsetsRequest(group_id=self.group, topics=[topic]),
            ),
            self.ask(
                ApiKey.DELETE_SHARE_GROUP_OFFSETS,
                0,
                m.DeleteShareGroupOffsetsRequest(group_id=self.group, topics=[gone]),
            ),
        ]

    def described(self) -> list[Any]:
        requests = (
            (ApiKey.DESCRIBE_GROUPS, 5, m.DescribeGroupsRequest(groups=[self.group])),
            (ApiKey.DESCRIBE_GROUPS, 6, m.DescribeGroupsRequest(groups=[self.group])),
            (
                ApiKey.CONSUMER_GROUP_DESCRIBE,
                1,
                m.ConsumerGroupDescribeRequest(group_ids=[self.group]),
            ),
            (ApiKey.SHARE_GROUP_DESCRIBE, 1, m.ShareGroupDescribeRequest(group_ids=[self.group])),
            (
                ApiKey.STREAMS_GROUP_DESCRIBE,
                0,
                m.StreamsGroupDescribeRequest(group_ids=[self.group]),
            ),
        )
        heads = []
        for api, version, request in requests:
            (found,) = self.ask(api, version, request)["groups"]
            heads.append([api.name, version, found["error_code"], found["group_state"]])
        return heads

    def listed(self) -> Any:
        found = self.side.call(ApiKey.LIST_GROUPS, 5, m.ListGroupsRequest())
        return [self.side.plain(row) for row in found.groups if row.group_id == self.group]

    def delete(self) -> Any:
        return self.ask(ApiKey.DELETE_GROUPS, 2, m.DeleteGroupsRequest(groups_names=[self.group]))


KINDS = ("classic", "consumer", "share", "streams")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_empty", [False, True])
def test_a_group_is_asked_what_is_for_another_kind(sides: Sides, kind: str, is_empty: bool) -> None:
    def scenario(side: Side) -> Any:
        group = Group(side)
        group.begin(kind)
        if is_empty:
            group.end(kind)
        heard: list[Any] = [
            *(group.described(), group.listed(), group.beat(), group.sync(), group.leave(MEMBER)),
            *(group.commit(8, -1, ""), group.commit(8, 1, MEMBER), group.commit(9, 1, MEMBER)),
            *(group.commit_in_transaction(-1, ""), group.commit_in_transaction(1, MEMBER)),
            *(group.fetch(None, -1), group.fetch(MEMBER, 1), group.fetch(None, -1, named=True)),
            group.forget(),
            *(group.share_fetch(), group.share_offsets()),
        ]
        return heard

    sides.compare(scenario)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
@pytest.mark.parametrize("is_empty", [False, True])
def test_who_reads_by_another_protocol_joins_a_group(
    sides: Sides, kind: str, other: str, is_empty: bool
) -> None:
    def scenario(side: Side) -> Any:
        group = Group(side)
        group.begin(kind)
        if is_empty:
            group.end(kind)
        if other == "classic":
            joined = side.plain(group.classic(""))
        else:
            joined = getattr(group, other)()
        heard = [joined, group.described(), group.listed()]
        if other != kind and other != "classic":
            heard += [getattr(group, other)(1), getattr(group, other)(LEAVES)]
        return [*heard, group.listed(), group.delete(), group.listed()]

    sides.compare(scenario)
