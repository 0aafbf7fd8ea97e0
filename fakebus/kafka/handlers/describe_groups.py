"""DescribeGroups 0-6.

Behaviour:
    * A group that does not exist is Dead; one that is named twice is described once.
    * So is a group of another type: it has APIs of its own.
    * The protocol and the members' metadata are shown for stable groups only.

Version notes:
    3 authorised operations (KIP-430); 4 group.instance.id (KIP-345); 5 flexible;
    6 GROUP_ID_NOT_FOUND with a message for a group that does not exist (KIP-1043).
"""

from __future__ import annotations

from fakebus.broker.groups.group import CLASSIC, MemberDescription
from fakebus.broker.security.resources import NOT_ASKED, ResourceType
from fakebus.broker.turns import in_turns
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    DescribeGroupsResponseDescribedGroup,
)

_FIRST_WITH_GROUP_ID_NOT_FOUND = 6


@handles(
    ApiKey.DESCRIBE_GROUPS,
    needs=("DESCRIBE GROUP groups[]",),
    coordinator="GROUP groups[]",
)
async def handle_describe_groups(
    request: DescribeGroupsRequest, context: RequestContext
) -> DescribeGroupsResponse:
    """Show groups with their members."""
    return DescribeGroupsResponse(
        # A group may be some megabytes: it is told once, however often it is named.
        groups=[
            _describe(name, request, context)
            async for name in in_turns(dict.fromkeys(request.groups))
        ]
    )


def _describe(
    group_id: str, request: DescribeGroupsRequest, context: RequestContext
) -> DescribeGroupsResponseDescribedGroup:
    operations = NOT_ASKED
    if request.include_authorized_operations:
        operations = context.operations(ResourceType.GROUP, group_id)
    context.broker.group_coordinator.history.reached(group_id)
    group = context.broker.group_coordinator.describe(group_id)
    if group is None or group.group_type != CLASSIC:
        problem = "there is no group" if group is None else "not a classic group:"
        if context.api_version >= _FIRST_WITH_GROUP_ID_NOT_FOUND:
            return DescribeGroupsResponseDescribedGroup(
                error_code=ErrorCode.GROUP_ID_NOT_FOUND.code,
                error_message=f"{problem} {group_id}",
                group_id=group_id,
                group_state="Dead",
            )
        return DescribeGroupsResponseDescribedGroup(
            group_id=group_id, group_state="Dead", authorized_operations=operations
        )
    return DescribeGroupsResponseDescribedGroup(
        group_id=group_id,
        group_state=group.state,
        protocol_type=group.protocol_type,
        protocol_data=group.protocol_name,
        members=[_member(member) for member in group.members],
        authorized_operations=operations,
    )


def _member(member: MemberDescription) -> DescribedGroupMember:
    return DescribedGroupMember(
        member_id=member.member_id,
        group_instance_id=member.group_instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        member_metadata=member.metadata,
        member_assignment=member.assignment,
    )
