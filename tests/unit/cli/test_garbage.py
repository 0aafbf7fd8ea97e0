"""Collections of garbage while clients wait."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from fakebus.cli import garbage
from fakebus.cli.garbage import Collections


class Collector:
    """Collector of garbage, with so many objects in use."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used = self.frozen = 0
        self.now = 0.0
        self.log: list[str] = []
        for name in ("freeze", "unfreeze"):
            monkeypatch.setattr(gc, name, getattr(self, name))
        monkeypatch.setattr(gc, "get_freeze_count", lambda: self.frozen)
        monkeypatch.setattr(garbage, "monotonic", lambda: self.now)

    def freeze(self) -> None:
        self.log.append("freeze")
        self.frozen = self.used

    def unfreeze(self) -> None:
        self.log.append("unfreeze")
        self.frozen = 0

    def collect(self, collections: Collections, generation: int = 2) -> list[str]:
        """Let a collection take as long as there are objects; return what was done."""
        self.log.clear()
        collections.collected("start", {"generation": generation})
        self.now += (self.used - self.frozen) / 1_000
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
    collector.used = 1_000
    collections.begin()
    assert collections.collected in gc.callbacks
    collector.used += 10
    assert collector.collect(collections) == []
    collector.used += 30
    assert collector.collect(collections, generation=1) == []
    assert collector.collect(collections) == ["freeze"]
    assert collector.frozen == 1_040


def test_all_is_looked_at_again_when_there_is_twice_as_much(collector: Collector) -> None:
    collections = Collections()
    collector.used = 1_000
    collections.begin()
    collector.used += 1_001
    assert collector.collect(collections) == ["freeze"]
    assert collector.collect(collections) == ["unfreeze", "freeze"]
    collector.used += 1_001
    assert collector.collect(collections) == ["freeze"]
    assert collector.collect(collections) == []
