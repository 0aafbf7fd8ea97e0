"""Time as the broker sees it, so that tests can stop it and move it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A callback that is due later and may be cancelled."""

    def cancel(self) -> None:
        """Make sure that the callback does not run any more."""


class Clock(Protocol):
    """Where the broker takes the time and its timers from."""

    def now_ms(self) -> int:
        """Return the wall-clock time in milliseconds since the epoch."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` on the event loop after ``delay_s`` seconds."""


class SystemClock:
    """The machine's clock and the running event loop's timers."""

    def now_ms(self) -> int:
        """Return the wall-clock time in milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` on the event loop after ``delay_s`` seconds."""
        return asyncio.get_running_loop().call_later(delay_s, callback)


class _ManualTimer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """A clock that moves only when it is told to; for tests.

    Args:
        now_ms: where the wall clock starts, in milliseconds since the epoch.
    """

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = now_ms
        self._elapsed_s = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _ManualTimer]] = []

    def now_ms(self) -> int:
        """Return the start time plus all that :meth:`advance` has added."""
        return self._start_ms + round(self._elapsed_s * 1000)

    def monotonic(self) -> float:
        """Return the seconds that :meth:`advance` has added."""
        return self._elapsed_s

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Keep ``callback`` until :meth:`advance` passes its time."""
        timer = _ManualTimer(callback)
        due = self._elapsed_s + max(0.0, delay_s)
        heapq.heappush(self._timers, (due, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Move the time forward and run every timer that becomes due, in order."""
        target = self._elapsed_s + seconds
        while self._timers and self._timers[0][0] <= target:
            due, _, timer = heapq.heappop(self._timers)
            self._elapsed_s = max(self._elapsed_s, due)
            if timer.callback is not None:
                timer.callback()
        self._elapsed_s = target
