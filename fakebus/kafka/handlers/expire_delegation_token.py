"""ExpireDelegationToken 1-2 (KIP-48).

Behaviour:
    * Only clients that have logged in by other means may ask, and not on a PLAINTEXT listener.
    * The owner and the renewers may; with a negative period it is gone at once.

Version notes:
    2 flexible.
"""

from __future__ import annotations

from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import ExpireDelegationTokenRequest, ExpireDelegationTokenResponse


@handles(ApiKey.EXPIRE_DELEGATION_TOKEN, versions=(1, 2), needs=())
async def handle_expire_delegation_token(
    request: ExpireDelegationTokenRequest, context: RequestContext
) -> ExpireDelegationTokenResponse:
    """Let a token expire at another time."""
    client, response = context.connection, ExpireDelegationTokenResponse()
    try:
        if not client.may_ask_for_tokens:
            response.expiry_timestamp_ms = -1
            raise BrokerError(ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
        response.expiry_timestamp_ms = await context.broker.security.tokens.expire(
            bytes(request.hmac), client.principal, request.expiry_time_period_ms
        )
    except BrokerError as error:
        response.error_code = error.error_code.code
    except StorageError:
        response.error_code = ErrorCode.KAFKA_STORAGE_ERROR.code
    return response
