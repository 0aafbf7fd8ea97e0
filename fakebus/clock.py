"""Time as the broker sees it, so that tests can stop it and move it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Protocol

from fakebus import real_time


class Timer(Protocol):
    """A callback that is due later and may be cancelled."""

    def cancel(self) -> None:
        """Make sure that the callback does not run any more."""


class Clock(Protocol):
    """Clock that the broker takes the time and its timers from."""

    def now_ms(self) -> int:
        """Return the wall-clock time in milliseconds since the epoch."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` on the event loop after ``delay_s`` seconds."""

    def wait(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` when a client has been kept waiting for ``delay_s`` seconds.

        Clients count these seconds too, so they pass even where the time is stopped.
        """


async def keep_waiting(clock: Clock, seconds: float) -> None:
    """Return when a client has been kept waiting for so long; see :meth:`Clock.wait`."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.wait(seconds, lambda: over.set_result(None))
    try:
        await over
    finally:
        timer.cancel()


class SystemClock:
    """The machine's clock and the running event loop's timers."""

    now_ms = staticmethod(real_time.now_ms)

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return real_time.monotonic()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` on the event loop after ``delay_s`` seconds."""
        return asyncio.get_running_loop().call_later(delay_s, callback)

    def wait(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` on the event loop after ``delay_s`` seconds."""
        return self.call_later(delay_s, callback)


class _Timer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None

    def ring(self) -> None:
        if self.callback is not None:
            self.callback()


class AdjustableClock:
    """Runs with the machine's clock until it is stopped or moved; for a bus under test.

    All of it belongs to the thread of the event loop that the timers run in.
    """

    def __init__(self) -> None:
        self._start_s = real_time.monotonic()
        self._moved_s = 0.0
        """How far :meth:`monotonic` is ahead of the machine's."""
        self._wall_ms = 0.0
        """How far :meth:`now_ms` is ahead of the machine's, while the time runs."""
        self._frozen_s: float | None = None
        self._frozen_ms = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._ringer: asyncio.TimerHandle | None = None
        self._rings_s = 0.0

    def now_ms(self) -> int:
        """Return the wall-clock time in milliseconds since the epoch, as it was moved."""
        return int(self._now_ms())

    def _now_ms(self) -> float:
        if self._frozen_s is not None:
            return self._frozen_ms
        return real_time.time_ns() / 1_000_000 + self._wall_ms

    def monotonic(self) -> float:
        """Return seconds that stand still when frozen and never go back."""
        if self._frozen_s is not None:
            return self._frozen_s
        return real_time.monotonic() - self._start_s + self._moved_s

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` when this clock has gone on by ``delay_s`` seconds."""
        timer = _Timer(callback)
        due = self.monotonic() + max(0.0, delay_s)
        heapq.heappush(self._timers, (due, next(self._order), timer))
        self._wind_up()
        return timer

    def wait(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` after ``delay_s`` seconds on the machine's clock."""
        return asyncio.get_running_loop().call_later(delay_s, callback)

    def freeze(self) -> None:
        """Stop the time; timers ring only when :meth:`advance` passes them."""
        if self._frozen_s is None:
            self._frozen_ms, self._frozen_s = self._now_ms(), self.monotonic()

    def resume(self) -> None:
        """Let the time run on from where it stands."""
        if self._frozen_s is None:
            return
        self._moved_s = self._frozen_s - (real_time.monotonic() - self._start_s)
        self._wall_ms = self._frozen_ms - real_time.time_ns() / 1_000_000
        self._frozen_s = None
        if self._ringer is not None:
            self._ringer.cancel()
            self._ringer = None
        self._wind_up()

    def advance(self, seconds: float) -> None:
        """Move the time forward and ring every timer that becomes due, in order.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError("time does not go back; see set()")
        was_running = self._frozen_s is None
        self.freeze()
        start_s, start_ms = self.monotonic(), self._frozen_ms
        target = start_s + seconds
        while self._timers and self._timers[0][0] <= target:
            due, _, timer = heapq.heappop(self._timers)
            self._frozen_s = max(self.monotonic(), due)
            self._frozen_ms = start_ms + (self._frozen_s - start_s) * 1000
            timer.ring()
        self._frozen_s, self._frozen_ms = target, start_ms + seconds * 1000
        if was_running:
            self.resume()

    def set(self, now_ms: int) -> None:
        """Make it that time; timers on the way there ring, and none when it is earlier."""
        ahead_ms = now_ms - self._now_ms()
        if ahead_ms > 0:
            self.advance(ahead_ms / 1000)
        if self._frozen_s is not None:
            self._frozen_ms = float(now_ms)
        else:
            self._wall_ms = now_ms - real_time.time_ns() / 1_000_000

    def reset(self) -> None:
        """Show the machine's time again; :meth:`monotonic` goes on from where it is."""
        self.resume()
        self._wall_ms = 0.0

    def _wind_up(self) -> None:
        if self._frozen_s is not None or not self._timers:
            return
        due = self._timers[0][0]
        if self._ringer is not None:
            if self._rings_s <= due:
                return
            self._ringer.cancel()
        self._rings_s = due
        self._ringer = asyncio.get_running_loop().call_later(
            max(0.0, due - self.monotonic()), self._ring
        )

    def _ring(self) -> None:
        self._ringer = None
        while self._frozen_s is None and self._timers and self._timers[0][0] <= self.monotonic():
            heapq.heappop(self._timers)[2].ring()
        self._wind_up()
