"""Rates of what clients do, measured as Kafka measures them, and how long one too many waits."""

from __future__ import annotations

from collections import deque


class Rate:
    """Rate over the last samples: Kafka's ``Rate``.

    Args:
        samples: how many are kept.
        window_ms: how long each is, in milliseconds.
    """

    __slots__ = ("_samples", "_window_ms", "_windows")

    def __init__(self, samples: int, window_ms: int) -> None:
        self._samples = samples
        self._window_ms = window_ms
        self._windows: deque[tuple[float, float]] = deque()
        """When each sample began, and its sum."""

    def record(self, value: float, now_ms: float) -> None:
        """Count a value, or take one back if it is negative."""
        windows = self._windows
        if windows and now_ms - windows[-1][0] < self._window_ms:
            start, total = windows.pop()
            windows.append((start, total + value))
        else:
            windows.append((now_ms, value))
        self._forget(now_ms)

    def is_idle(self, now_ms: float) -> bool:
        """Return whether nothing that was counted still matters."""
        self._forget(now_ms)
        return not self._windows

    def _forget(self, now_ms: float) -> None:
        while self._windows and now_ms - self._windows[0][0] >= self._samples * self._window_ms:
            self._windows.popleft()

    def excess_ms(self, bound: float, now_ms: float) -> int:
        """Return for how many milliseconds nothing may be counted, so that a bound is kept.

        Args:
            bound: what is allowed in a second.
            now_ms: the time.
        """
        self._forget(now_ms)
        if not self._windows:
            return 0
        # Of a rate that has only begun, all but the last sample are taken for whole.
        elapsed_ms = now_ms - self._windows[0][0]
        missing = max(self._samples - 1 - int(elapsed_ms / self._window_ms), 0)
        elapsed_ms = max(elapsed_ms + missing * self._window_ms, 1.0)
        rate = sum(total for _, total in self._windows) / elapsed_ms * 1000
        return round((rate - bound) / bound * elapsed_ms) if rate > bound else 0


class TokenBucket:
    """Bucket that fills at the rate of its bound and may be overdrawn once (KIP-599).

    Args:
        burst_s: for how many seconds it can fill up.
        now_ms: the time; a new bucket is full.
    """

    __slots__ = ("_burst_s", "_tokens", "_updated_ms")

    def __init__(self, burst_s: float, bound: float, now_ms: float) -> None:
        self._burst_s = burst_s
        self._tokens = burst_s * bound
        self._updated_ms = now_ms

    def excess_ms(self, bound: float, now_ms: float) -> int:
        """Return for how many milliseconds it is overdrawn; see :meth:`Rate.excess_ms`."""
        filled = self._tokens + bound * (now_ms - self._updated_ms) / 1000
        self._tokens = min(self._burst_s * bound, filled)
        self._updated_ms = now_ms
        return max(round(-self._tokens / bound * 1000), 0)

    def record(self, value: float, now_ms: float) -> None:
        """Take tokens; :meth:`excess_ms` comes before."""
        self._tokens -= value
        self._updated_ms = now_ms

    def is_idle(self, now_ms: float) -> bool:
        """Return whether it is full again, whatever its bound is."""
        return now_ms - self._updated_ms >= self._burst_s * 1000 and self._tokens >= 0
