"""Backpressure: which connections have to wait before more is read from them.

Three things are bounded for all connections together. What producers have sent and is not
stored yet: while there is too much of it, no connection starts another Produce. The bytes
of requests that have come and are not answered: a large frame is taken in only when there is
room, and nothing more is read from a connection that holds more than its share while there is
none. A connection whose requests hold on to memory without being answered is closed when
others wait for it too long. And the bytes of answers that clients do not read: while there is
too much of them what is fetched is small, and those who read nothing for too long are closed.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Protocol

from fakebus.clock import Timer
from fakebus.memory_budget import SHARE_BYTES

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker

DEFAULT_HELD_BYTES = 256 * 1024 * 1024
"""What all connections may hold while ``queued.max.request.bytes`` names no limit."""
PATIENCE_S = 5.0
"""How long others wait for memory before a connection that gives nothing back is closed."""


class PacedConnection(Protocol):
    """Connection as far as backpressure knows it."""

    held_bytes: int
    """Bytes of its requests that are not answered, with the whole of a frame that is coming."""
    answered: int
    """Requests that it has had answers to."""

    @property
    def unread_bytes(self) -> int:
        """Bytes of answers that the client has not taken."""

    def resume(self) -> None:
        """Look again whether to go on."""

    def give_up(self, reason: str) -> None:
        """Close."""


class Backpressure:
    """Backpressure on all connections of a broker.

    Args:
        broker: stores what they produce; its ``queued.max.request.bytes`` is the limit.
    """

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        limit = broker.config.get_int("queued.max.request.bytes")
        self.limit = limit if limit > 0 else DEFAULT_HELD_BYTES
        self.held_bytes = 0
        """What all connections hold."""
        self.connections: set[PacedConnection] = set()
        self.stalled: set[PacedConnection] = set()
        """Those whose next request has to wait until more is stored."""
        self.waiting: dict[PacedConnection, None] = {}
        """Those of which no more is read until there is memory, in their order."""
        self._answered: dict[PacedConnection, int] = {}
        self._resuming = False
        self._patience: Timer | None = None
        self._unread: dict[PacedConnection, int] = {}
        """Bytes of answers that those have not taken which do not read, as far as counted."""
        self._unread_before: dict[PacedConnection, tuple[int, int]] = {}
        """The same when it was looked at last, and how many requests had been answered."""
        self._patience_of_readers: Timer | None = None

    def forget(self, connection: PacedConnection) -> None:
        """Take back what a closed connection held."""
        self.connections.discard(connection)
        self.stalled.discard(connection)
        self.waiting.pop(connection, None)
        self._answered.pop(connection, None)
        self._unread_before.pop(connection, None)
        self.hold(connection, -connection.held_bytes)
        self.count_unread(connection, 0)

    # -- storage --

    def stall(self, connection: PacedConnection) -> None:
        """Let a connection stand in line until there is room for what it produces."""
        if connection not in self.stalled:
            self.stalled.add(connection)
            self.broker.when_there_is_room(partial(self._go_on, connection))

    def _go_on(self, connection: PacedConnection) -> None:
        if connection in self.stalled:
            self.stalled.remove(connection)
            connection.resume()

    # -- memory --

    def hold(self, connection: PacedConnection, size: int) -> None:
        """Count bytes that a connection holds from now on, or no longer if ``size`` is negative."""
        connection.held_bytes += size
        self.held_bytes += size
        if self.waiting and not self._resuming and self.held_bytes < self.limit:
            self._resuming = True
            asyncio.get_running_loop().call_soon(self._resume_waiting)

    def admits(self, connection: PacedConnection) -> bool:
        """Whether there is memory for more from a connection; it is resumed when there is not."""
        if self.held_bytes < self.limit:
            return True
        self.waiting[connection] = None
        if self._patience is None:
            self._be_patient()
        return False

    def _resume_waiting(self) -> None:
        self._resuming = False
        while self.waiting and self.held_bytes < self.limit:
            connection = next(iter(self.waiting))
            del self.waiting[connection]
            connection.resume()

    def _be_patient(self) -> None:
        self._answered = {
            each: each.answered for each in self.connections if each.held_bytes > SHARE_BYTES
        }
        self._patience = self.broker.clock.call_later(PATIENCE_S, self._lose_patience)

    def _lose_patience(self) -> None:
        self._patience = None
        if not self.waiting:
            return
        idle = [each for each, answered in self._answered.items() if each.answered == answered]
        if idle and self.held_bytes >= self.limit:
            largest = max(idle, key=lambda each: each.held_bytes)
            largest.give_up(
                f"its unanswered requests hold {largest.held_bytes} bytes while others wait for "
                f"the {self.limit} of queued.max.request.bytes"
            )
        self._be_patient()

    # -- answers --

    def count_unread(self, connection: PacedConnection, size: int) -> None:
        """Count the bytes of answers that a connection's client has not taken."""
        held = self.broker.waiting_room.held
        held.used += size - self._unread.pop(connection, 0)
        if size:
            self._unread[connection] = size
            if held.exceeded and self._patience_of_readers is None:
                self._wait_for_readers()

    def _wait_for_readers(self) -> None:
        self._unread_before = {each: (each.unread_bytes, each.answered) for each in self._unread}
        self._patience_of_readers = self.broker.clock.call_later(PATIENCE_S, self._close_unread)

    def _close_unread(self) -> None:
        self._patience_of_readers = None
        held = self.broker.waiting_room.held
        if not held.exceeded:
            return
        idle = [
            each
            for each, (size, answered) in self._unread_before.items()
            if each in self._unread and each.unread_bytes >= size and each.answered == answered
        ]
        for each in sorted(idle, key=self._unread.__getitem__, reverse=True):
            if not held.exceeded:
                break
            each.give_up(
                f"it has read nothing of {self._unread[each]} bytes of answers for "
                f"{PATIENCE_S:.0f} s, while all clients together hold more than {held.limit}"
            )
            self.count_unread(each, 0)
        if held.exceeded:
            self._wait_for_readers()

    def close(self) -> None:
        """Stop waiting."""
        for timer in (self._patience, self._patience_of_readers):
            if timer is not None:
                timer.cancel()
