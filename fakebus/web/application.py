"""The HTTP side as one aiohttp application: that of a bus, or a console alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.typedefs import Middleware

from fakebus.broker.activity import Origin
from fakebus.servers import Bus
from fakebus.web.answer_room import whole_answers
from fakebus.web.connection import HttpConnection
from fakebus.web.console.door import ConsoleDoor, redirect_browsers
from fakebus.web.errors import Handler, RequestError, json_errors
from fakebus.web.fault_effects import fault_effects
from fakebus.web.rest.room import RestRoom
from fakebus.web.rooms import ServerRoom, all_rooms
from fakebus.web.routing import web_routes
from fakebus.web.security import HostCheck, token_check
from fakebus.web.turn_share import TurnShare

if TYPE_CHECKING:
    from fakebus.cluster.interface import Cluster

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class HttpApplication:
    """Routes and the connections that ask for them.

    Args:
        hosts: what HTTP may be asked for as, besides the names of this machine.
        console: the console at ``/ui``.
        routes: the other routes.
        outermost: what sees every request first.
        token: what requests have to show; nothing if it is empty.
        on_close: called when all clients have been dropped.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        console: ConsoleDoor,
        routes: Iterable[web.RouteDef],
        outermost: Sequence[Middleware] = (),
        token: str = "",
        on_close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        checks = [json_errors, HostCheck(hosts).middleware(), redirect_browsers]
        if token:
            checks.insert(2, token_check(token))
        application = web.Application(middlewares=[whole_answers, *outermost, *checks])
        application.add_routes(routes)
        console.add_to(application)
        application.on_response_prepare.append(_add_security_headers)
        self._share = TurnShare()
        self._on_close = on_close
        self._runner = web.AppRunner(application, shutdown_timeout=0.5)

    async def start(self) -> None:
        """Make it ready for connections."""
        await self._runner.setup()

    def connection(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        server = self._runner.server
        assert server is not None  # noqa: S101 - it has been started
        return HttpConnection(server, self._share)

    async def close(self) -> None:
        """Drop all clients."""
        await self._runner.cleanup()
        if self._on_close is not None:
            await self._on_close()


def bus_application(bus: Bus) -> HttpApplication:
    """Return all that a bus serves by HTTP."""
    settings, rooms = bus.settings, all_rooms(bus)
    rest, server = rooms["rest"], rooms["server"]
    # They are the rooms of these names.
    assert isinstance(rest, RestRoom)  # noqa: S101
    assert isinstance(server, ServerRoom)  # noqa: S101
    return HttpApplication(
        [*settings.http_allowed_hosts, *(each.host for each in settings.http)],
        ConsoleDoor(partial(_cluster_of, bus)),
        web_routes(rooms),
        [_counting(server), fault_effects(bus.broker)],
        bus.broker.config.get_str("fakebus.http.token"),
        rest.close,
    )


def _counting(room: ServerRoom) -> Middleware:
    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        room.count(request, response.status)
        return response

    return count


def console_application(cluster: Cluster, hosts: Sequence[str], token: str = "") -> HttpApplication:
    """Return the console of a cluster that runs elsewhere.

    Args:
        cluster: what it shows; disconnected from at the end.
        hosts: what HTTP may be asked for as, besides the names of this machine.
        token: what requests have to show; nothing if it is empty.
    """
    from fakebus.cluster.interface import NotOnThisCluster

    async def not_here(request: web.Request) -> web.StreamResponse:
        try:
            cluster.bus(f"what {request.path} tells")
        except NotOnThisCluster as error:
            raise RequestError(501, str(error)) from None
        raise RequestError(404, "ask the bus itself")

    routes = [web.route("*", "/_fakebus/{path:.*}", not_here)]
    return HttpApplication(hosts, ConsoleDoor(lambda: cluster), routes, token=token)


def _cluster_of(bus: Bus) -> Cluster:
    from fakebus.cluster.embedded import EmbeddedCluster

    return EmbeddedCluster(bus, Origin(front_end="console", client_id="console"))


async def _add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
