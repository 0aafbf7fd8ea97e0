"""Work that the broker does again and again by itself, and that no failure may end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from fakebus.clock import Clock, Timer
from fakebus.errors import FakebusError

logger = logging.getLogger("fakebus.broker")

_SHORTEST_INTERVAL_S = 0.01
"""An interval of 0 is valid for Kafka's threads; here it must not fill the event loop."""


class FailureLog:
    """Log of the failures in the runs of a chore: a line for each kind of them.

    A kind is told again only after a run without it, so that what fails at every run, or for
    every partition, fills no log.

    Args:
        chore: the name of the chore.
    """

    def __init__(self, chore: str) -> None:
        self._chore = chore
        self._told: set[tuple[object, ...]] = set()
        self._kinds: set[tuple[object, ...]] = set()
        self.failed: set[str] = set()
        """What has failed in the present run."""
        self.first: Exception | None = None
        """The first failure of the present run."""

    def begin_run(self) -> None:
        """Start a run, in which nothing has failed yet."""
        self._told, self._kinds = self._kinds, set()
        self.failed.clear()
        self.first = None

    @contextmanager
    def catch(self, what: str) -> Iterator[None]:
        """Log what fails in the block, and let the run go on behind it.

        Args:
            what: what the block works on, for the log.
        """
        try:
            yield
        except Exception as error:
            self.failed.add(what)
            self.first = self.first or error
            kind = _kind(error)
            if kind not in self._told | self._kinds:
                logger.error(
                    "%s failed for %s: %s",
                    self._chore,
                    what,
                    error if str(error) else type(error).__name__,
                    # What is not foreseen needs to be found.
                    exc_info=None if isinstance(error, FakebusError) else error,
                )
            self._kinds.add(kind)


def _kind(error: Exception) -> tuple[object, ...]:
    """Return the type of an error and the place that it comes from."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    place = traceback and (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
    return type(error), place


class Chore:
    """Work that is done again and again, with a pause in between.

    Args:
        name: for the log.
        work: what is done; it is given the log that its failures belong in.
        interval_ms: asked for the length of each pause.
        clock: times the pauses.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[FailureLog], Awaitable[None]],
        interval_ms: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._name = name
        self._work = work
        self._interval_ms = interval_ms
        self._clock = clock
        self._failures = FailureLog(name)
        self._running = asyncio.Lock()
        self._timer: Timer | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Plan the next run."""
        if not self._closed:
            interval_s = max(self._interval_ms() / 1000, _SHORTEST_INTERVAL_S)
            self._timer = self._clock.call_later(interval_s, self._begin)

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run_and_plan_next())

    async def _run_and_plan_next(self) -> None:
        await self.run()
        self.start()

    async def run(self) -> Exception | None:
        """Do the work now; return the first failure, which is in the log."""
        async with self._running:
            self._failures.begin_run()
            with self._failures.catch("the whole run"):
                await self._work(self._failures)
            return self._failures.first

    async def close(self) -> None:
        """Plan nothing more and wait for a run under way."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await self._task
