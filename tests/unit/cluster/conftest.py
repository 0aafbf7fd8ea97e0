"""A bus, and the clusters that look at it: from within, and through a client library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.broker.activity import Origin
from fakebus.client.connection import Connection
from fakebus.client.reachability import parse_servers
from fakebus.client.registry import RegistryClient
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.cluster.external import ExternalCluster
from fakebus.cluster.interface import Cluster
from fakebus.config import Settings

_ANY = Address("127.0.0.1", 0)


@pytest.fixture
async def bus() -> AsyncIterator[FakeBus]:
    async with FakeBus(Settings(data=None, kafka=(_ANY,), http=(_ANY,))) as running:
        yield running


@pytest.fixture(params=["embedded", "external"])
async def cluster(bus: FakeBus, request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """The same bus, seen from within and from outside: every test holds for both."""
    found: Cluster = EmbeddedCluster(bus, Origin(front_end="test"))
    if request.param == "external":
        connection = Connection("tests", parse_servers(bus.bootstrap_servers))
        found = await asyncio.to_thread(ExternalCluster, connection, RegistryClient(bus.http_url))
    yield found
    await found.close()
