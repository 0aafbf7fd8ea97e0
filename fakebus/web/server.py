"""HTTP's front end: its ports, of a bus or of a console alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

from fakebus.addresses import Address
from fakebus.errors import ConfigError
from fakebus.servers import Bus, ListeningPort

if TYPE_CHECKING:
    from fakebus.cluster.interface import Cluster
    from fakebus.web.application import HttpApplication

logger = logging.getLogger("fakebus.web")

_SHORTEST_TOKEN = 16


class _WaitingConnection(asyncio.Protocol):
    """Connection that keeps what comes first until there is an application to serve it.

    Args:
        server: hands it over.
    """

    def __init__(self, server: WebServer) -> None:
        self._server = server
        self._transport: asyncio.Transport
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client wait."""
        self._transport = cast("asyncio.Transport", transport)
        self._server.let_wait(self)

    def data_received(self, data: bytes) -> None:
        """Take the beginning of a request, and no more."""
        # Not before: uvloop begins to read whatever is done when a connection is made.
        self._transport.pause_reading()
        self._received += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a client that waits no longer."""
        self._server.forget(self)

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """Go on with a protocol that serves the client."""
        transport = self._transport
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._received and not transport.is_closing():
            protocol.data_received(self._received)
            transport.resume_reading()

    def drop(self) -> None:
        """End the connection."""
        self._transport.abort()


class WebServer:
    """Listeners for HTTP clients; what serves them is loaded when the first one comes.

    aiohttp takes as long to import as all else that a start takes, and a quarter of the memory of a
    bus at rest; many buses, those of tests above all, are never asked anything by HTTP.

    Args:
        wanted: where to listen.
        make_application: called for the first client: what is served.
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
        self._loading: asyncio.Task[None] | None = None
        self._waiting: set[_WaitingConnection] = set()
        """Clients that have come while it is loaded."""

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

    def _connection(self) -> asyncio.Protocol:
        if self._application is not None:
            return self._application.connection()
        return _WaitingConnection(self)

    def let_wait(self, connection: _WaitingConnection) -> None:
        """Serve a client as soon as there is an application."""
        # It may have come between the first word of it and now.
        if self._application is not None:
            connection.hand_over(self._application.connection())
            return
        self._waiting.add(connection)
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())

    def forget(self, connection: _WaitingConnection) -> None:
        """Serve no client that has gone."""
        self._waiting.discard(connection)

    async def _load(self) -> None:
        try:
            # Other clients are served meanwhile.
            await asyncio.to_thread(import_module, "fakebus.web.application")
            application = self._make_application()
            await application.start()
        except Exception:
            logger.exception("HTTP cannot be served")
            self._loading = None
            self._drop_waiting()
            return
        self._application = application
        while self._waiting:
            self._waiting.pop().hand_over(application.connection())

    def _drop_waiting(self) -> None:
        while self._waiting:
            self._waiting.pop().drop()

    async def start(self) -> None:
        """Serve clients."""
        for port in self._ports:
            await port.start()

    async def close(self) -> None:
        """Stop listening and drop all clients."""
        for port in self._ports:
            await port.close()
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait((self._loading,))
        self._drop_waiting()
        if self._application is not None:
            await self._application.close()


def bus_server(bus: Bus) -> WebServer:
    """Return the listeners of a bus, whose configs tell clients of the first one.

    Raises:
        ConfigError: the token that clients have to show is too short to keep anybody out.
    """
    token = bus.broker.config.get_str("fakebus.http.token")
    if token and len(token) < _SHORTEST_TOKEN:
        raise ConfigError(f"a token for HTTP needs at least {_SHORTEST_TOKEN} letters")

    def application() -> HttpApplication:
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
