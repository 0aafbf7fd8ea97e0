"""Sessions of members: how long they may be silent."""

from __future__ import annotations

from collections.abc import Callable

from fakebus.clock import Clock, Timer

_TOLERANCE_S = 0.001


class Session:
    """Session of a member, which ends when nothing was heard of it for too long.

    It is extended with every heartbeat and every offset commit, far more often than it ends, so
    the timer is left where it is and looks again when it rings.

    Args:
        clock: where time comes from.
        on_passed: called when the session has ended; it rings again only after
            :meth:`extend`.
    """

    __slots__ = ("_clock", "_due_s", "_extended_s", "_on_passed", "_rings_s", "_timer")

    def __init__(self, clock: Clock, on_passed: Callable[[], None]) -> None:
        self._clock = clock
        self._on_passed = on_passed
        self._due_s = 0.0
        self._extended_s = clock.monotonic()
        self._rings_s = 0.0
        self._timer: Timer | None = None

    def extend(self, timeout_ms: int) -> None:
        """Let the session end ``timeout_ms`` milliseconds from now."""
        self._extended_s = self._clock.monotonic()
        self._due_s = self._extended_s + timeout_ms / 1000
        if self._timer is not None and self._rings_s <= self._due_s:
            return
        self.cancel()
        self._wind_up(timeout_ms / 1000)

    @property
    def silent_ms(self) -> int:
        """How long ago it was extended last."""
        return round((self._clock.monotonic() - self._extended_s) * 1000)

    def cancel(self) -> None:
        """Never call back, unless the session is extended again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wind_up(self, delay_s: float) -> None:
        self._rings_s = self._due_s
        self._timer = self._clock.call_later(delay_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        left_s = self._due_s - self._clock.monotonic()
        # Event loops may ring a little early.
        if left_s > _TOLERANCE_S:
            self._wind_up(left_s)
        else:
            self._on_passed()
