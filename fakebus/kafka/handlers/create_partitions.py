"""CreatePartitions 0-3.

Behaviour:
    * The count is how many partitions the topic has afterwards; it can only grow.
    * Every topic of the request is in the answer, whether it was changed or not.

Version notes:
    1 throttle time; 2 flexible; 3 quotas may refuse.
"""

from __future__ import annotations

from functools import partial

from fakebus.broker.topic_requests import NewPartitions, TopicResult
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.deadlines import in_time, names_a_topic_once
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)

_FIRST_THAT_REFUSES = 3
"""Older clients are not refused what is beyond their quota, but have to wait after it."""


@handles(ApiKey.CREATE_PARTITIONS, needs=("ALTER TOPIC topics[]",))
@in_time(names_a_topic_once)
async def handle_create_partitions(
    request: CreatePartitionsRequest, context: RequestContext
) -> CreatePartitionsResponse:
    """Add partitions to topics."""
    results = await context.broker.topic_admin.create_partitions(
        [_new_partitions(topic) for topic in request.topics],
        validate_only=request.validate_only,
        charge=partial(context.change_partitions, strict_since=_FIRST_THAT_REFUSES),
    )
    return CreatePartitionsResponse(
        results=[
            CreatePartitionsTopicResult(
                name=result.name,
                error_code=result.error_code.code,
                error_message=_explanation(result),
            )
            for result in results
        ]
    )


def _explanation(result: TopicResult) -> str | None:
    # Kafka leaves this one error without a text.
    unknown = result.error_code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return None if unknown else result.error_message


def _new_partitions(topic: CreatePartitionsTopic) -> NewPartitions:
    assignments = None
    if topic.assignments is not None:
        assignments = [assignment.broker_ids for assignment in topic.assignments]
    return NewPartitions(name=topic.name, count=topic.count, assignments=assignments)
