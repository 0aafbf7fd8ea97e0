"""Sharing the event loop between work that can wait and requests that should not.

A message that hundreds of waiting consumers want makes hundreds of answers. Written in one
go they would keep every producer waiting, so they take turns: what exceeds the budget of one
turn of the event loop stands in line for the next turns, between which sockets are served.

A request that names ten thousands of things is carried out in slices, see :func:`in_turns`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

from fakebus.real_time import monotonic

T = TypeVar("T")
U = TypeVar("U")

_BUSY_S = 0.00005
"""A turn of the event loop that takes this long has had requests in it."""
_BUSY_FOR_S = 0.02
"""For how long others are taken to go on with what they did."""
_TURN_S = 0.0001
_REST_S = 0.002
"""Of a search and the like while others have requests."""

_LONG_S = 0.003
"""A turn that others should have time behind."""

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

    Of all that do so, one goes on in a turn of the event loop.

    Args:
        items: what a request names.
    """
    slices = Slices()
    for item in items:
        await slices.keep()
        yield item


class Slices:
    """Slices of time, between which the event loop is left to others; see :func:`in_turns`."""

    def __init__(self) -> None:
        self._until = monotonic() + SLICE_S

    async def keep(self) -> None:
        """Leave the event loop to others if the slice is used up; called before each item."""
        if monotonic() > self._until:
            await asyncio.sleep(0)
            loop = asyncio.get_running_loop()
            await _lines.setdefault(loop, Turnstile()).turn()
            self._until = monotonic() + SLICE_S


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


class Turnstile:
    """Turnstile that lets one through in a turn of the event loop, and rests after long turns.

    An acknowledgement takes several turns; dozens of long ones in a row would add up in between.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._passed_s = 0.0

    async def turn(self) -> None:
        """Return when it is one's turn."""
        waits = self._lock.locked()
        await self._lock.acquire()
        try:
            if waits and monotonic() - self._passed_s > _LONG_S:
                await asyncio.sleep(_REST_S)
        finally:
            self._passed_s = monotonic()
            asyncio.get_running_loop().call_soon(self._lock.release)


_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, Turnstile] = WeakKeyDictionary()
"""Where those stand that have used up a slice of time."""


class SharedWork:
    """Work that is done once for all who ask for it before it begins.

    Who asks while it is under way gets the outcome of the next time, so that no answer is older
    than its question. However many ask, it is under way once.
    """

    def __init__(self) -> None:
        self._running: asyncio.Future[Any] | None = None
        self._next: asyncio.Future[Any] | None = None
        self._answers = Turnstile()

    async def outcome(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what ``work`` returns, or what that of another does; one asker a turn."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._work(self._running, work))
        # Who gives up does not end it for the others.
        found = await asyncio.shield(self._next)
        # What they make of it they would else all make in one turn.
        await self._answers.turn()
        return cast(T, found)

    async def _work(
        self, before: asyncio.Future[Any] | None, work: Callable[[], Awaitable[T]]
    ) -> T:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        try:
            return await work()
        finally:
            if self._next is None:
                self._running = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody has asked for what is not done."""
        return self._running is None and self._next is None


class SharedWorks:
    """Shared works by what they are; each is kept for as long as it is under way."""

    def __init__(self) -> None:
        self._works: dict[Hashable, SharedWork] = {}

    async def outcome(self, what: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return what ``work`` returns; see :meth:`SharedWork.outcome`."""
        shared = self._works.setdefault(what, SharedWork())
        try:
            return await shared.outcome(work)
        finally:
            if shared.is_idle and self._works.get(what) is shared:
                del self._works[what]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._works


class _Round:
    """Round of questions.

    Args:
        known: what the questions find out and the next ones need not.
    """

    def __init__(self, known: Any) -> None:
        self.known = known
        self.askers = 0
        self.turns = asyncio.Lock()
        self.is_begun = False


class Rounds(Generic[T]):
    """Rounds of questions that are answered one by one; each begins with what those before found.

    A question belongs to a round that begins after it was asked, so that no answer is older than
    its question; and some rounds are under way at once, so that a large one holds up others less.

    Args:
        new: returns what a round knows before its first question has its turn.
        most_at_once: rounds under way at once.
        most_askers: questions of a round, so that what it knows does not live for ever.
    """

    def __init__(self, new: Callable[[], T], most_at_once: int = 2, most_askers: int = 100) -> None:
        self._new = new
        self._most_askers = most_askers
        self._free = asyncio.Semaphore(most_at_once)
        self._open: _Round | None = None
        """The round that those belong to who ask now."""

    async def ask(self, answer: Callable[[T], Awaitable[U]]) -> U:
        """Return what ``answer`` makes of what is known, when its turn has come."""
        mine = self._open
        if mine is None or mine.askers >= self._most_askers:
            mine = self._open = _Round(self._new())
        mine.askers += 1
        try:
            # Locks let those in first who came first.
            async with mine.turns:
                if not mine.is_begun:
                    await self._free.acquire()
                    mine.is_begun = True
                    if self._open is mine:
                        self._open = None
                return await answer(mine.known)
        finally:
            mine.askers -= 1
            if mine.is_begun and not mine.askers:
                self._free.release()
