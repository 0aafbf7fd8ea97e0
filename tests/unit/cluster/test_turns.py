"""What is told of very many topics and groups, and the turns that others get meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fakebus.app import FakeBus
from fakebus.broker import turns as turns_of_the_loop
from fakebus.broker.activity import Origin
from fakebus.broker.chores import FailureLog
from fakebus.broker.compaction.cleaner import LogCleaner
from fakebus.broker.turns import Turnstile
from fakebus.catalogue.of_cluster import cluster_landscape
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.cluster.interface import Cluster
from fakebus.lineage.place import Place
from fakebus.lineage.why.broker_view import view_group
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition
from fakebus.web.console import timeline
from fakebus.web.metrics import exposition

_GROUPS = 20
_PARTITIONS = 20
Ask = Callable[[FakeBus, Cluster], Awaitable[object]]


class _Turnstile(Turnstile):
    """Turnstile that counts how often somebody has let others go first."""

    passed = 0

    async def turn(self) -> None:
        _Turnstile.passed += 1
        await super().turn()


async def _compact(bus: FakeBus) -> None:
    topic = bus.broker.topics.get("orders")
    assert topic is not None
    await bus.broker.topics.set_configs(topic, {"cleanup.policy": "compact"})
    await LogCleaner(bus.broker.topics, bus.broker.config, bus.clock).run(FailureLog("compaction"))


@pytest.mark.parametrize(
    ("ask", "slices"),
    [
        (lambda _, view: view.groups(), _GROUPS),
        (lambda _, view: view.group("g0"), _PARTITIONS),
        (lambda _, view: view.topic("orders"), _PARTITIONS),
        (lambda bus, _: exposition(bus, {}), 2 * _GROUPS + 2 * _PARTITIONS),
        (lambda bus, _: view_group(bus.broker, bus.lineage, "g0"), _PARTITIONS),
        (lambda _, view: cluster_landscape(view), 5 * _GROUPS),
        (lambda bus, _: bus.flows.written(Place("orders", 0, 0), groups=True), _GROUPS),
        (lambda bus, _: bus.flows.of_records("none", [], as_of_ms=1), 2 * _PARTITIONS),
        (lambda bus, _: bus.identities.roll_back(None, {}), _PARTITIONS),
        (lambda bus, _: _compact(bus), _PARTITIONS),
    ],
    ids="groups group topic metrics why catalogue flow past forgotten compaction".split(),
)
async def test_others_get_turns_while_many_are_told(
    bus: FakeBus, view: Cluster, ask: Ask, slices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await view.create_topic("orders", _PARTITIONS)
    offsets = {TopicPartition("orders", number): 0 for number in range(_PARTITIONS)}
    for number in range(_GROUPS):
        await view.set_offsets(f"g{number}", offsets if not number else {next(iter(offsets)): 0})
    # What comes in the first time is loaded.
    await ask(bus, view)
    monkeypatch.setattr(turns_of_the_loop, "SLICE_S", -1.0)
    monkeypatch.setattr(turns_of_the_loop, "Turnstile", _Turnstile)
    monkeypatch.setattr(_Turnstile, "passed", 0)
    turns_of_the_loop._lines.clear()
    await ask(bus, view)
    turns_of_the_loop._lines.clear()
    assert _Turnstile.passed >= slices


async def test_of_very_many_partitions_no_volume_is_drawn(
    view: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await view.create_topic("orders", 3)
    for number in range(3):
        for moment in (1, 60_000):
            await view.produce("orders", number, NewRecord(None, b"v", (), moment))
    assert await timeline.volume(view, "orders")
    monkeypatch.setattr(timeline, "MAX_LOOKUPS", 2)
    assert await timeline.volume(view, "orders") == []


@pytest.mark.parametrize("what", ["topics", "groups"])
async def test_all_topics_and_groups_are_told_once_for_all_who_ask_at_a_time(
    bus: FakeBus, view: Cluster, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await view.create_topic("orders", 1)
    await view.set_offsets("billing", {TopicPartition("orders", 0): 0})
    tell, told = getattr(EmbeddedCluster, f"_{what}"), list[object]()

    async def noted(cluster: EmbeddedCluster) -> object:
        told.append(await tell(cluster))
        return told[-1]

    monkeypatch.setattr(EmbeddedCluster, f"_{what}", noted)
    others = [EmbeddedCluster(bus, Origin(front_end="http")) for _ in range(20)]
    first, *rest = await asyncio.gather(*(getattr(each, what)() for each in others))
    assert told == [first]
    assert rest == [first] * 19
    # Nobody gets at what others are told.
    first.clear()
    assert rest == told * 19
