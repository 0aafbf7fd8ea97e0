"""InitProducerId 0-5.

Behaviour:
    * Without a transactional id: a fresh producer id with epoch 0, never handed out before.
    * A producer id without an epoch, or the other way round, is refused.
    * With one: the same producer id and the next epoch, which fences older producers of the same
      name. A transaction that is open is aborted, and the client asked to come again.

Version notes:
    2 flexible; 3 the client's producer id and epoch (KIP-360); 4 PRODUCER_FENCED; 5 KIP-890.
"""

from __future__ import annotations

from fakebus.broker.security.resources import CLUSTER_NAME, Operation, ResourceType
from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import InitProducerIdRequest, InitProducerIdResponse

_NONE = -1
_FIRST_WITH_PRODUCER_FENCED = 4


@handles(
    ApiKey.INIT_PRODUCER_ID,
    needs=("WRITE TRANSACTIONAL_ID transactional_id", "WRITE TOPIC inside"),
    coordinator="TRANSACTION transactional_id",
)
async def handle_init_producer_id(
    request: InitProducerIdRequest, context: RequestContext
) -> InitProducerIdResponse:
    """Hand out a producer id."""
    if (request.producer_id == _NONE) is not (request.producer_epoch == _NONE):
        return _refused(ErrorCode.INVALID_REQUEST)
    if request.transactional_id is None and not _may_write(context):
        return _refused(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    try:
        if request.transactional_id is None:
            producer_id, epoch = await context.broker.producer_ids.allocate(), 0
        else:
            context.broker.transactions.origins[request.transactional_id] = context.origin
            expected = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)
            producer_id, epoch = await context.broker.transactions.init_producer_id(
                request.transactional_id,
                request.transaction_timeout_ms,
                None if request.producer_id == _NONE else expected,
            )
    except StorageError:
        return _refused(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    except BrokerError as error:
        old = context.api_version < _FIRST_WITH_PRODUCER_FENCED
        return _refused(error.error_code.for_old_producers if old else error.error_code)
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=epoch)


def _refused(error: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=error.code, producer_epoch=_NONE)


def _may_write(context: RequestContext) -> bool:
    """Whether a client may be an idempotent producer: if it may write to any topic (KIP-679)."""
    authorizer, client = context.broker.security.authorizer, context.connection
    return (
        authorizer is None
        or authorizer.allows_any(
            client.principal, client.peer.host, Operation.WRITE, ResourceType.TOPIC
        )
        or context.allows(Operation.IDEMPOTENT_WRITE, ResourceType.CLUSTER, CLUSTER_NAME)
    )
