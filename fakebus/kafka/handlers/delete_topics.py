"""DeleteTopics 1-6.

Behaviour:
    * Topics are named by name or, since version 6, by id; giving both is refused.
    * Records, and offsets that groups have committed, go with the topic.
    * With delete.topic.enable=false nothing is deleted: TOPIC_DELETION_DISABLED.

Version notes:
    1 to 3 throttle time; 4 flexible; 5 error messages; 6 topic ids.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.broker.topic_requests import DeletedTopic, TopicToDelete
from fakebus.broker.turns import in_turns
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.deadlines import in_time
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
)
from fakebus.types import ZERO_UUID

_FIRST_WITH_TOPIC_DELETION_DISABLED = 3

_FIRST_THAT_REFUSES = 5
"""Older clients are not refused what is beyond their quota, but have to wait after it."""


def _left_to_delete(request: DeleteTopicsRequest, context: RequestContext) -> bool:
    """Return whether a request has a topic that Kafka does not refuse at once."""
    named = Counter([*request.topic_names, *(topic.name for topic in request.topics)])
    ids = Counter(topic.topic_id for topic in request.topics)
    return context.broker.config.get_bool("delete.topic.enable") and (
        any(named[name] == 1 for name in request.topic_names)
        or any(
            (topic.topic_id == ZERO_UUID and named[topic.name] == 1)
            if topic.name is not None
            else (topic.topic_id != ZERO_UUID and ids[topic.topic_id] == 1)
            for topic in request.topics
        )
    )


@handles(
    ApiKey.DELETE_TOPICS,
    needs=("DELETE TOPIC inside", "DESCRIBE TOPIC inside"),
)
@in_time(_left_to_delete)
async def handle_delete_topics(
    request: DeleteTopicsRequest, context: RequestContext
) -> DeleteTopicsResponse:
    """Delete topics."""
    wanted = [
        *(TopicToDelete(name=name) for name in request.topic_names),
        *(TopicToDelete(name=topic.name, topic_id=topic.topic_id) for topic in request.topics),
    ]
    refused = {topic: error for topic in wanted if (error := _forbidden(topic, context))}
    wanted = [topic for topic in wanted if topic not in refused]
    try:
        results = await context.broker.topic_admin.delete_topics(
            wanted, partial(context.change_partitions, strict_since=_FIRST_THAT_REFUSES)
        )
    except BrokerError as error:
        results = [_refused(topic, error, context.api_version) for topic in wanted]
    return DeleteTopicsResponse(
        responses=[
            DeletableTopicResult(
                name=result.name,
                topic_id=result.topic_id,
                error_code=result.error_code.code,
                error_message=result.error_message,
            )
            async for result in in_turns([*results, *refused.values()])
        ]
    )


def _forbidden(topic: TopicToDelete, context: RequestContext) -> DeletedTopic | None:
    """Return what a client is told that may not delete a topic; an id gives no name away."""
    topics = context.broker.topics
    known = topics.by_id(topic.topic_id) if topic.name is None else topics.get(topic.name)
    name = topic.name if known is None else known.name
    if name is None:
        return None
    error_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    told: str | None = name
    if not context.allows(Operation.DESCRIBE, ResourceType.TOPIC, name):
        told = topic.name
    elif known is None or context.allows(Operation.DELETE, ResourceType.TOPIC, name):
        return None
    return DeletedTopic(
        name=told,
        topic_id=topic.topic_id,
        error_code=error_code,
        error_message=error_code.text,
    )


def _refused(topic: TopicToDelete, error: BrokerError, api_version: int) -> DeletedTopic:
    error_code = error.error_code
    if api_version < _FIRST_WITH_TOPIC_DELETION_DISABLED:
        error_code = ErrorCode.INVALID_REQUEST
    return DeletedTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        error_code=error_code,
        error_message=error.message,
    )
