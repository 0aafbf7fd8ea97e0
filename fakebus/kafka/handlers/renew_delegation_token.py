"""RenewDelegationToken 1-2 (KIP-48).

Behaviour:
    * Only clients that have logged in by other means may ask, and not on a PLAINTEXT listener.
    * The owner and the renewers may; never beyond what was said when it was made.

Version notes:
    2 flexible.
"""

from __future__ import annotations

from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.token_expiry import with_expiry
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import RenewDelegationTokenRequest, RenewDelegationTokenResponse


@handles(ApiKey.RENEW_DELEGATION_TOKEN, needs=())
async def handle_renew_delegation_token(
    request: RenewDelegationTokenRequest, context: RequestContext
) -> RenewDelegationTokenResponse:
    """Let a token live longer."""
    change = context.broker.security.tokens.renew
    return await with_expiry(
        RenewDelegationTokenResponse(), context, change, request.hmac, request.renew_period_ms
    )
