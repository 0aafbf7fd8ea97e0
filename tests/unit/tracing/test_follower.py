"""The follower that makes spans, without a collector."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

import pytest

from fakebus.app import FakeBus
from fakebus.broker.activity import Origin
from fakebus.broker.peer import Peer
from fakebus.config import Settings
from fakebus.processes import Process
from fakebus.tracing.follower import Tracing
from fakebus.tracing.spans import Span
from fakebus.types import TopicPartition
from tests.unit.broker.batches import batch

SETTINGS = Settings(data=None, kafka=(), http=())


@pytest.mark.parametrize("turns", range(6))
async def test_it_ends_also_when_what_it_waits_for_comes_at_the_same_moment(turns: int) -> None:
    async with FakeBus(SETTINGS) as bus:
        peer = Peer(host="127.0.0.1", port=1, local_port=2)
        exporter = Mock()
        exporter.close.return_value = asyncio.sleep(0)
        tracing = Tracing(bus.broker, bus.lineage, bus.identities, Mock(), exporter)
        bus.broker.activity.note("left", Origin(front_end="kafka", peer=peer))
        tracing.start()
        await asyncio.sleep(0)
        [found] = peer.on_looked_up
        found()
        for _ in range(turns):
            await asyncio.sleep(0)
        closing = asyncio.ensure_future(tracing.close())
        done, _ = await asyncio.wait([closing], timeout=60)
        assert done
        exporter.close.assert_called_once_with()


async def test_what_is_written_waits_until_its_process_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = asyncio.Event()

    class Sought(Peer):
        async def known(self) -> None:
            asked.set()
            await super().known()

    async with FakeBus(SETTINGS) as bus:
        put = asyncio.Queue[Span]()
        exporter = Mock(put=put.put_nowait, room=lambda: 10)
        exporter.close.return_value = asyncio.sleep(0)
        tracing = Tracing(bus.broker, bus.lineage, bus.identities, lambda: bus.flows, exporter)
        tracing.start()
        await bus.broker.topics.create("orders", 1, {})
        peer = Sought(host="127.0.0.1", port=1, local_port=2)
        shop = Origin(front_end="kafka", client_id="shop", peer=peer)
        monkeypatch.setattr("fakebus.tracing.follower.PEERS_MS", 60_000)
        await bus.broker.produce(TopicPartition("orders", 0), batch(b"a"), origin=shop)
        await asked.wait()
        assert put.empty()
        peer.process, peer.looked_up = Process(1, ("python", "till.py"), "/srv", 1), True
        bus.lineage.clients.looked_up(peer)
        for tell in peer.on_looked_up:
            tell()
        assert (await put.get()).operation == "send"
        await tracing.close()
