"""OffsetDelete 0.

Behaviour:
    * Offsets of a topic that a member of the group subscribes to are kept, with
      GROUP_SUBSCRIBED_TO_TOPIC.
    * A group with members that are no consumers is refused as a whole, as is one that there is not:
      also where the client may read none of the topics.

Version notes:
    0 the only one (KIP-496).
"""

from __future__ import annotations

from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.broker.turns import in_turns
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from fakebus.types import TopicPartition


@handles(
    ApiKey.OFFSET_DELETE,
    needs=("DELETE GROUP group_id", "READ TOPIC inside"),
    coordinator="GROUP group_id",
)
async def handle_offset_delete(
    request: OffsetDeleteRequest, context: RequestContext
) -> OffsetDeleteResponse:
    """Forget committed offsets of a group."""
    allowed = {
        topic.name
        async for topic in in_turns(request.topics)
        if context.allows(Operation.READ, ResourceType.TOPIC, topic.name)
    }
    partitions = [
        TopicPartition(topic.name, partition.partition_index)
        for topic in request.topics
        for partition in (topic.partitions if topic.name in allowed else ())
    ]
    coordinator = context.broker.group_coordinator
    if not coordinator.keeps_commits(request.group_id):
        return OffsetDeleteResponse(error_code=ErrorCode.GROUP_ID_NOT_FOUND.code)
    try:
        errors = await coordinator.delete_offsets(request.group_id, partitions)
    except BrokerError as error:
        return OffsetDeleteResponse(error_code=error.error_code.code)
    answers = iter(errors)
    refused = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    return OffsetDeleteResponse(
        topics=[
            OffsetDeleteResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetDeleteResponsePartition(
                        partition_index=partition.partition_index,
                        error_code=(next(answers) if topic.name in allowed else refused).code,
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
