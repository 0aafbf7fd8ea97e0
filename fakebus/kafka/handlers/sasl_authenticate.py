"""SaslAuthenticate 0-2.

Behaviour:
    * Listeners speak plain text without authentication, where Kafka answers
      ILLEGAL_SASL_STATE.

Version notes:
    1 session lifetime (KIP-368); 2 flexible.
"""

from __future__ import annotations

from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.protocol.api_keys import ApiKey
from fakebus.kafka.protocol.messages import SaslAuthenticateRequest, SaslAuthenticateResponse


@handles(ApiKey.SASL_AUTHENTICATE, versions=(0, 2))
def handle_sasl_authenticate(
    request: SaslAuthenticateRequest, context: RequestContext
) -> SaslAuthenticateResponse:
    """Refuse to authenticate on a listener that does not ask for it."""
    return SaslAuthenticateResponse(
        error_code=ErrorCode.ILLEGAL_SASL_STATE.code,
        error_message="this listener does not authenticate its clients",
    )
