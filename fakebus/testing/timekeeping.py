"""The time of a bus, in the hands of a test."""

from __future__ import annotations

from datetime import UTC, datetime

from fakebus.broker.broker import Broker
from fakebus.clock import AdjustableClock


class Timekeeper:
    """Stops and moves a bus's clock; coroutines in the bus's own event loop.

    Timestamps, retention, session and rebalance timeouts follow this clock. How long clients
    are kept waiting for records does not, since they count that time themselves.

    Args:
        broker: the bus.
        clock: its clock.
    """

    def __init__(self, broker: Broker, clock: AdjustableClock) -> None:
        self._broker = broker
        self._clock = clock

    async def now(self) -> datetime:
        """Return the time on the bus."""
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)

    async def freeze(self) -> None:
        """Stop the time: no session times out and nothing gets older."""
        self._clock.freeze()

    async def resume(self) -> None:
        """Let the time run on from where it stands."""
        self._clock.resume()

    async def advance(self, seconds: float) -> None:
        """Move the time forward; what is due on the way happens before this returns.

        Retention is enforced at the new time, however long its interval is.

        Args:
            seconds: how far.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        self._clock.advance(seconds)
        await self._let_it_happen()

    async def set(self, time: datetime) -> None:
        """Make it that time on the bus.

        Going forward is like :meth:`advance`. Going back changes timestamps only: what is
        due after some time stays due after that time.

        Args:
            time: with a time zone.

        Raises:
            ValueError: ``time`` has no time zone.
        """
        if time.tzinfo is None:
            raise ValueError("a time without a time zone says nothing; use datetime.UTC")
        self._clock.set(round(time.timestamp() * 1000))
        await self._let_it_happen()

    async def _let_it_happen(self) -> None:
        await self._broker.run_housekeeping()
        await self._broker.settle()
