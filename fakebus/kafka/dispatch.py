"""From the bytes of a request to the handler that answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fakebus.errors import ErrorCode
from fakebus.kafka.api import (
    AdvertisedBroker,
    ClientConnection,
    CloseConnection,
    Handler,
    HandlerResult,
    RequestContext,
)
from fakebus.kafka.authentication import SaslSession
from fakebus.kafka.error_responses import error_response
from fakebus.kafka.exchange import Exchange
from fakebus.kafka.fault_effects import carry_out
from fakebus.kafka.handlers import HANDLERS
from fakebus.kafka.sasl import AuthenticationFailed
from fakebus.kafka.unserved import unserved
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker

HANDLERS_BY_KEY: dict[int, Handler] = {int(handler.api_key): handler for handler in HANDLERS}

_API_VERSIONS = int(ApiKey.API_VERSIONS)
_SASL_AUTHENTICATE = int(ApiKey.SASL_AUTHENTICATE)


class Dispatcher:
    """Dispatcher of the requests that come to one listener.

    Args:
        broker: answers them.
        advertised: gives the brokers' addresses that a client can reach.
    """

    def __init__(
        self, broker: Broker, advertised: Callable[[ClientConnection], list[AdvertisedBroker]]
    ) -> None:
        self._broker = broker
        self._faults = broker.faults
        self._advertised = advertised

    def begin(self, client: ClientConnection, frame: memoryview) -> tuple[Exchange, HandlerResult]:
        """Decode a request and call its handler.

        Args:
            client: who sent it.
            frame: the request.

        Returns:
            The exchange, and what the handler returned unless the exchange is done.

        Raises:
            CloseConnection: there is no answer to this.
            DecodeError: the bytes are no request.
        """
        session = client.sasl
        if session is not None and session.expects_raw_token:
            return _take_raw_token(client, session, frame), None
        return self._begin_request(client, frame)

    def _begin_request(
        self, client: ClientConnection, frame: memoryview
    ) -> tuple[Exchange, HandlerResult]:
        header, offset = codec.decode_request_header(frame)
        if client.sasl is not None:
            refusal = client.sasl.refusal(header.api_key)
            if refusal is not None:
                raise CloseConnection(f"{codec.api_name(header.api_key)}: {refusal}")
        handler = HANDLERS_BY_KEY.get(header.api_key) or unserved(header.api_key)
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
        if client.sasl is not None and client.sasl.is_out_of_place(header.api_key):
            _refuse(client, exchange, request)
            return exchange, None
        context = RequestContext(
            broker=self._broker,
            connection=client,
            api_key=header.api_key,
            api_version=version,
            correlation_id=header.correlation_id,
            client_id=header.client_id,
            advertised=self._advertised,
            handlers=HANDLERS,
        )
        if self._faults.active:
            return exchange, carry_out(handler.function, request, context)
        return exchange, handler.function(request, context)


def _take_raw_token(client: ClientConnection, session: SaslSession, frame: memoryview) -> Exchange:
    try:
        answer = session.authenticate(bytes(frame))
    except AuthenticationFailed as error:
        # Without Kafka's framing there is no way to tell the client.
        raise CloseConnection(str(error)) from None
    if session.user is not None:
        client.principal = f"User:{session.user}"
    return Exchange(_SASL_AUTHENTICATE, 0, 0, len(frame), done=True, raw_token=answer)


def _refuse(client: ClientConnection, exchange: Exchange, request: Any) -> None:
    error = ErrorCode.ILLEGAL_SASL_STATE
    try:
        exchange.response = error_response(exchange.api_key, exchange.api_version, request, error)
    except LookupError:
        raise CloseConnection(error.text) from None
    exchange.done = True
    client.close_after_answer = True
