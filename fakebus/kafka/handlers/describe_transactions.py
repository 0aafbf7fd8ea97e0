"""DescribeTransactions 0.

Behaviour:
    * There are no transactions: TRANSACTIONAL_ID_NOT_FOUND for each id.
"""

from __future__ import annotations

from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    DescribeTransactionsResponseTransactionState,
)


@handles(
    ApiKey.DESCRIBE_TRANSACTIONS,
    versions=(0, 0),
    needs=("DESCRIBE TRANSACTIONAL_ID transactional_ids[]",),
)
def handle_describe_transactions(
    request: DescribeTransactionsRequest, context: RequestContext
) -> DescribeTransactionsResponse:
    """Say of each id that it has no transaction."""
    return DescribeTransactionsResponse(
        transaction_states=[_state(name) for name in request.transactional_ids]
    )


def _state(transactional_id: str) -> DescribeTransactionsResponseTransactionState:
    error = ErrorCode.TRANSACTIONAL_ID_NOT_FOUND if transactional_id else ErrorCode.INVALID_REQUEST
    return DescribeTransactionsResponseTransactionState(
        transactional_id=transactional_id, error_code=error.code
    )
