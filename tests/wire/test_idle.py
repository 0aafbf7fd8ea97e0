"""Connections that nobody uses are closed (connections.max.idle.ms)."""

from __future__ import annotations

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import MetadataRequest
from tests.manual_clock import ManualClock
from tests.wire.client import RawClient

IDLE_S = 400
ALL_TOPICS = MetadataRequest(topics=[])


def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    clock = ManualClock()
    settings = Settings(
        data=None,
        kafka=(Address("127.0.0.1", 0),),
        http=(),
        set={"connections.max.idle.ms": str(IDLE_S * 1000)},
    )
    with BusThread(FakeBus(settings, clock=clock)) as running:
        servers = running.bus.bootstrap_servers
        with RawClient(servers) as idle, RawClient(servers) as busy:

            def pass_time(quarters: int) -> None:
                for _ in range(quarters):
                    assert busy.call(ApiKey.METADATA, 1, ALL_TOPICS).brokers
                    running.loop.call_soon_threadsafe(clock.advance, IDLE_S / 4)

            # It is looked at in quarters of that time, and used at some moment in one of them.
            pass_time(4)
            assert idle.call(ApiKey.METADATA, 1, ALL_TOPICS).brokers
            pass_time(6)
            assert idle.is_closed_by_peer()
            assert busy.call(ApiKey.METADATA, 1, ALL_TOPICS).brokers
