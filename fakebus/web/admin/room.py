"""The admin routes, and how their handlers are called."""

from __future__ import annotations

from aiohttp import web

from fakebus.errors import BrokerError, ErrorCode
from fakebus.servers import Bus
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError
from fakebus.web.large_answers import answered
from fakebus.web.routing import Handler, RoomHandler, handler_in


class AdminRoom:
    """Room of what only a fakebus can be asked and told.

    Args:
        bus: what is served.
    """

    prefix = ""
    takes_trailing_slash = False
    content_types = ("application/json",)
    general_errors = (400, 401, 421)

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def handler(self, name: str) -> RoomHandler:
        """Return the handler that the table names."""
        return handler_in("fakebus.web.admin", name)

    def serve(self, handler: RoomHandler) -> Handler:
        """Return the handler as aiohttp calls it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                found = await handler(AdminCall(self._bus, request))
            except BrokerError as error:
                # What the broker refuses is no failure of ours.
                is_unknown = error.error_code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                status = 404 if is_unknown else 503 if error.error_code.retriable else 422
                raise RequestError(status, str(error)) from None
            return await answered(request, found)

        return answer
