"""LeaveGroup 0-5.

Behaviour:
    * The other members rebalance at once.
    * Members may be named by their group.instance.id alone.

Version notes:
    0-2 one member, whose error is the top-level one; 3 several members (KIP-345);
    4 flexible; 5 reason (KIP-800).
"""

from __future__ import annotations

from fakebus.broker.groups.requests import LeavingMember
from fakebus.errors import BrokerError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberResponse,
)

_FIRST_WITH_SEVERAL_MEMBERS = 3


@handles(
    ApiKey.LEAVE_GROUP,
    needs=("READ GROUP group_id",),
    coordinator="GROUP group_id",
)
async def handle_leave_group(
    request: LeaveGroupRequest, context: RequestContext
) -> LeaveGroupResponse:
    """Take members out of their group."""
    alone = context.api_version < _FIRST_WITH_SEVERAL_MEMBERS
    leaving = [
        LeavingMember(member.member_id, member.group_instance_id, member.reason or "")
        for member in request.members
    ]
    if alone:
        leaving = [LeavingMember(request.member_id)]
    try:
        errors = await context.broker.group_coordinator.leave_group(request.group_id, leaving)
    except BrokerError as error:
        return LeaveGroupResponse(error_code=error.error_code.code)
    if alone:
        return LeaveGroupResponse(error_code=errors[0].code)
    return LeaveGroupResponse(
        members=[
            MemberResponse(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                error_code=error.code,
            )
            for member, error in zip(leaving, errors, strict=True)
        ]
    )
