"""HTTP's front end: its ports, of a bus or of a console alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fakebus.addresses import Address
from fakebus.servers import Bus, ListeningPort

if TYPE_CHECKING:
    from fakebus.cluster.interface import Cluster
    from fakebus.web.application import HttpApplication


class WebServer:
    """Listeners for HTTP clients.

    Args:
        wanted: where to listen.
        make_application: called at the start: what is served.
        on_bound: told of the first URL when all ports are taken.
    """

    scheme = "http"

    def __init__(
        self,
        wanted: Sequence[Address],
        make_application: Callable[[], HttpApplication],
        on_bound: Callable[[str], None] | None = None,
    ) -> None:
        self._ports = [ListeningPort(each, "HTTP", "--http") for each in wanted]
        self._make_application = make_application
        self._on_bound = on_bound
        self._application: HttpApplication | None = None

    @property
    def addresses(self) -> list[Address]:
        """Where it listens."""
        return [port.address for port in self._ports]

    async def bind(self) -> None:
        """Take all ports; see :class:`Server`."""
        for port in self._ports:
            await port.bind(self._connection)
        if self._ports and self._on_bound is not None:
            self._on_bound(f"http://{self._ports[0].address}")

    def _connection(self) -> asyncio.BaseProtocol:
        assert self._application is not None  # noqa: S101 - nobody is served before the start
        return self._application.connection()

    async def start(self) -> None:
        """Serve clients."""
        self._application = self._make_application()
        await self._application.start()
        for port in self._ports:
            await port.start()

    async def close(self) -> None:
        """Stop listening and drop all clients."""
        for port in self._ports:
            await port.close()
        if self._application is not None:
            await self._application.close()


def bus_server(bus: Bus) -> WebServer:
    """Return the listeners of a bus, whose configs tell clients of the first one."""

    def application() -> HttpApplication:
        # aiohttp takes longer to import than everything else to start; Kafka clients are served
        # meanwhile.
        from fakebus.web.application import bus_application

        return bus_application(bus)

    def tell(url: str) -> None:
        bus.broker.config.set_static({"fakebus.registry.url": url})

    return WebServer(bus.settings.http, application, tell)


def console_server(
    cluster: Cluster, wanted: Sequence[Address], allowed_hosts: Sequence[str], token: str = ""
) -> WebServer:
    """Return the listeners of a console alone.

    Args:
        cluster: what it shows; disconnected from when it is closed.
        wanted: where to listen.
        allowed_hosts: further names under which browsers come.
        token: what requests have to show; nothing if it is empty.
    """

    def application() -> HttpApplication:
        from fakebus.web.application import console_application

        hosts = [*allowed_hosts, *(each.host for each in wanted)]
        return console_application(cluster, hosts, token)

    return WebServer(wanted, application)
