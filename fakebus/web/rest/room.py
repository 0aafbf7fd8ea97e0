"""The routes of both versions of the REST Proxy, and how their handlers are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from fakebus.errors import BrokerError, ErrorCode, FakebusError
from fakebus.servers import Bus
from fakebus.web.errors import RequestError
from fakebus.web.rest.media_types import PLAIN, TYPES, accepted_types, body_format, content_type
from fakebus.web.routing import Handler, RoomHandler, handler_in

if TYPE_CHECKING:
    from fakebus.web.rest.call import RestCall
    from fakebus.web.rest.consumers import Consumers
    from fakebus.web.rest.producing import Producing

_STATUS = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: (404, 40403),
    ErrorCode.GROUP_ID_NOT_FOUND: (404, 40403),
    ErrorCode.NON_EMPTY_GROUP: (409, 40903),
}
"""Where an error of Kafka is no client's 400: status and code."""


def refusal(error: FakebusError) -> RequestError:
    """Return what a client is answered whom the broker refuses something."""
    code = error.error_code if isinstance(error, BrokerError) else None
    if code is None:
        return RequestError(400, str(error), error_code=40002)
    status, number = _STATUS.get(code, (400, 40002))
    if code.retriable and status == 400:
        status, number = 503, 50003
    return RequestError(status, str(error), error_code=number)


class RestRoom:
    """Room of version 2.

    Args:
        bus: what is served.
    """

    prefix = ""
    takes_trailing_slash = True
    content_types = TYPES
    general_errors = (401, 404, 406, 421)

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._consumers: Consumers | None = None
        self._producing: Producing | None = None

    async def close(self) -> None:
        """Let all consumers go."""
        if self._consumers is not None:
            await self._consumers.close()

    def handler(self, name: str) -> RoomHandler:
        """Return the handler that the table names."""
        return handler_in("fakebus.web.rest.v2", name)

    def serve(self, handler: RoomHandler) -> Handler:
        """Return the handler as aiohttp calls it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                accepted = accepted_types(request.headers.get("Accept", ""))
                if request.can_read_body:
                    body_format(content_type(request))
                found = await handler(self._call(request))
            except FakebusError as error:
                raise _labelled(refusal(error)) from None
            except RequestError as error:
                raise _labelled(error) from None
            if isinstance(found, web.StreamResponse):
                return found
            return web.json_response(found, content_type=accepted[0].media_type)

        return answer

    def _call(self, request: web.Request) -> RestCall:
        # What few clients ask for need not delay the start.
        from fakebus.web.rest.call import RestCall
        from fakebus.web.rest.consumers import Consumers
        from fakebus.web.rest.producing import Producing

        if self._consumers is None or self._producing is None:
            self._consumers = Consumers(self._bus.broker)
            self._producing = Producing(self._bus.broker)
        return RestCall(self._bus, request, self._consumers, self._producing)


def _labelled(error: RequestError) -> RequestError:
    error.content_type = PLAIN
    return error
