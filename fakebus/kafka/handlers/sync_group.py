"""SyncGroup 0-5.

Behaviour:
    * The answer comes when the leader has brought the assignments and they are stored.
    * A member that the leader left out gets empty bytes.

Version notes:
    3 static members (KIP-345); 4 flexible; 5 protocol type and name (KIP-559), which are
    mandatory from then on.
"""

from __future__ import annotations

from fakebus.broker.groups.requests import SyncRequest
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.consumer_protocol import assigned_partitions
from fakebus.protocol.messages import SyncGroupRequest, SyncGroupResponse

_FIRST_WITH_PROTOCOL = 5


@handles(ApiKey.SYNC_GROUP, needs=("READ GROUP group_id",), coordinator="GROUP group_id")
async def handle_sync_group(
    request: SyncGroupRequest, context: RequestContext
) -> SyncGroupResponse:
    """Wait for the member's assignment."""
    if context.api_version >= _FIRST_WITH_PROTOCOL and None in (
        request.protocol_type,
        request.protocol_name,
    ):
        return SyncGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL.code)
    result = await context.broker.group_coordinator.sync_group(
        SyncRequest(
            group_id=request.group_id,
            member_id=request.member_id,
            generation_id=request.generation_id,
            group_instance_id=request.group_instance_id,
            protocol_type=request.protocol_type,
            protocol_name=request.protocol_name,
            assignments=tuple(
                (assigned.member_id, bytes(assigned.assignment)) for assigned in request.assignments
            ),
        )
    )
    if result.error is ErrorCode.NONE:
        places = assigned_partitions(result.assignment)
        member = context.origin, request.group_id, request.member_id
        context.broker.activity.note_assignment(*member, places)
    return SyncGroupResponse(
        error_code=result.error.code,
        protocol_type=result.protocol_type,
        protocol_name=result.protocol_name,
        assignment=result.assignment,
    )
