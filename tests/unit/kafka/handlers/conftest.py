"""A broker on storage in memory, with a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fakebus.broker.broker import Broker
from fakebus.storage.sqlite import SqliteStorage
from tests.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def broker(clock: ManualClock) -> AsyncIterator[Broker]:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, clock=clock)
    await broker.start()
    yield broker
    await broker.close()
    await storage.close()
