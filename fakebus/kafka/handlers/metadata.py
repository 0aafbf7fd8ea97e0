"""Metadata 0-13.

Behaviour:
    * Brokers are given at the address that this client can reach.
    * An unknown topic is created when the client allows it and auto.create.topics.enable is
      on; it can be used as soon as the answer is there.
    * Topics may be asked for by id from version 12 on; names beside ids are not looked at.

Version notes:
    0 an empty list means all topics, since 1 null does; 4 may forbid auto-creation;
    7 leader epoch; 8 authorised operations; 9 flexible; 10 topic ids; 11 no cluster
    operations any more; 12 ids alone; 13 a top-level error.
"""

from __future__ import annotations

from collections.abc import Iterable

from fakebus.broker.security.resources import CLUSTER_NAME, NOT_ASKED, Operation, ResourceType
from fakebus.broker.topics import Topic
from fakebus.errors import BrokerError, ErrorCode, FakebusError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
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
_FIRST_WITH_IDS_ALONE = 12
_LED, _UNLED = ErrorCode.NONE, ErrorCode.LEADER_NOT_AVAILABLE


@handles(ApiKey.METADATA, needs=("DESCRIBE TOPIC inside",))
async def handle_metadata(request: MetadataRequest, context: RequestContext) -> MetadataResponse:
    """Describe the brokers and the topics asked for."""
    broker = context.broker
    refusal = _refusal(request, context.api_version)
    if refusal is not ErrorCode.NONE:
        return _failed(request, refusal)
    wants_all = request.topics is None or (
        not request.topics and context.api_version < _FIRST_WITH_NULL_FOR_ALL
    )
    if wants_all:
        topics = [
            _describe(topic, request, context)
            for topic in broker.topics
            if context.sees(ResourceType.TOPIC, topic.name)
        ]
    else:
        wanted = _unique(request.topics or ())
        if any(topic.topic_id != ZERO_UUID for topic in wanted):
            topics = [
                _find_by_id(topic, request, context)
                for topic in wanted
                if topic.topic_id != ZERO_UUID
            ]
        else:
            topics = [await _find(topic.name or "", request, context) for topic in wanted]
    brokers = [
        MetadataResponseBroker(node_id=b.node_id, host=b.host, port=b.port, rack=b.rack)
        for b in context.brokers()
    ]
    told, came_by = [(b.host, b.port) for b in brokers], context.connection
    # Who is told the address that it has come by can reach it.
    if (came_by.local_host.removeprefix("::ffff:"), came_by.local_port) not in told:
        host, port = told[0]
        client, history = context.client_id or "", broker.group_coordinator.history
        history.looked_around(client, f"{host}:{port}", context.origin.peer)
    return MetadataResponse(
        brokers=brokers,
        cluster_id=broker.cluster_id,
        controller_id=context.controller,
        topics=topics,
        cluster_authorized_operations=(
            context.operations(ResourceType.CLUSTER, CLUSTER_NAME)
            if request.include_cluster_authorized_operations
            else NOT_ASKED
        ),
    )


def _unique(wanted: Iterable[MetadataRequestTopic]) -> list[MetadataRequestTopic]:
    return list({(topic.name, topic.topic_id): topic for topic in wanted}.values())


def _refusal(request: MetadataRequest, version: int) -> ErrorCode:
    topics = request.topics or ()
    by_id = any(topic.topic_id != ZERO_UUID for topic in topics)
    without_name = any(topic.name is None for topic in topics)
    if version < _FIRST_WITH_IDS_ALONE and (by_id or without_name):
        return ErrorCode.INVALID_REQUEST
    if without_name and not by_id:
        # Kafka does not expect it.
        return ErrorCode.UNKNOWN_SERVER_ERROR
    return ErrorCode.NONE


def _failed(request: MetadataRequest, error: ErrorCode) -> MetadataResponse:
    return MetadataResponse(
        error_code=error.code,
        brokers=[],
        topics=[
            MetadataResponseTopic(
                error_code=error.code, name=topic.name or "", topic_id=topic.topic_id, partitions=[]
            )
            for topic in request.topics or ()
        ],
    )


def _find_by_id(
    wanted: MetadataRequestTopic, request: MetadataRequest, context: RequestContext
) -> MetadataResponseTopic:
    topic = context.broker.topics.by_id(wanted.topic_id)
    if topic is None:
        return MetadataResponseTopic(
            error_code=ErrorCode.UNKNOWN_TOPIC_ID.code, name=None, topic_id=wanted.topic_id
        )
    if not context.allows(Operation.DESCRIBE, ResourceType.TOPIC, topic.name):
        # The name is not given away.
        error = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        return MetadataResponseTopic(
            error_code=error.code, name=None, topic_id=wanted.topic_id, partitions=[]
        )
    return _describe(topic, request, context)


async def _find(
    name: str, request: MetadataRequest, context: RequestContext
) -> MetadataResponseTopic:
    topic = context.broker.topics.get(name)
    allowed = (
        context.api_version < _FIRST_WITH_AUTO_CREATION_FLAG or request.allow_auto_topic_creation
    )
    if not context.allows(Operation.DESCRIBE, ResourceType.TOPIC, name) or (
        topic is None and allowed and not _may_create(name, context)
    ):
        return MetadataResponseTopic(
            error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED.code, name=name, partitions=[]
        )
    if topic is None:
        activity, origin = context.broker.activity, context.origin
        try:
            topic = await context.broker.topic_admin.auto_create(name, allowed=allowed)
            activity.note_missing_topic(origin, name, created=True)
        except FakebusError as error:
            activity.note_missing_topic(origin, name, created=False)
            code = (
                error.error_code
                if isinstance(error, BrokerError)
                else ErrorCode.KAFKA_STORAGE_ERROR
            )
            return MetadataResponseTopic(
                error_code=code.code,
                name=name,
                topic_authorized_operations=_topic_operations(name, request, context),
            )
    return _describe(topic, request, context)


def _describe(
    topic: Topic, request: MetadataRequest, context: RequestContext
) -> MetadataResponseTopic:
    placed = [context.placed(topic, index) for index in range(len(topic.partitions))]
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=[
            MetadataResponsePartition(
                partition_index=index,
                error_code=(_LED if at.leader >= 0 else _UNLED).code,
                leader_id=at.leader,
                leader_epoch=log.leader_epoch,
                replica_nodes=at.replicas,
                isr_nodes=at.in_sync,
                offline_replicas=at.offline,
            )
            for index, (log, at) in enumerate(zip(topic.partitions, placed, strict=True))
        ],
        topic_authorized_operations=_topic_operations(topic.name, request, context),
    )


def _topic_operations(name: str, request: MetadataRequest, context: RequestContext) -> int:
    if not request.include_topic_authorized_operations:
        return NOT_ASKED
    return context.operations(ResourceType.TOPIC, name)


def _may_create(name: str, context: RequestContext) -> bool:
    if not context.broker.config.get_bool("auto.create.topics.enable"):
        return True  # it will not be
    cluster = Operation.CREATE, ResourceType.CLUSTER, CLUSTER_NAME
    return context.allows(*cluster) or context.allows(Operation.CREATE, ResourceType.TOPIC, name)
