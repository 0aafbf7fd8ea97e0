"""The HTTP side: health, and the Schema Registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from fakebus.config import Address
from fakebus.errors import ConfigError
from fakebus.web.errors import json_errors
from fakebus.web.health import health_routes
from fakebus.web.registry.routes import registry_routes
from fakebus.web.security import HostCheck

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker
    from fakebus.registry.registry import Registry

_MAX_BODY_BYTES = 16 * 1024 * 1024
# Subjects are as long as they like, and what is longer gets no answer in JSON.
_MAX_LINE_BYTES = 64 * 1024
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class WebServer:
    """One aiohttp application on one or more addresses.

    Args:
        broker: what is shown.
        registry: what the registry's routes serve.
        addresses: where to listen; port 0 is any free one.
        allowed_hosts: further names under which browsers and clients may reach it; see
            :class:`~fakebus.web.security.HostCheck`.
    """

    def __init__(
        self,
        broker: Broker,
        registry: Registry,
        addresses: Sequence[Address],
        *,
        allowed_hosts: Sequence[str] = (),
    ) -> None:
        self.ready = False
        self.addresses: list[Address] = []
        self._broker = broker
        self._registry = registry
        self._wanted = addresses
        self._hosts = HostCheck([*allowed_hosts, *(address.host for address in addresses)])
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: an address cannot be listened on.
        """
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            shutdown_timeout=0.5,
            # No registry client compresses what it sends, and a small body stays a small one.
            auto_decompress=False,
            max_line_size=_MAX_LINE_BYTES,
        )
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

    def _application(self) -> web.Application:
        application = web.Application(
            middlewares=[json_errors, self._hosts.middleware()], client_max_size=_MAX_BODY_BYTES
        )
        application.add_routes(health_routes(lambda: len(self._broker.topics), lambda: self.ready))
        application.add_routes(registry_routes(self._registry, self._broker.cluster_id))
        application.on_response_prepare.append(_add_security_headers)
        return application

    async def close(self) -> None:
        """Stop listening and drop all clients."""
        if self._runner is not None:
            await self._runner.cleanup()


async def _add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
