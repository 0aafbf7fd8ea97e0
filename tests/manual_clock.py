"""A clock for tests of what waits: no event loop turns its timers, the test does."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from fakebus.clock import Timer, _Timer


class ManualClock:
    """Clock that moves only when it is told to.

    Args:
        now_ms: where the wall clock starts, in milliseconds since the epoch.
    """

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = now_ms
        self._elapsed_s = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _Timer]] = []

    def now_ms(self) -> int:
        """Return the start time plus all that :meth:`advance` has added."""
        return self._start_ms + round(self._elapsed_s * 1000)

    def monotonic(self) -> float:
        """Return the seconds that :meth:`advance` has added."""
        return self._elapsed_s

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Keep ``callback`` until :meth:`advance` passes its time."""
        timer = _Timer(callback)
        due = self._elapsed_s + max(0.0, delay_s)
        heapq.heappush(self._timers, (due, next(self._order), timer))
        return timer

    def wait(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Keep ``callback`` until :meth:`advance` passes its time."""
        return self.call_later(delay_s, callback)

    def advance(self, seconds: float) -> None:
        """Move the time forward and run every timer that becomes due, in order."""
        target = self._elapsed_s + seconds
        while self._timers and self._timers[0][0] <= target:
            due, _, timer = heapq.heappop(self._timers)
            self._elapsed_s = max(self._elapsed_s, due)
            timer.ring()
        self._elapsed_s = target
