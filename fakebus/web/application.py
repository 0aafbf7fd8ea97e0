"""The HTTP side as one aiohttp application."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from fakebus.broker.activity import Origin
from fakebus.servers import Bus
from fakebus.web.connection import HttpConnection
from fakebus.web.console.door import ConsoleDoor, redirect_browsers
from fakebus.web.errors import json_errors
from fakebus.web.fault_effects import fault_effects
from fakebus.web.rooms import all_rooms
from fakebus.web.routing import web_routes
from fakebus.web.security import HostCheck

if TYPE_CHECKING:
    from fakebus.cluster.interface import Cluster

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class HttpApplication:
    """Routes of a bus and the connections that ask for them.

    Args:
        bus: what is served.
    """

    def __init__(self, bus: Bus) -> None:
        settings = bus.settings
        hosts = HostCheck([*settings.http_allowed_hosts, *(each.host for each in settings.http)])
        faults = fault_effects(bus.broker)
        application = web.Application(
            middlewares=[faults, json_errors, hosts.middleware(), redirect_browsers]
        )
        application.add_routes(web_routes(all_rooms(bus)))
        ConsoleDoor(partial(_cluster_of, bus)).add_to(application)
        application.on_response_prepare.append(_add_security_headers)
        self._runner = web.AppRunner(application, shutdown_timeout=0.5)

    async def start(self) -> None:
        """Make it ready for connections."""
        await self._runner.setup()

    def connection(self) -> asyncio.BaseProtocol:
        """Return the protocol of a new connection."""
        server = self._runner.server
        assert server is not None  # noqa: S101 - it has been started
        return HttpConnection(server)

    async def close(self) -> None:
        """Drop all clients."""
        await self._runner.cleanup()


def _cluster_of(bus: Bus) -> Cluster:
    from fakebus.cluster.embedded import EmbeddedCluster

    return EmbeddedCluster(bus, Origin(front_end="console", client_id="console"))


async def _add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
