"""Share groups (KIP-932) beside a real Kafka: all versions of their APIs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AcknowledgementBatch,
    AcknowledgePartition,
    AcknowledgeTopic,
    AlterShareGroupOffsetsRequest,
    AlterShareGroupOffsetsRequestPartition,
    AlterShareGroupOffsetsRequestTopic,
    DeleteGroupsRequest,
    DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsRequestTopic,
    DescribeGroupsRequest,
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsRequestTopic,
    ListGroupsRequest,
    PartitionProduceData,
    ProduceRequest,
    ShareAcknowledgeRequest,
    ShareFetchRequest,
    ShareFetchRequestFetchPartition,
    ShareFetchRequestFetchTopic,
    ShareGroupDescribeRequest,
    ShareGroupHeartbeatRequest,
    TopicProduceData,
)
from fakebus.records.batch import parse_header
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from tests.differential.group_cases import configure_group, new_group
from tests.differential.produce_cases import NOW
from tests.differential.sides import Side, Sides, attempts

pytestmark = pytest.mark.kafka

BATCHES = (3, 1, 4, 2)
"""How many records each batch of the topic has."""
RECORDS = sum(BATCHES)
GIVEN_BACK_S = 0.2
RELEASE = 2


class ShareTalk:
    """Group that reads a topic of ten records from its beginning, and what its members say.

    Args:
        side: the broker.
        limit: how often a record is delivered.
    """

    def __init__(self, side: Side, limit: int = 10) -> None:
        self.side = side
        self.topic = side.new_topic()
        self.topic_id: UUID = side.topic_id(self.topic)
        self.group = new_group(side)
        self.epochs = [0, 0, 0]
        wanted = {"share.auto.offset.reset": "earliest", "share.delivery.count.limit": str(limit)}
        configure_group(side, self.group, wanted)
        self._produce()
        self._join()
        self._begin()

    def _produce(self) -> None:
        for count in BATCHES:
            records = [NewRecord(key=None, value=b"x", timestamp_ms=NOW)] * count
            data = PartitionProduceData(index=0, records=build_batch(records))
            topic = TopicProduceData(name=self.topic, partition_data=[data])
            request = ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=[topic])
            self.side.call(ApiKey.PRODUCE, 9, request)

    def heartbeat(self, **fields: Any) -> Any:
        request = ShareGroupHeartbeatRequest(group_id=self.group, member_id="member", **fields)
        return self.side.call(ApiKey.SHARE_GROUP_HEARTBEAT, 1, request)

    def _join(self) -> None:
        """Become a member; Kafka gives partitions out when it has made a state for them."""
        epoch, topics = 0, [self.topic]
        for _ in attempts():
            answer = self.heartbeat(member_epoch=epoch, subscribed_topic_names=topics)
            if answer.assignment is not None and answer.assignment.topic_partitions:
                return
            if answer.error_code == 0:
                epoch = answer.member_epoch
        raise AssertionError(answer)

    def _begin(self) -> None:
        """Give a record back, so that the group has a state when others read."""
        for _ in attempts(10):
            _, answer = self.fetch(2, 1, mode=1)
            if answer and answer[0]["acquired"]:
                # Unlike a close this is answered when others can have the record.
                self.acknowledge(2, 0, (RELEASE,))
                self.play("close", 2, 0, 0)
                return
        raise AssertionError(answer)

    def _next_epoch(self, member: int) -> int:
        self.epochs[member] += 1
        return self.epochs[member] - 1

    def _batches(self, first: int, types: tuple[int, ...]) -> list[AcknowledgementBatch]:
        last = first + max(len(types) - 1, 0)
        return [AcknowledgementBatch(first_offset=first, last_offset=last, acknowledge_types=types)]

    def fetch(
        self,
        member: int,
        most: int,
        mode: int = 0,
        batches: list[AcknowledgementBatch] | None = None,
        **fields: Any,
    ) -> Any:
        partition = ShareFetchRequestFetchPartition(
            partition_index=0, acknowledgement_batches=batches or []
        )
        request: dict[str, Any] = {
            "group_id": self.group,
            "member_id": f"member {member}",
            "share_session_epoch": self._next_epoch(member),
            # What was given back a moment ago is there a little later in Kafka.
            "max_wait_ms": 300,
            "min_bytes": 1,
            "max_records": most,
            "batch_size": RECORDS,
            "share_acquire_mode": mode,
            "topics": [ShareFetchRequestFetchTopic(topic_id=self.topic_id, partitions=[partition])],
            "forgotten_topics_data": [],
        }
        answer = self.side.call(ApiKey.SHARE_FETCH, 2, ShareFetchRequest(**request | fields))
        return answer.error_code, [
            {
                "errors": (row.error_code, row.acknowledge_error_code),
                # Kafka also sends what lies between records that are acquired.
                "are sent": {
                    offset
                    for each in row.acquired_records
                    for offset in range(each.first_offset, each.last_offset + 1)
                }
                <= set(_offsets(bytes(row.records or b""))),
                "acquired": [
                    (offset, each.delivery_count)
                    for each in row.acquired_records
                    for offset in range(each.first_offset, each.last_offset + 1)
                ],
            }
            for topic in answer.responses
            for row in topic.partitions
        ]

    def acknowledge(
        self, member: int, first: int, types: tuple[int, ...], epoch: int | None = None
    ) -> Any:
        partition = AcknowledgePartition(
            partition_index=0, acknowledgement_batches=self._batches(first, types)
        )
        topic = AcknowledgeTopic(topic_id=self.topic_id, partitions=[partition])
        request = ShareAcknowledgeRequest(
            group_id=self.group,
            member_id=f"member {member}",
            share_session_epoch=self._next_epoch(member) if epoch is None else epoch,
            topics=[topic] if epoch is None else [],
        )
        answer = self.side.call(ApiKey.SHARE_ACKNOWLEDGE, 2, request)
        codes = [row.error_code for each in answer.responses for row in each.partitions]
        return answer.error_code, codes

    def play(self, verb: str, member: int, number: int, argument: Any) -> Any:
        if verb == "fetch":
            return self.fetch(member, number, argument)
        if verb == "acknowledge":
            return self.acknowledge(member, number, argument)
        if verb == "fetch and acknowledge":
            return self.fetch(member, RECORDS, 0, self._batches(number, argument))
        if verb == "close":
            answer = self.acknowledge(member, 0, (), epoch=-1)
            self.epochs[member] = 0
            # Kafka answers before others can have what is given back, and nothing tells when.
            time.sleep(GIVEN_BACK_S)
            return answer
        self.epochs[member] = 0
        return self.fetch(member, 1, mode=1)

    def lag(self) -> Any:
        asked = DescribeShareGroupOffsetsRequestGroup(group_id=self.group, topics=None)
        request = DescribeShareGroupOffsetsRequest(groups=[asked])
        (group,) = self.side.call(ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, 1, request).groups
        return [row.lag for topic in group.topics for row in topic.partitions]


def _offsets(data: bytes) -> Iterator[int]:
    while data:
        header = parse_header(data)
        yield from range(header.base_offset, header.last_offset + 1)
        data = data[header.size :]


@pytest.mark.parametrize("limit", [2, 3, 5])
@pytest.mark.parametrize("mode", [0, 1])
def test_records_that_come_back_are_delivered_alike(sides: Sides, limit: int, mode: int) -> None:
    def scenario(side: Side) -> Any:
        talk, heard = ShareTalk(side, limit), []
        for _ in range(9):
            _, rows = talk.fetch(0, 7, mode)
            heard.append(rows)
            if not rows:
                break
            offsets = [offset for offset, _ in rows[0]["acquired"]]
            heard.append(talk.acknowledge(0, offsets[0], (RELEASE,) * len(offsets)))
        return heard

    sides.compare(scenario)


def test_requests_of_share_groups_are_refused_alike(sides: Sides) -> None:
    def scenario(side: Side) -> list[Any]:
        talk = ShareTalk(side)
        nobody = {"group_id": talk.group, "member_epoch": 0}
        refused = [
            {**nobody, "member_id": ""},
            {**nobody, "group_id": "", "member_id": "m"},
            {**nobody, "member_id": "m", "subscribed_topic_names": []},
            {**nobody, "member_id": "m", "subscribed_topic_names": None},
            {**nobody, "member_id": "m", "member_epoch": -2},
            {**nobody, "member_id": "m", "member_epoch": 3},
            {**nobody, "member_id": "m", "member_epoch": -1},
            {**nobody, "member_id": "member", "member_epoch": 99},
            {**nobody, "group_id": "none", "member_id": "m", "member_epoch": 1},
        ]
        told = [
            side.call(ApiKey.SHARE_GROUP_HEARTBEAT, 1, ShareGroupHeartbeatRequest(**fields))
            for fields in refused
        ]
        renewal = {"is_renew_ack": True}
        told_of_sessions = [
            talk.fetch(0, 1, share_session_epoch=5),
            talk.fetch(0, 1, member_id=""),
            talk.fetch(0, 1, batches=talk._batches(0, (1,)), share_session_epoch=0),
            talk.fetch(0, 1, share_session_epoch=0),
            talk.fetch(0, 1, share_session_epoch=7),
            talk.fetch(0, 0, share_session_epoch=1, **renewal),
            talk.fetch(0, 1, share_session_epoch=-1),
            talk.fetch(0, 1, share_session_epoch=-1),
            talk.fetch(1, 1, share_session_epoch=0, topics=[]),
        ]
        return [[(each.error_code, each.member_id) for each in told], told_of_sessions]

    sides.compare(scenario)


def test_share_groups_are_described_and_their_offsets_administered_alike(sides: Sides) -> None:
    def scenario(side: Side) -> list[Any]:
        talk = ShareTalk(side)

        def alter(group: str, *rows: tuple[str, int, int]) -> Any:
            topics = [
                AlterShareGroupOffsetsRequestTopic(
                    topic_name=name,
                    partitions=[
                        AlterShareGroupOffsetsRequestPartition(
                            partition_index=partition, start_offset=offset
                        )
                    ],
                )
                for name, partition, offset in rows
            ]
            request = AlterShareGroupOffsetsRequest(group_id=group, topics=topics)
            answer = side.call(ApiKey.ALTER_SHARE_GROUP_OFFSETS, 0, request)
            rows_told = [
                (topic.topic_name == talk.topic, row.partition_index, row.error_code)
                for topic in answer.responses
                for row in topic.partitions
            ]
            return answer.error_code, sorted(rows_told)

        def delete(group: str, *names: str) -> Any:
            topics = [DeleteShareGroupOffsetsRequestTopic(topic_name=name) for name in names]
            request = DeleteShareGroupOffsetsRequest(group_id=group, topics=topics)
            answer = side.call(ApiKey.DELETE_SHARE_GROUP_OFFSETS, 0, request)
            told = [(each.topic_name == talk.topic, each.error_code) for each in answer.responses]
            return answer.error_code, sorted(told)

        def offsets(version: int, group: str, *partitions: int) -> Any:
            asked = [
                DescribeShareGroupOffsetsRequestTopic(
                    topic_name=talk.topic, partitions=list(partitions)
                )
            ]
            wanted = DescribeShareGroupOffsetsRequestGroup(
                group_id=group, topics=asked if partitions else None
            )
            request = DescribeShareGroupOffsetsRequest(groups=[wanted])
            return side.ask(ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, version, request)["groups"]

        described = ShareGroupDescribeRequest(group_ids=[talk.group, "none", ""])
        one = side.ask(ApiKey.SHARE_GROUP_DESCRIBE, 1, described)["groups"]
        for group in one:
            # Kafka gives partitions out an epoch later.
            del group["group_epoch"], group["assignment_epoch"]
            for member in group["members"]:
                del member["member_epoch"]
        listed = ListGroupsRequest(types_filter=["share"], states_filter=["stable"])
        names = [
            (each.group_state, each.group_type, each.protocol_type)
            for each in side.call(ApiKey.LIST_GROUPS, 5, listed).groups
            if each.group_id == talk.group
        ]
        others = side.ask(ApiKey.DESCRIBE_GROUPS, 6, DescribeGroupsRequest(groups=[talk.group]))
        unborn = new_group(side)
        told = [
            offsets(0, talk.group),
            offsets(1, talk.group),
            offsets(1, unborn),
            offsets(1, unborn, 0),
            alter(talk.group, (talk.topic, 0, 3)),
            delete(talk.group, talk.topic),
        ]
        talk.heartbeat(member_epoch=-1)
        told += [
            alter(talk.group, (talk.topic, 0, 3), (talk.topic + "-none", 0, 1)),
            offsets(1, talk.group),
            alter(talk.group, (talk.topic, 9, 1)),
            alter(unborn, (talk.topic, 0, 4)),
            offsets(0, unborn),
            delete(talk.group, talk.topic, talk.topic + "-none"),
            offsets(1, talk.group),
            delete("none", talk.topic),
            side.ask(ApiKey.DELETE_GROUPS, 2, DeleteGroupsRequest(groups_names=[talk.group])),
        ]
        return [one, names, others, told]

    sides.compare(scenario)
