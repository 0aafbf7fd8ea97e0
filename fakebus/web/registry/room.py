"""The schema registry's routes, and how its handlers are called."""

from __future__ import annotations

from aiohttp import web

from fakebus.servers import Bus
from fakebus.web.registry import (
    associations,
    compatibility,
    config,
    contexts,
    metadata,
    mode,
    schemas,
    subjects,
    versions,
)
from fakebus.web.registry.answers import CONTENT_TYPES, answer_type, response
from fakebus.web.registry.parameters import Call
from fakebus.web.routing import Handler, RoomHandler, handlers_of


class RegistryRoom:
    """Room of the schema registry.

    All but a few of its routes also stand under ``/contexts/{context}``, for that context's
    subjects and ids.

    Args:
        bus: holds the registry.
    """

    handlers = handlers_of(
        associations,
        compatibility,
        config,
        contexts,
        metadata,
        mode,
        schemas,
        subjects,
        versions,
    )
    prefix = "/contexts/{context}"
    content_types = CONTENT_TYPES
    general_errors = (404, 406, 421)

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def serve(self, handler: RoomHandler) -> Handler:
        """Return the handler as aiohttp calls it."""

        async def answer(request: web.Request) -> web.Response:
            # Before anything is written for a client that could not read the answer.
            content_type = answer_type(request.headers.get("Accept", ""))
            call = Call(self._bus.registry, request, cluster_id=self._bus.broker.cluster_id)
            return response(await handler(call), content_type)

        return answer
