"""How long a client gives the controller, as CreateTopics and others say it.

What is done here is done before it is answered, so there is nothing to wait for. But Kafka's
controller looks first at what has come too late: a request that leaves it no time (``timeout_ms`` 0
or less, which some clients take for "do not wait") is REQUEST_TIMED_OUT and changes nothing. A test
that passes here must not fail there.

Source: ControllerApis and KafkaEventQueue of Kafka 4.3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from fakebus.errors import ErrorCode
from fakebus.kafka.api import HandlerFunction, HandlerResult, RequestContext
from fakebus.kafka.error_responses import error_response

Asks = Callable[[Any, RequestContext], bool]
"""Tells whether a request has anything that the controller has to be asked."""


def in_time(asks: Asks) -> Callable[[HandlerFunction], HandlerFunction]:
    """Let a handler see only requests that leave it time, and those that need none.

    Args:
        asks: a request of which it says no is answered by the handler, whatever time it gives.
    """

    def decorate(function: HandlerFunction) -> HandlerFunction:
        @wraps(function)
        def timed(request: Any, context: RequestContext) -> HandlerResult:
            if request.timeout_ms > 0 or not asks(request, context):
                return function(request, context)
            late = ErrorCode.REQUEST_TIMED_OUT
            answer = error_response(context.api_key, context.api_version, request, late)
            if hasattr(answer, "error_code"):
                answer.error_code = late.code
            return answer

        return timed

    return decorate


def names_a_topic_once(request: Any, _: RequestContext) -> bool:
    """Return whether a request for topics names one that it does not name again.

    Kafka refuses the others before it asks the controller.
    """
    return 1 in Counter(topic.name for topic in request.topics).values()
