"""Heartbeat 0-4.

Behaviour:
    * Restarts the member's session.
    * REBALANCE_IN_PROGRESS only while members are to join; no error while the leader assigns.

Version notes:
    3 static members (KIP-345); 4 flexible.
"""

from __future__ import annotations

from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import HeartbeatRequest, HeartbeatResponse


@handles(ApiKey.HEARTBEAT, needs=("READ GROUP group_id",), coordinator="GROUP group_id")
def handle_heartbeat(request: HeartbeatRequest, context: RequestContext) -> HeartbeatResponse:
    """Keep a member in its group."""
    error = context.broker.group_coordinator.heartbeat(
        request.group_id, request.member_id, request.generation_id, request.group_instance_id
    )
    return HeartbeatResponse(error_code=error.code)
