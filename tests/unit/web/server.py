"""A bus in a thread of its own that serves HTTP only, and its data in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.bus_thread import BusThread
from fakebus.config import Settings
from tests.unit.web.http_client import Http


@contextmanager
def http_bus(
    *, allowed_hosts: Sequence[str] = (), configs: Mapping[str, str] | None = None
) -> Iterator[FakeBus]:
    """Run an empty bus."""
    with bus_thread(allowed_hosts=allowed_hosts, configs=configs) as thread:
        yield thread.bus


@contextmanager
def bus_thread(
    *, allowed_hosts: Sequence[str] = (), configs: Mapping[str, str] | None = None
) -> Iterator[BusThread[FakeBus]]:
    """Run an empty bus, with the loop of its thread."""
    settings = Settings(
        data=None,
        kafka=(),
        http=(Address("127.0.0.1", 0),),
        http_allowed_hosts=tuple(allowed_hosts),
        set=configs or {},
    )
    with BusThread(FakeBus(settings)) as thread:
        yield thread


def connect(bus: FakeBus) -> Http:
    """Return a connection to a bus."""
    host, _, port = bus.http_url.removeprefix("http://").rpartition(":")
    return Http(host, int(port))
