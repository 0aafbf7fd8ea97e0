"""AddOffsetsToTxn 0-4.

Behaviour:
    * The group's partition of __consumer_offsets becomes part of the transaction.

Version notes:
    2 PRODUCER_FENCED; 3 flexible; 4 TRANSACTION_ABORTABLE (KIP-890).
"""

from __future__ import annotations

from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.broker.transactions.writing import join_transaction
from fakebus.kafka.api import PendingResponse, RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse

_FIRST_WITH_PRODUCER_FENCED = 2


@handles(
    ApiKey.ADD_OFFSETS_TO_TXN,
    needs=("WRITE TRANSACTIONAL_ID transactional_id", "READ GROUP group_id"),
    coordinator="TRANSACTION transactional_id",
)
def handle_add_offsets_to_txn(
    request: AddOffsetsToTxnRequest, context: RequestContext
) -> PendingResponse:
    """Make a group's offsets part of a transaction."""
    transactions, answer = context.broker.transactions, PendingResponse()
    join_transaction(
        transactions,
        request.transactional_id,
        ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
        (transactions.offsets_partition(request.group_id),),
        lambda error: answer.settle(AddOffsetsToTxnResponse(error_code=error.code)),
        tells_fenced=context.api_version >= _FIRST_WITH_PRODUCER_FENCED,
    )
    return answer
