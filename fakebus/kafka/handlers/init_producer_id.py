"""InitProducerId 0-5.

Behaviour:
    * Without a transactional id: a fresh producer id with epoch 0, never handed out before.
    * A producer id without an epoch, or the other way round, is refused.
    * Transactions are not served yet: a transactional id is refused with
      TRANSACTIONAL_ID_AUTHORIZATION_FAILED, the one refusal that every client reports at
      once instead of trying for ever.

Version notes:
    2 flexible; 3 the client's producer id and epoch (KIP-360); 4 PRODUCER_FENCED; 5 KIP-890.
"""

from __future__ import annotations

from fakebus.broker.security.resources import CLUSTER_NAME, Operation, ResourceType
from fakebus.errors import ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import InitProducerIdRequest, InitProducerIdResponse

_NONE = -1


@handles(
    ApiKey.INIT_PRODUCER_ID,
    versions=(0, 5),
    needs=("WRITE TRANSACTIONAL_ID transactional_id", "WRITE TOPIC inside"),
)
async def handle_init_producer_id(
    request: InitProducerIdRequest, context: RequestContext
) -> InitProducerIdResponse:
    """Hand out a producer id."""
    if request.transactional_id is not None:
        error = (
            ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            if request.transactional_id
            else (ErrorCode.INVALID_REQUEST)
        )
        return InitProducerIdResponse(error_code=error.code, producer_epoch=-1)
    if (request.producer_id == _NONE) is not (request.producer_epoch == _NONE):
        return InitProducerIdResponse(
            error_code=ErrorCode.INVALID_REQUEST.code, producer_epoch=_NONE
        )
    if not _may_write(context):
        error = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
        return InitProducerIdResponse(error_code=error.code, producer_epoch=_NONE)
    try:
        producer_id = await context.broker.producer_ids.allocate()
    except StorageError:
        return InitProducerIdResponse(
            error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE.code, producer_epoch=-1
        )
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=0)


def _may_write(context: RequestContext) -> bool:
    """Whether a client may be an idempotent producer: if it may write to any topic (KIP-679)."""
    authorizer, client = context.broker.authorizer, context.connection
    return (
        authorizer is None
        or authorizer.allows_any(
            client.principal, client.peer.host, Operation.WRITE, ResourceType.TOPIC
        )
        or context.allows(Operation.IDEMPOTENT_WRITE, ResourceType.CLUSTER, CLUSTER_NAME)
    )
