"""Text that is looked for in whole batches, which only a bus of the process can be given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakebus.app import FakeBus
from fakebus.cluster.browsing import ReadRequest, read_page
from fakebus.cluster.interface import Cluster
from fakebus.records.builder import build_batch
from fakebus.records.codecs import Codec
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("codec", [Codec.NONE, Codec.ZSTD])
async def test_text_is_found_wherever_it_stands_in_a_batch(
    bus: FakeBus, view: Cluster, orders: str, newest_first: bool, codec: Codec
) -> None:
    await view.create_topic(orders, 1, {"retention.ms": "-1"})
    at = (0, 7, 31, 32, 999)
    for first in range(0, 1000, 250):
        texts = [b"Needle" if n in at else b"x" * 1000 for n in range(first, first + 250)]
        records = [NewRecord(None, text, timestamp_ms=first + 1) for text in texts]
        batch = build_batch(records, codec=codec)
        await bus.broker.produce(TopicPartition(orders, 0), batch)
    request = ReadRequest(topics=(orders,), contains="nEEDLE", newest_first=newest_first)
    page = await read_page(view, request)
    assert [event.offset for event in page.events] == sorted(at, reverse=newest_first)
    assert (page.scanned, page.left) == (1000, 0)
    assert (await read_page(view, replace(request, contains="needles"))).events == ()
