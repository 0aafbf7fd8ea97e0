"""What the broker does from time to time by itself.

Retention, forgetting old producers, and compaction.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.log_cleaner import LogCleaner
from fakebus.broker.topics import Topics
from fakebus.clock import Clock, Timer
from fakebus.errors import FakebusError

logger = logging.getLogger("fakebus.broker")

_SHORTEST_INTERVAL_S = 0.01
"""An interval of 0 is valid for Kafka's threads; here it must not fill the event loop."""


class _Chore:
    """Something that is done again and again, with a pause in between.

    Args:
        name: for the log.
        work: what is done.
        interval_ms: asked for the length of each pause.
        clock: times the pauses.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        interval_ms: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._name = name
        self._work = work
        self._interval_ms = interval_ms
        self._clock = clock
        self._timer: Timer | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Plan the next run."""
        interval_s = max(self._interval_ms() / 1000, _SHORTEST_INTERVAL_S)
        self._timer = self._clock.call_later(interval_s, self._begin)

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run_and_plan_next())

    async def _run_and_plan_next(self) -> None:
        try:
            await self._work()
        except FakebusError as error:
            logger.warning("%s did not run: %s", self._name, error)
        self.start()

    async def close(self) -> None:
        """Plan nothing more and wait for a run under way."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await self._task
            if self._timer is not None:
                self._timer.cancel()


class Housekeeping:
    """Runs retention and compaction, each in its own interval, on the broker's clock.

    Args:
        topics: whose logs are looked after.
        config: gives the intervals and the age at which producer ids expire.
        clock: times the runs.
    """

    def __init__(self, topics: Topics, config: BrokerConfig, clock: Clock) -> None:
        self._topics = topics
        self._config = config
        self._clock = clock
        self._cleaner = LogCleaner(topics, config, clock)
        self._chores = (
            _Chore(
                "retention",
                self._enforce_retention,
                lambda: config.get_int("log.retention.check.interval.ms"),
                clock,
            ),
            _Chore(
                "compaction",
                self._cleaner.run,
                lambda: config.get_int("log.cleaner.backoff.ms"),
                clock,
            ),
        )

    def start(self) -> None:
        """Plan the first runs."""
        for chore in self._chores:
            chore.start()

    async def run(self) -> None:
        """Enforce retention, expire idle producers and compact logs, now."""
        await self._enforce_retention()
        await self._cleaner.run()

    async def _enforce_retention(self) -> None:
        now_ms = self._clock.now_ms()
        expiration_ms = self._config.get_int("producer.id.expiration.ms")
        for topic in self._topics:
            for log in topic.partitions:
                log.producers.expire(now_ms - expiration_ms)
                await log.enforce_retention(now_ms)

    async def close(self) -> None:
        """Plan nothing more and wait for runs under way."""
        self._cleaner.stop()
        for chore in self._chores:
            await chore.close()
