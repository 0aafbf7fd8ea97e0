"""The manual clock."""

from __future__ import annotations

from fakebus.clock import ManualClock


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
