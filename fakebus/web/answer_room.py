"""Room for what is read for answers: clients that read slowly hold it, and there may be many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from fakebus.memory_budget import MemoryBudget
from fakebus.web.errors import ClientGoneError, Handler
from fakebus.web.sending import PIECE_BYTES, send

MAX_PAGE_BYTES = 8 * 1024 * 1024
"""Of the records of one page."""
SHARE_BYTES = 256 * 1024
"""Of a page whatever others hold, unless a single record is larger."""
_budget = MemoryBudget(128 * 1024 * 1024)
"""What pages of records may take, over all connections."""


@contextmanager
def page_room() -> Iterator[int]:
    """Hold room for a page of records while it is read and sent; gives the bytes it may have."""
    size = SHARE_BYTES if _budget.exceeded else MAX_PAGE_BYTES
    _budget.used += size
    try:
        yield size
    finally:
        _budget.used -= size


@web.middleware
async def whole_answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send large answers in pieces, and to those alone who read them.

    aiohttp hands over a body at once, which is copied then, and kept until the client goes.
    """
    answer = await handler(request)
    body = answer.body if isinstance(answer, web.Response) else None
    if not isinstance(body, bytes) or len(body) <= PIECE_BYTES or answer.prepared:
        return answer
    response = web.StreamResponse(
        status=answer.status, reason=answer.reason, headers=answer.headers
    )
    response.content_length = len(body)
    try:
        await send(request, response, body)
    except ClientGoneError:
        if request.transport is not None:
            request.transport.abort()
    return response
