"""Which address a client is told to connect to.

A Kafka client uses the address it was given only for its first connection; after that it
goes where Metadata sends it. An address that the client cannot reach is the commonest
mistake with Kafka in containers, so every listener has its own, and ``auto`` answers each
client with an address that works for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from fakebus.kafka.api import ClientConnection
from fakebus.processes import default_gateway


class AdvertisedAddress(Protocol):
    """Chooses the address for a client."""

    def for_client(self, connection: ClientConnection, listening_port: int) -> tuple[str, int]:
        """Return host and port that this client can reach."""


class FixedAddress(NamedTuple):
    """Everybody is told the same address; port 0 stands for the listener's own."""

    host: str
    port: int

    def for_client(self, connection: ClientConnection, listening_port: int) -> tuple[str, int]:
        """Return the fixed address."""
        return self.host, self.port or listening_port


class AutoAddress(NamedTuple):
    """A client is told the address that it has just used.

    In a container, connections through a published port come from the network's gateway.
    The address they arrive at exists only inside, so such a client is told
    ``published_host`` and the same port: publish ports under their own number.
    """

    gateway: str | None
    published_host: str = "localhost"

    def for_client(self, connection: ClientConnection, listening_port: int) -> tuple[str, int]:
        """Return the client's own view of us."""
        peer = connection.client_host.lstrip("/")
        if self.gateway is not None and peer == self.gateway:
            return self.published_host, connection.local_port
        return connection.local_host.removeprefix("::ffff:"), connection.local_port


def auto_address() -> AutoAddress:
    """Return ``auto`` for this machine: in a container the gateway stands for published ports."""
    in_container = any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))
    return AutoAddress(default_gateway() if in_container else None)
