"""From the bytes of a request to the handler that answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fakebus.errors import ErrorCode
from fakebus.kafka.api import (
    ClientConnection,
    CloseConnection,
    Handler,
    HandlerResult,
    RequestContext,
)
from fakebus.kafka.authentication import SaslSession
from fakebus.kafka.error_responses import error_response
from fakebus.kafka.exchange import Exchange
from fakebus.kafka.handlers import HANDLERS
from fakebus.kafka.sasl import AuthenticationFailed
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey

if TYPE_CHECKING:
    from fakebus.kafka.listener import Listener

HANDLERS_BY_KEY: dict[int, Handler] = {int(handler.api_key): handler for handler in HANDLERS}

_API_VERSIONS = int(ApiKey.API_VERSIONS)
_SASL_AUTHENTICATE = int(ApiKey.SASL_AUTHENTICATE)


class Dispatcher:
    """Calls the handlers for one client.

    Args:
        listener: where the client came in.
        client: what is known of it.
    """

    def __init__(self, listener: Listener, client: ClientConnection) -> None:
        self._listener = listener
        self._client = client

    def begin(self, frame: memoryview) -> tuple[Exchange, HandlerResult]:
        """Decode a request and call its handler.

        Returns:
            The exchange, and what the handler returned unless the exchange is done.

        Raises:
            CloseConnection: there is no answer to this.
            DecodeError: the bytes are no request.
        """
        session = self._client.sasl
        if session is not None and session.expects_raw_token:
            return self._take_raw_token(session, frame), None
        return self._begin_request(frame)

    def _take_raw_token(self, session: SaslSession, frame: memoryview) -> Exchange:
        try:
            answer = session.authenticate(bytes(frame))
        except AuthenticationFailed as error:
            # Without Kafka's framing there is no way to tell the client.
            raise CloseConnection(str(error)) from None
        if session.user is not None:
            self._client.principal = f"User:{session.user}"
        return Exchange(_SASL_AUTHENTICATE, 0, 0, len(frame), done=True, raw_token=answer)

    def _begin_request(self, frame: memoryview) -> tuple[Exchange, HandlerResult]:
        header, offset = codec.decode_request_header(frame)
        if self._client.sasl is not None:
            refusal = self._client.sasl.refusal(header.api_key)
            if refusal is not None:
                raise CloseConnection(f"{codec.api_name(header.api_key)}: {refusal}")
        handler = HANDLERS_BY_KEY.get(header.api_key)
        version = header.api_version
        exchange = Exchange(header.api_key, version, header.correlation_id, len(frame))
        if handler is None or not handler.min_version <= version <= handler.max_version:
            if header.api_key != _API_VERSIONS:
                raise CloseConnection(
                    f"API {codec.api_name(header.api_key)} version {version} is not served"
                )
            # The client learns our versions from an answer in the oldest layout (KIP-511).
            exchange.api_version = 0
            request = None
            handler = HANDLERS_BY_KEY[_API_VERSIONS]
        else:
            request = codec.decode_request(header.api_key, version, frame, offset)
        if self._client.sasl is not None and self._client.sasl.is_out_of_place(header.api_key):
            self._refuse(exchange, request)
            return exchange, None
        context = RequestContext(
            broker=self._listener.broker,
            connection=self._client,
            api_key=header.api_key,
            api_version=version,
            correlation_id=header.correlation_id,
            client_id=header.client_id,
            advertised=self._listener.advertised,
            handlers=HANDLERS,
        )
        intercept = self._listener.interceptor
        if intercept is None:
            return exchange, handler.function(request, context)
        return exchange, intercept(handler.function, request, context)

    def _refuse(self, exchange: Exchange, request: Any) -> None:
        error = ErrorCode.ILLEGAL_SASL_STATE
        try:
            exchange.response = error_response(
                exchange.api_key, exchange.api_version, request, error
            )
        except LookupError:
            raise CloseConnection(error.text) from None
        exchange.done = True
        self._client.close_after_answer = True
