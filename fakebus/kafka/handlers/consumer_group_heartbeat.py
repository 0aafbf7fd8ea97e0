"""ConsumerGroupHeartbeat 0-1 (KIP-848).

Behaviour:
    * Epoch 0 joins, -1 leaves, -2 leaves for a while, which static members may.
    * The assignment is told when it has changed, and when the client has told all of itself.
    * The answer leaves when what it says is stored.

Version notes:
    1 regular expressions; clients make up their member ids (KIP-1082).
"""

from __future__ import annotations

from functools import partial

from fakebus.broker.groups.requests import ConsumerHeartbeat
from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.modern_groups import note_heartbeat, watch
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatResponseAssignment,
    ConsumerGroupHeartbeatResponseTopicPartitions,
)
from fakebus.types import TopicIdPartition, by_topic_id

_FIRST_WITH_OWN_MEMBER_IDS = 1


@handles(
    ApiKey.CONSUMER_GROUP_HEARTBEAT,
    needs=("READ GROUP group_id", "DESCRIBE TOPIC inside"),
    coordinator="GROUP group_id",
)
async def handle_consumer_group_heartbeat(
    request: ConsumerGroupHeartbeatRequest, context: RequestContext
) -> ConsumerGroupHeartbeatResponse:
    """Keep a member in its group, and tell it what it is to own."""
    watch(context)
    wanted = _heartbeat(request, context)
    if not all(
        context.allows(Operation.DESCRIBE, ResourceType.TOPIC, name)
        for name in request.subscribed_topic_names or ()
    ):
        return ConsumerGroupHeartbeatResponse(error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED.code)
    result = await context.broker.group_coordinator.consumer_heartbeat(wanted)
    places = result.assignment
    note_heartbeat(context, wanted.group_id, result)
    return ConsumerGroupHeartbeatResponse(
        error_code=result.error.code,
        error_message=result.message,
        member_id=result.member_id,
        member_epoch=result.member_epoch,
        heartbeat_interval_ms=result.heartbeat_interval_ms,
        assignment=None
        if places is None
        else ConsumerGroupHeartbeatResponseAssignment(
            topic_partitions=[
                ConsumerGroupHeartbeatResponseTopicPartitions(
                    topic_id=topic_id, partitions=partitions
                )
                for topic_id, partitions in by_topic_id(places).items()
            ]
        ),
    )


def _heartbeat(
    request: ConsumerGroupHeartbeatRequest, context: RequestContext
) -> ConsumerHeartbeat:
    names, owned = request.subscribed_topic_names, request.topic_partitions
    return ConsumerHeartbeat(
        group_id=request.group_id,
        member_id=request.member_id,
        member_epoch=request.member_epoch,
        instance_id=request.instance_id,
        rack_id=request.rack_id,
        rebalance_timeout_ms=request.rebalance_timeout_ms,
        topics=None if names is None else frozenset(names),
        regex=request.subscribed_topic_regex,
        assignor=request.server_assignor,
        owned=None
        if owned is None
        else frozenset(
            TopicIdPartition(topic.topic_id, partition)
            for topic in owned
            for partition in topic.partitions
        ),
        client_id=context.client_id or "",
        client_host=context.connection.client_host,
        brings_member_id=context.api_version >= _FIRST_WITH_OWN_MEMBER_IDS,
        sees=partial(context.sees, ResourceType.TOPIC),
        connection=context.connection,
    )
