"""Front ends of a bus: what each of them is, what it sees of the bus, and its listening ports."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from fakebus.addresses import Address
from fakebus.broker.broker import Broker
from fakebus.clock import Clock
from fakebus.config import Settings
from fakebus.errors import ConfigError
from fakebus.lineage.lineage import Lineage
from fakebus.registry.registry import Registry

if TYPE_CHECKING:
    import ssl

    from fakebus.lineage.flow import Flows
    from fakebus.tracing.follower import Tracing

_ROUNDS = 4
"""The rounds of the loop between accepting a connection and telling its protocol; asyncio
needs three."""
_TLS_SHUTDOWN_S = 2.0
"""How long a closing client may take to say good-bye."""

_ALL_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a look-up
"""What stands for all addresses of a machine, and how it is reached from there."""


class Bus(Protocol):
    """Bus as a front end sees it."""

    @property
    def settings(self) -> Settings:
        """What it was told."""

    @property
    def clock(self) -> Clock:
        """Where its time comes from."""

    @property
    def broker(self) -> Broker:
        """The topics and groups."""

    @property
    def registry(self) -> Registry:
        """The schemas."""

    @property
    def lineage(self) -> Lineage:
        """What clients did."""

    @property
    def flows(self) -> Flows:
        """What caused which record, and what became of it."""

    @property
    def tracing(self) -> Tracing | None:
        """What sends spans to a collector, if it is to."""

    @property
    def ready(self) -> bool:
        """Whether the seed is there and all clients are served."""

    @property
    def redis_urls(self) -> Sequence[str]:
        """Where Redis Streams are served, one for each listener."""

    def topic_count(self) -> int:
        """Return how many topics there are; not those that clients need not see."""


class Server(Protocol):
    """Front end: listening addresses and the clients that come in through them."""

    @property
    def scheme(self) -> str:
        """What is spoken, as in URLs."""

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens, in the order in which the addresses were given."""

    async def bind(self) -> None:
        """Take all ports, and serve nobody yet.

        Raises:
            ConfigError: an address cannot be listened on.
        """

    async def start(self) -> None:
        """Serve clients; :meth:`bind` comes first.

        Raises:
            ConfigError: another process listens on an address by now.
        """

    async def close(self) -> None:
        """Stop listening and drop all clients; may be called in any state."""


def reachable(address: Address) -> Address:
    """Return the address by which clients of this machine reach what listens on another one."""
    return Address(_ALL_HOSTS.get(address.host, address.host), address.port)


def demand_own_ports(servers: Sequence[Server]) -> None:
    """Demand that no port is wanted twice, which the system tells only when both are served.

    Raises:
        ConfigError: two front ends, or two brokers, would listen on the same address.
    """
    wanted = [(each.scheme, address) for each in servers for address in each.addresses]
    for (scheme, address), (other_scheme, other) in itertools.combinations(wanted, 2):
        if address.port and address.port == other.port and _overlap(address.host, other.host):
            raise ConfigError(
                f"port {address.port} is wanted twice: by {scheme} on {address} and by "
                f"{other_scheme} on {other}; give one of them another port (those of --brokers "
                "follow the one that --kafka names)"
            )


def _overlap(host: str, other: str) -> bool:
    is_any = not _ALL_HOSTS.keys().isdisjoint((host, other))
    return host == other or (is_any and (":" in host) == (":" in other))


ACCEPTED_AT_ONCE = 64
"""Clients that are taken in in a turn of the event loop, when thousands come."""
_TRIES = 20
"""To find a port that is free on all addresses of a host."""
_MOST_WAITING = 1024
"""Clients that wait in the kernel to be taken in."""


def _listen(server: asyncio.Server) -> None:
    for each in server.sockets:
        try:
            with socket.socket(fileno=os.dup(each.fileno())) as same:
                same.listen(_MOST_WAITING)
        except OSError as error:
            # Where sockets are no files, the server's own words are all there is.
            if error.errno == errno.EADDRINUSE:
                raise


async def on_one_port(
    server: asyncio.Server, take: Callable[[int], Awaitable[asyncio.Server]]
) -> asyncio.Server:
    """Return a server with the same port on each address that its host's name stands for.

    Args:
        server: has taken any free port on each.
        take: takes a port of a number on all of them.

    Raises:
        OSError: no port was free on all of them, in many tries.
    """
    for tries_left in reversed(range(_TRIES)):
        port, *others = [each.getsockname()[1] for each in server.sockets]
        if set(others) <= {port}:
            break
        server.close()
        try:
            server = await take(port)
        except OSError:
            if not tries_left:
                raise
            server = await take(0)
    return server


class ListeningPort:
    """Address that clients connect to, taken before any of them is served.

    Args:
        wanted: the address; port 0 takes any free one.
        purpose: what is served there, for messages.
        flag: what gives it another address, for messages.
    """

    def __init__(self, wanted: Address, purpose: str, flag: str) -> None:
        self.address = wanted
        self._purpose = purpose
        self._flag = flag
        self._server: asyncio.Server | None = None

    async def bind(
        self,
        protocol: Callable[[], asyncio.BaseProtocol],
        *,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Take the port.

        Args:
            protocol: called for each connection.
            ssl_context: the TLS that is spoken; plain text when left out.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        take = partial(
            asyncio.get_running_loop().create_server,
            protocol,
            self.address.host,
            backlog=ACCEPTED_AT_ONCE,
            ssl=ssl_context,
            ssl_shutdown_timeout=_TLS_SHUTDOWN_S if ssl_context else None,
            start_serving=False,
        )
        try:
            self._server = await take(self.address.port)
            if not self.address.port:
                self._server = await on_one_port(self._server, take)
        except (OSError, OverflowError, ValueError) as error:
            raise self._cannot_listen(error) from error
        self.address = Address(self.address.host, self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Serve clients.

        Raises:
            ConfigError: another process has begun to listen on the address meanwhile.
        """
        assert self._server is not None  # noqa: S101 - the order of the calls
        try:
            # uvloop does not tell when it cannot listen.
            _listen(self._server)
            await self._server.start_serving()
        except OSError as error:
            raise self._cannot_listen(error) from error
        # asyncio takes one number for both, and accepts all that wait in one turn.
        _listen(self._server)

    async def close(self) -> None:
        """Stop listening; connections that were on their way have been made when this returns.

        asyncio leaks those that it has accepted and not told anybody of when a server closes,
        and nobody would drop those that appear after everybody has been told to go.
        """
        server, self._server = self._server, None
        if server is None:
            return
        loop = asyncio.get_running_loop()
        for each in server.sockets:
            # Loops that do not wait for readiness, as on Windows, have nothing to remove.
            with contextlib.suppress(NotImplementedError):
                loop.remove_reader(each.fileno())
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        server.close()

    def _cannot_listen(self, error: Exception) -> ConfigError:
        return ConfigError(
            f"cannot listen for {self._purpose} on {self.address}: {self._explain(error)}"
        )

    def _explain(self, error: Exception) -> str:
        if isinstance(error, socket.gaierror | ValueError):
            return "the host name cannot be resolved"
        if isinstance(error, OSError) and error.errno is not None:
            if error.errno == errno.EADDRINUSE:
                return (
                    "the port is in use (by whom, says  fakebus doctor --port-check "
                    f"{self.address}; {self._flag} 127.0.0.1:0 takes any free port)"
                )
            if error.errno == errno.EACCES:
                return "not permitted; ports below 1024 need privileges"
            if error.errno == errno.EADDRNOTAVAIL:
                return "this machine has no such address"
        return str(error)
