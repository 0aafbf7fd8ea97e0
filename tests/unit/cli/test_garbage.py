"""Collections of garbage while clients wait."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from fakebus.cli import garbage
from fakebus.cli.garbage import Collections


class Collector:
    """Collector of garbage, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.log: list[str] = []
        for name in ("freeze", "unfreeze", "collect"):
            monkeypatch.setattr(gc, name, lambda name=name: self.log.append(name))
        monkeypatch.setattr(garbage, "monotonic", lambda: self.now)

    def collect(self, collections: Collections, took_s: float, generation: int = 2) -> list[str]:
        """Let a collection take its time; return what was done."""
        self.log.clear()
        collections.collected("start", {"generation": generation})
        self.now += took_s
        collections.collected("stop", {"generation": generation})
        return list(self.log)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    callbacks, thresholds = list(gc.callbacks), gc.get_threshold()
    yield Collector(monkeypatch)
    gc.callbacks[:] = callbacks
    gc.set_threshold(*thresholds)


def test_what_a_long_collection_has_found_in_use_is_not_looked_at_again(
    collector: Collector,
) -> None:
    collections = Collections()
    collections.begin()
    assert collections.collected in gc.callbacks
    assert collector.collect(collections, 0.01) == []
    assert collector.collect(collections, 0.03, generation=1) == []
    assert collector.collect(collections, 0.03) == ["freeze"]


async def test_what_was_left_out_is_looked_at_when_nobody_asks_anything(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    collections, seconds, use_s = Collections(), 0, 0.0

    async def sleep(_: float) -> None:
        nonlocal seconds
        seconds += 1
        if seconds == 5:
            raise LookupError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(time, "thread_time", lambda: seconds * use_s)
    for uses_s, wanted in ((0.5, []), (0.001, ["unfreeze", "collect", "freeze"])):
        seconds, use_s = 0, uses_s
        collector.collect(collections, 0.03)
        collector.log.clear()
        with suppress(LookupError):
            await collections.look_at_all()
        assert collector.log == wanted
