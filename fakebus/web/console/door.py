"""The way into the console, whose code is imported when somebody first comes by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from fakebus.web.console.addresses import PREFIX, page_url
from fakebus.web.errors import Handler

if TYPE_CHECKING:
    from fakebus.cluster.interface import Cluster
    from fakebus.web.console.site import Site


class ConsoleDoor:
    """Route of the console: all below ``/ui``.

    Args:
        cluster: called once, at the first request: what the console shows.
    """

    def __init__(self, cluster: Callable[[], Cluster]) -> None:
        self._cluster = cluster
        self._site: Site | None = None

    def add_to(self, application: web.Application) -> None:
        """Serve the console as a part of an application."""
        application.router.add_route("*", PREFIX + "{path:(/.*)?}", self._answer)
        application.on_cleanup.append(self._close)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self._site is None:
            # Jinja2 takes longer to import than a bus that nobody looks at may need to start, and
            # than clients may have to wait.
            make = await asyncio.to_thread(_make_site)
            self._site = self._site or make(self._cluster())
        return await self._site.answer(request)

    async def _close(self, application: web.Application) -> None:
        if self._site is not None:
            await self._site.close()


def _make_site() -> Callable[[Cluster], Site]:
    from fakebus.web.console.site import Site

    return Site


@web.middleware
async def redirect_browsers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send those who ask for the root and name HTML to the console.

    Browsers do; clients of a registry, which find their empty object there, name JSON or nothing.
    """
    if request.path != "/" or request.method not in ("GET", "HEAD"):
        return await handler(request)
    if "text/html" in request.headers.get("Accept", ""):
        return web.Response(status=302, headers={"Location": page_url(), "Vary": "Accept"})
    response = await handler(request)
    response.headers["Vary"] = "Accept"
    return response
