"""Call a handler as the listener does: with a request and a response that went over the wire."""

from __future__ import annotations

import inspect
from typing import Any

from fakebus.broker.broker import Broker
from fakebus.kafka.api import (
    AdvertisedBroker,
    ClientConnection,
    Handler,
    PendingResponse,
    RequestContext,
)
from fakebus.protocol.codec import (
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)


def _bytes(buffers: list[Any]) -> memoryview:
    return memoryview(bytearray().join(bytes(buffer) for buffer in buffers))


async def call(
    handler: Handler,
    request: Any,
    broker: Broker,
    *,
    version: int | None = None,
    connection: ClientConnection | None = None,
) -> Any:
    """Return the response that a client would read; the newest version is the default."""
    version = handler.max_version if version is None else version
    key = int(handler.api_key)
    connection = connection or ClientConnection(1, "PLAINTEXT", "/127.0.0.1")
    context = RequestContext(
        broker=broker,
        node_id=broker.nodes[0].node_id,
        connection=connection,
        api_key=key,
        api_version=version,
        correlation_id=1,
        client_id="test",
        origin=connection.origin("test"),
        advertised=lambda _: [AdvertisedBroker(broker.nodes[0].node_id, "kafka.test", 9092, "r1")],
    )
    sent = decode_request(key, version, _bytes(encode_request(key, version, request)))
    response = handler.function(sent, context)
    if isinstance(response, PendingResponse):
        response = await response.response()
    if inspect.isawaitable(response):
        response = await response
    return decode_response(key, version, _bytes(encode_response(key, version, response)))
