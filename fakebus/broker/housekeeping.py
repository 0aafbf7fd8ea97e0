"""What the broker does from time to time by itself.

Retention, forgetting old producers, and compaction.
"""

from __future__ import annotations

from fakebus.broker.chores import Chore
from fakebus.broker.compaction.cleaner import LogCleaner
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.retention import Retention
from fakebus.broker.topics import Topics
from fakebus.clock import Clock


class Housekeeping:
    """Runs retention and compaction, each in its own interval, on the broker's clock.

    Args:
        topics: whose logs are looked after.
        config: gives the intervals and the age at which producer ids expire.
        clock: times the runs.
    """

    def __init__(self, topics: Topics, config: BrokerConfig, clock: Clock) -> None:
        self._cleaner = LogCleaner(topics, config, clock)
        self._chores = (
            Chore(
                "retention",
                Retention(topics, config, clock).run,
                lambda: config.get_int("log.retention.check.interval.ms"),
                clock,
            ),
            Chore(
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
        """Enforce retention, expire idle producers and compact logs, now.

        Raises:
            Exception: the first failure; what is behind it was done all the same.
        """
        failures = [await chore.run() for chore in self._chores]
        for failure in failures:
            if failure is not None:
                raise failure

    async def close(self) -> None:
        """Plan nothing more and wait for runs under way."""
        self._cleaner.stop()
        for chore in self._chores:
            await chore.close()
