"""The admin routes, and how their handlers are called."""

from __future__ import annotations

from aiohttp import web

from fakebus.servers import Bus
from fakebus.web.admin import catalogue, clients, flow, impact, records, snapshots, why
from fakebus.web.admin.call import AdminCall
from fakebus.web.routing import Handler, RoomHandler, handlers_of


class AdminRoom:
    """Room of what only a fakebus can be asked and told.

    Args:
        bus: what is served.
    """

    handlers = handlers_of(
        catalogue,
        clients,
        flow,
        impact,
        records,
        snapshots,
        why,
    )
    prefix = ""
    content_types = ("application/json",)
    general_errors = (421,)

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def serve(self, handler: RoomHandler) -> Handler:
        """Return the handler as aiohttp calls it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            found = await handler(AdminCall(self._bus, request))
            return found if isinstance(found, web.StreamResponse) else web.json_response(found)

        return answer
