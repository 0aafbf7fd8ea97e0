"""Who may go on when memory or storage is short."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.kafka.backpressure import (
    DEFAULT_HELD_BYTES,
    PATIENCE_S,
    Backpressure,
)
from fakebus.memory_budget import SHARE_BYTES, MemoryBudget
from tests.manual_clock import ManualClock

LIMIT = 10 * SHARE_BYTES


class Connection:
    def __init__(self, name: str, log: list[str]) -> None:
        self.held_bytes = 0
        self.answered = 0
        self.unread_bytes = 0
        self._name = name
        self._log = log

    def resume(self) -> None:
        self._log.append(f"{self._name} goes on")

    def give_up(self, reason: str) -> None:
        self._log.append(f"{self._name} is closed")


class Bench:
    def __init__(self, **config: str) -> None:
        self.clock = ManualClock()
        self.broker: Any = SimpleNamespace(
            config=BrokerConfig({"queued.max.request.bytes": str(LIMIT), **config}),
            clock=self.clock,
            when_there_is_room=lambda resume: self.when_stored.append(resume),
            waiting_room=SimpleNamespace(held=MemoryBudget(LIMIT)),
        )
        self.when_stored: list[Callable[[], None]] = []
        self.backpressure = Backpressure(self.broker)
        self.log: list[str] = []

    def connect(self, name: str, holds: int = 0) -> Connection:
        connection = Connection(name, self.log)
        self.backpressure.connections.add(connection)
        self.backpressure.hold(connection, holds)
        return connection

    def leave_unread(self, connection: Connection, size: int) -> None:
        connection.unread_bytes = size
        self.backpressure.count_unread(connection, size)


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def test_who_waits_for_memory_goes_on_when_another_gives_it_back(bench: Bench) -> None:
    full = bench.connect("full", LIMIT)
    first, second = bench.connect("first"), bench.connect("second")
    assert not bench.backpressure.admits(first)
    assert not bench.backpressure.admits(second)
    bench.backpressure.hold(full, -1)
    await asyncio.sleep(0)
    assert bench.log == ["first goes on", "second goes on"]
    assert bench.backpressure.admits(first)


async def test_only_as_many_go_on_as_there_is_memory_for(bench: Bench) -> None:
    full = bench.connect("full", LIMIT)
    first, second = bench.connect("first"), bench.connect("second")
    first.resume = lambda: bench.backpressure.hold(first, LIMIT)  # type: ignore[method-assign]
    for connection in (first, second):
        assert not bench.backpressure.admits(connection)
    bench.backpressure.hold(full, -LIMIT)
    await asyncio.sleep(0)
    assert list(bench.backpressure.waiting) == [second]


async def test_a_closed_connection_gives_back_what_it_held(bench: Bench) -> None:
    full, waiting = bench.connect("full", LIMIT), bench.connect("waiting")
    assert not bench.backpressure.admits(waiting)
    bench.backpressure.forget(full)
    await asyncio.sleep(0)
    assert bench.log == ["waiting goes on"]
    assert bench.backpressure.held_bytes == 0
    assert bench.backpressure.connections == {waiting}


async def test_the_largest_that_gives_nothing_back_is_closed_when_others_wait(
    bench: Bench,
) -> None:
    bench.connect("small", SHARE_BYTES)
    bench.connect("large", 3 * SHARE_BYTES)
    busy = bench.connect("busy", 5 * SHARE_BYTES)
    bench.connect("medium", 2 * SHARE_BYTES)
    assert not bench.backpressure.admits(bench.connect("waiting"))
    busy.answered += 1
    bench.clock.advance(PATIENCE_S - 0.01)
    assert bench.log == []
    bench.clock.advance(0.02)
    assert bench.log == ["large is closed"]


async def test_nobody_is_closed_while_nobody_waits(bench: Bench) -> None:
    full, waiting = bench.connect("full", LIMIT), bench.connect("waiting")
    assert not bench.backpressure.admits(waiting)
    bench.backpressure.forget(waiting)
    bench.clock.advance(10 * PATIENCE_S)
    assert bench.log == []
    assert bench.backpressure.connections == {full}


async def test_patience_begins_anew_for_those_who_wait_on(bench: Bench) -> None:
    bench.connect("first", LIMIT)
    bench.connect("second", LIMIT - 1)
    assert not bench.backpressure.admits(bench.connect("waiting"))
    bench.clock.advance(PATIENCE_S + 0.01)
    bench.clock.advance(PATIENCE_S + 0.01)
    assert bench.log == ["first is closed"] * 2, "as long as it has not gone"


async def test_without_a_limit_in_the_configs_there_is_one_of_ours() -> None:
    bench = Bench(**{"queued.max.request.bytes": "-1"})
    assert bench.backpressure.limit == DEFAULT_HELD_BYTES


async def test_stalled_producers_go_on_when_storage_has_caught_up(bench: Bench) -> None:
    producers = [bench.connect("first"), bench.connect("second")]
    for producer in producers * 2:
        bench.backpressure.stall(producer)
    assert bench.log == []
    first, second = bench.when_stored
    first()
    assert bench.log == ["first goes on"], "each in its turn, as the one before may fill it again"
    bench.backpressure.stall(producers[0])
    assert len(bench.when_stored) == 3, "who stalls again stands at the end of the line"
    second()
    assert bench.log == ["first goes on", "second goes on"]
    assert bench.backpressure.stalled == {producers[0]}


async def test_who_has_gone_does_not_go_on_when_storage_has_caught_up(bench: Bench) -> None:
    gone = bench.connect("gone")
    bench.backpressure.stall(gone)
    bench.backpressure.forget(gone)
    [resume] = bench.when_stored
    resume()
    assert bench.log == []


async def test_who_reads_nothing_is_closed_when_all_together_leave_too_much(bench: Bench) -> None:
    reader, small, large = (bench.connect(name) for name in ("reader", "small", "large"))
    bench.leave_unread(reader, LIMIT // 2)
    bench.leave_unread(small, LIMIT // 4)
    bench.leave_unread(large, LIMIT // 4 + 1)
    held = bench.broker.waiting_room.held
    assert held.exceeded
    # It has read some of them.
    reader.unread_bytes -= 1
    bench.clock.advance(PATIENCE_S)
    assert bench.log == ["large is closed"]
    bench.leave_unread(reader, LIMIT)
    # It has read all of them, and got more.
    reader.answered += 1
    bench.clock.advance(PATIENCE_S)
    assert bench.log == ["large is closed", "small is closed"]
    bench.backpressure.forget(reader)
    assert held.used == 0


async def test_who_reads_nothing_stays_while_there_is_memory(bench: Bench) -> None:
    idle = bench.connect("idle")
    bench.leave_unread(idle, LIMIT)
    bench.clock.advance(10 * PATIENCE_S)
    bench.leave_unread(idle, LIMIT + 1)
    bench.leave_unread(idle, LIMIT)
    bench.clock.advance(10 * PATIENCE_S)
    assert bench.log == []


async def test_no_more_are_closed_than_have_to(bench: Bench) -> None:
    for number in range(5):
        bench.leave_unread(bench.connect(str(number)), LIMIT // 4 + number + 1)
    bench.clock.advance(PATIENCE_S)
    # The last one came when there was too much already, and has its time.
    assert bench.log == ["3 is closed", "2 is closed"]
