"""What the tools work on: a cluster, a fakebus's own HTTP address, and a directory of fixtures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fakebus.client.bus_http import BusHttp
from fakebus.client.connection import Connection
from fakebus.client.registry import RegistryClient, registry_url
from fakebus.client.seed_log import SeedLog
from fakebus.client.seeding import SeedSummary, SetSeeder, seed_directory
from fakebus.cluster.external import ExternalCluster
from fakebus.cluster.interface import Cluster
from fakebus.errors import ConfigError

Connect = Callable[[], tuple[Connection, RegistryClient | None]]
"""Returns the connection to a cluster, and its registry if one is known; it blocks."""


class Places:
    """Places that tools look at, connected to when a tool first needs them.

    A server that was started before the bus is useful as soon as the bus runs.

    Args:
        connect: connects to the cluster.
        http_url: a fakebus's own HTTP address; what the cluster tells when left out.
        root: the directory that fixture sets lie under; nothing outside is read.
    """

    def __init__(self, connect: Connect, http_url: str | None, root: Path) -> None:
        self._connect = connect
        self._http_url = http_url
        self._root = root.resolve()
        self._connected: tuple[Connection, RegistryClient | None] | None = None
        self._cluster: ExternalCluster | None = None
        self._connecting = threading.Lock()

    async def cluster(self) -> Cluster:
        """Return the cluster; ClientError if it is not reached."""
        return await asyncio.to_thread(self._found)

    def _found(self) -> ExternalCluster:
        with self._connecting:
            if self._cluster is None:
                self._connected = self._connect()
                self._cluster = ExternalCluster(*self._connected)
            return self._cluster

    def _bus(self) -> BusHttp:
        if self._http_url is None:
            self._found()
            assert self._connected is not None  # noqa: S101 - it has just been found
            self._http_url = registry_url(self._connected[0])
        return BusHttp(self._http_url)

    async def get(self, path: str, **query: object) -> Any:
        """Return what a fakebus answers to a question; BusHttpError if none does."""
        bus = await asyncio.to_thread(self._bus)
        return await asyncio.to_thread(lambda: bus.get(path, **query))

    async def tell(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return what a fakebus answers when it is told something; BusHttpError if none does."""
        bus = await asyncio.to_thread(self._bus)
        return await asyncio.to_thread(bus.request, method, path, body)

    async def seed(self, directory: Path, *, reset: bool) -> SeedSummary:
        """Write a fixture set to the cluster; see :func:`fakebus.client.seeding.seed_directory`."""

        def work() -> SeedSummary:
            self._found()
            assert self._connected is not None  # noqa: S101 - it has just been found
            connection, registry = self._connected
            seeder = SetSeeder(connection, SeedLog(connection), registry)
            _, done = seed_directory(seeder, registry, directory, reset=reset)
            return done

        return await asyncio.to_thread(work)

    def directory(self, name: str) -> Path:
        """Return a fixture set below the root.

        Raises:
            ConfigError: it lies elsewhere, or is no directory.
        """
        try:
            found = (self._root / name).resolve()
            is_there = found.is_relative_to(self._root) and found.is_dir()
        except (OSError, ValueError):  # too long, or with a byte that no path has
            is_there = False
        if not is_there:
            raise ConfigError(
                f"{name[:200]!r} is no directory below the one that the server was started in; "
                "name a fixture set by its path from there, such as fixtures"
            )
        return found

    async def close(self) -> None:
        """Disconnect."""
        if self._cluster is not None:
            await self._cluster.close()
