"""ListTransactions 0-2.

Behaviour:
    * All transactional ids that are not expired; a state that is none and a pattern that cannot be
      read are told.

Version notes:
    1 filter by duration (KIP-994); 2 pattern of transactional ids (KIP-1152).
"""

from __future__ import annotations

from fakebus.broker.nodes import KEPT_IN
from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.broker.transactions.state import TransactionStatus
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ListTransactionsRequest,
    ListTransactionsResponse,
    ListTransactionsResponseTransactionState,
)

_LONGEST_ID = 32_767
_STATES = frozenset(TransactionStatus)


@handles(ApiKey.LIST_TRANSACTIONS, needs=("DESCRIBE TRANSACTIONAL_ID inside",))
def handle_list_transactions(
    request: ListTransactionsRequest, context: RequestContext
) -> ListTransactionsResponse:
    """Name the transactional ids that all filters let through."""
    if request.transactional_id_pattern and not _is_linear(request.transactional_id_pattern):
        return ListTransactionsResponse(error_code=ErrorCode.INVALID_REGULAR_EXPRESSION.code)
    begun_before = context.broker.clock.now_ms() - request.duration_filter
    return ListTransactionsResponse(
        unknown_state_filters=[
            each for each in dict.fromkeys(request.state_filters) if each not in _STATES
        ],
        transaction_states=[
            ListTransactionsResponseTransactionState(
                transactional_id=state.transactional_id,
                producer_id=state.producer_id,
                transaction_state=state.status,
            )
            for state in context.broker.transactions
            if context.allows(
                Operation.DESCRIBE, ResourceType.TRANSACTIONAL_ID, state.transactional_id
            )
            and context.coordinates(KEPT_IN["TRANSACTION"], state.transactional_id)
            and (not request.state_filters or state.status in request.state_filters)
            and (
                not request.producer_id_filters or state.producer_id in request.producer_id_filters
            )
            and (request.duration_filter < 0 or state.start_ms < begun_before)
            and _matches(request.transactional_id_pattern, state.transactional_id)
        ],
    )


def _is_linear(pattern: str) -> bool:
    # Few clients ask for what it loads.
    from fakebus.schemas.json_schema.patterns import is_linear

    return is_linear(pattern, _LONGEST_ID)


def _matches(pattern: str | None, transactional_id: str) -> bool:
    if not pattern:
        return True
    from fakebus.schemas.json_schema.patterns import matches

    return matches(f"^(?:{pattern})$", transactional_id)
