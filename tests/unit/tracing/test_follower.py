"""The follower that makes spans, without a collector."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

import pytest

from fakebus.app import FakeBus
from fakebus.config import Settings
from fakebus.tracing.follower import Tracing


@pytest.mark.parametrize("turns", range(6))
async def test_it_ends_also_when_what_it_waits_for_comes_at_the_same_moment(turns: int) -> None:
    async with FakeBus(Settings(data=None, kafka=(), http=())) as bus:
        gate = asyncio.Event()
        lineage = Mock(wraps=bus.lineage, activity=bus.lineage.activity)
        lineage.peers_known = gate.wait
        exporter = Mock()
        exporter.close.return_value = asyncio.sleep(0)
        tracing = Tracing(bus.broker, lineage, bus.identities, Mock(), exporter)
        tracing.start()
        await asyncio.sleep(0)
        gate.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        closing = asyncio.ensure_future(tracing.close())
        done, _ = await asyncio.wait([closing], timeout=60)
        assert done
        exporter.close.assert_called_once_with()
