from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import redis

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.broker.tail import Tail
from fakebus.config import Settings

ANY_PORT = Address("127.0.0.1", 0)

Connect = Callable[..., "redis.Redis"]


@contextmanager
def redis_bus(**settings: object) -> Iterator[BusThread]:
    chosen = {"data": None, "kafka": (ANY_PORT,), "http": (), "redis": (ANY_PORT,), **settings}
    with BusThread(FakeBus(Settings(**chosen))) as running:  # type: ignore[arg-type]
        yield running


def blocked_reads(running: BusThread) -> int:
    """Return how many commands wait for entries."""
    listening = running.bus.broker.topics.on_changed
    return sum(isinstance(getattr(each, "__self__", None), Tail) for each in list(listening))


@pytest.fixture(scope="module")
def running() -> Iterator[BusThread]:
    with redis_bus() as running:
        yield running


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def protocol(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def connect(running: BusThread, protocol: int) -> Iterator[Connect]:
    with ExitStack() as stack:

        def new(bus: BusThread = running) -> redis.Redis:
            client = redis.Redis.from_url(bus.bus.redis_urls[0], protocol=protocol)
            stack.callback(client.close)
            return client

        yield new


@pytest.fixture
def client(connect: Connect) -> redis.Redis:
    return connect()


@pytest.fixture
def stream(request: pytest.FixtureRequest) -> str:
    name = request.node.name
    return "".join(character if character.isalnum() else "-" for character in name)[:200]
