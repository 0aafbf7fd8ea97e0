"""compression.*.level: how hard the broker compresses where it does so itself (KIP-390)."""

from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from tests.unit.broker.batches import T0

RECORDS = [NewRecord(b"%d" % (n * n), b"%d" % (n * 7919 % 1000) * 9) for n in range(400)]


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
async def test_a_topic_compresses_at_its_level(broker: Broker, codec: str) -> None:
    sizes = []
    for level in ("1", "9"):
        topic = await broker.topics.create(
            "t", 1, {"compression.type": codec, f"compression.{codec}.level": level}
        )
        await broker.produce(T0, build_batch(RECORDS))
        sizes.append(await broker._storage.size_bytes(topic.partitions[0].log_id))
        await broker.topics.delete(topic)
    assert sizes[0] > sizes[1]
