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
from fakebus.kafka.api import HandlerResult, PendingResponse, RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import EndTxnRequest, EndTxnResponse

_FIRST_WITH_PRODUCER_FENCED = 2
_FIRST_WITH_EPOCHS = 5


@handles(
    ApiKey.END_TXN,
    needs=("WRITE TRANSACTIONAL_ID transactional_id",),
    coordinator="TRANSACTION transactional_id",
)
def handle_end_txn(request: EndTxnRequest, context: RequestContext) -> HandlerResult:
    """Commit or abort a transaction; answer when that is stored."""
    transactions, answer = context.broker.transactions, PendingResponse()
    producer = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)
    bumps_epoch = context.api_version >= _FIRST_WITH_EPOCHS
    state = transactions.get(request.transactional_id)
    if bumps_epoch and state is not None and state.is_exhausted:
        return _end_with_new_id(request, producer, context)
    try:
        ended = transactions.begin_end(
            request.transactional_id, producer, commit=request.committed, bumps_epoch=bumps_epoch
        )
    except (BrokerError, StorageError) as error:
        return _response(error, context)
    ended.when_settled(lambda outcome: answer.settle(_response(outcome, context)))
    return answer


async def _end_with_new_id(
    request: EndTxnRequest, producer: ProducerIdAndEpoch, context: RequestContext
) -> EndTxnResponse:
    outcome: ProducerIdAndEpoch | BaseException
    try:
        outcome = await context.broker.transactions.end(
            request.transactional_id, producer, commit=request.committed, bumps_epoch=True
        )
    except (BrokerError, StorageError) as error:
        outcome = error
    return _response(outcome, context)


def _response(
    outcome: ProducerIdAndEpoch | BaseException, context: RequestContext
) -> EndTxnResponse:
    if isinstance(outcome, ProducerIdAndEpoch):
        return EndTxnResponse(producer_id=outcome.producer_id, producer_epoch=outcome.epoch)
    if not isinstance(outcome, BrokerError):
        return EndTxnResponse(error_code=ErrorCode.NOT_COORDINATOR.code)
    error = outcome.error_code
    if context.api_version < _FIRST_WITH_PRODUCER_FENCED:
        error = error.for_old_producers
    return EndTxnResponse(error_code=error.code)
