"""DescribeClientQuotas 0-1.

Behaviour:
    * There are no quotas: what a filter asks for is checked, and nothing matches it.

Version notes:
    1 flexible.
"""

from __future__ import annotations

from collections.abc import Iterable

from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ComponentData,
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
)

_EXACT, _DEFAULT, _SPECIFIED = range(3)
_USER, _CLIENT_ID, _IP = "user", "client-id", "ip"


@handles(ApiKey.DESCRIBE_CLIENT_QUOTAS, versions=(0, 1), needs=("DESCRIBE_CONFIGS CLUSTER",))
def handle_describe_client_quotas(
    request: DescribeClientQuotasRequest, context: RequestContext
) -> DescribeClientQuotasResponse:
    """Say that nothing is limited."""
    try:
        _check(request.components)
    except BrokerError as error:
        return DescribeClientQuotasResponse(
            error_code=error.error_code.code, error_message=error.message, entries=None
        )
    return DescribeClientQuotasResponse(error_message="", entries=[])


def _check(components: Iterable[ComponentData]) -> None:
    seen: set[str] = set()
    for component in components:
        kind = component.entity_type
        if kind not in (_USER, _CLIENT_ID, _IP):
            # Kafka tells an empty one apart from one that it does not know.
            code = ErrorCode.UNSUPPORTED_VERSION if kind else ErrorCode.INVALID_REQUEST
            raise BrokerError(code, f"there is no entity type {kind!r}")
        if kind in seen:
            raise BrokerError(ErrorCode.INVALID_REQUEST, f"the filter names {kind} twice")
        seen.add(kind)
        if component.match_type not in (_EXACT, _DEFAULT, _SPECIFIED):
            raise BrokerError(
                ErrorCode.INVALID_REQUEST, f"there is no match type {component.match_type}"
            )
        if (component.match_type == _EXACT) is (component.match is None):
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                "an exact match needs a text, and no other kind of match has one",
            )
    if _IP in seen and len(seen) > 1:
        raise BrokerError(
            ErrorCode.INVALID_REQUEST, "a filter of ip cannot be one of users or client ids too"
        )
