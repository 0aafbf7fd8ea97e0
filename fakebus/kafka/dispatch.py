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
from fakebus.kafka.fault_effects import carry_out
from fakebus.kafka.handlers import HANDLERS
from fakebus.kafka.sasl import AuthenticationFailed
from fakebus.kafka.unserved import unserved
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker
    from fakebus.broker.nodes import Node

HANDLERS_BY_KEY: dict[int, Handler] = {int(handler.api_key): handler for handler in HANDLERS}

_API_VERSIONS = int(ApiKey.API_VERSIONS)
_SASL_AUTHENTICATE = int(ApiKey.SASL_AUTHENTICATE)


class Dispatcher:
    """Dispatcher of the requests that come to one listener.

    Args:
        broker: answers them.
        node: the node that clients meet there.
        advertised: gives the brokers' addresses that a client can reach.
    """

    def __init__(
        self,
        broker: Broker,
        node: Node,
        advertised: Callable[[ClientConnection], list[AdvertisedBroker]],
    ) -> None:
        self._broker = broker
        self._node_id = node.node_id
        self._faults = broker.faults
        self._advertised = advertised

    def begin(
        self, client: ClientConnection, frame: memoryview
    ) -> tuple[RequestContext, HandlerResult]:
        """Decode a request and call its handler.

        Args:
            client: who sent it.
            frame: the request.

        Returns:
            The request's context, and what the handler returned unless it is done already.

        Raises:
            CloseConnection: there is no answer to this.
            DecodeError: the bytes are no request.
        """
        if client.sasl is not None and client.sasl.expects_raw_token:
            return self._take_raw_token(client, client.sasl, frame), None
        header, offset = codec.decode_request_header(frame)
        api_key, version, correlation_id, client_id = header
        if client.sasl is not None:
            refusal = client.sasl.refusal(api_key)
            if refusal is not None:
                raise CloseConnection(f"{codec.api_name(api_key)}: {refusal}")
        context = RequestContext(
            self._broker,
            self._node_id,
            client,
            api_key,
            version,
            correlation_id,
            client_id,
            self._advertised,
            HANDLERS,
            len(frame),
            response_version=version,
        )
        handler = HANDLERS_BY_KEY.get(api_key) or unserved(api_key)
        if handler is None or not handler.min_version <= version <= handler.max_version:
            if api_key != _API_VERSIONS:
                raise CloseConnection(
                    f"API {codec.api_name(api_key)} version {version} is not served"
                )
            # The client learns our versions from an answer in the oldest layout (KIP-511).
            context.response_version = 0
            request = None
            handler = HANDLERS_BY_KEY[_API_VERSIONS]
        else:
            request = codec.decode_request(api_key, version, frame, offset)
        if client.sasl is not None and client.sasl.is_out_of_place(api_key):
            _refuse(client, context, request)
            return context, None
        if self._faults.active:
            return context, carry_out(handler.function, request, context)
        return context, handler.function(request, context)

    def _take_raw_token(
        self, client: ClientConnection, session: SaslSession, frame: memoryview
    ) -> RequestContext:
        try:
            answer = session.authenticate(bytes(frame))
        except AuthenticationFailed as error:
            # Without Kafka's framing there is no way to tell the client.
            raise CloseConnection(str(error)) from None
        if session.user is not None:
            client.principal = f"User:{session.user}"
        return RequestContext(
            broker=self._broker,
            node_id=self._node_id,
            connection=client,
            api_key=_SASL_AUTHENTICATE,
            api_version=0,
            correlation_id=0,
            client_id=None,
            advertised=self._advertised,
            frame_bytes=len(frame),
            done=True,
            raw_token=answer,
        )


def _refuse(client: ClientConnection, context: RequestContext, request: Any) -> None:
    error = ErrorCode.ILLEGAL_SASL_STATE
    try:
        context.response = error_response(context.api_key, context.api_version, request, error)
    except LookupError:
        raise CloseConnection(error.text) from None
    context.done = True
    client.close_after_answer = True
