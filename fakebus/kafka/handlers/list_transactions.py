"""ListTransactions 0-2.

Behaviour:
    * There are no transactions; a state that is none and a pattern that cannot be read are told.

Version notes:
    1 filter by duration; 2 pattern of transactional ids (KIP-1152).
"""

from __future__ import annotations

import re

from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import ListTransactionsRequest, ListTransactionsResponse

_STATES = frozenset(
    (
        *("Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit"),
        *("CompleteAbort", "Dead", "PrepareEpochFence"),
    )
)


@handles(ApiKey.LIST_TRANSACTIONS, versions=(0, 2), needs=("DESCRIBE TRANSACTIONAL_ID inside",))
def handle_list_transactions(
    request: ListTransactionsRequest, context: RequestContext
) -> ListTransactionsResponse:
    """Say that there are none."""
    try:
        re.compile(request.transactional_id_pattern or "")
    except (re.error, RecursionError, OverflowError):
        return ListTransactionsResponse(error_code=ErrorCode.INVALID_REGULAR_EXPRESSION.code)
    unknown = [state for state in request.state_filters if state not in _STATES]
    return ListTransactionsResponse(unknown_state_filters=unknown)
