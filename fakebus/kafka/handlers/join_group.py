"""JoinGroup 0-9.

Behaviour:
    * The answer comes when the join phase of the rebalance is over; it may take as long as
      the largest rebalance timeout of the members.
    * The leader gets the members' metadata, the others get none.
    * The answer leaves when the new generation is stored.

Version notes:
    1 rebalance timeout, before that the session timeout stands for it; 4 a new member is
    given an id first (KIP-394); 5 static members (KIP-345); 6 flexible; 7 protocol type, and
    the protocol name may be null; 8 reason (KIP-800); 9 skip assignment (KIP-814).
"""

from __future__ import annotations

from fakebus.broker.groups.requests import GroupProtocol, JoinRequest, JoinResult
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.modern_groups import watch
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    JoinGroupRequest,
    JoinGroupResponse,
    JoinGroupResponseMember,
)

_FIRST_WITH_REBALANCE_TIMEOUT = 1
_FIRST_WITH_KNOWN_MEMBER_ID = 4
_FIRST_WITH_NULL_PROTOCOL = 7
_FIRST_WITH_SKIP_ASSIGNMENT = 9


@handles(ApiKey.JOIN_GROUP, needs=("READ GROUP group_id",), coordinator="GROUP group_id")
async def handle_join_group(
    request: JoinGroupRequest, context: RequestContext
) -> JoinGroupResponse:
    """Wait for the end of the join phase."""
    watch(context)
    wanted = _join_request(request, context)
    result = await context.broker.group_coordinator.join_group(wanted)
    if result.error is ErrorCode.NONE and wanted.protocols:
        metadata = wanted.protocols[0].metadata
        context.broker.activity.note_join(
            context.origin, wanted.group_id, result.member_id, metadata
        )
    return _response(result, context.api_version)


def _join_request(request: JoinGroupRequest, context: RequestContext) -> JoinRequest:
    version = context.api_version
    # Of two protocols with one name the first counts, as in Kafka.
    protocols: dict[str, bytes] = {}
    for protocol in request.protocols:
        protocols.setdefault(protocol.name, bytes(protocol.metadata))
    return JoinRequest(
        group_id=request.group_id,
        session_timeout_ms=request.session_timeout_ms,
        rebalance_timeout_ms=(
            request.session_timeout_ms
            if version < _FIRST_WITH_REBALANCE_TIMEOUT
            else request.rebalance_timeout_ms
        ),
        protocol_type=request.protocol_type,
        protocols=tuple(GroupProtocol(*protocol) for protocol in protocols.items()),
        member_id=request.member_id,
        group_instance_id=request.group_instance_id,
        client_id=context.client_id or "",
        client_host=context.connection.client_host,
        requires_known_member_id=version >= _FIRST_WITH_KNOWN_MEMBER_ID,
        supports_skip_assignment=version >= _FIRST_WITH_SKIP_ASSIGNMENT,
        reason=request.reason or "",
        connection=context.connection,
    )


def _response(result: JoinResult, version: int) -> JoinGroupResponse:
    protocol_name = result.protocol_name
    if protocol_name is None and version < _FIRST_WITH_NULL_PROTOCOL:
        protocol_name = ""
    return JoinGroupResponse(
        error_code=result.error.code,
        generation_id=result.generation_id,
        protocol_type=result.protocol_type,
        protocol_name=protocol_name,
        leader=result.leader,
        skip_assignment=result.skip_assignment,
        member_id=result.member_id,
        members=[
            JoinGroupResponseMember(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                metadata=member.metadata,
            )
            for member in result.members
        ],
    )
