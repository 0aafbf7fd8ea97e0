"""One test's view of a running bus, taken back when the test ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from fakebus.app import BusThread
from fakebus.testing.handle import TestBus
from fakebus.testing.marks import roll_back, take_mark
from fakebus.testing.observer import Observer


@contextmanager
def isolated(running: BusThread) -> Iterator[TestBus]:
    """Give a handle on a bus; what happens in the block is rolled back.

    Args:
        running: the bus.
    """
    broker = running.bus.broker
    mark = asyncio.run_coroutine_threadsafe(take_mark(broker), running.loop).result()
    try:
        yield TestBus(running.bus, Observer(broker, mark), running.loop)
    finally:
        asyncio.run_coroutine_threadsafe(roll_back(broker, mark), running.loop).result()
