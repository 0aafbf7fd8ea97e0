"""EndTxn 0-5.

Behaviour:
    * Commits or aborts: markers, offsets and state are stored when the answer leaves.
    * Asked once more for the same, it says yes again; for the opposite, INVALID_TXN_STATE.

Version notes:
    2 PRODUCER_FENCED; 3 flexible; 4 TRANSACTION_ABORTABLE; 5 every end gives the producer a new
    epoch, and there may be nothing to abort (KIP-890).
"""

from __future__ import annotations

from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import EndTxnRequest, EndTxnResponse

_FIRST_WITH_PRODUCER_FENCED = 2
_FIRST_WITH_EPOCHS = 5


@handles(
    ApiKey.END_TXN,
    needs=("WRITE TRANSACTIONAL_ID transactional_id",),
    coordinator="TRANSACTION transactional_id",
)
async def handle_end_txn(request: EndTxnRequest, context: RequestContext) -> EndTxnResponse:
    """Commit or abort a transaction."""
    try:
        following = await context.broker.transactions.end(
            request.transactional_id,
            ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
            commit=request.committed,
            bumps_epoch=context.api_version >= _FIRST_WITH_EPOCHS,
        )
    except BrokerError as refusal:
        error = refusal.error_code
        if context.api_version < _FIRST_WITH_PRODUCER_FENCED:
            error = error.for_old_producers
        return EndTxnResponse(error_code=error.code)
    except StorageError:
        return EndTxnResponse(error_code=ErrorCode.NOT_COORDINATOR.code)
    return EndTxnResponse(producer_id=following.producer_id, producer_epoch=following.epoch)
