"""The rooms of the HTTP side, and the server's own: health, and what routes there are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property

from aiohttp import web

from fakebus import __version__
from fakebus.broker.turns import SharedWork
from fakebus.servers import Bus
from fakebus.web.admin.room import AdminRoom
from fakebus.web.compact_json import compact_json
from fakebus.web.large_answers import answered
from fakebus.web.registry.room import RegistryRoom
from fakebus.web.rest.room import RestRoom, RestState, RestV3Room, StreamsRoom
from fakebus.web.routing import Handler, Room, RoomHandler


async def health(room: ServerRoom) -> object:
    """Tell that the process lives."""
    return {"status": "up", "version": __version__}


async def ready(room: ServerRoom) -> object:
    """Tell whether the data are there, and clients are served and may write."""
    problem = "the bus is not ready"
    if room.bus.ready and (failure := await room.bus.broker.write_check.failure()):
        problem = f"writes fail: {failure}"
    elif room.bus.ready:
        problem = ""
    answer = {"ready": not problem, "topics": room.bus.topic_count()}
    if not problem:
        return answer
    body = compact_json(answer | {"error_code": 503, "message": problem}).encode()
    return web.Response(status=503, body=body, content_type="application/json")


async def metrics(room: ServerRoom) -> object:
    """Tell what dashboards for Kafka show, in Prometheus's text format."""
    from fakebus.web.metrics import exposition

    found = await room.scrapes.outcome(lambda: exposition(room.bus, room.http_requests))
    return web.Response(
        body=found, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


async def openapi(room: ServerRoom) -> object:
    """Describe the routes, as OpenAPI."""
    # It is made for the first who asks; other clients are served meanwhile.
    return await asyncio.to_thread(lambda: room.description)


class ServerRoom:
    """Room of the server itself.

    Args:
        bus: what is served.
        rooms: all rooms; may be completed later.
    """

    prefix = ""
    takes_trailing_slash = False
    content_types = ("application/json",)
    general_errors = (
        401,
        421,
    )

    def __init__(self, bus: Bus, rooms: Mapping[str, Room]) -> None:
        self.bus = bus
        self.http_requests: dict[tuple[str, str, int], int] = {}
        """How many there were, by method, route and status."""
        self.scrapes = SharedWork()
        self._rooms = rooms

    def count(self, request: web.Request, status: int) -> None:
        """Count a request that was answered."""
        resource = request.match_info.route.resource
        # What is at no route is one of them, whatever strangers ask for.
        route = "" if resource is None else resource.canonical
        key = request.method if route else "", route, status
        self.http_requests[key] = self.http_requests.get(key, 0) + 1

    @cached_property
    def description(self) -> dict[str, object]:
        """The OpenAPI description of all rooms."""
        # What few clients ask for need not delay the start.
        from fakebus.web.openapi import description

        return description(self._rooms)

    def handler(self, name: str) -> RoomHandler:
        """Return the handler that the table names."""
        return {"health": health, "ready": ready, "metrics": metrics, "openapi": openapi}[name]

    def serve(self, handler: RoomHandler) -> Handler:
        """Return the handler as aiohttp calls it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            found = await handler(self)
            return await answered(request, found)

        return answer


def all_rooms(bus: Bus) -> dict[str, Room]:
    """Return all rooms by the names that the table of routes has."""
    rest = RestState(bus)
    rooms: dict[str, Room] = {
        "admin": AdminRoom(bus),
        "registry": RegistryRoom(bus),
        "rest": RestRoom(rest),
        "rest v3": RestV3Room(rest),
        "records": StreamsRoom(rest),
    }
    rooms["server"] = ServerRoom(bus, rooms)
    return rooms
