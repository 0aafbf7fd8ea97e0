"""Metadata 0-13.

Behaviour:
    * Brokers are given at the address that this client can reach.
    * An unknown topic is created when the client allows it and auto.create.topics.enable is
      on; it can be used as soon as the answer is there.
    * Topics may be asked for by id from version 10 on.

Version notes:
    0 an empty list means all topics, since 1 null does; 4 may forbid auto-creation;
    7 leader epoch; 8 authorised operations; 9 flexible; 10 topic ids; 11 no cluster
    operations any more; 12 ids alone; 13 a top-level error.
"""

from __future__ import annotations

from collections.abc import Iterable

from fakebus.broker.operations import CLUSTER_OPERATIONS, NOT_ASKED, TOPIC_OPERATIONS
from fakebus.broker.topics import Topic
from fakebus.errors import BrokerError, ErrorCode, FakebusError
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.protocol.api_keys import ApiKey
from fakebus.kafka.protocol.messages import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from fakebus.types import ZERO_UUID

_FIRST_WITH_NULL_FOR_ALL = 1
_FIRST_WITH_AUTO_CREATION_FLAG = 4


@handles(ApiKey.METADATA, versions=(0, 13))
async def handle_metadata(request: MetadataRequest, context: RequestContext) -> MetadataResponse:
    """Describe the brokers and the topics asked for."""
    broker = context.broker
    wants_all = request.topics is None or (
        not request.topics and context.api_version < _FIRST_WITH_NULL_FOR_ALL
    )
    if wants_all:
        topics = [_describe(topic, request, context) for topic in broker.topics]
    else:
        topics = [await _find(wanted, request, context) for wanted in _unique(request.topics or ())]
    return MetadataResponse(
        brokers=[
            MetadataResponseBroker(node_id=b.node_id, host=b.host, port=b.port, rack=b.rack)
            for b in context.brokers()
        ],
        cluster_id=broker.cluster_id,
        controller_id=broker.node_id,
        topics=topics,
        cluster_authorized_operations=(
            CLUSTER_OPERATIONS if request.include_cluster_authorized_operations else NOT_ASKED
        ),
    )


def _unique(wanted: Iterable[MetadataRequestTopic]) -> Iterable[MetadataRequestTopic]:
    seen = set()
    for topic in wanted:
        key = (topic.name, topic.topic_id)
        if key not in seen:
            seen.add(key)
            yield topic


async def _find(
    wanted: MetadataRequestTopic, request: MetadataRequest, context: RequestContext
) -> MetadataResponseTopic:
    topics = context.broker.topics
    if wanted.topic_id != ZERO_UUID:
        topic = topics.by_id(wanted.topic_id)
        if topic is None:
            return MetadataResponseTopic(
                error_code=ErrorCode.UNKNOWN_TOPIC_ID.code, name=None, topic_id=wanted.topic_id
            )
        return _describe(topic, request, context)
    name = wanted.name
    if name is None:
        return MetadataResponseTopic(error_code=ErrorCode.INVALID_TOPIC_EXCEPTION.code, name="")
    topic = topics.get(name)
    if topic is None:
        allowed = (
            context.api_version < _FIRST_WITH_AUTO_CREATION_FLAG
            or request.allow_auto_topic_creation
        )
        try:
            topic = await context.broker.auto_create(name, allowed=allowed)
        except BrokerError as error:
            return MetadataResponseTopic(error_code=error.error_code.code, name=name)
        except FakebusError:
            return MetadataResponseTopic(error_code=ErrorCode.KAFKA_STORAGE_ERROR.code, name=name)
    return _describe(topic, request, context)


def _describe(
    topic: Topic, request: MetadataRequest, context: RequestContext
) -> MetadataResponseTopic:
    node_id = context.broker.node_id
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=[
            MetadataResponsePartition(
                partition_index=index,
                leader_id=node_id,
                leader_epoch=log.leader_epoch,
                replica_nodes=[node_id],
                isr_nodes=[node_id],
                offline_replicas=[],
            )
            for index, log in enumerate(topic.partitions)
        ],
        topic_authorized_operations=(
            TOPIC_OPERATIONS if request.include_topic_authorized_operations else NOT_ASKED
        ),
    )
