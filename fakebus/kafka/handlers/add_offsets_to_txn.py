"""AddOffsetsToTxn 0-4.

Behaviour:
    * The group's partition of __consumer_offsets becomes part of the transaction.

Version notes:
    2 PRODUCER_FENCED; 3 flexible; 4 TRANSACTION_ABORTABLE (KIP-890).
"""

from __future__ import annotations

from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse

_FIRST_WITH_PRODUCER_FENCED = 2


@handles(
    ApiKey.ADD_OFFSETS_TO_TXN,
    needs=("WRITE TRANSACTIONAL_ID transactional_id", "READ GROUP group_id"),
    coordinator="TRANSACTION transactional_id",
)
async def handle_add_offsets_to_txn(
    request: AddOffsetsToTxnRequest, context: RequestContext
) -> AddOffsetsToTxnResponse:
    """Make a group's offsets part of a transaction."""
    transactions, error = context.broker.transactions, ErrorCode.NONE
    try:
        added = transactions.add_partitions(
            request.transactional_id,
            ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
            (transactions.offsets_partition(request.group_id),),
        )
        if added is not None:
            await added
    except BrokerError as refusal:
        error = refusal.error_code
        if context.api_version < _FIRST_WITH_PRODUCER_FENCED:
            error = error.for_old_producers
    except StorageError:
        error = ErrorCode.NOT_COORDINATOR
    return AddOffsetsToTxnResponse(error_code=error.code)
