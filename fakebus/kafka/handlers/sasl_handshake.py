"""SaslHandshake 0-1.

Behaviour:
    * A listener without authentication answers ILLEGAL_SASL_STATE, as Kafka does.
    * A mechanism that is not enabled: UNSUPPORTED_SASL_MECHANISM with those that are, after
      which the connection is closed.
    * On an authenticated connection it begins the next session (KIP-368), unless sessions
      last for ever: then it is ILLEGAL_SASL_STATE.

Version notes:
    0 is followed by bare tokens, each after a 32-bit length; 1 by SaslAuthenticate (KIP-152).
"""

from __future__ import annotations

from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import SaslHandshakeRequest, SaslHandshakeResponse


@handles(ApiKey.SASL_HANDSHAKE, needs=())
def handle_sasl_handshake(
    request: SaslHandshakeRequest, context: RequestContext
) -> SaslHandshakeResponse:
    """Let the client choose how to authenticate."""
    session = context.connection.sasl
    if session is None:
        return SaslHandshakeResponse(error_code=ErrorCode.ILLEGAL_SASL_STATE.code, mechanisms=[])
    error = session.handshake(request.mechanism, raw_tokens=context.api_version == 0)
    if error is ErrorCode.ILLEGAL_SASL_STATE:
        return SaslHandshakeResponse(error_code=error.code, mechanisms=[])
    if error is not ErrorCode.NONE:
        context.connection.close_after_answer = True
    return SaslHandshakeResponse(error_code=error.code, mechanisms=session.enabled_mechanisms())
