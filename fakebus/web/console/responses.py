"""Answers that are no pages: files to take away, and streams of what happens."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from fakebus.web.console.site import HEADERS


def attachment(
    body: bytes, name: str, content_type: str = "application/octet-stream"
) -> web.Response:
    """Return bytes of strangers as a file that no browser shows."""
    return web.Response(
        body=body,
        content_type=content_type,
        headers={
            **HEADERS,
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
        },
    )


async def event_stream(
    request: web.Request, messages: AsyncGenerator[tuple[str, object] | None, None]
) -> web.StreamResponse:
    """Answer with server-sent events until there are no more, or nobody listens.

    Args:
        request: of an EventSource.
        messages: names and data; ``None`` only shows whether the client is still there. Closed in
            the end.
    """
    response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
    await response.prepare(request)
    async with aclosing(messages):
        try:
            async for message in messages:
                text = ":\n\n"
                if message is not None:
                    # In JSON no line breaks are left, and ASCII holds what no encoding can.
                    text = f"event: {message[0]}\ndata: {json.dumps(message[1])}\n\n"
                await response.write(text.encode())
        except ConnectionError:
            pass  # it went while it was written to
    return response
