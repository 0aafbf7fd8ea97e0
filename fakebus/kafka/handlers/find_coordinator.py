"""FindCoordinator 0-6.

Behaviour:
    * This broker coordinates every group and every transactional id.
    * Other types of keys are refused with INVALID_REQUEST, key by key.

Version notes:
    1 key types and an error message; 3 flexible; 4 several keys (KIP-699), without a message;
    5 TRANSACTION_ABORTABLE (KIP-890); 6 share groups (KIP-932), which are not served.
"""

from __future__ import annotations

from fakebus.errors import ErrorCode
from fakebus.kafka.api import AdvertisedBroker, RequestContext, handles
from fakebus.kafka.protocol.api_keys import ApiKey
from fakebus.kafka.protocol.messages import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)

_FIRST_WITH_SEVERAL_KEYS = 4
_KEY_TYPES = (0, 1)
"""Groups and transactions."""
_NOBODY = AdvertisedBroker(-1, "", -1)


@handles(ApiKey.FIND_COORDINATOR, versions=(0, 6))
def handle_find_coordinator(
    request: FindCoordinatorRequest, context: RequestContext
) -> FindCoordinatorResponse:
    """Name the broker that coordinates a group or a transactional id."""
    error, node = ErrorCode.NONE, context.brokers()[0]
    if request.key_type not in _KEY_TYPES:
        error, node = ErrorCode.INVALID_REQUEST, _NOBODY
    if context.api_version < _FIRST_WITH_SEVERAL_KEYS:
        return FindCoordinatorResponse(
            error_code=error.code,
            error_message=error.text or None,
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
                error_message=error.text or None,
            )
            for key in request.coordinator_keys
        ]
    )
