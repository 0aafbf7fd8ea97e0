"""Tests with a bus: what the pytest plugin gives, for any runner."""

from fakebus.cluster.events import Event
from fakebus.cluster.interface import NotOnThisCluster
from fakebus.testing.embedded_bus import running_bus
from fakebus.testing.handle import AsyncTestBus, TestBus
from fakebus.testing.unittest_case import FakebusTestCase

__all__ = [
    "AsyncTestBus",
    "Event",
    "FakebusTestCase",
    "NotOnThisCluster",
    "TestBus",
    "running_bus",
]
