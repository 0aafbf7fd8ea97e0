"""What is different between snapshots."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.app import FakeBus
from fakebus.cluster import snapshot_diff
from fakebus.cluster.interface import Cluster
from fakebus.cluster.snapshot_diff import compare
from fakebus.records.record import NewRecord


async def since(bus: FakeBus, name: str) -> dict[str, Any]:
    async with bus.broker.saved_snapshots.pair(name, None) as pair:
        return await compare(bus, pair, 5)


async def test_a_topic_that_was_made_anew_was_deleted_and_created(
    bus: FakeBus, view: Cluster
) -> None:
    for topic in ("stays", "anew"):
        await view.create_topic(topic, 1)
    await bus.broker.saved_snapshots.save("s")
    assert (await since(bus, "s"))["same"]
    await view.delete_topic("anew")
    await view.create_topic("anew", 1)
    found = await since(bus, "s")
    assert (found["topics_created"], found["topics_deleted"]) == (["anew"], ["anew"])
    assert (found["same"], found["complete"]) == (False, True)
    await bus.broker.saved_snapshots.restore("s")
    assert (await since(bus, "s"))["same"]


async def test_a_comparison_ends_when_its_time_is_over(
    bus: FakeBus, view: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for topic in ("a", "b"):
        await view.create_topic(topic, 1)
    await bus.broker.saved_snapshots.save("s")
    for topic in ("a", "a", "b"):
        await view.produce(topic, 0, NewRecord(None, b"x"))
    found = await since(bus, "s")
    assert [(each["topic"], each["added"]) for each in found["records"]] == [("a", 2), ("b", 1)]
    monkeypatch.setattr(snapshot_diff, "COMPARE_S", -1.0)
    found = await since(bus, "s")
    assert [(each["topic"], each["added"]) for each in found["records"]] == [("a", 1)]
    assert (found["same"], found["complete"]) == (False, False)
