"""FindCoordinator 0-6.

Behaviour:
    * The leader of the partition that Kafka would keep its state in coordinates a group or a
      transactional id; a single node coordinates everything.
    * To ask for a coordinator creates that internal topic: __consumer_offsets or
      __transaction_state.
    * Other types of keys are refused with INVALID_REQUEST, key by key.

Version notes:
    1 key types and an error message; 3 flexible; 4 several keys (KIP-699);
    5 TRANSACTION_ABORTABLE (KIP-890); 6 share groups (KIP-932), which are not served.
"""

from __future__ import annotations

from fakebus.broker.nodes import NOBODY
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
    needs=("DESCRIBE COORDINATOR key", "DESCRIBE COORDINATOR coordinator_keys[]"),
)
async def handle_find_coordinator(
    request: FindCoordinatorRequest, context: RequestContext
) -> FindCoordinatorResponse:
    """Name the broker that coordinates a group or a transactional id."""
    error = await _prepare(request.key_type, context)
    by_id = {each.node_id: each for each in context.brokers()}
    found: list[tuple[str, AdvertisedBroker, ErrorCode]] = []
    for key in request.coordinator_keys or (request.key,):
        node = by_id.get(_coordinator(request.key_type, key, context), _NOBODY)
        if error is not ErrorCode.NONE:
            found.append((key, _NOBODY, error))
        elif node is _NOBODY:
            found.append((key, node, ErrorCode.COORDINATOR_NOT_AVAILABLE))
        else:
            found.append((key, node, error))
            if request.key_type == _GROUP:
                history = context.broker.group_coordinator.history
                address, peer = f"{node.host}:{node.port}", context.origin.peer
                history.looked_for(key, context.client_id or "", address, peer)
    if context.api_version < _FIRST_WITH_SEVERAL_KEYS:
        _, node, error = found[0]
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
            for key, node, error in (found if request.coordinator_keys else ())
        ]
    )


def _coordinator(key_type: int, key: str, context: RequestContext) -> int:
    nodes = context.broker.nodes
    if nodes.single:
        return context.node_id
    topic = _TOPICS.get(key_type)
    return NOBODY if topic is None else nodes.coordinator(topic, key)


async def _prepare(key_type: int, context: RequestContext) -> ErrorCode:
    topic = _TOPICS.get(key_type)
    if topic is None:
        return ErrorCode.INVALID_REQUEST
    try:
        await context.broker.ensure_internal_topic(topic)
    except FakebusError:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    return ErrorCode.NONE
