"""Sending of answers in pieces, so that little of one waits in memory twice."""

from __future__ import annotations

import asyncio

from aiohttp import web

from fakebus.web.errors import ClientGoneError

WRITE_TIMEOUT_S = 30.0
"""For how long a client may read nothing of what waits for it."""
PIECE_BYTES = 64 * 1024
"""That are handed over at once: what the socket does not take is copied, some times."""


async def send(request: web.Request, response: web.StreamResponse, part: bytes = b"") -> None:
    """Send a part of an answer, and its head before the first one; the head alone if HEAD asks.

    Raises:
        ClientGoneError: the client has gone, or does not read.
    """
    pieces = memoryview(part)
    try:
        if not response.prepared:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await response.prepare(request)
        if request.method == "HEAD":
            return
        for at in range(0, len(part), PIECE_BYTES):
            # For a client that is there and does not read nothing more is made.
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await response.write(pieces[at : at + PIECE_BYTES])
    except (ConnectionError, TimeoutError):
        raise ClientGoneError from None
