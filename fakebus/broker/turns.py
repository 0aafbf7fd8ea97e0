"""Sharing the event loop between work that can wait and requests that should not.

A message that hundreds of waiting consumers want makes hundreds of answers. Written in one
go they would keep every producer waiting, so they take turns: what exceeds the budget of one
turn of the event loop stands in line for the next turns, between which sockets are served.

A request that names ten thousands of things is carried out in slices, see :func:`in_turns`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

from fakebus.real_time import monotonic

T = TypeVar("T")

_BUSY_S = 0.00005
"""A turn of the event loop that takes this long has had requests in it."""
_BUSY_FOR_S = 0.02
"""For how long others are taken to go on with what they did."""
_TURN_S = 0.0001
_REST_S = 0.002
"""Of a search and the like while others have requests."""

LARGE_REQUEST_BYTES = 16 * 1024
"""Requests from this size on may name so much that it is done in turns."""
SLICE_S = 0.005
"""How long one slice of such a request keeps the event loop."""
TURN_UNITS = 250
"""Work in one turn of the event loop, some 1 ms: a partition of a fetch is one unit."""


class TurnBudget:
    """Budget of work in one turn of the event loop; work beyond it waits in line.

    A piece of work that is larger than the budget has a turn of its own.

    Args:
        units: the budget.
    """

    def __init__(self, units: int = TURN_UNITS) -> None:
        self._units = units
        self._left = units
        self._line: deque[tuple[int, Callable[[], None]]] = deque()
        self._planned = False

    def run(self, units: int, work: Callable[[], None]) -> None:
        """Do a piece of work, now if its turn has come already.

        Args:
            units: what it costs.
            work: is called once.
        """
        if self._line or self._left <= 0:
            self.run_later(units, work)
            return
        self._left -= units
        work()
        if self._left <= 0:
            self._plan()

    def run_later(self, units: int, work: Callable[[], None]) -> None:
        """Do a piece of work in one of the next turns of the event loop."""
        self._line.append((units, work))
        self._plan()

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._planned = False
        self._left = self._units
        try:
            while self._line and self._left > 0:
                units, work = self._line.popleft()
                self._left -= units
                work()
        finally:
            # Also when a piece has failed: the others must not wait for ever.
            if self._line:
                self._plan()


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield items, and leave the event loop to others whenever a slice of time is used up.

    Args:
        items: what a request names.
    """
    until = monotonic() + SLICE_S
    for item in items:
        if monotonic() > until:
            await asyncio.sleep(0)
            until = monotonic() + SLICE_S
        yield item


class Pace:
    """Pace of work that nobody waits for as long as others have requests.

    Such work takes turns of a tenth of a millisecond. It goes on at once when the loop has
    nothing else to do, and else after a rest, so that few acknowledgements meet a turn of it.

    Args:
        rest_s: how long it rests while others have requests; 0 for what is soon done.
    """

    def __init__(self, rest_s: float = _REST_S) -> None:
        self._rest_s = rest_s
        self._until = monotonic() + _TURN_S
        self._busy_until = 0.0

    async def keep(self) -> None:
        """Give way to others if the turn is used up; called after every small piece of work."""
        began = monotonic()
        if began < self._until:
            return
        await asyncio.sleep(self._rest_s if began < self._busy_until else 0)
        now = monotonic()
        if self._busy_until <= began and now - began > _BUSY_S:
            self._busy_until = now + _BUSY_FOR_S
        self._until = now + _TURN_S
