"""SaslAuthenticate 0-2.

Behaviour:
    * A listener without authentication answers ILLEGAL_SASL_STATE, as Kafka does; so does
      one where the client has logged in already.
    * A failure is SASL_AUTHENTICATION_FAILED with a message, then the connection is closed.
    * The message does not tell an unknown user from a wrong password.

Version notes:
    1 session lifetime (KIP-368); 2 flexible.
"""

from __future__ import annotations

import logging

from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.sasl import AuthenticationFailed
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import SaslAuthenticateRequest, SaslAuthenticateResponse

logger = logging.getLogger("fakebus.kafka")


@handles(ApiKey.SASL_AUTHENTICATE, needs=())
def handle_sasl_authenticate(
    request: SaslAuthenticateRequest, context: RequestContext
) -> SaslAuthenticateResponse:
    """Take the client's next token."""
    connection = context.connection
    session = connection.sasl
    if session is None:
        return _failed(
            ErrorCode.ILLEGAL_SASL_STATE, "this listener does not authenticate its clients"
        )
    if not session.authenticating:
        return _failed(ErrorCode.ILLEGAL_SASL_STATE, "SaslHandshake has to come first")
    try:
        answer = session.authenticate(bytes(request.auth_bytes))
    except AuthenticationFailed as error:
        logger.warning("%s could not log in: %s", connection.client_host, error)
        connection.close_after_answer = True
        return _failed(ErrorCode.SASL_AUTHENTICATION_FAILED, str(error))
    lifetime_ms = 0
    if not session.authenticating:
        connection.principal = f"User:{session.user}"
        lifetime_ms = session.session_lifetime_ms
    return SaslAuthenticateResponse(
        error_message="", auth_bytes=answer, session_lifetime_ms=lifetime_ms
    )


def _failed(error: ErrorCode, message: str) -> SaslAuthenticateResponse:
    return SaslAuthenticateResponse(error_code=error.code, error_message=message)
