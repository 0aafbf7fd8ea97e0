from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.unit.broker.groups.bench import Bench

NewBench = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def new_bench() -> AsyncIterator[NewBench]:
    """Make benches with configs of their own: ``await new_bench(group_max_size="2")``."""
    benches: list[Bench] = []

    async def make(**config: str) -> Bench:
        bench = Bench(**config)
        benches.append(bench)
        await bench.start()
        return bench

    yield make
    for bench in benches:
        bench.coordinator.close()


@pytest.fixture
async def bench(new_bench: NewBench) -> Bench:
    return await new_bench()
