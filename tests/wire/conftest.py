"""One bus for all wire tests; names of topics keep them apart."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from tests.wire.client import RawClient

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def running() -> Iterator[BusThread]:
    settings = Settings(
        data=None,
        kafka=(Address("127.0.0.1", 0),),
        http=(),
        set={"socket.request.max.bytes": "3000000", "group.min.session.timeout.ms": "10"},
    )
    with BusThread(FakeBus(settings)) as thread:
        yield thread


@pytest.fixture
def connect(running: BusThread) -> Iterator[Callable[[], RawClient]]:
    clients: list[RawClient] = []

    def make() -> RawClient:
        clients.append(RawClient(running.bus.bootstrap_servers))
        return clients[-1]

    yield make
    for client in clients:
        client.socket.close()


@pytest.fixture
def client(connect: Callable[[], RawClient]) -> RawClient:
    return connect()


@pytest.fixture
def topic() -> str:
    return f"wire-{next(_numbers)}"
