"""FindCoordinator 0-6.

Behaviour:
    * This broker coordinates every group and every transactional id.
    * To ask for a coordinator creates the internal topic that it keeps its state in with Kafka:
      __consumer_offsets or __transaction_state.
    * Other types of keys are refused with INVALID_REQUEST, key by key.

Version notes:
    1 key types and an error message; 3 flexible; 4 several keys (KIP-699);
    5 TRANSACTION_ABORTABLE (KIP-890); 6 share groups (KIP-932), which are not served.
"""

from __future__ import annotations

from fakebus.broker.topic_names import CONSUMER_OFFSETS, TRANSACTION_STATE
from fakebus.errors import ErrorCode, FakebusError
from fakebus.kafka.api import AdvertisedBroker, RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)

_FIRST_WITH_SEVERAL_KEYS = 4
_GROUP = 0
_TOPICS = {_GROUP: CONSUMER_OFFSETS, 1: TRANSACTION_STATE}
"""By type of key."""
_NOBODY = AdvertisedBroker(-1, "", -1, None)


@handles(
    ApiKey.FIND_COORDINATOR,
    versions=(0, 6),
    needs=("DESCRIBE COORDINATOR key", "DESCRIBE COORDINATOR coordinator_keys[]"),
)
async def handle_find_coordinator(
    request: FindCoordinatorRequest, context: RequestContext
) -> FindCoordinatorResponse:
    """Name the broker that coordinates a group or a transactional id."""
    error = await _prepare(request.key_type, context)
    node = context.own_address() if error is ErrorCode.NONE else _NOBODY
    if request.key_type == _GROUP and node is not _NOBODY:
        history = context.broker.group_coordinator.history
        for group in request.coordinator_keys or (request.key,):
            history.looked_for(group, context.client_id or "", f"{node.host}:{node.port}")
    if context.api_version < _FIRST_WITH_SEVERAL_KEYS:
        return FindCoordinatorResponse(
            error_code=error.code,
            # Kafka spells out even that nothing is wrong.
            error_message=error.text or error.name,
            node_id=node.node_id,
            host=node.host,
            port=node.port,
        )
    return FindCoordinatorResponse(
        coordinators=[
            Coordinator(
                key=key,
                node_id=node.node_id,
                host=node.host,
                port=node.port,
                error_code=error.code,
                error_message=error.text,
            )
            for key in request.coordinator_keys
        ]
    )


async def _prepare(key_type: int, context: RequestContext) -> ErrorCode:
    topic = _TOPICS.get(key_type)
    if topic is None:
        return ErrorCode.INVALID_REQUEST
    try:
        await context.broker.ensure_internal_topic(topic)
    except FakebusError:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    return ErrorCode.NONE
