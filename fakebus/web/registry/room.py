"""The schema registry's routes, and how its handlers are called."""

from __future__ import annotations

from aiohttp import web

from fakebus.servers import Bus
from fakebus.web.registry.answers import CONTENT_TYPES, answer_type, response
from fakebus.web.registry.parameters import Call
from fakebus.web.routing import Handler, RoomHandler, handler_in


class RegistryRoom:
    """Room of the schema registry.

    All but a few of its routes also stand under ``/contexts/{context}``, for that context's
    subjects and ids.

    Args:
        bus: holds the registry.
    """

    prefix = "/contexts/{context}"
    takes_trailing_slash = False
    content_types = CONTENT_TYPES
    general_errors = (401, 404, 406, 421)

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def handler(self, name: str) -> RoomHandler:
        """Return the handler that the table names."""
        return handler_in("fakebus.web.registry", name)

    def serve(self, handler: RoomHandler) -> Handler:
        """Return the handler as aiohttp calls it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            # Before anything is written for a client that could not read the answer.
            content_type = answer_type(request.headers.get("Accept", ""))
            call = Call(self._bus.registry, request, cluster_id=self._bus.broker.cluster_id)
            return await response(request, await handler(call), content_type)

        return answer
