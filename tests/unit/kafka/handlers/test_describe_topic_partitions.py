from __future__ import annotations

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.describe_topic_partitions import handle_describe_topic_partitions
from fakebus.protocol.messages import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsRequestTopicRequest,
)
from fakebus.types import ZERO_UUID
from tests.unit.kafka.handlers.calling import call


def request(
    *names: str, limit: int = 2000, cursor: tuple[str, int] | None = None
) -> DescribeTopicPartitionsRequest:
    return DescribeTopicPartitionsRequest(
        topics=[DescribeTopicPartitionsRequestTopicRequest(name=name) for name in names],
        response_partition_limit=limit,
        cursor=None if cursor is None else Cursor(topic_name=cursor[0], partition_index=cursor[1]),
    )


async def test_partitions_are_described_with_their_leader(broker: Broker) -> None:
    topic = await broker.topics.create("t", 2, {})
    response = await call(handle_describe_topic_partitions, request("t"), broker)
    [described] = response.topics
    assert (described.error_code, described.topic_id, described.is_internal) == (
        0,
        topic.topic_id,
        False,
    )
    assert described.topic_authorized_operations == 3576
    assert [one.partition_index for one in described.partitions] == [0, 1]
    first = described.partitions[0]
    assert (first.error_code, first.leader_id, first.leader_epoch) == (
        0,
        1,
        topic.partitions[0].leader_epoch,
    )
    assert (first.replica_nodes, first.isr_nodes) == ([1], [1])
    assert (first.eligible_leader_replicas, first.last_known_elr, first.offline_replicas) == (
        [],
        [],
        [],
    )
    assert response.next_cursor is None


async def test_a_full_page_says_where_the_next_begins(broker: Broker) -> None:
    await broker.topics.create("a", 2, {})
    await broker.topics.create("b", 2, {})
    response = await call(handle_describe_topic_partitions, request(limit=3), broker)
    cursor = response.next_cursor
    assert (cursor.topic_name, cursor.partition_index) == ("b", 1)
    response = await call(
        handle_describe_topic_partitions, request(limit=3, cursor=("b", 1)), broker
    )
    assert [(t.name, [p.partition_index for p in t.partitions]) for t in response.topics] == [
        ("b", [1])
    ]
    assert response.next_cursor is None


async def test_the_broker_limits_pages_too(broker: Broker) -> None:
    broker.config.static["max.request.partition.size.limit"] = "1"
    await broker.topics.create("a", 2, {})
    response = await call(handle_describe_topic_partitions, request("a"), broker)
    assert len(response.topics[0].partitions) == 1
    assert response.next_cursor.partition_index == 1


async def test_unknown_topics_are_errors_and_stay_unknown(broker: Broker) -> None:
    response = await call(
        handle_describe_topic_partitions, request("nope", "__consumer_offsets", "a b"), broker
    )
    assert [(t.name, t.error_code, t.is_internal) for t in response.topics] == [
        ("__consumer_offsets", 3, True),
        ("a b", 17, False),
        ("nope", 3, False),
    ]
    assert {t.topic_id for t in response.topics} == {ZERO_UUID}
    assert len(broker.topics) == 0


async def test_a_wrong_cursor_is_an_error_of_every_topic(broker: Broker) -> None:
    await broker.topics.create("a", 2, {})
    response = await call(handle_describe_topic_partitions, request("a", cursor=("zzz", 0)), broker)
    assert [(t.name, t.error_code, t.partitions) for t in response.topics] == [("a", 42, [])]
    assert response.topics[0].topic_authorized_operations == -(2**31)
    assert response.next_cursor is None
