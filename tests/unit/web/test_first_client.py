"""What serves HTTP is loaded for the first client, who waits for it and loses nothing."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from fakebus.addresses import Address
from fakebus.web.application import HttpApplication
from fakebus.web.server import WebServer
from tests.unit.web.server import connect, http_bus


class Echo(asyncio.Protocol):
    """Connection that answers each line with the same one."""

    def __init__(self) -> None:
        self._line = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._line += data
        if self._line.endswith(b"\n"):
            self._transport.write(self._line)


class EchoApplication:
    """Application that is ready when it is told so."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_start = asyncio.Event()
        self.failure: Exception | None = None
        self.closed = False

    async def start(self) -> None:
        self.asked.set()
        await self.may_start.wait()
        if self.failure is not None:
            raise self.failure

    def connection(self) -> asyncio.Protocol:
        return Echo()

    async def close(self) -> None:
        self.closed = True


Clients = Callable[[], "asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]"]


@asynccontextmanager
async def serving(application: EchoApplication) -> AsyncIterator[tuple[WebServer, Clients]]:
    def make() -> HttpApplication:
        return cast("HttpApplication", application)

    server = WebServer([Address("127.0.0.1", 0)], make)
    await server.bind()
    await server.start()
    try:
        port = server.addresses[0].port
        yield server, lambda: asyncio.ensure_future(asyncio.open_connection("127.0.0.1", port))
    finally:
        await server.close()


async def test_all_who_come_while_it_is_loaded_are_served_what_they_sent() -> None:
    application = EchoApplication()
    async with serving(application) as (_, connect_client):
        clients = [await connect_client() for _ in range(3)]
        for number, (_, writer) in enumerate(clients):
            writer.write(b"client %d" % number)
        await application.asked.wait()
        application.may_start.set()
        for number, (reader, writer) in enumerate(clients):
            writer.write(b" came\n")
            assert await reader.readline() == b"client %d came\n" % number
            writer.close()
        reader, writer = await connect_client()
        writer.write(b"later\n")
        assert await reader.readline() == b"later\n"
        writer.close()
    assert application.closed


async def test_one_who_does_not_wait_takes_nothing_from_the_others() -> None:
    application = EchoApplication()
    async with serving(application) as (_, connect_client):
        _, impatient = await connect_client()
        reader, writer = await connect_client()
        impatient.transport.abort()
        await application.asked.wait()
        application.may_start.set()
        writer.write(b"here\n")
        assert await reader.readline() == b"here\n"
        writer.close()


async def test_those_who_wait_are_dropped_at_the_end() -> None:
    application = EchoApplication()
    async with serving(application) as (server, connect_client):
        reader, writer = await connect_client()
        await application.asked.wait()
        await server.close()
        assert await reader.read() == b""
        writer.close()
    assert not application.closed


async def test_what_cannot_be_loaded_is_logged_and_its_clients_are_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    application = EchoApplication()
    application.failure = RuntimeError("nothing to serve")
    application.may_start.set()
    async with serving(application) as (_, connect_client):
        for _ in range(2):
            reader, writer = await connect_client()
            assert await reader.read() == b""
            writer.close()
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.message for record in told] == ["HTTP cannot be served"] * 2


def test_the_first_request_is_answered_as_any_other() -> None:
    with http_bus() as bus:
        assert connect(bus).request("GET", "/subjects").json == []


def test_what_the_rest_proxy_needs_is_not_imported_on_the_loop() -> None:
    script = """
import builtins, sys, threading, urllib.error, urllib.request
from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings

late = []
real = builtins.__import__

def noted(name, *more, **named):
    if threading.current_thread().name == "fakebus" and name not in sys.modules:
        if name.startswith("fakebus.web.rest"):
            late.append(name)
    return real(name, *more, **named)

any_port = (Address("127.0.0.1", 0),)
with BusThread(FakeBus(Settings(data=None, kafka=any_port, http=any_port))) as running:
    builtins.__import__ = noted
    try:
        urllib.request.urlopen(running.bus.http_url + "/v3/clusters").read()
    except urllib.error.HTTPError:
        pass
assert not late, late
"""
    subprocess.run([sys.executable, "-c", script], check=True)
