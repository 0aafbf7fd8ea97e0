"""Effects of faults on requests of Kafka: errors, late answers, lost connections, wrong records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import copy
from typing import Any
from uuid import UUID

from fakebus.broker.fault import (
    KAFKA,
    Api,
    Corrupt,
    Delay,
    Disconnect,
    Duplicate,
    Fail,
    Fault,
    Throttle,
)
from fakebus.kafka.api import (
    CloseConnection,
    HandlerFunction,
    HandlerResult,
    PendingResponse,
    RequestContext,
)
from fakebus.kafka.error_responses import error_response
from fakebus.kafka.partial_failures import Part, fail_partly, fetched
from fakebus.protocol import codec
from fakebus.protocol.messages import FetchRequest, FetchResponse, ProduceRequest
from fakebus.records.batch import (
    HEADER_SIZE,
    TRANSACTIONAL_BIT,
    check_whole,
    clear_producer,
)
from fakebus.records.errors import RecordError

_REASON = "a test wants it so"


def carry_out(function: HandlerFunction, request: Any, context: RequestContext) -> HandlerResult:
    """Carry out a request, or what a fault makes of it.

    Args:
        function: the handler.
        request: the decoded request.
        context: what the handler gets besides.
    """
    faults, client_id = context.broker.faults, context.client_id or ""
    fault = faults.choose(
        Api(KAFKA, codec.api_name(context.api_key)),
        client_id,
        lambda: topics_of(request, context),
        lambda: groups_of(request),
    )
    if fault is None:
        return function(request, context)
    effect = fault.effect
    if isinstance(effect, Corrupt):
        return replace_outcome(
            function(request, context), lambda answer, then: _corrupt(fault, answer, context, then)
        )
    if isinstance(effect, Duplicate):
        return _twice(fault, function, request, context)
    faults.happen(fault, client_id)
    if isinstance(effect, Fail):
        return _failed(effect, fault.topic, function, request, context)
    if effect == Disconnect(before=True):
        raise CloseConnection(_REASON)

    def replace(outcome: Any, pending: PendingResponse) -> None:
        if isinstance(effect, Throttle):
            context.throttle_ms = max(context.throttle_ms, round(effect.seconds * 1000))
            if hasattr(outcome, "throttle_time_ms"):
                outcome.throttle_time_ms = context.throttle_ms
            pending.settle(outcome)
        elif isinstance(effect, Delay):
            context.broker.clock.wait(effect.seconds, lambda: pending.settle(outcome))
        else:
            pending.settle(CloseConnection(_REASON))

    return replace_outcome(function(request, context), replace)


def _failed(
    effect: Fail,
    topic: str | None,
    function: HandlerFunction,
    request: Any,
    context: RequestContext,
) -> HandlerResult:
    code = effect.error
    if effect.partial and topic is not None:
        known = context.broker.topics.get(topic)
        topic_id = None if known is None else known.topic_id
        part = Part(topic, topic_id, effect.partition, code)
        rest = fail_partly(part, function, request, context, replace_outcome)
        if rest is not None:
            return rest
    answer = error_response(context.api_key, context.api_version, request, code)
    if getattr(request, "acks", None) == 0:
        raise CloseConnection(f"a Produce request with acks=0 was to fail: {code.name}")
    if hasattr(answer, "brokers") and hasattr(answer, "controller_id"):
        # Clients drop whom Metadata does not name.
        return _with_brokers(function(request, context), answer)
    return answer


def _corrupt(fault: Fault, answer: Any, context: RequestContext, pending: PendingResponse) -> None:
    """Flip a bit in the first batches of an answer, if there are any."""
    if isinstance(answer, FetchResponse) and fault.left != 0:
        for topic in answer.responses:
            if fault.topic in (None, *_names_of(topic, context)):
                for partition in topic.partitions:
                    found = partition.records or b""
                    records = bytearray(
                        b"".join(found) if isinstance(found, list | tuple) else found
                    )
                    if len(records) > HEADER_SIZE:
                        # Without compression and headers, this is the last of the value.
                        records[-2] ^= 1
                        partition.records = bytes(records)
                        context.broker.faults.happen(fault, context.client_id or "")
                        pending.settle(answer)
                        return
    pending.settle(answer)


def _twice(
    fault: Fault, function: HandlerFunction, request: ProduceRequest, context: RequestContext
) -> HandlerResult:
    """Carry out a request to produce, and once more what of it is for the fault's topic."""
    again = copy(request)
    again.topic_data = []
    for topic in request.topic_data:
        if fault.topic in (None, *_names_of(topic, context)):
            copied = copy(topic)
            copied.partition_data = []
            for partition in topic.partition_data:
                batch = _anonymous(partition.records)
                if batch is not None:
                    other = copy(partition)
                    other.records = batch
                    copied.partition_data.append(other)
            if copied.partition_data:
                again.topic_data.append(copied)
    result = function(request, context)
    if again.topic_data:
        context.broker.faults.happen(fault, context.client_id or "")
        # Whoever asked is told of the first only.
        function(again, context)
    return result


def _anonymous(records: Any) -> memoryview | None:
    """Return a batch as nobody in particular has produced it; ``None`` where that is not right."""
    if records is None:
        return None
    batch = bytearray(records)
    try:
        header = check_whole(batch)
    except RecordError:
        return None
    if header.attributes & TRANSACTIONAL_BIT:
        return None
    clear_producer(batch)
    return memoryview(batch)


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
    if isinstance(request, FetchRequest) and request.session_id:
        for key, _ in fetched(request, request.session_id, context):
            known = context.broker.topics.by_id(key) if isinstance(key, UUID) else None
            found.add(key if isinstance(key, str) else "" if known is None else known.name)
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
