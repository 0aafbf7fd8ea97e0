"""CreateTopics 2-7.

Behaviour:
    * Every topic has its own result; one that is refused does not stop the others.
    * -1 partitions or replicas stand for num.partitions and default.replication.factor.
    * The answer comes when the topics are stored; clients can use them at once.
    * Partitions and configs are told to those who may describe configs.
    * With validate_only everything is checked and nothing is created.

Version notes:
    2 and 3 no change; 4 -1 allowed; 5 flexible, answers with partitions and configs;
    6 quotas may refuse; 7 topic ids.
"""

from __future__ import annotations

from functools import partial

from fakebus.broker.configs.describing import describe_topic
from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.broker.topic_requests import CreatedTopic, NewTopic
from fakebus.broker.turns import in_turns
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.deadlines import in_time, names_a_topic_once
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

_FIRST_WITH_CONFIGS = 5

_FIRST_THAT_REFUSES = 6
"""Older clients are not refused what is beyond their quota, but have to wait after it."""


@handles(ApiKey.CREATE_TOPICS, needs=("CREATE TOPIC topics[] or CREATE CLUSTER",))
@in_time(names_a_topic_once)
async def handle_create_topics(
    request: CreateTopicsRequest, context: RequestContext
) -> CreateTopicsResponse:
    """Create topics."""
    created = await context.broker.topic_admin.create_topics(
        [_new_topic(topic) for topic in request.topics],
        validate_only=request.validate_only,
        charge=partial(context.change_partitions, strict_since=_FIRST_THAT_REFUSES),
    )
    return CreateTopicsResponse(
        topics=[_result(topic, context) async for topic in in_turns(created)]
    )


def _new_topic(topic: CreatableTopic) -> NewTopic:
    return NewTopic(
        name=topic.name,
        partitions=topic.num_partitions,
        replication_factor=topic.replication_factor,
        assignments=[(one.partition_index, one.broker_ids) for one in topic.assignments],
        configs=[(config.name, config.value) for config in topic.configs],
    )


def _result(topic: CreatedTopic, context: RequestContext) -> CreatableTopicResult:
    configs: list[CreatableTopicConfigs] = []
    if topic.config is not None and context.api_version >= _FIRST_WITH_CONFIGS:
        configs = [
            CreatableTopicConfigs(
                name=config.name,
                value=config.value,
                read_only=config.read_only,
                config_source=config.source.value,
                is_sensitive=config.sensitive,
            )
            for config in describe_topic(topic.config, context.broker.config, None)
        ]
        if not context.allows(Operation.DESCRIBE_CONFIGS, ResourceType.TOPIC, topic.name):
            return CreatableTopicResult(
                name=topic.name,
                topic_id=topic.topic_id,
                topic_config_error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED.code,
            )
    return CreatableTopicResult(
        name=topic.name,
        topic_id=topic.topic_id,
        error_code=topic.error_code.code,
        error_message=topic.error_message,
        num_partitions=topic.partitions,
        replication_factor=topic.replication_factor,
        configs=configs,
    )
