"""A bus, as consoles see it from within."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.broker.activity import Origin
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.cluster.interface import Cluster
from fakebus.config import Settings

_ANY = Address("127.0.0.1", 0)


@pytest.fixture
async def bus() -> AsyncIterator[FakeBus]:
    async with FakeBus(Settings(data=None, kafka=(_ANY,), http=())) as running:
        yield running


@pytest.fixture
def view(bus: FakeBus) -> Cluster:
    """The bus as consoles see it."""
    return EmbeddedCluster(bus, Origin(front_end="test"))


@pytest.fixture
def orders() -> str:
    """The name of a topic."""
    return "orders"


@pytest.fixture
def billing() -> str:
    """The name of a group."""
    return "billing"
