"""DescribeTopicPartitions 0 (KIP-966).

Behaviour:
    * Topics come in the order of their names, partitions in pages: a page that is full says
      where the next one begins. No topic names means all topics.
    * Pages have at most max.request.partition.size.limit partitions.
    * Topics that do not exist are answered with an error and never created.

Version notes:
    0 the only one.
"""

from __future__ import annotations

from fakebus.broker.partition_listing import ListedTopic, PartitionCursor, list_partitions
from fakebus.broker.security.resources import NOT_ASKED, ResourceType
from fakebus.broker.topic_names import is_internal
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)

_LED, _UNLED = ErrorCode.NONE, ErrorCode.LEADER_NOT_AVAILABLE


@handles(ApiKey.DESCRIBE_TOPIC_PARTITIONS, needs=("DESCRIBE TOPIC topics[]",))
def handle_describe_topic_partitions(
    request: DescribeTopicPartitionsRequest, context: RequestContext
) -> DescribeTopicPartitionsResponse:
    """Describe partitions, a page at a time."""
    broker, names = context.broker, [topic.name for topic in request.topics]
    if not names and broker.security.authorizer is not None:
        names = [each.name for each in broker.topics if context.sees(ResourceType.TOPIC, each.name)]
        if not names:
            return DescribeTopicPartitionsResponse(topics=[], next_cursor=None)
    cursor = None
    if request.cursor is not None:
        cursor = PartitionCursor(
            topic=request.cursor.topic_name, partition=request.cursor.partition_index
        )
    limit = broker.config.get_int("max.request.partition.size.limit")
    try:
        page = list_partitions(
            broker.topics, names, min(limit, request.response_partition_limit), cursor
        )
    except BrokerError as error:
        return DescribeTopicPartitionsResponse(
            topics=[_refused(name, error.error_code) for name in names], next_cursor=None
        )
    next_cursor = None
    if page.next_cursor is not None:
        next_cursor = Cursor(
            topic_name=page.next_cursor.topic, partition_index=page.next_cursor.partition
        )
    return DescribeTopicPartitionsResponse(
        topics=[_topic(listed, context) for listed in page.topics],
        next_cursor=next_cursor,
    )


def _refused(name: str, error_code: ErrorCode) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        name=name, error_code=error_code.code, topic_authorized_operations=NOT_ASKED
    )


def _topic(listed: ListedTopic, context: RequestContext) -> DescribeTopicPartitionsResponseTopic:
    operations = context.operations(ResourceType.TOPIC, listed.name)
    if listed.topic is None:
        return DescribeTopicPartitionsResponseTopic(
            name=listed.name,
            error_code=listed.error_code.code,
            is_internal=is_internal(listed.name),
            topic_authorized_operations=operations,
        )
    return DescribeTopicPartitionsResponseTopic(
        name=listed.name,
        topic_id=listed.topic.topic_id,
        is_internal=listed.topic.is_internal,
        partitions=[
            DescribeTopicPartitionsResponsePartition(
                partition_index=index,
                error_code=(_LED if at.leader >= 0 else _UNLED).code,
                leader_id=at.leader,
                leader_epoch=listed.topic.partitions[index].leader_epoch,
                replica_nodes=at.replicas,
                isr_nodes=at.in_sync,
                eligible_leader_replicas=context.broker.nodes.eligible(
                    listed.topic.partitions[index]
                ),
                last_known_elr=[],
                offline_replicas=at.offline,
            )
            for index in listed.partitions
            for at in (context.placed(listed.topic, index),)
        ],
        topic_authorized_operations=operations,
    )
