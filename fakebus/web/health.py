"""Whether the process lives and whether its data are there, for probes of all kinds."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from fakebus import __version__


def health_routes(
    topic_count: Callable[[], int], is_ready: Callable[[], bool]
) -> list[web.RouteDef]:
    """Return the routes.

    Args:
        topic_count: how many topics there are.
        is_ready: whether the seed is there.
    """

    async def health(request: web.Request) -> web.Response:
        return web.json_response({"status": "up", "version": __version__})

    async def ready(request: web.Request) -> web.Response:
        answer = {"ready": is_ready(), "topics": topic_count()}
        return web.json_response(answer, status=200 if answer["ready"] else 503)

    return [web.get("/health", health), web.get("/ready", ready)]
