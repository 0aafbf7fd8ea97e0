"""Clients that connect at the moment when a bus stops."""

from __future__ import annotations

import gc
import socket
import warnings

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings

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
