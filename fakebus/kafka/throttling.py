"""Effect of quotas: an answer says how long to wait, and its connection is silent for so long.

Without quotas nothing of this is even loaded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any

from fakebus.broker.security.quotas import PRODUCE, REQUEST
from fakebus.kafka.api import (
    CloseConnection,
    HandlerFunction,
    HandlerResult,
    PendingResponse,
    RequestContext,
)
from fakebus.protocol.api_keys import ApiKey
from fakebus.real_time import monotonic

_PRODUCE = int(ApiKey.PRODUCE)


def throttled(function: HandlerFunction, request: Any, context: RequestContext) -> HandlerResult:
    """Carry out a request, count what it uses, and have its client wait if that is too much.

    Args:
        function: the handler.
        request: the decoded request.
        context: what the handler gets besides.
    """
    start_s = monotonic()
    result = function(request, context)
    spent_s = monotonic() - start_s
    if isinstance(result, PendingResponse):
        # Told before the connection is, which sends the answer.
        result.when_settled(lambda outcome: _count(context, outcome, spent_s))
    elif isinstance(result, Awaitable):
        return _attend(context, _Timed(result))
    else:
        _count(context, result, spent_s)
    return result


class _Timed:
    """Awaitable that measures the time for which it does not wait."""

    def __init__(self, work: Awaitable[Any]) -> None:
        self._work = work
        self.spent_s = 0.0

    def __await__(self) -> Generator[Any, None, Any]:
        steps, thrown = self._work.__await__(), None
        while True:
            start_s = monotonic()
            try:
                awaited = next(steps) if thrown is None else steps.throw(thrown)
            except StopIteration as end:
                return end.value
            finally:
                self.spent_s += monotonic() - start_s
            try:
                yield awaited
                thrown = None
            except BaseException as error:  # noqa: BLE001 - it is for what awaits
                thrown = error


async def _attend(context: RequestContext, work: _Timed) -> Any:
    outcome = await work
    _count(context, outcome, work.spent_s)
    return outcome


def _count(context: RequestContext, outcome: Any, spent_s: float) -> None:
    quotas = context.broker.security.limiting
    if quotas is None or isinstance(outcome, CloseConnection):
        return
    user, client_id = context.connection.user, context.client_id or ""
    waits_ms = context.throttle_ms
    if context.api_key == _PRODUCE:
        waits_ms = max(waits_ms, quotas.record(PRODUCE, user, client_id, context.frame_bytes))
    if outcome is not None:
        taken_ms = quotas.record(REQUEST, user, client_id, spent_s * 100)
        waits_ms = max(waits_ms, min(taken_ms, quotas.longest_ms))
    context.throttle_ms = waits_ms
    if waits_ms and hasattr(outcome, "throttle_time_ms"):
        outcome.throttle_time_ms = waits_ms
