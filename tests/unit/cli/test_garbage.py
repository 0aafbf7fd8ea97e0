"""Collections of garbage while clients wait."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
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


@pytest.mark.parametrize(
    ("uses_s", "smaller", "done"),
    [(0.5, 1, {}), (0.001, 0, {}), (0.001, 1, {"collect": 20, "unfreeze": 2})],
)
async def test_all_is_looked_at_when_nobody_asks_anything(
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    uses_s: float,
    smaller: int,
    done: dict[str, int],
) -> None:
    sleeps = 0

    async def sleep(_: float) -> None:
        nonlocal sleeps
        sleeps += 1
        if sleeps > 40:
            raise LookupError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(time, "thread_time", lambda: sleeps * uses_s)
    monkeypatch.setattr(gc, "get_count", lambda: (0, 0, smaller))
    with suppress(LookupError):
        await Collections().look()
    assert Counter(collector.log) == done
