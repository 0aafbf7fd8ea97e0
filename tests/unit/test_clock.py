"""The manual clock, and the one that runs until it is moved."""

from __future__ import annotations

import asyncio
import time

import pytest

from fakebus.clock import AdjustableClock
from tests.manual_clock import ManualClock


def test_timers_run_in_the_order_of_their_times() -> None:
    clock = ManualClock(1000)
    ran: list[tuple[str, int]] = []
    clock.call_later(2, lambda: ran.append(("late", clock.now_ms())))
    clock.call_later(1, lambda: ran.append(("early", clock.now_ms())))
    clock.advance(0.5)
    assert ran == []
    clock.advance(2)
    assert ran == [("early", 2000), ("late", 3000)]
    assert clock.now_ms() == 3500


def test_a_cancelled_timer_does_not_run() -> None:
    clock = ManualClock()
    ran: list[int] = []
    clock.call_later(1, lambda: ran.append(1)).cancel()
    clock.advance(5)
    assert ran == []


def test_a_timer_may_plan_the_next_one_within_the_same_move() -> None:
    clock = ManualClock(0)
    ran: list[int] = []

    def tick() -> None:
        ran.append(clock.now_ms())
        clock.call_later(1, tick)

    clock.call_later(1, tick)
    clock.advance(3)
    assert ran == [1000, 2000, 3000]


async def test_an_adjustable_clock_runs_with_the_machine() -> None:
    clock = AdjustableClock()
    rung = asyncio.Event()
    before = clock.monotonic()
    clock.call_later(60, lambda: None)
    clock.call_later(0.01, rung.set)
    await asyncio.wait_for(rung.wait(), 60)
    assert clock.monotonic() - before >= 0.01
    assert abs(clock.now_ms() - time.time() * 1000) < 60_000


async def test_a_frozen_clock_rings_only_when_it_is_advanced() -> None:
    clock = AdjustableClock()
    rung = []
    clock.call_later(0, lambda: rung.append("early"))
    clock.freeze()
    clock.call_later(20, lambda: rung.append("late"))
    waited = asyncio.Event()
    clock.wait(0.01, waited.set)
    await asyncio.wait_for(waited.wait(), 60)
    stopped_ms, stopped_s = clock.now_ms(), clock.monotonic()
    assert rung == []
    clock.advance(5)
    assert rung == ["early"]
    assert clock.now_ms() - stopped_ms == pytest.approx(5000, abs=1)
    assert clock.monotonic() - stopped_s == pytest.approx(5)
    clock.advance(15)
    assert rung == ["early", "late"]


async def test_a_running_clock_that_was_advanced_runs_on() -> None:
    clock = AdjustableClock()
    rung = asyncio.Event()
    clock.call_later(3600.05, rung.set)
    clock.advance(3600)
    assert not rung.is_set()
    await asyncio.wait_for(rung.wait(), 60)
    assert clock.now_ms() - time.time() * 1000 == pytest.approx(3_600_000, abs=1000)


async def test_a_clock_is_set_to_any_time_but_timers_never_go_back() -> None:
    clock = AdjustableClock()
    clock.freeze()
    now_ms, rung = clock.now_ms(), []
    clock.call_later(10, lambda: rung.append(clock.now_ms()))
    clock.set(now_ms - 86_400_000)
    assert clock.now_ms() == now_ms - 86_400_000
    assert rung == []
    clock.set(now_ms)
    assert len(rung) == 1
    assert clock.now_ms() == now_ms
    before_s = clock.monotonic()
    clock.reset()
    assert clock.monotonic() >= before_s
    assert abs(clock.now_ms() - time.time() * 1000) < 60_000
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


async def test_an_earlier_timer_rings_before_one_that_was_set_earlier() -> None:
    clock = AdjustableClock()
    rung = asyncio.Event()
    order: list[str] = []
    clock.call_later(0.05, lambda: (order.append("second"), rung.set())[0])
    clock.call_later(0.01, lambda: order.append("first"))
    clock.call_later(0.03, lambda: order.append("never")).cancel()
    await asyncio.wait_for(rung.wait(), 60)
    assert order == ["first", "second"]
