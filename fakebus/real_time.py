"""The machine's time, whatever the tests of a process make of Python's clocks.

Tests freeze clocks, and clients of the bus in C go on with the machine's: a bus that took part
would refuse their records as years ahead, and its waits would never end. freezegun replaces the
functions of :mod:`time` wherever a module holds one, but not clock_gettime; time-machine replaces
what lies beneath them all, and keeps the real ones in its escape hatch.
"""

from __future__ import annotations

import contextlib
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

monotonic = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    if hasattr(time, "clock_gettime")
    else partial(time.monotonic)
)
"""Return seconds on a clock that never goes back."""
_wall_ns = (
    partial(time.clock_gettime_ns, time.CLOCK_REALTIME)
    if hasattr(time, "clock_gettime_ns")
    else partial(time.time_ns)
)


def time_ns() -> int:
    """Return nanoseconds since the epoch."""
    hatch = getattr(sys.modules.get("time_machine"), "escape_hatch", None)
    if hatch is None:
        return _wall_ns()
    # Another thread may set out or come back between any two of these steps.
    while True:
        if hatch.is_travelling():
            with contextlib.suppress(ValueError):
                real_ns: int = hatch.time.time_ns()
                return real_ns
        else:
            now_ns = _wall_ns()
            if not hatch.is_travelling():
                return now_ns


def machine_start_ns() -> int:
    """Return when the machine started, in nanoseconds since the epoch; 0 if it does not tell."""
    boot_clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time_ns() - time.clock_gettime_ns(boot_clock) if boot_clock is not None else 0


def now_ms() -> int:
    """Return milliseconds since the epoch."""
    # Every record asks for them: one call, wherever nothing is replaced.
    if "time_machine" not in sys.modules:
        return _wall_ns() // 1_000_000
    return time_ns() // 1_000_000


def keep_real_time(loop: asyncio.AbstractEventLoop) -> None:
    """Have an event loop's timers run by the machine's clock.

    Loops that have a time of their own, as uvloop and those of other test tools, keep it.
    """
    # Commands that only ask for the time do without it.
    import asyncio

    if getattr(type(loop), "time", None) is asyncio.BaseEventLoop.time:
        loop.time = monotonic  # type: ignore[method-assign]
