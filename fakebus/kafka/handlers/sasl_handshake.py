"""SaslHandshake 0-1.

Behaviour:
    * Listeners speak plain text without authentication, where Kafka answers
      ILLEGAL_SASL_STATE.

Version notes:
    1 announces SaslAuthenticate instead of bare tokens.
"""

from __future__ import annotations

from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.protocol.api_keys import ApiKey
from fakebus.kafka.protocol.messages import SaslHandshakeRequest, SaslHandshakeResponse


@handles(ApiKey.SASL_HANDSHAKE, versions=(0, 1))
def handle_sasl_handshake(
    request: SaslHandshakeRequest, context: RequestContext
) -> SaslHandshakeResponse:
    """Refuse to authenticate on a listener that does not ask for it."""
    return SaslHandshakeResponse(error_code=ErrorCode.ILLEGAL_SASL_STATE.code, mechanisms=[])
