"""Whether the process lives and whether its data are there, for probes of all kinds."""

from __future__ import annotations

from aiohttp import web

from fakebus import __version__
from fakebus.servers import Bus


def health_routes(bus: Bus) -> list[web.RouteDef]:
    """Return the routes."""

    async def health(request: web.Request) -> web.Response:
        return web.json_response({"status": "up", "version": __version__})

    async def ready(request: web.Request) -> web.Response:
        answer = {"ready": bus.ready, "topics": len(bus.broker.topics)}
        return web.json_response(answer, status=200 if bus.ready else 503)

    return [web.get("/health", health), web.get("/ready", ready)]
