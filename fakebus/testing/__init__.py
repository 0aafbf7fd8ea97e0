"""Tests with a bus: what the pytest plugin gives, for any runner."""

from fakebus.testing.cluster import NotOnThisCluster
from fakebus.testing.events import Event
from fakebus.testing.handle import AsyncTestBus, TestBus
from fakebus.testing.own_bus import running_bus

__all__ = ["AsyncTestBus", "Event", "NotOnThisCluster", "TestBus", "running_bus"]
