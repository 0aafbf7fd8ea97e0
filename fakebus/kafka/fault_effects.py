"""Effects of faults on requests of Kafka: an error, a late answer, or a lost connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from fakebus.broker.faults import KAFKA, Api, Delay, Disconnect, Effect, Fail
from fakebus.kafka.api import (
    CloseConnection,
    HandlerFunction,
    HandlerResult,
    PendingResponse,
    RequestContext,
)
from fakebus.kafka.error_responses import error_response
from fakebus.protocol import codec

_REASON = "a test wants it so"


def carry_out(function: HandlerFunction, request: Any, context: RequestContext) -> HandlerResult:
    """Carry out a request, or what a fault makes of it.

    Args:
        function: the handler.
        request: the decoded request.
        context: what the handler gets besides.
    """
    effect = context.broker.faults.find(
        Api(KAFKA, codec.api_name(context.api_key)),
        context.client_id or "",
        lambda: topics_of(request, context),
        lambda: groups_of(request),
    )
    if effect is None:
        return function(request, context)
    return _affected(effect, function, request, context)


def _affected(
    effect: Effect, function: HandlerFunction, request: Any, context: RequestContext
) -> HandlerResult:
    if isinstance(effect, Fail):
        return _failed(effect, function, request, context)
    if effect == Disconnect(before=True):
        raise CloseConnection(_REASON)

    def replace(outcome: Any, pending: PendingResponse) -> None:
        if isinstance(effect, Delay):
            context.broker.clock.wait(effect.seconds, lambda: pending.settle(outcome))
        else:
            pending.settle(CloseConnection(_REASON))

    return replace_outcome(function(request, context), replace)


def _failed(
    effect: Fail, function: HandlerFunction, request: Any, context: RequestContext
) -> HandlerResult:
    code = effect.error
    answer = error_response(context.api_key, context.api_version, request, code)
    if getattr(request, "acks", None) == 0:
        raise CloseConnection(f"a Produce request with acks=0 was to fail: {code.name}")
    if hasattr(answer, "brokers") and hasattr(answer, "controller_id"):
        # Clients drop whom Metadata does not name.
        return _with_brokers(function(request, context), answer)
    return answer


def replace_outcome(
    result: HandlerResult, replace: Callable[[Any, PendingResponse], None]
) -> HandlerResult:
    """Leave it to a function what is answered, and when.

    Args:
        result: what the handler returned.
        replace: called with the response, once it is there, and with a pending response to
            settle, now or later.
    """
    pending = PendingResponse()
    if isinstance(result, Awaitable):
        return _await_both(result, replace, pending)
    if isinstance(result, PendingResponse):
        pending.abandon = result.abandon
        result.when_settled(lambda outcome: replace(outcome, pending))
    else:
        replace(result, pending)
    return pending


async def _await_both(
    result: Awaitable[Any],
    replace: Callable[[Any, PendingResponse], None],
    pending: PendingResponse,
) -> Any:
    replace(await result, pending)
    return await pending.response()


async def _with_brokers(result: HandlerResult, answer: Any) -> Any:
    real = await result if isinstance(result, Awaitable) else result
    answer.brokers = getattr(real, "brokers", [])
    return answer


def topics_of(request: Any, context: RequestContext) -> set[str]:
    """Return the topics that a request names, also those that it names by their ids."""
    found: set[str] = set()
    for name in ("topics", "topic_data", "topic_names", "groups"):
        for item in getattr(request, name, None) or ():
            if name == "groups":
                found |= set() if isinstance(item, str) else topics_of(item, context)
            elif isinstance(item, str):
                found.add(item)
            else:
                found |= _names_of(item, context)
    return found


def _names_of(item: Any, context: RequestContext) -> set[str]:
    names = {getattr(item, "name", None), getattr(item, "topic", None)}
    topic_id = getattr(item, "topic_id", None)
    known = context.broker.topics.by_id(topic_id) if isinstance(topic_id, UUID) else None
    if known is not None:
        names.add(known.name)
    return {name for name in names if name}


def groups_of(request: Any) -> set[str]:
    """Return the consumer groups that a request names."""
    found = {getattr(request, "group_id", None)}
    for item in getattr(request, "groups", None) or ():
        found.add(item if isinstance(item, str) else getattr(item, "group_id", None))
    found.update(getattr(request, "groups_names", None) or ())
    if hasattr(request, "coordinator_keys"):
        found |= {getattr(request, "key", None), *(request.coordinator_keys or ())}
    return {name for name in found if name}
