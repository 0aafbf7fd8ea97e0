"""Standing between the listener and the handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fakebus.kafka.api import (
    CloseConnection,
    HandlerFunction,
    HandlerResult,
    PendingResponse,
    RequestContext,
)

Interceptor = Callable[[HandlerFunction, Any, RequestContext], HandlerResult]
"""Called in a handler's place, with the handler and its arguments."""


def carry_out(function: HandlerFunction, request: Any, context: RequestContext) -> HandlerResult:
    """Do what the listener does when nobody stands in between."""
    return function(request, context)


def replace_outcome(
    result: HandlerResult, replace: Callable[[Any, PendingResponse], None]
) -> HandlerResult:
    """Let somebody else decide what is answered, and when.

    Args:
        result: what the handler returned.
        replace: called with the response, once it is there, and with a pending response to
            settle, now or later.
    """
    pending = PendingResponse()
    if isinstance(result, Awaitable):
        return _await_both(result, replace, pending)
    if isinstance(result, PendingResponse):
        pending.when_abandoned(result.abandon)
        result.when_ready(lambda outcome: replace(outcome, pending))
    else:
        replace(result, pending)
    return pending


async def _await_both(
    result: Awaitable[Any],
    replace: Callable[[Any, PendingResponse], None],
    pending: PendingResponse,
) -> Any:
    replace(await result, pending)
    settled: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def settle(outcome: Any) -> None:
        if not settled.done():
            settled.set_result(outcome)

    pending.when_ready(settle)
    outcome = await settled
    if isinstance(outcome, CloseConnection):
        raise outcome
    return outcome
