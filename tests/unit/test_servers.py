"""Clients that connect at the moment when a bus stops, or hundreds at once."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.servers import ACCEPTED_AT_ONCE, ListeningPort

ANY_PORT = Address("127.0.0.1", 0)


@pytest.mark.parametrize("port_of", ["kafka", "redis"])
def test_a_client_that_comes_while_the_bus_stops_leaves_nothing_open(port_of: str) -> None:
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(10):
            settings = Settings(data=None, kafka=(ANY_PORT,), http=(), redis=(ANY_PORT,))
            with BusThread(FakeBus(settings)) as running:
                addresses = {
                    "kafka": running.bus.bootstrap_servers,
                    "redis": running.bus.redis_urls[0].removeprefix("redis://"),
                }
                host, _, port = addresses[port_of].partition("/")[0].rpartition(":")
                clients = [socket.create_connection((host, int(port))) for _ in range(3)]
            for client in clients:
                client.close()
        gc.collect()
    assert [str(one.message) for one in caught if "unclosed" in str(one.message)] == []


async def test_of_hundreds_that_come_at_once_few_are_taken_in_in_a_turn() -> None:
    made = 0

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal made
            made += 1
            transport.abort()  # type: ignore[attr-defined]

    port = ListeningPort(Address("127.0.0.1", 0), "tests", "--port")
    await port.bind(Client)
    await port.start()
    # As many as wait are taken by the kernel, which answers before anybody has accepted them.
    clients = [socket.create_connection(port.address[:2], timeout=60) for _ in range(300)]
    most = 0
    while made < len(clients):
        before = made
        await asyncio.sleep(0)
        most = max(most, made - before)
    # From 3.14 on asyncio takes one more than it was told.
    assert most <= ACCEPTED_AT_ONCE + 1
    for client in clients:
        client.close()
    await port.close()
