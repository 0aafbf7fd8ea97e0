"""From the bytes of a request to the handler that answers it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from fakebus.broker.turns import LARGE_REQUEST_BYTES
from fakebus.errors import ErrorCode
from fakebus.kafka.api import (
    AdvertisedBroker,
    ClientConnection,
    CloseConnection,
    Handler,
    HandlerFunction,
    HandlerResult,
    PendingResponse,
    RequestContext,
)
from fakebus.kafka.authentication import SaslSession
from fakebus.kafka.error_responses import error_response, unserved
from fakebus.kafka.handlers import handler_of
from fakebus.kafka.sasl import AuthenticationFailed
from fakebus.kafka.served import SERVED
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.types import Buffer

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker
    from fakebus.broker.identity import Node
    from fakebus.kafka.known_produce import KnownProduce

_PRODUCE = int(ApiKey.PRODUCE)
_IN_TURNS = frozenset((_PRODUCE, int(ApiKey.FETCH)))
"""Those that see to it themselves: producers need their order, and fetches may be abandoned."""
MAX_TEXT_BYTES = 16 * 1024 * 1024
"""How long a request may be that brings no records, subscriptions or assignments. As many of the
longest names as a request may have take half of that."""
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
        self._requests = broker.requests
        self._faults = broker.faults
        self._security = broker.security
        self._single = broker.nodes.single
        self._handlers: dict[int, Handler] = {}
        """Those that were asked for, by the keys of their APIs."""
        self._advertised = advertised
        self._known: KnownProduce | None = None
        """Beginnings of Produce requests, from the first one on."""

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
        if frame[1] == _PRODUCE and self._known is not None:
            begun = self._begin_known(self._known, client, frame)
            if begun is not None:
                return begun
        return self._begin(client, frame)

    def _begin(
        self, client: ClientConnection, frame: memoryview
    ) -> tuple[RequestContext, HandlerResult]:
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
            client.origins.get(client_id) or client.origin(client_id),
            self._advertised,
            len(frame),
            response_version=version,
        )
        handler = self._handlers.get(api_key) or self._handler(api_key)
        if handler is None or not handler.min_version <= version <= handler.max_version:
            if handler is None or api_key != _API_VERSIONS:
                raise CloseConnection(
                    f"API {codec.api_name(api_key)} version {version} is not served"
                )
            # The client learns our versions from an answer in the oldest layout (KIP-511).
            context.response_version = 0
            request = None
        else:
            if len(frame) > MAX_TEXT_BYTES and not codec.holds_bytes(api_key):
                raise CloseConnection(
                    f"{codec.api_name(api_key)}: a request of {len(frame)} bytes, which all are "
                    f"names, is longer than {MAX_TEXT_BYTES}"
                )
            request = codec.decode_request(api_key, version, frame, offset)
        self._requests[api_key] += 1
        if client.sasl is not None and client.sasl.is_out_of_place(api_key):
            _refuse(client, context, request)
            return context, None
        function = handler.function
        if self._faults.active or self._security.limiting is not None:
            function = self._affected(function, client)
        else:
            context.is_plain = self._single and self._security.authorizer is None
            if api_key == _PRODUCE:
                self._learn(frame, request, context)
        if len(frame) > LARGE_REQUEST_BYTES and api_key not in _IN_TURNS:
            return context, _in_its_own_turn(function, request, context)
        return context, function(request, context)

    def _learn(self, frame: memoryview, request: Any, context: RequestContext) -> None:
        if self._known is not None and context.is_plain:
            self._known.learn(frame, request, context)

    def _begin_known(
        self, known: KnownProduce, client: ClientConnection, frame: memoryview
    ) -> tuple[RequestContext, HandlerResult] | None:
        """Begin a Produce whose beginning is known, unless somebody is to look at it closely."""
        beginning = known.find(frame)
        security = self._security
        if (
            beginning is None
            or self._faults.active
            or security.limiting is not None
            or security.authorizer is not None
            or client.sasl is not None
        ):
            return None
        version, client_id = frame[3], beginning.client_id
        context = RequestContext(
            self._broker,
            self._node_id,
            client,
            _PRODUCE,
            version,
            int.from_bytes(frame[4:8], "big", signed=True),
            client_id,
            client.origins.get(client_id) or client.origin(client_id),
            self._advertised,
            len(frame),
            response_version=version,
        )
        answer = known.append(beginning, frame, context)
        if answer is None:
            return None
        self._requests[_PRODUCE] += 1
        return context, answer

    def _handler(self, api_key: int) -> Handler | None:
        """Load what answers an API; ``None`` when there is no such API."""
        if api_key not in SERVED:
            return unserved(api_key)
        handler = handler_of(ApiKey(api_key))
        if not self._single:
            from fakebus.kafka.coordinators import routed

            handler = routed(handler)
        if self._security.authorizer is not None:
            from fakebus.kafka.access import guarded

            handler = guarded(handler)
        if api_key == _PRODUCE and self._single:
            from fakebus.kafka.known_produce import KnownProduce

            self._known = KnownProduce(self._broker)
        self._handlers[api_key] = handler
        return handler

    def _affected(self, function: HandlerFunction, client: ClientConnection) -> HandlerFunction:
        """Return a handler that suffers faults, and that heeds quotas after the login."""
        if self._faults.active:
            from fakebus.kafka.fault_effects import carry_out

            function = partial(carry_out, function)
        if self._security.limiting is not None and (client.sasl is None or client.sasl.user):
            from fakebus.kafka.throttling import throttled

            function = partial(throttled, function)
        return function

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
            origin=client.origin(None),
            advertised=self._advertised,
            frame_bytes=len(frame),
            done=True,
            encoded=codec.framed(b"", [answer]),
        )


async def _in_its_own_turn(function: HandlerFunction, request: Any, context: RequestContext) -> Any:
    """Carry out a large request in another turn of the event loop than it was decoded in.

    Its answer may be larger still, and is encoded beside the loop.
    """
    result = function(request, context)
    if isinstance(result, PendingResponse):
        result = await result.response()
    elif isinstance(result, Awaitable):
        result = await result
    context.response = result
    # Not in the thread for records, which may be busy with batches for a minute.
    context.encoded = await asyncio.to_thread(encode, context)
    return result


def encode(context: RequestContext) -> list[Buffer]:
    """Return an answer's frame; nothing when the client expects none.

    Raises:
        EncodeError: the response cannot be written.
    """
    if context.response is None:
        return []
    return codec.response_frame(
        context.api_key, context.response_version, context.correlation_id, context.response
    )


def _refuse(client: ClientConnection, context: RequestContext, request: Any) -> None:
    error = ErrorCode.ILLEGAL_SASL_STATE
    context.response = error_response(context.api_key, context.api_version, request, error)
    context.done = True
    client.close_after_answer = True
