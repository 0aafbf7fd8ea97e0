"""ExpireDelegationToken 1-2 (KIP-48).

Behaviour:
    * Only clients that have logged in by other means may ask, and not on a PLAINTEXT listener.
    * The owner and the renewers may; with a negative period it is gone at once.

Version notes:
    2 flexible.
"""

from __future__ import annotations

from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.token_expiry import with_expiry
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import ExpireDelegationTokenRequest, ExpireDelegationTokenResponse


@handles(ApiKey.EXPIRE_DELEGATION_TOKEN, needs=())
async def handle_expire_delegation_token(
    request: ExpireDelegationTokenRequest, context: RequestContext
) -> ExpireDelegationTokenResponse:
    """Let a token expire at another time."""
    change = context.broker.security.tokens.expire
    return await with_expiry(
        ExpireDelegationTokenResponse(),
        context,
        change,
        request.hmac,
        request.expiry_time_period_ms,
    )
