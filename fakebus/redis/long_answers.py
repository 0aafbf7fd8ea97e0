"""Turns of long answers: clients that do not read take no more memory than a few of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextvars import ContextVar

from fakebus.limited_log import LimitedLog
from fakebus.real_time import monotonic

_limited = LimitedLog(logging.getLogger("fakebus.redis"))

_LONG_BYTES = 1024 * 1024
"""Of entries, beyond which an answer is long."""
MOST_AT_ONCE = 2
"""Entries and their answer are held beside each other for a moment: two times 64 MB each."""
PATIENCE_S = 5.0
"""For how long a client may take nothing of a long answer while others wait for theirs."""


class Turns:
    """Turns of the long answers of all connections."""

    def __init__(self) -> None:
        self._held: set[Turn] = set()
        self._free = asyncio.Event()

    async def take(self, turn: Turn) -> None:
        """Return when there is one."""
        while len(self._held) >= MOST_AT_ONCE:
            slowest = min(self._held, key=lambda each: each.moved_s)
            wait_s = slowest.moved_s + PATIENCE_S - monotonic()
            if wait_s <= 0:
                self.give_back(slowest)
                slowest.drop()
                continue
            self._free.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._free.wait()
        self._held.add(turn)

    def has(self, turn: Turn) -> bool:
        """Whether a turn is taken."""
        return turn in self._held

    def give_back(self, turn: Turn) -> None:
        """Let others have theirs."""
        self._held.discard(turn)
        self._free.set()


class Turn:
    """Turn of one connection.

    Args:
        turns: those of all.
        abort: ends the connection.
        who: the client, for the log.
    """

    def __init__(self, turns: Turns, abort: Callable[[], None], who: object) -> None:
        self._turns = turns
        self._abort = abort
        self._who = who
        self.moved_s = 0.0
        """When the answer was last got on with."""

    async def take(self) -> None:
        """Wait for the turn, unless it is taken already."""
        if not self._turns.has(self):
            await self._turns.take(self)
        self.move()

    def move(self) -> None:
        """Note that the answer was got on with."""
        self.moved_s = monotonic()

    def give_back(self) -> None:
        """Note that the answer is not held any more."""
        self._turns.give_back(self)

    def drop(self) -> None:
        """End the connection, whose client takes nothing while others wait."""
        _limited.warning(
            "a connection of %s to Redis was closed: it took nothing of a long answer for %g s "
            "while others waited for theirs",
            self._who,
            PATIENCE_S,
        )
        self._abort()


CURRENT: ContextVar[Turn | None] = ContextVar("CURRENT", default=None)
"""The turn of the connection whose command is carried out."""


async def wait_for_turn(size: int) -> None:
    """Wait for the turn of the command that is carried out, if its answer is a long one.

    Args:
        size: the bytes of the entries that it has so far.
    """
    turn = CURRENT.get()
    if size > _LONG_BYTES and turn is not None:
        await turn.take()
