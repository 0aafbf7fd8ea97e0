"""What the broker does from time to time by itself: retention, and forgetting old producers."""

from __future__ import annotations

import asyncio
import logging

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.topics import Topics
from fakebus.clock import Clock, Timer
from fakebus.errors import FakebusError

logger = logging.getLogger("fakebus.broker")


class Housekeeping:
    """Runs every log.retention.check.interval.ms on the broker's clock.

    Args:
        topics: whose logs are looked after.
        config: gives the interval and the age at which producer ids expire.
        clock: times the runs.
    """

    def __init__(self, topics: Topics, config: BrokerConfig, clock: Clock) -> None:
        self._topics = topics
        self._config = config
        self._clock = clock
        self._timer: Timer | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Plan the first run."""
        interval_s = self._config.get_int("log.retention.check.interval.ms") / 1000
        self._timer = self._clock.call_later(interval_s, self._begin)

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run_and_plan_next())

    async def _run_and_plan_next(self) -> None:
        try:
            await self.run()
        except FakebusError as error:
            logger.warning("retention did not run: %s", error)
        self.start()

    async def run(self) -> None:
        """Enforce retention on every log and expire idle producers, now."""
        now_ms = self._clock.now_ms()
        expiration_ms = self._config.get_int("producer.id.expiration.ms")
        for topic in self._topics:
            for log in topic.partitions:
                log.producers.expire(now_ms - expiration_ms)
                await log.enforce_retention(now_ms)

    async def close(self) -> None:
        """Plan nothing more and wait for a run under way."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await self._task
            if self._timer is not None:
                self._timer.cancel()
