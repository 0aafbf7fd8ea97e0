"""RenewDelegationToken 1-2 (KIP-48).

Behaviour:
    * Only clients that have logged in by other means may ask, and not on a PLAINTEXT listener.
    * The owner and the renewers may; never beyond what was said when it was made.

Version notes:
    2 flexible.
"""

from __future__ import annotations

from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import RenewDelegationTokenRequest, RenewDelegationTokenResponse


@handles(ApiKey.RENEW_DELEGATION_TOKEN, versions=(1, 2), needs=())
async def handle_renew_delegation_token(
    request: RenewDelegationTokenRequest, context: RequestContext
) -> RenewDelegationTokenResponse:
    """Let a token live longer."""
    client, response = context.connection, RenewDelegationTokenResponse()
    try:
        if not client.may_ask_for_tokens:
            response.expiry_timestamp_ms = -1
            raise BrokerError(ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
        response.expiry_timestamp_ms = await context.broker.security.tokens.renew(
            bytes(request.hmac), client.principal, request.renew_period_ms
        )
    except BrokerError as error:
        response.error_code = error.error_code.code
    except StorageError:
        response.error_code = ErrorCode.KAFKA_STORAGE_ERROR.code
    return response
