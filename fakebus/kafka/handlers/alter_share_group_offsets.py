"""AlterShareGroupOffsets 0 (KIP-932).

Behaviour:
    * Only of a group without members; one that does not exist is founded.
    * A negative offset stands for where share.auto.offset.reset says.
"""

from __future__ import annotations

from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.modern_groups import show_share_state
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AlterShareGroupOffsetsRequest,
    AlterShareGroupOffsetsResponse,
    AlterShareGroupOffsetsResponsePartition,
    AlterShareGroupOffsetsResponseTopic,
)
from fakebus.types import ZERO_UUID, TopicPartition


@handles(
    ApiKey.ALTER_SHARE_GROUP_OFFSETS,
    needs=("READ GROUP group_id", "READ TOPIC inside"),
    coordinator="GROUP group_id",
)
async def handle_alter_share_group_offsets(
    request: AlterShareGroupOffsetsRequest, context: RequestContext
) -> AlterShareGroupOffsetsResponse:
    """Let a share group begin somewhere else."""
    broker = context.broker
    allowed = {
        topic.topic_name: context.allows(Operation.READ, ResourceType.TOPIC, topic.topic_name)
        for topic in request.topics
    }
    wanted = {
        TopicPartition(topic.topic_name, partition.partition_index): partition.start_offset
        for topic in request.topics
        for partition in topic.partitions
        if allowed[topic.topic_name]
    }
    try:
        outcome = await broker.shares.offsets.alter(request.group_id, wanted)
    except BrokerError as refusal:
        return AlterShareGroupOffsetsResponse(
            error_code=refusal.error_code.code, error_message=refusal.message, responses=[]
        )
    if wanted:
        await show_share_state(broker)
    responses = []
    for topic in request.topics:
        name, rows = topic.topic_name, []
        for partition in topic.partitions:
            place = TopicPartition(name, partition.partition_index)
            error = outcome.get(place, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
            row = AlterShareGroupOffsetsResponsePartition(
                partition_index=place.partition,
                error_code=error.code,
                error_message=error.text or None,
            )
            rows.append(row)
        known = broker.topics.get(name) if allowed[name] else None
        topic_id = ZERO_UUID if known is None else known.topic_id
        response = AlterShareGroupOffsetsResponseTopic(
            topic_name=name, topic_id=topic_id, partitions=rows
        )
        responses.append(response)
    return AlterShareGroupOffsetsResponse(responses=responses)
