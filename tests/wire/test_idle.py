"""Connections that nobody uses are closed (connections.max.idle.ms)."""

from __future__ import annotations

import time

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import MetadataRequest
from tests.wire.client import RawClient


def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    settings = Settings(
        data=None,
        kafka=(Address("127.0.0.1", 0),),
        http=(),
        set={"connections.max.idle.ms": "400"},
    )
    with BusThread(FakeBus(settings)) as running:
        servers = running.bus.bootstrap_servers
        with RawClient(servers) as idle, RawClient(servers) as busy:
            idle.socket.settimeout(0.02)
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                assert busy.call(ApiKey.METADATA, 1, MetadataRequest(topics=[])).brokers
                try:
                    assert idle.socket.recv(1) == b""
                    break
                except TimeoutError:
                    continue
            else:
                raise AssertionError("the idle connection was not closed")
            assert busy.call(ApiKey.METADATA, 1, MetadataRequest(topics=[])).brokers
