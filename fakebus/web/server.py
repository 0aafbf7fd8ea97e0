"""HTTP's front end: the ports of the schema registry and of health."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fakebus.addresses import Address
from fakebus.servers import Bus, ListeningPort

if TYPE_CHECKING:
    from fakebus.web.application import HttpApplication


class WebServer:
    """Listeners of a bus for HTTP clients.

    Args:
        bus: what is served; its settings name the addresses.
    """

    scheme = "http"

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._ports = [ListeningPort(each, "HTTP", "--http") for each in bus.settings.http]
        self._application: HttpApplication | None = None

    @property
    def addresses(self) -> list[Address]:
        """Where it listens."""
        return [port.address for port in self._ports]

    async def bind(self) -> None:
        """Take all ports and have the broker's configs tell of them; see :class:`Server`."""
        for port in self._ports:
            await port.bind(self._connection)
        if self._ports:
            url = f"http://{self._ports[0].address}"
            self._bus.broker.config.set_static({"fakebus.registry.url": url})

    def _connection(self) -> asyncio.BaseProtocol:
        assert self._application is not None  # noqa: S101 - nobody is served before the start
        return self._application.connection()

    async def start(self) -> None:
        """Serve clients."""
        # aiohttp takes longer to import than everything else to start; Kafka clients are served
        # meanwhile.
        from fakebus.web.application import HttpApplication

        self._application = HttpApplication(self._bus)
        await self._application.start()
        for port in self._ports:
            await port.start()

    async def close(self) -> None:
        """Stop listening and drop all clients."""
        for port in self._ports:
            await port.close()
        if self._application is not None:
            await self._application.close()
