"""ShareGroupHeartbeat 1 (KIP-932).

Behaviour:
    * Epoch 0 joins, -1 leaves. Clients make up their member ids.
    * The assignment is told when the member joins, and when it has changed.
    * The first partition that is assigned creates the internal topic __share_group_state.
    * A partition is assigned at once; Kafka first keeps a state for it, a heartbeat or two later.

Version notes:
    0 was the early access of Kafka 4.0.
"""

from __future__ import annotations

from fakebus.broker.groups.requests import ConsumerHeartbeat
from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.modern_groups import note_heartbeat, show_share_state, watch
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse,
    ShareGroupHeartbeatResponseAssignment,
    ShareGroupHeartbeatResponseTopicPartitions,
)
from fakebus.types import by_topic_id


@handles(
    ApiKey.SHARE_GROUP_HEARTBEAT,
    needs=("READ GROUP group_id", "DESCRIBE TOPIC inside"),
    coordinator="GROUP group_id",
)
async def handle_share_group_heartbeat(
    request: ShareGroupHeartbeatRequest, context: RequestContext
) -> ShareGroupHeartbeatResponse:
    """Keep a member in its group, and tell it what it is to read."""
    watch(context)
    names = request.subscribed_topic_names
    if not all(
        context.allows(Operation.DESCRIBE, ResourceType.TOPIC, name) for name in names or ()
    ):
        return ShareGroupHeartbeatResponse(error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED.code)
    result = await context.broker.group_coordinator.share_heartbeat(
        ConsumerHeartbeat(
            group_id=request.group_id,
            member_id=request.member_id,
            member_epoch=request.member_epoch,
            rack_id=request.rack_id,
            topics=None if names is None else frozenset(names),
            client_id=context.client_id or "",
            client_host=context.connection.client_host,
            connection=context.connection,
        )
    )
    note_heartbeat(context, request.group_id, result)
    places = result.assignment
    if places:
        await show_share_state(context.broker)
    return ShareGroupHeartbeatResponse(
        error_code=result.error.code,
        error_message=result.message,
        member_id=result.member_id,
        member_epoch=result.member_epoch,
        heartbeat_interval_ms=result.heartbeat_interval_ms,
        assignment=None
        if places is None
        else ShareGroupHeartbeatResponseAssignment(
            topic_partitions=[
                ShareGroupHeartbeatResponseTopicPartitions(topic_id=topic_id, partitions=numbers)
                for topic_id, numbers in by_topic_id(places).items()
            ]
        ),
    )
