"""Clients that connect at the moment when a bus stops, or hundreds at once."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import re
import socket
import warnings
from collections.abc import Callable

import pytest

from fakebus.addresses import Address, parse_address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.errors import ConfigError
from fakebus.servers import ACCEPTED_AT_ONCE, ListeningPort, on_one_port

ANY_PORT = Address("127.0.0.1", 0)
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop]
with contextlib.suppress(ImportError):
    import uvloop

    LOOPS.append(uvloop.new_event_loop)


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


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_port_that_somebody_listens_on_meanwhile_is_told(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def both() -> None:
        first = ListeningPort(Address("127.0.0.1", 0), "tests", "--port")
        await first.bind(asyncio.Protocol)
        second = ListeningPort(first.address, "others", "--other")
        await second.bind(asyncio.Protocol)
        await first.start()
        with pytest.raises(ConfigError, match=r"listen for others on .*: the port is in use"):
            await second.start()
        await second.close()
        socket.create_connection(first.address[:2], timeout=60).close()
        await first.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(both())


@pytest.mark.parametrize(
    ("kafka", "http", "brokers", "said"),
    [
        (
            "127.0.0.1:{0}",
            "127.0.0.1:{1}",
            3,
            "port {1} is wanted twice: by kafka on 127.0.0.1:{1}",
        ),
        ("127.0.0.1:{0}", "0.0.0.0:{0}", 1, "and by http on 0.0.0.0:{0}; give one of them"),
        ("[::1]:{0}", "[::]:{0}", 1, "port {0} is wanted twice"),
    ],
)
async def test_a_port_that_is_wanted_twice_is_told(
    kafka: str, http: str, brokers: int, said: str
) -> None:
    # Nobody gets as far as to listen there.
    ports = (29092, 29093)
    settings = Settings(
        kafka=(parse_address(kafka.format(*ports)),),
        http=(parse_address(http.format(*ports)),),
        brokers=brokers,
    )
    with pytest.raises(ConfigError, match=re.escape(said.format(*ports))):
        async with FakeBus(settings):
            pass


async def test_one_port_of_several_addresses_is_none_that_is_wanted_twice() -> None:
    ports = [
        ListeningPort(Address(host, 0), "tests", "--port") for host in ("127.0.0.1", "127.0.0.2")
    ]
    await ports[0].bind(asyncio.Protocol)
    port = ports[0].address.port
    settings = Settings(kafka=(Address("127.0.0.2", port),), http=(Address("127.0.0.3", port),))
    async with FakeBus(settings) as bus:
        assert bus.bootstrap_servers == f"127.0.0.2:{port}"
    await ports[0].close()


@pytest.mark.parametrize("new_loop", LOOPS)
def test_any_port_is_the_same_on_all_addresses_of_a_name(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    tries = []

    async def take(port: int) -> asyncio.Server:
        tries.append(port)
        if len(tries) == 2:
            raise OSError(errno.EADDRINUSE, "taken on one of them")
        hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        loop = asyncio.get_running_loop()
        return await loop.create_server(asyncio.Protocol, hosts, port, start_serving=False)

    async def ports() -> list[int]:
        server = await on_one_port(await take(0), take)
        found = [each.getsockname()[1] for each in server.sockets]
        server.close()
        return found

    with asyncio.Runner(loop_factory=new_loop) as runner:
        found = runner.run(ports())
    assert len(found) == 3
    assert len(set(found)) == 1
    # The first number was not free everywhere, and the next one is another.
    assert tries[2] == 0
    assert tries[-1] == found[0]
