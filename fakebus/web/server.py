"""The HTTP side: health and readiness now, registry and console as they come.

Every answer is JSON, errors included, because clients of a schema registry take anything
else for a failing server and try again for seconds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from fakebus import __version__
from fakebus.config import Address
from fakebus.errors import ConfigError

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker

_MAX_BODY_BYTES = 16 * 1024 * 1024
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebServer:
    """One aiohttp application on one or more addresses.

    Args:
        broker: what is shown.
        addresses: where to listen; port 0 is any free one.
    """

    def __init__(self, broker: Broker, addresses: Sequence[Address]) -> None:
        self.ready = False
        self.addresses: list[Address] = []
        self._broker = broker
        self._wanted = addresses
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: an address cannot be listened on.
        """
        application = web.Application(middlewares=[_json_errors], client_max_size=_MAX_BODY_BYTES)
        application.add_routes(
            [
                web.get("/", self._root),
                web.get("/health", self._health),
                web.get("/ready", self._ready),
            ]
        )
        application.on_response_prepare.append(_add_security_headers)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        for wanted in self._wanted:
            site = web.TCPSite(self._runner, wanted.host, wanted.port)
            try:
                await site.start()
            except (OSError, OverflowError) as error:
                raise ConfigError(
                    f"cannot listen for HTTP on {wanted}: "
                    f"{getattr(error, 'strerror', None) or error}; "
                    "--http 127.0.0.1:0 takes any free port"
                ) from error
        for wanted, bound in zip(self._wanted, self._runner.addresses, strict=False):
            self.addresses.append(Address(wanted.host, bound[1]))

    async def close(self) -> None:
        """Stop listening and drop all clients."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _root(self, request: web.Request) -> web.Response:
        # A registry client checks the root for an empty object.
        return web.json_response({})

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "up", "version": __version__})

    async def _ready(self, request: web.Request) -> web.Response:
        topics = len(self._broker.topics)
        return web.json_response(
            {"ready": self.ready, "topics": topics}, status=200 if self.ready else 503
        )


@web.middleware
async def _json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return web.json_response(
            {"error_code": error.status, "message": f"HTTP {error.status} {error.reason}"},
            status=error.status,
        )


async def _add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
