"""Room for what is read for answers: clients that read slowly hold it, and there may be many."""

from __future__ import annotations

from typing import Self

from aiohttp import web

from fakebus.memory_budget import SHARE_BYTES, MemoryBudget
from fakebus.web.errors import ClientGoneError, Handler
from fakebus.web.sending import PIECE_BYTES, send

MAX_PAGE_BYTES = 8 * 1024 * 1024
"""Of the records of one page."""
_budget = MemoryBudget(128 * 1024 * 1024)
"""What pages of records may take, over all connections; beyond it a page has its share, unless a
single record is larger."""


class PageRoom:
    """Room for one page of records while it is read and sent, for ``with``."""

    def __init__(self) -> None:
        self._held = 0

    def __enter__(self) -> Self:
        """Hold nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give back what is held."""
        _budget.used -= self._held

    def whole(self) -> int:
        """Hold room for a page that is going to be read; returns the bytes that it may have."""
        size = self._most
        self._hold(size)
        return size

    def has_more(self, size: int) -> bool:
        """Hold a record, by its bytes; returns whether there is room for another."""
        self._hold(size)
        return self._held < self._most

    @property
    def _most(self) -> int:
        return SHARE_BYTES if _budget.exceeded else MAX_PAGE_BYTES

    def _hold(self, size: int) -> None:
        self._held += size
        _budget.used += size


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
