"""DescribeTransactions 0.

Behaviour:
    * A group whose offsets are part of a transaction is named by its partition of
      __consumer_offsets.
"""

from __future__ import annotations

from itertools import groupby

from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    DescribeTransactionsResponseTopicData,
    DescribeTransactionsResponseTransactionState,
)


@handles(
    ApiKey.DESCRIBE_TRANSACTIONS,
    needs=("DESCRIBE TRANSACTIONAL_ID transactional_ids[]", "DESCRIBE TOPIC inside"),
    coordinator="TRANSACTION transactional_ids[]",
)
def handle_describe_transactions(
    request: DescribeTransactionsRequest, context: RequestContext
) -> DescribeTransactionsResponse:
    """Tell of each id what its transaction is doing."""
    return DescribeTransactionsResponse(
        transaction_states=[_state(name, context) for name in request.transactional_ids]
    )


def _state(
    transactional_id: str, context: RequestContext
) -> DescribeTransactionsResponseTransactionState:
    state = context.broker.transactions.get(transactional_id)
    if state is None:
        error = ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
        return DescribeTransactionsResponseTransactionState(
            transactional_id=transactional_id,
            error_code=(error if transactional_id else ErrorCode.INVALID_REQUEST).code,
        )
    return DescribeTransactionsResponseTransactionState(
        transactional_id=transactional_id,
        transaction_state=state.status,
        transaction_timeout_ms=state.timeout_ms,
        transaction_start_time_ms=state.start_ms,
        producer_id=state.producer_id,
        producer_epoch=state.producer_epoch,
        topics=[
            DescribeTransactionsResponseTopicData(
                topic=topic, partitions=[each.partition for each in partitions]
            )
            for topic, partitions in groupby(sorted(state.partitions), lambda each: each.topic)
            if context.allows(Operation.DESCRIBE, ResourceType.TOPIC, topic)
        ],
    )
