"""A registry over a broker in memory, with a language that needs no library."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fakebus.broker.broker import Broker
from fakebus.registry.registry import Registry
from fakebus.storage.sqlite import SqliteStorage
from tests.manual_clock import ManualClock
from tests.unit.registry.tiny_language import TinyLanguage

NOW_MS = 1_700_000_000_000


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, clock=ManualClock(NOW_MS))
    await broker.start()
    yield broker
    await broker.close()
    await storage.close()


@pytest.fixture(autouse=True)
def languages(monkeypatch: pytest.MonkeyPatch) -> dict[str, TinyLanguage]:
    languages = {kind: TinyLanguage(kind) for kind in ("AVRO", "JSON", "PROTOBUF")}
    monkeypatch.setattr("fakebus.registry.parsing.language", languages.__getitem__)
    return languages


@pytest.fixture
async def registry(broker: Broker) -> AsyncIterator[Registry]:
    registry = Registry(broker)
    await registry.start()
    yield registry
    await registry.close()
