"""Streams of server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import MappingProxyType

from aiohttp import web

from fakebus.broker.turns import Slices
from fakebus.web.errors import ClientGoneError
from fakebus.web.sending import send

_CACHED_NOWHERE = MappingProxyType({"Cache-Control": "no-store"})

Message = tuple[str, object] | tuple[str, object, int | str]
"""Message: its name, its data, and its id if a client may go on behind it; one line.

Without a name it is nothing but the id, which clients keep and show nobody."""


async def event_stream(
    request: web.Request,
    messages: AsyncGenerator[Message | None, None],
    headers: Mapping[str, str] = _CACHED_NOWHERE,
) -> web.StreamResponse:
    """Answer with server-sent events until there are no more, or nobody listens.

    Args:
        request: of an EventSource.
        messages: ``None`` only shows whether the client is still there. Closed in the end.
        headers: of the answer.
    """
    response = web.StreamResponse(headers={**headers, "Content-Type": "text/event-stream"})
    slices = Slices()
    async with aclosing(messages):
        try:
            await send(request, response)
            if request.method == "HEAD":
                # What followed its head would be taken for the next answer.
                return response
            async for message in messages:
                # Dozens may read from the beginning, each with thousands of messages at hand.
                await slices.keep()
                text = _text(message)
                # A large one is there once while it is sent.
                del message
                await send(request, response, text)
        except ClientGoneError:
            # It may be there and not read: nothing more is kept for it.
            if request.transport is not None:
                request.transport.abort()
    return response


def _text(message: Message | None) -> bytes:
    if message is None:
        return b":\n\n"
    name, data, *ids = message
    # In JSON no line breaks are left, and ASCII holds what no encoding can.
    text = f"event: {name}\ndata: {json.dumps(data)}\n" if name else ""
    return (text + "".join(f"id: {each}\n" for each in ids) + "\n").encode()
