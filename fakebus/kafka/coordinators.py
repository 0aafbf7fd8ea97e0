"""Which node answers for a group or a transactional id, in front of the handlers concerned.

Each of them declares beside its versions whose coordinator it speaks to, as a kind and the fields
that name one or many of it: ``GROUP group_id groups[]``. Others are answered NOT_COORDINATOR, upon
which a client looks for the right one. Where there is a single node nothing of this is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from fakebus.broker.nodes import KEPT_IN
from fakebus.errors import ErrorCode
from fakebus.kafka.api import Handler, HandlerFunction, HandlerResult, RequestContext
from fakebus.kafka.error_responses import error_response


def routed(handler: Handler) -> Handler:
    """Return a handler that leaves to other nodes what they coordinate."""
    if not handler.coordinator:
        return handler
    kind, *fields = handler.coordinator.split(" ")
    names = [field.removesuffix("[]") for field in fields]
    return handler._replace(function=partial(_begin, handler.function, KEPT_IN[kind], names))


def _begin(
    function: HandlerFunction,
    topic: str,
    fields: Sequence[str],
    request: Any,
    context: RequestContext,
) -> HandlerResult:
    if all(context.coordinates(topic, key) for key in _keys(request, fields)):
        return function(request, context)
    error = ErrorCode.NOT_COORDINATOR
    return error_response(context.api_key, context.api_version, request, error)


def _keys(request: Any, fields: Sequence[str]) -> Iterator[str]:
    for name in fields:
        value = getattr(request, name)
        for item in value if isinstance(value, list) else (value,):
            key = item if isinstance(item, str) or item is None else item.group_id
            # What names nothing is refused by the handler, or means nothing.
            if key:
                yield key
